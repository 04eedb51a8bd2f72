//! The two plots: throughput by message size, and latency, on both libraries. Both scales of values are logarithmic, in
//! whole decades: equal ratios are equal lengths.

use crate::results::{ResultRow, Results, significant};
use crate::svg::{Anchor, Kind, Svg};

const WIDTH: f64 = 960.0;
const TRANSPORTS: [&str; 3] = ["tcp", "ipc", "inproc"];
/// Name of a size in the rows, and its bytes.
const SIZES: [(&str, f64); 4] = [("1 B", 1.0), ("64 B", 64.0), ("1 KiB", 1024.0), ("64 KiB", 65536.0)];
/// Row, and what it is called in the plot.
const LATENCIES: [(&str, &str); 5] = [
    ("latency tcp, mean", "tcp, mean"),
    ("latency ipc, mean", "ipc, mean"),
    ("latency inproc, mean", "inproc, mean"),
    ("latency tcp, 10 ms apart, p50", "tcp, 10 ms apart, p50"),
    ("latency tcp, 10 ms apart, p99", "tcp, 10 ms apart, p99"),
];

/// A logarithmic scale: whole decades of values laid over a stretch of pixels.
struct Scale {
    decades: (i32, i32),
    pixels: (f64, f64),
}

impl Scale {
    /// A scale that holds all values.
    ///
    /// Errors: a value that is not positive.
    fn new(values: impl Iterator<Item = f64>, pixels: (f64, f64)) -> Result<Scale, String> {
        let (mut low, mut high) = (i32::MAX, i32::MIN);
        for value in values {
            if !(value.is_finite() && value > 0.0) {
                return Err(format!("{value} has no place on a logarithmic scale"));
            }
            low = low.min(value.log10().floor() as i32);
            high = high.max(value.log10().ceil() as i32);
        }
        Ok(Scale {
            decades: (low, high.max(low.saturating_add(1))),
            pixels,
        })
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1));
        let (start, end) = self.pixels;
        start + (value.log10() - low) / (high - low) * (end - start)
    }

    /// The ends of decades.
    fn ticks(&self) -> impl Iterator<Item = f64> + use<> {
        (self.decades.0..=self.decades.1).map(|decade| 10f64.powi(decade))
    }
}

/// Messages a second over the message's size, one panel for each transport.
///
/// Errors: the row that is missing, or has no positive value.
pub fn throughput(results: &Results) -> Result<String, String> {
    const HEIGHT: f64 = 440.0;
    const PANEL: f64 = 260.0;
    const GAP: f64 = 30.0;
    const LEFT: f64 = 80.0;
    let mut panels = Vec::new();
    for transport in TRANSPORTS {
        let rows = SIZES.map(|(size, _)| row(results, &format!("throughput {transport} {size}")));
        panels.push(rows.into_iter().collect::<Result<Vec<_>, _>>()?);
    }
    let per_second = |row: &ResultRow, kind| value(row, kind) * if row.unit == "K/s" { 1e3 } else { 1e6 };
    let all = panels.iter().flatten();
    let values = all.flat_map(|row| Kind::BOTH.map(|kind| per_second(row, kind)));
    let (top, bottom) = (105.0, HEIGHT - 80.0);
    let vertical = Scale::new(values, (bottom, top))?;
    let mut svg = Svg::new(
        WIDTH,
        HEIGHT,
        "Throughput by message size, PUSH to PULL: messages a second",
    );
    head(&mut svg, "Throughput by message size, PUSH to PULL", results);
    svg.text_upwards(20.0, (top + bottom) / 2.0, 13, "messages a second");
    for (index, (transport, rows)) in TRANSPORTS.iter().zip(&panels).enumerate() {
        let left = LEFT + index as f64 * (PANEL + GAP);
        let right = left + PANEL;
        let across = |bytes: f64| left + 30.0 + bytes.log2() / 16.0 * (PANEL - 60.0);
        svg.text((left + right) / 2.0, top - 12.0, 14, Anchor::Middle, transport);
        for tick in vertical.ticks() {
            let y = vertical.place(tick);
            svg.grid_line((left, y), (right, y));
            if index == 0 {
                svg.text(left - 8.0, y + 4.0, 12, Anchor::End, &with_prefix(tick));
            }
        }
        svg.axis((left, bottom), (right, bottom));
        svg.axis((left, top), (left, bottom));
        for (size, bytes) in SIZES {
            svg.axis((across(bytes), bottom), (across(bytes), bottom + 5.0));
            svg.text(across(bytes), bottom + 20.0, 12, Anchor::Middle, size);
        }
        for kind in Kind::BOTH {
            let points = rows.iter().zip(SIZES);
            let points = points.map(|(row, (_, bytes))| (across(bytes), vertical.place(per_second(row, kind))));
            svg.curve(kind, &points.collect::<Vec<_>>());
        }
        for (row, (_, bytes)) in rows.iter().zip(SIZES) {
            let highest = Kind::BOTH.map(|kind| vertical.place(per_second(row, kind)));
            let y = highest[0].min(highest[1]) - 10.0;
            // To the right, where a falling curve is not.
            svg.text(across(bytes) + 9.0, y, 12, Anchor::Middle, &times(row));
        }
    }
    let middle = LEFT + 1.5 * PANEL + GAP;
    svg.text(middle, bottom + 42.0, 13, Anchor::Middle, "message size");
    svg.text(middle, bottom + 64.0, 12, Anchor::Middle, NOTE);
    Ok(svg.finish())
}

