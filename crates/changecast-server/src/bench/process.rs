//! What a process has used: CPU and memory, as Linux tells it in `/proc`.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;

use crate::Failure;

/// Nanoseconds of the unit of `/proc/PID/stat`: 100 a second on every Linux.
const TICK_NANOS: u64 = 10_000_000;

/// Where the fields of `/proc/PID/stat` that follow the name have user and system time.
const TIMES: (usize, usize) = (11, 12);

/// Some processes' use up to one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Usage {
    processes: Vec<ProcessUsage>,
}

#[derive(Clone, Debug, Default)]
struct ProcessUsage {
    /// Of each thread that lives: nanoseconds.
    threads: HashMap<String, u64>,
    /// Of all threads, those that have ended too, but in ticks.
    ticks: u64,
    memory_kb: u64,
}

impl Usage {
    pub(super) fn of(pids: &[u32]) -> Result<Self, Failure> {
        let processes = pids.iter().map(|pid| ProcessUsage::of(*pid)).collect::<Result<_, _>>()?;
        Ok(Self { processes })
    }

    /// CPU nanoseconds since `before`, which is of the same processes.
    pub(super) fn cpu_nanos_since(&self, before: &Self) -> u64 {
        let pairs = self.processes.iter().zip(&before.processes);
        pairs.map(|(now, before)| now.cpu_nanos_since(before)).sum()
    }

    /// Memory of their own, without what comes from files: KiB.
    pub(super) fn memory_kb(&self) -> u64 {
        self.processes.iter().map(|process| process.memory_kb).sum()
    }
}

impl ProcessUsage {
    fn of(pid: u32) -> Result<Self, Failure> {
        let stat = read(pid, "stat")?;
        // The name, in parentheses, may hold anything.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<_> = after_name.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let ticks = ticks(TIMES.0).zip(ticks(TIMES.1)).map(|(user, system)| user + system);
        let ticks = ticks.ok_or_else(|| odd(pid, "stat"))?;
        // An exact sum over all its memory, where status has an estimate.
        let memory = read(pid, "smaps_rollup").ok().and_then(|text| kb(&text, "Anonymous:"));
        let memory = match memory {
            Some(memory) => memory,
            None => kb(&read(pid, "status")?, "RssAnon:").ok_or_else(|| odd(pid, "status"))?,
        };
        Ok(Self { threads: threads(pid), ticks, memory_kb: memory })
    }

    fn cpu_nanos_since(&self, before: &Self) -> u64 {
        let has_lost_one = before.threads.keys().any(|thread| !self.threads.contains_key(thread));
        if has_lost_one || self.threads.is_empty() {
            // What that thread used is in the process's own sum only, which is less exact.
            return self.ticks.saturating_sub(before.ticks) * TICK_NANOS;
        }
        let used = |(thread, nanos): (&String, &u64)| {
            nanos.saturating_sub(before.threads.get(thread).copied().unwrap_or(0))
        };
        self.threads.iter().map(used).sum()
    }
}

/// Of each thread the nanoseconds it has run; of none where the kernel does not say.
fn threads(pid: u32) -> HashMap<String, u64> {
    let folders = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let nanos = |folder: &PathBuf| {
        let schedstat = fs::read_to_string(folder.join("schedstat")).ok()?;
        schedstat.split_whitespace().next()?.parse().ok()
    };
    let of_thread =
        |folder: PathBuf| Some((folder.to_string_lossy().into_owned(), nanos(&folder)?));
    folders.filter_map(|folder| of_thread(folder.path())).collect()
}

fn kb(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn read(pid: u32, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| {
        Failure::Configuration(match error.kind() {
            std::io::ErrorKind::NotFound => format!(
                "there is no process {pid} on this machine (no {path}): --pid is the server's, \
                 as `pidof changecast` prints it"
            ),
            _ => format!("process {pid} cannot be measured: {path}: {error}"),
        })
    })
}

fn odd(pid: u32, file: &str) -> Failure {
    Failure::Run(format!("/proc/{pid}/{file} does not look as expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_does_is_seen() {
        let pids = [std::process::id()];
        let before = Usage::of(&pids).expect("this process");
        let mut memory = Vec::new();
        while Usage::of(&pids).expect("this process").cpu_nanos_since(&before) < 1_000_000 {
            memory.push(vec![1_u8; 1 << 20]);
        }
        let after = Usage::of(&pids).expect("this process");
        assert!(after.memory_kb() >= 1_000 * memory.len() as u64);
    }

    #[test]
    fn a_thread_that_has_ended_is_counted_by_the_process() {
        let usage = |threads: &[(&str, u64)], ticks| {
            let threads = threads.iter().map(|(name, nanos)| ((*name).to_owned(), *nanos));
            ProcessUsage { threads: threads.collect(), ticks, memory_kb: 0 }
        };
        let before = usage(&[("a", 5), ("b", 7)], 3);
        assert_eq!(usage(&[("a", 6), ("b", 7), ("c", 9)], 4).cpu_nanos_since(&before), 10);
        assert_eq!(usage(&[("a", 6)], 4).cpu_nanos_since(&before), TICK_NANOS);
    }
}
