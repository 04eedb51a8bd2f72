//! From the values of single runs to medians and ratios.

use crate::results::ResultRow;
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

    /// What the row came to.
    pub fn result(&self) -> ResultRow {
        let scaled = |value: f64| value / self.row.divisor;
        ResultRow {
            name: self.row.name.clone(),
            unit: self.row.unit.to_string(),
            reference: median(self.pairs.iter().map(|pair| scaled(pair.0))),
            monocoque: median(self.pairs.iter().map(|pair| scaled(pair.1))),
            ratio: median(self.ratios()),
            lowest: self.ratios().fold(f64::INFINITY, f64::min),
            highest: self.ratios().fold(0.0, f64::max),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::selected;

    fn measured(name: &str, pairs: &[(f64, f64)]) -> Measured {
        Measured {
            row: selected(name)[0].rows[0].clone(),
            pairs: pairs.to_vec(),
        }
    }

    #[test]
    fn ratios_are_of_pairs_and_say_how_many_times_better() {
        let more = measured("throughput tcp 64 B", &[(1e6, 2e6), (4e6, 4e6), (2e6, 10e6)]).result();
        assert_eq!((more.ratio, more.lowest, more.highest), (2.0, 1.0, 5.0));
        assert_eq!((more.reference, more.monocoque), (2.0, 4.0));
        let less = measured("latency tcp, mean", &[(60.0, 6.0), (40.0, 20.0)]).result();
        assert_eq!((less.ratio, less.reference, less.monocoque), (6.0, 50.0, 13.0));
    }

    #[test]
    fn a_row_without_pairs_has_no_ratio() {
        assert!(measured("latency tcp, mean", &[]).result().ratio.is_nan());
    }
}
