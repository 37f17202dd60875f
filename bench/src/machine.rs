//! On what a run was made.

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;

use crate::Error;

/// Processor, memory, system, versions and time, in a paragraph.
pub(crate) fn describe(server: &Path) -> Result<String, Error> {
    let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "an unknown processor".to_owned());
    let memory: u64 =
        field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse().ok()).unwrap_or(0);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Ok(format!(
        "{cores} cores of {cpu}, {} GiB, Linux {}; {}, {}; {} UTC.",
        memory >> 20,
        kernel.trim(),
        output(server.as_os_str(), "--version")?,
        output("rustc".as_ref(), "--version").unwrap_or_else(|_| "an unknown compiler".to_owned()),
        Timestamp::now().strftime("%Y-%m-%d %H:%M"),
    ))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn output(program: &std::ffi::OsStr, argument: &str) -> Result<String, Error> {
    let output = Command::new(program).arg(argument).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
