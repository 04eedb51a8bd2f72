//! What is measured: one program run gives one or more rows of the table.

/// Which values are good.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Better {
    More,
    Less,
}

/// One row: a field of the program's result line.
#[derive(Clone)]
pub struct Row {
    pub name: String,
    pub field: &'static str,
    pub unit: &'static str,
    pub better: Better,
    /// The field's value is divided by this to give the unit.
    pub divisor: f64,
}

/// One program with its arguments; `{seconds}` among them stands for the duration.
pub struct Run {
    pub program: &'static str,
    pub arguments: Vec<String>,
    /// How many times the usual duration it lasts.
    pub duration_factor: f64,
    pub rows: Vec<Row>,
}

impl Run {
    fn new(program: &'static str, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(String::from).collect();
        Run {
            program,
            arguments,
            duration_factor: 1.0,
            rows: Vec::new(),
        }
    }

    fn row(mut self, name: &str, field: &'static str, unit: &'static str) -> Self {
        let (better, divisor) = match unit {
            "K/s" => (Better::More, 1e3),
            "M/s" => (Better::More, 1e6),
            _ => (Better::Less, 1.0),
        };
        self.rows.push(Row {
            name: name.to_string(),
            field,
            unit,
            better,
            divisor,
        });
        self
    }

    fn lasting(mut self, duration_factor: f64) -> Self {
        self.duration_factor = duration_factor;
        self
    }
}

/// Every run, in the order of the table.
pub fn all_runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for transport in ["tcp", "ipc", "inproc"] {
        for (bytes, size) in [(1, "1 B"), (64, "64 B"), (1024, "1 KiB"), (65536, "64 KiB")] {
            let unit = if bytes > 1024 { "K/s" } else { "M/s" };
            let run = Run::new("throughput", &format!("{transport} {bytes} {{seconds}} msg"));
            let mut run = run.row(&format!("throughput {transport} {size}"), "per_second", unit);
            if (transport, bytes) == ("tcp", 64) {
                run = run.row("cpu a message tcp 64 B, sender", "sender_cpu_ns", "ns");
                run = run.row("cpu a message tcp 64 B, receiver", "receiver_cpu_ns", "ns");
            }
            runs.push(run);
        }
    }
    for (bytes, size) in [(64, "64 B"), (1024, "1 KiB")] {
        let run = Run::new("throughput", &format!("tcp {bytes} {{seconds}} buffer"));
        runs.push(run.row(
            &format!("throughput tcp {size}, zmq_send and zmq_recv"),
            "per_second",
            "M/s",
        ));
    }
    for (bytes, size) in [(64, "64 B"), (1024, "1 KiB"), (65536, "64 KiB")] {
        let unit = if bytes > 1024 { "K/s" } else { "M/s" };
        let run = Run::new("throughput", &format!("tcp {bytes} {{seconds}} msg curve"));
        runs.push(run.row(&format!("throughput tcp {size}, CURVE"), "per_second", unit));
    }
    for transport in ["tcp", "ipc", "inproc"] {
        let run = Run::new("latency", &format!("{transport} 64 {{seconds}} 0"));
        runs.push(run.row(&format!("latency {transport}, mean"), "mean_us", "us"));
    }
    let run = Run::new("latency", "tcp 64 {seconds} 10").lasting(4.0);
    let run = run.row("latency tcp, 10 ms apart, p50", "p50_us", "us");
    let run = run.row("latency tcp, 10 ms apart, p99", "p99_us", "us");
    runs.push(run.row("cpu a round trip tcp, 10 ms apart", "client_cpu_us", "us"));
    for subscribers in [1, 10, 100] {
        let run = Run::new("fanout", &format!("{subscribers} 64 {{seconds}}"));
        runs.push(run.row(
            &format!("fan-out 64 B, subscribers: {subscribers}"),
            "deliveries_per_second",
            "M/s",
        ));
    }
    for (kind, name) in [
        ("library", "clients on the library"),
        ("plain", "clients on plain sockets"),
    ] {
        for clients in [100, 1000] {
            let run = Run::new("router", &format!("{kind} {clients} 64 {{seconds}}"));
            runs.push(run.row(&format!("router echo, {clients} {name}"), "requests_per_second", "K/s"));
        }
    }
    for transport in ["tcp", "inproc"] {
        let run = Run::new("proxy", &format!("{transport} 64 {{seconds}}"));
        runs.push(run.row(&format!("proxy {transport} 64 B"), "per_second", "M/s"));
    }
    let run = Run::new("memory", "1000");
    runs.push(run.row("memory of an idle connection", "bytes_per_connection", "bytes"));
    runs
}

/// The runs that give the row of this name, or, if there is none, the rows whose name contains one of the parts between
/// commas; all of them if there are no parts.
pub fn selected(rows: &str) -> Vec<Run> {
    let mut runs = all_runs();
    let is_name = runs.iter().flat_map(|run| &run.rows).any(|row| row.name == rows);
    let parts: Vec<&str> = rows.split(',').filter(|part| !part.is_empty()).collect();
    for run in &mut runs {
        run.rows.retain(|row| match is_name {
            true => row.name == rows,
            false => parts.is_empty() || parts.iter().any(|part| row.name.contains(part)),
        });
    }
    runs.retain(|run| !run.rows.is_empty());
    runs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(rows: &str) -> Vec<String> {
        let runs = selected(rows).into_iter();
        runs.flat_map(|run| run.rows).map(|row| row.name).collect()
    }

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let all = names("");
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    }

    #[test]
    fn a_rows_name_selects_that_row_alone() {
        for name in names("") {
            assert_eq!(names(&name), [name.as_str()]);
        }
    }

    #[test]
    fn parts_of_names_select_all_that_contain_one() {
        assert_eq!(names("fan-out,memory").len(), 4);
        assert_eq!(names("throughput inproc").len(), 4);
        assert!(names("no such row").is_empty());
    }
}
