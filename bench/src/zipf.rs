//! A choice by Zipf's law: the k-th of many things is asked for as often as 1/k says, as keys in use are.

/// A table of the law with exponent 1.
pub(crate) struct Zipf {
    /// Sums of the probabilities.
    sums: Vec<f64>,
}

impl Zipf {
    pub(crate) fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = Vec::with_capacity(count);
        for rank in 1..=count {
            sum += 1.0 / rank as f64;
            sums.push(sum);
        }
        sums.iter_mut().for_each(|part| *part /= sum);
        Self { sums }
    }

    /// A position from 0, the likeliest.
    pub(crate) fn draw(&self) -> usize {
        let at = fastrand::f64();
        self.sums.partition_point(|sum| *sum < at).min(self.sums.len().saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_drawn_twice_as_often_as_the_second() {
        let zipf = Zipf::new(1000);
        let mut drawn = [0u32; 2];
        for _ in 0..200_000 {
            if let Some(count) = drawn.get_mut(zipf.draw()) {
                *count += 1;
            }
        }
        let ratio = f64::from(drawn[0]) / f64::from(drawn[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
    }
}
