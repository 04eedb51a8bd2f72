//! The command line.

use std::path::PathBuf;

pub const USAGE: &str = "usage: runner --programs FOLDER --reference LIBZMQ --library LIBMONOCOQUE
  --pairs N        alternations for each row (5)
  --seconds S      duration of one run (1)
  --rows NAME      only this row, or, if no row has that name: A,B only rows whose name contains one of these
  --at-least R     fail when a row's ratio is lower
  --baseline FILE  fail when a row's ratio is under half of its figure there, also when it is measured again
  --save FILE      write the rows there, separated by tabs
  --smoke          one short pair for each row
or:    runner plot FILE FOLDER
  draws throughput.svg and latency.svg of saved rows";

pub struct Options {
    pub programs: PathBuf,
    pub reference: PathBuf,
    pub library: PathBuf,
    pub pairs: usize,
    pub seconds: f64,
    pub rows: String,
    pub at_least: f64,
    pub baseline: Option<PathBuf>,
    pub save: Option<PathBuf>,
}

impl Options {
    /// Errors: what is wrong, and the usage.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            programs: PathBuf::new(),
            reference: PathBuf::new(),
            library: PathBuf::new(),
            pairs: 5,
            seconds: 1.0,
            rows: String::new(),
            at_least: 0.0,
            baseline: None,
            save: None,
        };
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
                "--rows" => options.rows = value,
                "--at-least" => options.at_least = number()?,
                "--baseline" => options.baseline = Some(PathBuf::from(value)),
                "--save" => options.save = Some(PathBuf::from(value)),
                _ => return Err(USAGE.to_string()),
            }
        }
        if options.pairs == 0 || options.seconds <= 0.0 {
            return Err(USAGE.to_string());
        }
        Ok(options)
    }
}
