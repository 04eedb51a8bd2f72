//! What rows came to when the baseline was measured. A ratio under half of that is a regression.

use std::collections::BTreeMap;

use crate::results::ResultRow;
use crate::rows::all_runs;

/// A row may fall to this share of its figure.
const SHARE: f64 = 0.5;

/// The ratio of each row that is compared. The others are not.
#[derive(Debug, Default)]
pub struct Baseline(BTreeMap<String, f64>);

impl Baseline {
    /// Reads lines of a row's name and its ratio, separated by a tab; `#` begins a comment.
    ///
    /// Errors: the line that is none, that names no row, or one that was there before.
    pub fn parse(text: &str) -> Result<Baseline, String> {
        let runs = all_runs();
        let is_row = |name: &str| runs.iter().flat_map(|run| &run.rows).any(|row| row.name == name);
        let mut figures = BTreeMap::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, ratio) = line.split_once('\t').ok_or_else(|| format!("no tab: {line}"))?;
            if !is_row(name) {
                return Err(format!("no row has this name: {line}"));
            }
            let ratio = ratio
                .parse()
                .ok()
                .filter(|ratio| *ratio > 0.0 && f64::is_finite(*ratio));
            let ratio = ratio.ok_or_else(|| format!("no ratio: {line}"))?;
            if figures.insert(name.to_string(), ratio).is_some() {
                return Err(format!("a row for the second time: {line}"));
            }
        }
        Ok(Baseline(figures))
    }

    /// The row's figure, if what it came to is too little. A ratio that is no number is too little.
    pub fn missed(&self, result: &ResultRow) -> Option<f64> {
        let figure = *self.0.get(&result.name)?;
        let enough = result.ratio >= SHARE * figure;
        (!enough).then_some(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(name: &str, ratio: f64) -> ResultRow {
        ResultRow {
            name: name.to_string(),
            unit: "M/s".to_string(),
            reference: 1.0,
            monocoque: ratio,
            ratio,
            lowest: ratio,
            highest: ratio,
        }
    }

    #[test]
    fn less_than_half_is_too_little() {
        let baseline = Baseline::parse("# rows\n\nthroughput tcp 64 B\t2.4\n").unwrap();
        let missed = |ratio| baseline.missed(&result("throughput tcp 64 B", ratio));
        assert_eq!(missed(1.19), Some(2.4));
        assert_eq!(missed(f64::NAN), Some(2.4));
        assert_eq!(missed(1.2), None);
        assert_eq!(missed(5.0), None);
    }

    #[test]
    fn a_row_without_a_figure_is_not_compared() {
        let baseline = Baseline::parse("throughput tcp 64 B\t2.4").unwrap();
        let other = "throughput tcp 64 B, zmq_send and zmq_recv";
        assert_eq!(baseline.missed(&result(other, 0.01)), None);
    }

    #[test]
    fn a_line_that_says_nothing_is_named() {
        for line in [
            "throughput tcp 64 B 2.4",
            "throughput tcp 65 B\t2.4",
            "throughput tcp 64 B\ttwo",
            "throughput tcp 64 B\t0",
            "throughput tcp 64 B\tNaN",
            "throughput tcp 64 B\t2.4\t2.4",
            "throughput tcp 1 B\t2.4",
        ] {
            let text = format!("throughput tcp 1 B\t2\n{line}\n");
            assert!(Baseline::parse(&text).unwrap_err().ends_with(line), "{line}");
        }
    }

    #[test]
    fn the_committed_baseline_is_one() {
        let baseline = Baseline::parse(include_str!("../baseline.tsv")).unwrap();
        assert!(!baseline.0.is_empty());
    }
}
