//! The table of faults of libzmq that are not to be ours: what is done to provoke each, what libzmq answers, and what this library does
//! on either driver, as a table of Markdown. The programs beside this file play the rows, and judge them; figures are measured.
//!
//! `MONOCOQUE_CHAOS=full` plays every row on libzmq, too (`make chaos`); otherwise it is this library alone, and the rows that are quick.
//! `MONOCOQUE_CHAOS_ROWS=8,26` plays these rows. The exit code is 1 if this library misses one.

#[path = "../support/program.rs"]
mod program;
mod rows;
#[path = "../support/mod.rs"]
mod support;

use std::process::{Command, ExitCode};
use std::time::Duration;

use rows::{ROWS, Row};
use support::Library;

/// For a program that hangs in spite of its own limits.
const LIMIT: Duration = Duration::from_secs(90);
/// What is compared with libzmq may be so much worse: two runs of the same program differ by as much.
const NOISE: f64 = 1.25;

/// What a library answered to a row.
struct Answer {
    text: String,
    is_met: bool,
    /// A figure that libzmq's is to be compared with.
    figure: Option<f64>,
}

fn main() -> ExitCode {
    if !program::is_asked_for("chaos") {
        return ExitCode::SUCCESS;
    }
    let is_full = std::env::var("MONOCOQUE_CHAOS").is_ok_and(|value| value == "full");
    let named = std::env::var("MONOCOQUE_CHAOS_ROWS").ok();
    let is_chosen = |row: &&Row| match &named {
        Some(rows) => rows.split(',').any(|number| number == row.number.to_string()),
        None => is_full || row.is_quick,
    };
    let mut libraries = support::ours();
    if is_full {
        let installed = support::further_references().into_iter().next();
        libraries.insert(0, installed.unwrap_or_else(support::reference));
    }
    let names: Vec<&str> = libraries.iter().map(|library| library.name.as_str()).collect();
    println!("| # | fault | {} | ours |", names.join(" | "));
    println!("|{}", "---|".repeat(libraries.len() + 3));
    let mut missed = Vec::new();
    for row in ROWS.iter().filter(is_chosen) {
        let answers: Vec<Answer> = libraries.iter().map(|library| play(row, library)).collect();
        let is_met = judge(&answers, is_full);
        let texts: Vec<&str> = answers.iter().map(|answer| answer.text.as_str()).collect();
        let verdict = if is_met { "met" } else { "MISSED" };
        println!("| {} | {} | {} | {verdict} |", row.number, row.fault, texts.join(" | "));
        if !is_met {
            missed.push(row.number);
        }
    }
    if missed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("missed: {missed:?}");
    ExitCode::FAILURE
}

/// Whether all of ours met the row. Where libzmq was asked, too, its answer is the first.
fn judge(answers: &[Answer], is_full: bool) -> bool {
    let (theirs, ours) = answers.split_at(usize::from(is_full));
    ours.iter().all(|answer| {
        let most = theirs.first().and_then(|answer| answer.figure).unwrap_or(f64::INFINITY) * NOISE;
        answer.is_met && answer.figure.is_none_or(|figure| figure <= most)
    })
}

fn play(row: &Row, library: &Library) -> Answer {
    if row.program == "nm" {
        return exports(library);
    }
    let program = support::program("tests/chaos", row.program);
    let outcome = support::run(&program, &[&row.number.to_string()], library, LIMIT);
    let lines = |start: &'static str| outcome.stdout.lines().filter_map(move |line| line.strip_prefix(start));
    let mut text = lines("answer ").collect::<Vec<_>>().join("; ");
    if !matches!(outcome.status.as_str(), "exit status: 0" | "exit status: 1") {
        let last = lines("FAILED: ").next_back().or_else(|| outcome.stderr.lines().last());
        let details = [text.as_str(), &outcome.status, last.unwrap_or_default()];
        text = details
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
    }
    Answer {
        text,
        is_met: outcome.status == "exit status: 0",
        figure: lines("compare ").next().and_then(|figure| figure.parse().ok()),
    }
}

/// What the shared library exports beside the interface.
fn exports(library: &Library) -> Answer {
    let output = Command::new("nm")
        .args(["--dynamic", "--defined-only", "--extern-only", "--format=posix"])
        .arg(library.folder.join("libzmq.so.5"))
        .output()
        .expect("run nm");
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    let is_interface = |name: &&&str| name.starts_with("zmq_") || name.starts_with("monocoque_");
    let interface = names.iter().filter(is_interface).count();
    let others = names.len() - interface;
    Answer {
        text: format!("{interface} names of the interface are exported, and {others} others"),
        is_met: interface > 0 && others == 0,
        figure: None,
    }
}