/// A line for each measurement, with the time on both libraries.
///
/// Errors: the row that is missing, or has no positive value.
pub fn latency(results: &Results) -> Result<String, String> {
    const LEFT: f64 = 190.0;
    const LINE: f64 = 46.0;
    let rows = LATENCIES.map(|(name, label)| row(results, name).map(|row| (row, label)));
    let rows = rows.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (top, right) = (90.0, WIDTH - 110.0);
    let bottom = top + LINE * rows.len() as f64;
    let height = bottom + 80.0;
    let values = rows.iter().flat_map(|(row, _)| Kind::BOTH.map(|kind| value(row, kind)));
    let horizontal = Scale::new(values, (LEFT, right))?;
    let mut svg = Svg::new(WIDTH, height, "Latency of 64 bytes, REQ to REP: microseconds one way");
    head(&mut svg, "Latency of 64 bytes, REQ to REP", results);
    for tick in horizontal.ticks() {
        let x = horizontal.place(tick);
        svg.grid_line((x, top), (x, bottom));
        svg.text(x, bottom + 20.0, 12, Anchor::Middle, &format!("{tick} µs"));
    }
    svg.axis((LEFT, bottom), (right, bottom));
    svg.axis((LEFT, top), (LEFT, bottom));
    for (index, (row, label)) in rows.iter().enumerate() {
        let y = top + LINE * (index as f64 + 0.5);
        svg.text(LEFT - 10.0, y + 4.0, 13, Anchor::End, label);
        let [reference, ours] = Kind::BOTH.map(|kind| horizontal.place(value(row, kind)));
        svg.grid_line((reference, y), (ours, y));
        for (kind, x) in Kind::BOTH.into_iter().zip([reference, ours]) {
            svg.mark(kind, (x, y));
            svg.text(x, y - 10.0, 12, Anchor::Middle, &significant(value(row, kind)));
        }
        svg.text(right + 14.0, y + 4.0, 12, Anchor::Start, &times(row));
    }
    let middle = (LEFT + right) / 2.0;
    svg.text(
        middle,
        bottom + 42.0,
        13,
        Anchor::Middle,
        "one way: half of a round trip",
    );
    svg.text(middle, bottom + 64.0, 12, Anchor::Middle, NOTE);
    Ok(svg.finish())
}

const NOTE: &str = "Logarithmic scales. The figures with × are medians of the pairs' ratios: how many times better.";

/// Title, conditions and legend.
fn head(svg: &mut Svg, title: &str, results: &Results) {
    svg.text(20.0, 28.0, 17, Anchor::Start, title);
    svg.text(20.0, 50.0, 12, Anchor::Start, &results.conditions);
    for (kind, x) in Kind::BOTH.into_iter().zip([WIDTH - 280.0, WIDTH - 150.0]) {
        svg.stroke(kind, &[(x, 24.0), (x + 34.0, 24.0)]);
        svg.mark(kind, (x + 17.0, 24.0));
        svg.text(x + 42.0, 28.0, 13, Anchor::Start, kind.name());
    }
}

fn row<'a>(results: &'a Results, name: &str) -> Result<&'a ResultRow, String> {
    let found = results.rows.iter().find(|row| row.name == name);
    found.ok_or_else(|| format!("the row '{name}' is missing"))
}

fn value(row: &ResultRow, kind: Kind) -> f64 {
    match kind {
        Kind::Reference => row.reference,
        Kind::Monocoque => row.monocoque,
    }
}

fn times(row: &ResultRow) -> String {
    format!("{:.1}×", row.ratio)
}

/// A round number a second, as 10 K or 1 M.
fn with_prefix(value: f64) -> String {
    match value {
        large if large >= 1e6 => format!("{} M", large / 1e6),
        medium if medium >= 1e3 => format!("{} K", medium / 1e3),
        small => format!("{small}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::all_runs;

    fn results() -> Results {
        let rows = all_runs().into_iter().flat_map(|run| run.rows);
        let rows = rows.map(|row| ResultRow {
            name: row.name,
            unit: row.unit.to_string(),
            reference: 4.0,
            monocoque: 20.0,
            ratio: 5.0,
            lowest: 4.0,
            highest: 6.0,
        });
        Results {
            conditions: "2 CPUs & <one> kernel".to_string(),
            rows: rows.collect(),
        }
    }

    #[test]
    fn every_row_of_the_plots_is_measured_and_marked() {
        let results = results();
        let throughput = throughput(&results).unwrap();
        let latency = latency(&results).unwrap();
        // One of each mark is the legend's.
        assert_eq!(throughput.matches("<circle").count(), 12 + 1);
        assert_eq!(latency.matches("<circle").count(), 5 + 1);
        assert_eq!(throughput.matches("5.0×").count(), 12);
        assert!(throughput.contains("2 CPUs &amp; &lt;one&gt; kernel"));
    }

    #[test]
    fn a_missing_row_is_named() {
        let mut results = results();
        results.rows.retain(|row| row.name != "throughput ipc 1 KiB");
        assert!(throughput(&results).unwrap_err().contains("throughput ipc 1 KiB"));
        assert!(latency(&results).is_ok());
    }

    #[test]
    fn a_scale_holds_its_values_in_whole_decades() {
        let scale = Scale::new([7.0, 2530.0].into_iter(), (0.0, 400.0)).unwrap();
        assert_eq!(scale.ticks().collect::<Vec<_>>(), [1.0, 10.0, 100.0, 1000.0, 10000.0]);
        assert_eq!((scale.place(1.0), scale.place(100.0)), (0.0, 200.0));
        for value in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Scale::new([value].into_iter(), (0.0, 1.0)).is_err());
        }
    }
}
