//! Runs one program on one library, with a watchdog, and reads what it reports.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A library under test: the file, and a folder where it has the name that the programs ask for.
pub struct Library {
    pub file: PathBuf,
    pub folder: PathBuf,
}

/// What a program reported.
pub struct Report {
    pub values: BTreeMap<String, f64>,
    /// How many processes named the library that they mapped.
    pub process_count: usize,
}

/// Runs the program to its end. The error says what went wrong: it failed, hung, said nothing, or mapped another file
/// than the library it was given.
pub fn execute(
    program: &Path,
    arguments: &[String],
    library: &Library,
    work_folder: &Path,
    time_limit: Duration,
) -> Result<Report, String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(work_folder).process_group(0);
    command
        .env("LD_PRELOAD", &library.file)
        .env("LD_LIBRARY_PATH", &library.folder);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    let status = wait(&mut child, time_limit);
    let (mut output, mut errors) = (String::new(), String::new());
    let read = read_all(child.stdout.take(), &mut output).and(read_all(child.stderr.take(), &mut errors));
    read.map_err(|error| format!("its output: {error}"))?;
    match status {
        Ok(Some(true)) => parse(&output, &library.file),
        Ok(Some(false)) => Err(errors.trim().replace('\n', "; ")),
        Ok(None) => Err(format!(
            "hung: ended after {} s; {}",
            time_limit.as_secs(),
            errors.trim()
        )),
        Err(error) => Err(format!("waiting for it: {error}")),
    }
}

/// Whether the child succeeded; `None` when it had to be killed, with everything that it started.
fn wait(child: &mut Child, time_limit: Duration) -> io::Result<Option<bool>> {
    let deadline = Instant::now() + time_limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if Instant::now() >= deadline {
            Command::new("sh")
                .arg("-c")
                .arg(format!("kill -KILL -{}", child.id()))
                .status()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read_all(from: Option<impl Read>, to: &mut String) -> io::Result<()> {
    from.map_or(Ok(()), |mut from| from.read_to_string(to).map(|_| ()))
}

/// Reads the lines `mapped process=NAME library=FILE` and `result NAME=VALUE …`.
fn parse(output: &str, library: &Path) -> Result<Report, String> {
    let mut report = Report {
        values: BTreeMap::new(),
        process_count: 0,
    };
    for line in output.lines() {
        if let Some((_, mapped)) = line
            .strip_prefix("mapped ")
            .and_then(|rest| rest.split_once("library="))
        {
            if Path::new(mapped) != library {
                return Err(format!("{line}, but it was given {}", library.display()));
            }
            report.process_count += 1;
        }
        let fields = line.strip_prefix("result ").unwrap_or_default().split_whitespace();
        for (name, value) in fields.filter_map(|field| field.split_once('=')) {
            let value = value.parse().map_err(|_| format!("no number: {line}"))?;
            report.values.insert(name.to_string(), value);
        }
    }
    if report.process_count == 0 || report.values.is_empty() {
        return Err(format!("it reported nothing: {output}"));
    }
    Ok(report)
}
