//! Runs the same benchmark programs alternately on a reference libzmq and on this library and prints medians and ratios.
//!
//! Needs nothing but the standard library, so that `rustc` alone builds it (`perf/bench.mk`). Fails when both libraries
//! are the same file, when a process mapped another file than it was given, when a program's own checks of count and
//! order fail, and when one hangs; the other rows are measured all the same.

mod process;
mod rows;
mod table;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use process::{Library, execute};
use rows::{Run, all_runs};
use table::Measured;

const USAGE: &str = "usage: runner --programs FOLDER --reference LIBZMQ --library LIBMONOCOQUE
  --pairs N        alternations for each row (5)
  --seconds S      duration of one run (1)
  --rows A,B       only rows whose name contains one of these
  --at-least R     fail when a row's ratio is lower
  --smoke          one short pair for each row";

/// What a run may take beyond its duration: starting, connecting 1000 peers, closing.
const TIME_LIMIT_S: f64 = 20.0;

struct Options {
    programs: PathBuf,
    reference: PathBuf,
    library: PathBuf,
    pairs: usize,
    seconds: f64,
    rows: Vec<String>,
    at_least: f64,
}

fn parse_options() -> Result<Options, String> {
    let mut options = Options {
        programs: PathBuf::new(),
        reference: PathBuf::new(),
        library: PathBuf::new(),
        pairs: 5,
        seconds: 1.0,
        rows: Vec::new(),
        at_least: 0.0,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if name == "--smoke" {
            (options.pairs, options.seconds) = (1, 0.15);
            continue;
        }
        let value = arguments.next().ok_or(USAGE)?;
        let number = || {
            value
                .parse::<f64>()
                .map_err(|_| format!("{name} {value}: no number\n{USAGE}"))
        };
        match name.as_str() {
            "--programs" => options.programs = PathBuf::from(value),
            "--reference" => options.reference = PathBuf::from(value),
            "--library" => options.library = PathBuf::from(value),
            "--pairs" => options.pairs = number()? as usize,
            "--seconds" => options.seconds = number()?,
            "--rows" => {
                options.rows = value
                    .split(',')
                    .filter(|part| !part.is_empty())
                    .map(String::from)
                    .collect()
            }
            "--at-least" => options.at_least = number()?,
            _ => return Err(USAGE.to_string()),
        }
    }
    if options.pairs == 0 || options.seconds <= 0.0 {
        return Err(USAGE.to_string());
    }
    Ok(options)
}

/// Gives the file the name `libzmq.so.5` in a folder of its own, so that the loader finds it under that name too.
fn prepare(file: &Path, work_folder: &Path, name: &str) -> Result<Library, String> {
    let file = file
        .canonicalize()
        .map_err(|error| format!("the {name} library '{}': {error}", file.display()))?;
    let folder = work_folder.join(name);
    let linked = fs::create_dir_all(&folder).and_then(|()| symlink(&file, folder.join("libzmq.so.5")));
    linked.map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(Library { file, folder })
}

fn same_file(left: &Path, right: &Path) -> io::Result<bool> {
    let (left, right) = (fs::metadata(left)?, fs::metadata(right)?);
    Ok((left.dev(), left.ino()) == (right.dev(), right.ino()))
}

/// One run on each library in turn. The processes that proved which library they mapped are counted into `proven`.
fn measure_pair(
    run: &Run,
    options: &Options,
    libraries: &[Library; 2],
    work_folder: &Path,
    proven: &mut [usize; 2],
) -> Result<Vec<(f64, f64)>, String> {
    let seconds = options.seconds * run.duration_factor;
    let arguments: Vec<String> = run
        .arguments
        .iter()
        .map(|argument| argument.replace("{seconds}", &seconds.to_string()))
        .collect();
    let program = options.programs.join(run.program);
    let mut values = [Vec::new(), Vec::new()];
    for side in 0..2 {
        let library = &libraries[side];
        let time_limit = Duration::from_secs_f64(TIME_LIMIT_S + 5.0 * seconds);
        let command = || format!("{} {} on {}", run.program, arguments.join(" "), library.file.display());
        let report = execute(&program, &arguments, library, work_folder, time_limit)
            .map_err(|error| format!("{}: {error}", command()))?;
        proven[side] += report.process_count;
        for row in &run.rows {
            let value = report.values.get(row.field);
            values[side].push(*value.ok_or_else(|| format!("{}: no field {}", command(), row.field))?);
        }
    }
    let [reference, ours] = values;
    Ok(reference.into_iter().zip(ours).collect())
}

