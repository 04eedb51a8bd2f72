//! Runs the programs in pairs, one run on each library in turn, and judges what the rows came to.

use std::path::Path;
use std::time::Duration;

use crate::baseline::Baseline;
use crate::options::Options;
use crate::process::{Library, execute};
use crate::results::{self, ResultRow};
use crate::rows::{Row, Run, selected};
use crate::table::Measured;

/// What a run may take beyond its duration: starting, connecting 1000 peers, closing.
const TIME_LIMIT_S: f64 = 20.0;
/// So many pairs are measured of a row that has fallen behind the baseline, before it counts as a regression.
const PAIRS_AGAIN: usize = 5;

pub struct Bench<'a> {
    pub options: &'a Options,
    pub baseline: &'a Baseline,
    /// The reference, and this library.
    pub libraries: &'a [Library; 2],
    pub work_folder: &'a Path,
    /// How many processes proved which library they mapped.
    proven: [usize; 2],
    failures: Vec<String>,
}

impl<'a> Bench<'a> {
    pub fn new(
        options: &'a Options,
        baseline: &'a Baseline,
        libraries: &'a [Library; 2],
        work_folder: &'a Path,
    ) -> Bench<'a> {
        Bench {
            options,
            baseline,
            libraries,
            work_folder,
            proven: [0, 0],
            failures: Vec::new(),
        }
    }

    /// Measures and prints every row that is asked for, and returns the rows and the failures.
    pub fn measure(mut self) -> (Vec<ResultRow>, Vec<String>) {
        let mut rows = Vec::new();
        results::print_head();
        for run in selected(&self.options.rows) {
            let measured = self.repeat(&run, self.options.pairs);
            measured.iter().for_each(ResultRow::print);
            let measured = self.look_again(run, measured);
            for result in &measured {
                // A ratio that is no number is no success.
                if result.ratio.is_nan() || result.ratio < self.options.at_least {
                    let (name, ratio) = (&result.name, result.ratio);
                    let failure = format!("{name}: {ratio:.2} times, less than {}", self.options.at_least);
                    self.failures.push(failure);
                }
            }
            rows.extend(measured);
        }
        println!();
        for (library, count) in self.libraries.iter().zip(self.proven) {
            println!("mapped by each of {count} processes: {}", library.file.display());
        }
        if self.proven.contains(&0) {
            self.failures.push("nothing was measured".to_string());
        }
        (rows, self.failures)
    }

    /// Measures those rows of the run again that missed the baseline. One that misses it again is a failure.
    fn look_again(&mut self, run: Run, mut results: Vec<ResultRow>) -> Vec<ResultRow> {
        let baseline = self.baseline;
        let missed = |row: &Row| {
            let mut of_row = results.iter().filter(|result| result.name == row.name);
            of_row.any(|result| baseline.missed(result).is_some())
        };
        let rows: Vec<Row> = run.rows.iter().filter(|row| missed(row)).cloned().collect();
        if rows.is_empty() {
            return results;
        }
        println!("under half of the baseline; {PAIRS_AGAIN} pairs of it:");
        for again in self.repeat(&Run { rows, ..run }, PAIRS_AGAIN) {
            again.print();
            let Some(before) = results.iter_mut().find(|result| result.name == again.name) else {
                continue;
            };
            if let Some(figure) = baseline.missed(&again) {
                self.failures
                    .push(regression(before, self.options.pairs, &again, figure));
            }
            *before = again;
        }
        results
    }

    /// The rows of one run, from this many pairs. Nothing if it failed.
    fn repeat(&mut self, run: &Run, pairs: usize) -> Vec<ResultRow> {
        let rows = run.rows.iter().cloned();
        let mut measured: Vec<Measured> = rows.map(|row| Measured { row, pairs: Vec::new() }).collect();
        for _ in 0..pairs {
            match self.pair(run) {
                Ok(values) => measured
                    .iter_mut()
                    .zip(values)
                    .for_each(|(row, pair)| row.pairs.push(pair)),
                Err(failure) => {
                    println!("| {} | failed | | | | |", run.rows[0].name);
                    self.failures.push(failure);
                    return Vec::new();
                }
            }
        }
        measured.iter().map(Measured::result).collect()
    }

    /// One run on each library in turn: a pair of values for each row.
    fn pair(&mut self, run: &Run) -> Result<Vec<(f64, f64)>, String> {
        let seconds = self.options.seconds * run.duration_factor;
        let arguments: Vec<String> = run
            .arguments
            .iter()
            .map(|argument| argument.replace("{seconds}", &seconds.to_string()))
            .collect();
        let program = self.options.programs.join(run.program);
        let mut values = [Vec::new(), Vec::new()];
        for (side, library) in self.libraries.iter().enumerate() {
            let time_limit = Duration::from_secs_f64(TIME_LIMIT_S + 5.0 * seconds);
            let command = || format!("{} {} on {}", run.program, arguments.join(" "), library.file.display());
            let report = execute(&program, &arguments, library, self.work_folder, time_limit)
                .map_err(|error| format!("{}: {error}", command()))?;
            self.proven[side] += report.process_count;
            for row in &run.rows {
                let value = report.values.get(row.field);
                values[side].push(*value.ok_or_else(|| format!("{}: no field {}", command(), row.field))?);
            }
        }
        let [reference, ours] = values;
        Ok(reference.into_iter().zip(ours).collect())
    }
}

/// Says which row, what it came to, what it should, and how to measure it alone.
fn regression(before: &ResultRow, pairs: usize, again: &ResultRow, figure: f64) -> String {
    format!(
        "{name}: {:.2} times (pairs: {pairs}), then {:.2} (pairs: {PAIRS_AGAIN}): under half of the baseline's {figure:.2}; \
         alone: make bench BENCH_ROWS='{name}'",
        before.ratio,
        again.ratio,
        name = again.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regression_names_row_numbers_and_command() {
        let result = |ratio| ResultRow {
            name: "cpu a message tcp 64 B, sender".to_string(),
            unit: "ns".to_string(),
            reference: 100.0,
            monocoque: 100.0 / ratio,
            ratio,
            lowest: ratio,
            highest: ratio,
        };
        assert_eq!(
            regression(&result(0.5), 1, &result(0.75), 2.2),
            "cpu a message tcp 64 B, sender: 0.50 times (pairs: 1), then 0.75 (pairs: 5): under half of the baseline's 2.20; \
             alone: make bench BENCH_ROWS='cpu a message tcp 64 B, sender'"
        );
    }
}
