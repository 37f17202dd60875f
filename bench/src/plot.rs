//! Plots, as SVG.

use std::path::Path;

use hdrhistogram::Histogram;
use plotters::prelude::*;

use crate::Error;

const SIZE: (u32, u32) = (960, 480);
const COLOURS: [RGBColor; 4] =
    [RGBColor(120, 120, 120), RGBColor(31, 119, 180), RGBColor(214, 39, 40), RGBColor(44, 160, 44)];

/// A bar for each value, with its name.
pub(crate) fn bars(file: &Path, title: &str, values: &[(&str, f64)]) -> Result<(), Error> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let most = values.iter().map(|(_, value)| *value).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(32)
        .y_label_area_size(240)
        .build_cartesian_2d(0.0..most * 1.1, (0..values.len() as i32).into_segmented())?;
    // The first at the top.
    let name = |at: &SegmentValue<i32>| match at {
        SegmentValue::CenterOf(at) | SegmentValue::Exact(at) => {
            let from_top = values.len().checked_sub(1 + usize::try_from(*at).unwrap_or(usize::MAX));
            from_top.and_then(|at| values.get(at)).map_or(String::new(), |(name, _)| (*name).to_owned())
        }
        SegmentValue::Last => String::new(),
    };
    let thousands = |value: &f64| format!("{:.0}k", value / 1000.0);
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(values.len())
        .y_label_formatter(&name)
        .x_label_formatter(&thousands)
        .draw()?;
    let bars = values.iter().rev().zip(0..).map(|((name, value), at)| {
        let colour = if name.starts_with("floor") { COLOURS[0] } else { COLOURS[1] };
        Rectangle::new([(0.0, SegmentValue::Exact(at)), (*value, SegmentValue::Exact(at + 1))], colour.filled())
    });
    chart.draw_series(bars.map(|mut bar| {
        bar.set_margin(3, 3, 0, 0);
        bar
    }))?;
    Ok(root.present()?)
}

/// A line for each histogram: microseconds by percentile, with a finer scale towards the last.
pub(crate) fn latencies(file: &Path, title: &str, lines: &[(&str, Histogram<u64>)]) -> Result<(), Error> {
    const PARTS: [(f64, &str); 7] =
        [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99"), (0.99999, "99.999")];
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    // Of the part that is slower, the number of nines.
    let nines = |part: f64| -(1.0 - part).log10();
    let last = nines(PARTS[PARTS.len() - 1].0);
    let most = lines.iter().map(|(_, line)| line.max() as f64 / 1000.0).fold(100.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last, (10.0..most).log_scale())?;
    let percentile = |at: &f64| {
        let text = format!("{:.3}", 100.0 * (1.0 - 10f64.powf(-at)));
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    chart.configure_mesh().x_desc("percentile").y_desc("µs").x_labels(6).x_label_formatter(&percentile).draw()?;
    for ((name, line), colour) in lines.iter().zip(COLOURS) {
        let points = (0..=100).map(|step| last * f64::from(step) / 100.0);
        let points = points.map(|at| (at, line.value_at_quantile(1.0 - 10f64.powf(-at)) as f64 / 1000.0));
        let drawn = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        drawn.label(*name).legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    Ok(root.present()?)
}
