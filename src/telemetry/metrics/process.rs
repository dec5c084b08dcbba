//! What the kernel says about this process, under the names that every Prometheus client uses.

use std::fs;

use super::Writer;

/// Linux' `USER_HZ`: 100 on every architecture that Rust's standard library supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// Adds the `process_*` metrics; what cannot be read is left out.
pub fn write(writer: &mut Writer) {
    if let Some(cpu) = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| cpu_ticks(&stat)) {
        writer.counter_f64(
            "process_cpu_seconds_total",
            "User and system CPU time spent in seconds.",
            &[],
            cpu / TICKS_PER_SECOND,
        );
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (key, name, help) in [
            ("VmRSS:", "process_resident_memory_bytes", "Resident memory size in bytes."),
            ("VmSize:", "process_virtual_memory_bytes", "Virtual memory size in bytes."),
        ] {
            if let Some(kib) = field(&status, key) {
                writer.gauge(name, help, &[], kib * 1024.0);
            }
        }
        if let Some(threads) = field(&status, "Threads:") {
            writer.gauge("process_threads", "Number of threads.", &[], threads);
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        #[expect(clippy::cast_precision_loss, reason = "a process has at most some millions of descriptors")]
        writer.gauge("process_open_fds", "Number of open file descriptors.", &[], entries.count() as f64);
    }
    if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files_limit(&limits)) {
        writer.gauge("process_max_fds", "Maximum number of open file descriptors.", &[], limit);
    }
}

/// `utime + stime` of `/proc/<pid>/stat`; the program's name, in brackets, may hold spaces.
fn cpu_ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn field(status: &str, key: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn open_files_limit(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{cpu_ticks, field, open_files_limit};

    #[test]
    fn the_name_of_the_program_may_hold_brackets_and_spaces() {
        let stat = "12 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 100 23 0 0 20 0 1 0 5 0 0";
        assert_eq!(cpu_ticks(stat), Some(123.0));
    }

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field("Name:\tx\nVmRSS:\t  1234 kB\n", "VmRSS:"), Some(1234.0));
        assert_eq!(open_files_limit("Max open files            1024                 4096       files\n"), Some(1024.0));
    }
}