/// Runs everything and returns the failures.
fn measure(options: &Options, libraries: &[Library; 2], work_folder: &Path) -> Vec<String> {
    let mut failures = Vec::new();
    let mut proven = [0, 0];
    table::print_head();
    for mut run in all_runs() {
        let wanted = |name: &str| options.rows.is_empty() || options.rows.iter().any(|part| name.contains(part));
        run.rows.retain(|row| wanted(&row.name));
        if run.rows.is_empty() {
            continue;
        }
        let mut measured: Vec<Measured> = run
            .rows
            .iter()
            .map(|row| Measured {
                row: row.clone(),
                pairs: Vec::new(),
            })
            .collect();
        for _ in 0..options.pairs {
            match measure_pair(&run, options, libraries, work_folder, &mut proven) {
                Ok(pairs) => measured
                    .iter_mut()
                    .zip(pairs)
                    .for_each(|(row, pair)| row.pairs.push(pair)),
                Err(failure) => {
                    println!("| {} | failed | | | | |", run.rows[0].name);
                    failures.push(failure);
                    break;
                }
            }
        }
        for row in measured.iter().filter(|row| row.pairs.len() == options.pairs) {
            row.print();
            let ratio = row.ratio();
            // A ratio that is no number is no success.
            if ratio.is_nan() || ratio < options.at_least {
                failures.push(format!(
                    "{}: {ratio:.2} times, less than {}",
                    row.row.name, options.at_least
                ));
            }
        }
    }
    println!();
    for (library, count) in libraries.iter().zip(proven) {
        println!("mapped by each of {count} processes: {}", library.file.display());
    }
    if proven.contains(&0) {
        failures.push("nothing was measured".to_string());
    }
    failures
}

fn run(work_folder: &Path) -> Result<Vec<String>, String> {
    let mut options = parse_options()?;
    let programs = options.programs.canonicalize();
    options.programs = programs.map_err(|error| format!("--programs {}: {error}", options.programs.display()))?;
    let libraries = [
        prepare(&options.reference, work_folder, "reference")?,
        prepare(&options.library, work_folder, "monocoque")?,
    ];
    if same_file(&libraries[0].file, &libraries[1].file).map_err(|error| error.to_string())? {
        return Err(format!("both libraries are {}", libraries[0].file.display()));
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!("reference: {}", libraries[0].file.display());
    println!("monocoque: {}", libraries[1].file.display());
    println!(
        "{cpus} CPUs, Linux {}; medians of {} alternating pairs\n",
        kernel.trim(),
        options.pairs
    );
    Ok(measure(&options, &libraries, work_folder))
}

fn main() -> ExitCode {
    let work_folder = std::env::temp_dir().join(format!("zmq-perf-{}", std::process::id()));
    let outcome = fs::create_dir(&work_folder)
        .map_err(|error| error.to_string())
        .and_then(|()| run(&work_folder));
    let removed = fs::remove_dir_all(&work_folder);
    match (outcome, removed) {
        (Ok(failures), Ok(())) if failures.is_empty() => ExitCode::SUCCESS,
        (Ok(failures), _) => {
            failures.iter().for_each(|failure| eprintln!("FAILED {failure}"));
            ExitCode::FAILURE
        }
        (Err(error), _) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
