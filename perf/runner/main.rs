//! Runs the same benchmark programs alternately on a reference libzmq and on this library, prints and saves medians and
//! ratios, and draws plots of what it saved.
//!
//! Needs nothing but the standard library, so that `rustc` alone builds it (`perf/bench.mk`). Fails when both libraries
//! are the same file, when a process mapped another file than it was given, when a program's own checks of count and
//! order fail, when one hangs, and when a row falls far behind the baseline; the other rows are measured all the same.

mod baseline;
mod measure;
mod options;
mod plot;
mod process;
mod results;
mod rows;
mod svg;
mod table;

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::ExitCode;

use baseline::Baseline;
use measure::Bench;
use options::{Options, USAGE};
use process::Library;
use results::Results;

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

/// Reads what `parse` understands.
fn read<T>(file: &Path, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, String> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    text.and_then(|text| parse(&text))
        .map_err(|error| format!("{}: {error}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))
}

/// Measures what the options ask for, and returns the failures.
fn bench(mut options: Options, work_folder: &Path) -> Result<Vec<String>, String> {
    let programs = options.programs.canonicalize();
    options.programs = programs.map_err(|error| format!("--programs {}: {error}", options.programs.display()))?;
    let baseline = match &options.baseline {
        Some(file) => read(file, Baseline::parse)?,
        None => Baseline::default(),
    };
    let libraries = [
        prepare(&options.reference, work_folder, "reference")?,
        prepare(&options.library, work_folder, "monocoque")?,
    ];
    if same_file(&libraries[0].file, &libraries[1].file).map_err(|error| error.to_string())? {
        return Err(format!("both libraries are {}", libraries[0].file.display()));
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let conditions = format!(
        "{cpus} CPUs, Linux {}; medians of {} alternating pairs",
        kernel.trim(),
        options.pairs
    );
    println!("reference: {}", libraries[0].file.display());
    println!("monocoque: {}", libraries[1].file.display());
    println!("{conditions}\n");
    let (rows, failures) = Bench::new(&options, &baseline, &libraries, work_folder).measure();
    if let Some(file) = &options.save {
        write(file, &Results { conditions, rows }.to_text())?;
        println!("saved: {}", file.display());
    }
    Ok(failures)
}

/// `bench` in a folder of its own, which is removed.
fn bench_in_folder(options: Options) -> Result<Vec<String>, String> {
    let work_folder = std::env::temp_dir().join(format!("zmq-perf-{}", std::process::id()));
    fs::create_dir(&work_folder).map_err(|error| error.to_string())?;
    let failures = bench(options, &work_folder);
    let removed = fs::remove_dir_all(&work_folder);
    let mut failures = failures?;
    failures.extend(removed.err().map(|error| format!("{}: {error}", work_folder.display())));
    Ok(failures)
}

/// Draws both plots of saved rows.
fn draw(arguments: &[String]) -> Result<Vec<String>, String> {
    let [file, folder] = arguments else {
        return Err(USAGE.to_string());
    };
    let results = read(Path::new(file), Results::parse)?;
    let plots = [
        ("throughput.svg", plot::throughput(&results)?),
        ("latency.svg", plot::latency(&results)?),
    ];
    for (name, text) in plots {
        let file = Path::new(folder).join(name);
        write(&file, &text)?;
        println!("drawn: {}", file.display());
    }
    Ok(Vec::new())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.split_first() {
        Some((first, rest)) if first == "plot" => draw(rest),
        _ => Options::parse(arguments.into_iter()).and_then(bench_in_folder),
    };
    match outcome {
        Ok(failures) if failures.is_empty() => ExitCode::SUCCESS,
        Ok(failures) => {
            failures.iter().for_each(|failure| eprintln!("FAILED {failure}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
