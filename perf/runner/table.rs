//! Medians, ratios and the printed table.

use crate::rows::{Better, Row};

/// The values of one row: a pair for each alternation, reference first.
pub struct Measured {
    pub row: Row,
    pub pairs: Vec<(f64, f64)>,
}

/// The middle value, or the mean of the two in the middle. NaN for no values.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => (sorted[even / 2 - 1] + sorted[even / 2]) / 2.0,
    }
}

impl Measured {
    /// How many times better than the reference, for each pair.
    fn ratios(&self) -> impl Iterator<Item = f64> {
        self.pairs.iter().map(|&(reference, ours)| match self.row.better {
            Better::More => ours / reference,
            Better::Less => reference / ours,
        })
    }

    /// The median over the pairs of how many times better this library is.
    pub fn ratio(&self) -> f64 {
        median(self.ratios())
    }

    /// Prints the row.
    pub fn print(&self) {
        let scaled = |value: f64| value / self.row.divisor;
        let reference = median(self.pairs.iter().map(|pair| scaled(pair.0)));
        let ours = median(self.pairs.iter().map(|pair| scaled(pair.1)));
        let lowest = self.ratios().fold(f64::INFINITY, f64::min);
        let highest = self.ratios().fold(0.0, f64::max);
        let Row { name, unit, .. } = &self.row;
        let (reference, ours) = (significant(reference), significant(ours));
        println!(
            "| {name:44} | {unit:5} | {reference:>9} | {ours:>9} | {:6.2} | {lowest:.2} to {highest:.2} |",
            self.ratio()
        );
    }
}

/// Prints the head of the table.
pub fn print_head() {
    println!(
        "| {:44} | unit  | reference | monocoque | times better | lowest to highest |",
        "what"
    );
    println!("|---|---|---|---|---|---|");
}

fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
