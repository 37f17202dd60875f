//! What the system tells of a process.

use std::time::Duration;

use crate::Error;

/// Processor time that a process has used.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration, Error> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Fields after the name, which may have blanks in it; times are in ticks of 10 ms on Linux.
    let fields: Vec<&str> = stat.rsplit_once(')').ok_or("no process")?.1.split_whitespace().collect();
    let ticks = |at: usize| -> Result<u64, Error> { Ok(fields.get(at).ok_or("no such field")?.parse()?) };
    Ok(Duration::from_millis(10 * (ticks(11)? + ticks(12)?)))
}

/// Bytes of a process's memory that are resident.
pub(crate) fn resident(pid: u32) -> Result<u64, Error> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    let kibibytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kibibytes * 1024)
}

/// File descriptors that a process has open.
pub(crate) fn open_files(pid: u32) -> Result<usize, Error> {
    Ok(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count())
}
