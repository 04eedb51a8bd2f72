//! A row as it is printed and saved: medians over the pairs. Saved rows are lines of fields that tabs separate.

/// What a row came to.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultRow {
    pub name: String,
    pub unit: String,
    /// Medians, in the unit.
    pub reference: f64,
    pub monocoque: f64,
    /// The median over the pairs of how many times better this library is; the least and the greatest.
    pub ratio: f64,
    pub lowest: f64,
    pub highest: f64,
}

/// What one call of the runner measured.
#[derive(Debug, PartialEq)]
pub struct Results {
    /// The machine, and how many pairs.
    pub conditions: String,
    pub rows: Vec<ResultRow>,
}

impl ResultRow {
    /// The row of the printed table.
    pub fn print(&self) {
        let (reference, monocoque) = (significant(self.reference), significant(self.monocoque));
        println!(
            "| {:44} | {:5} | {reference:>9} | {monocoque:>9} | {:6.2} | {:.2} to {:.2} |",
            self.name, self.unit, self.ratio, self.lowest, self.highest
        );
    }

    fn to_line(&self) -> String {
        format!(
            "{}\t{}\t{:.4}\t{:.4}\t{:.4}\t{:.4}\t{:.4}\n",
            self.name, self.unit, self.reference, self.monocoque, self.ratio, self.lowest, self.highest
        )
    }

    fn parse(line: &str) -> Result<ResultRow, String> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, unit, numbers @ ..] = &fields[..] else {
            return Err(format!("no row: {line}"));
        };
        let numbers: Result<Vec<f64>, _> = numbers.iter().map(|number| number.parse()).collect();
        match numbers.as_deref() {
            Ok(&[reference, monocoque, ratio, lowest, highest]) => Ok(ResultRow {
                name: name.to_string(),
                unit: unit.to_string(),
                reference,
                monocoque,
                ratio,
                lowest,
                highest,
            }),
            _ => Err(format!("not five numbers behind name and unit: {line}")),
        }
    }
}

impl Results {
    /// The text of a file of results: the conditions behind a `#`, then a line for each row.
    pub fn to_text(&self) -> String {
        let mut text = format!("# {}\n", self.conditions);
        text.extend(self.rows.iter().map(ResultRow::to_line));
        text
    }

    /// Errors: the line that is none.
    pub fn parse(text: &str) -> Result<Results, String> {
        let (comments, rows): (Vec<&str>, Vec<&str>) = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .partition(|line| line.starts_with('#'));
        let conditions = comments.first().map_or("", |line| line.trim_start_matches('#').trim());
        let rows: Result<_, _> = rows.into_iter().map(ResultRow::parse).collect();
        Ok(Results {
            conditions: conditions.to_string(),
            rows: rows?,
        })
    }
}

/// The head of the printed table.
pub fn print_head() {
    println!(
        "| {:44} | unit  | reference | monocoque | times better | lowest to highest |",
        "what"
    );
    println!("|---|---|---|---|---|---|");
}

/// The value with about three digits.
pub fn significant(value: f64) -> String {
    let decimals = match value.abs() {
        small if small < 10.0 => 2,
        small if small < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str) -> ResultRow {
        ResultRow {
            name: name.to_string(),
            unit: "M/s".to_string(),
            reference: 3.5,
            monocoque: 9.25,
            ratio: 2.5,
            lowest: 2.0,
            highest: 3.125,
        }
    }

    #[test]
    fn what_was_saved_is_read_again() {
        let results = Results {
            conditions: "2 CPUs, Linux 6.1; medians of 5 alternating pairs".to_string(),
            rows: vec![row("throughput tcp 64 B"), row("cpu a message tcp 64 B, sender")],
        };
        assert_eq!(Results::parse(&results.to_text()), Ok(results));
    }

    #[test]
    fn a_line_that_is_no_row_is_named() {
        for line in [
            "throughput",
            "throughput\tM/s\t1\t2\t3\t4",
            "throughput\tM/s\t1\t2\t3\t4\t5\t6",
            "throughput\tM/s\t1\ttwo\t3\t4\t5",
        ] {
            let text = format!("# here\n{}{line}\n", row("a").to_line());
            assert!(Results::parse(&text).unwrap_err().ends_with(line));
        }
    }
}
