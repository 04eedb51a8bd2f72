//! A program that was built for libzmq runs on libmonocoque and talks to a peer that runs on libzmq: `cargo run --example demo`.
//!
//! `exchange.c` is compiled and linked to libzmq (the one that the `zmq` crate bundles and builds). Then it runs as two
//! processes, one on each library, twice: first the client on libmonocoque by `LD_PRELOAD`, then the server, by a folder in
//! which `libzmq.so.5` is libmonocoque. Each process says which file its ZeroMQ is; that and the exchange are checked.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The two libraries, the program and the folder in which they are.
struct Built {
    reference: PathBuf,
    ours: PathBuf,
    program: PathBuf,
    /// Holds libmonocoque under the name `libzmq.so.5`.
    renamed: PathBuf,
}

/// How a process gets its ZeroMQ.
#[derive(Clone, Copy)]
enum On {
    Libzmq,
    MonocoqueByPreload,
    MonocoqueByName,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let built = build()?;
    println!("exchange.c is compiled and linked to {}", built.reference.display());
    exchange(&built, On::Libzmq, On::MonocoqueByPreload)?;
    exchange(&built, On::MonocoqueByName, On::Libzmq)?;
    println!("\nBoth exchanges are complete: the same program, on either library, at either end.");
    Ok(())
}

fn build() -> Result<Built> {
    let executable = std::env::current_exe()?;
    let profile = executable.ancestors().nth(2).ok_or("not run by cargo")?;
    let folder = profile.join("demo");
    let (libzmq, renamed) = (folder.join("libzmq"), folder.join("libmonocoque"));
    for folder in [&libzmq, &renamed] {
        fs::create_dir_all(folder)?;
    }
    let archive = newest_archive(&profile.join("build"))?;
    let reference = libzmq.join("libzmq.so.5");
    let mut link = Command::new("c++");
    link.args(["-shared", "-Wl,-soname,libzmq.so.5", "-Wl,--whole-archive"])
        .arg(archive);
    succeed(link.args(["-Wl,--no-whole-archive", "-lpthread", "-o"]).arg(&reference))?;
    let ours = fs::canonicalize(profile.join("deps/libmonocoque.so"))?;
    let name = renamed.join("libzmq.so.5");
    if name.is_symlink() {
        fs::remove_file(&name)?;
    }
    std::os::unix::fs::symlink(&ours, &name)?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = folder.join("exchange");
    let mut compile = Command::new("cc");
    compile
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-I"])
        .arg(root.join("include"));
    compile.arg(root.join("examples/demo/exchange.c")).arg(&reference);
    succeed(compile.args(["-ldl", "-o"]).arg(&program))?;
    Ok(Built {
        reference: fs::canonicalize(reference)?,
        ours,
        program,
        renamed,
    })
}

/// libzmq as the `zmq` crate has built it.
fn newest_archive(build: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(build)? {
        let archive = entry?.path().join("out/lib/libzmq.a");
        if let Ok(metadata) = fs::metadata(&archive) {
            found.push((metadata.modified()?, archive));
        }
    }
    let newest = found.into_iter().max().ok_or("the zmq crate has built no libzmq.a")?;
    Ok(newest.1)
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{command:?}: {status}").into())
    }
}

/// Runs the program as a server and a client, and shows what both say.
fn exchange(built: &Built, server: On, client: On) -> Result<()> {
    println!("\nserver: {}; client: {}", server.describe(), client.describe());
    let (mut serving, mut says) = built.start(server, &["server"])?;
    let mut endpoints = Vec::new();
    let mut heard = Vec::new();
    while endpoints.len() < 2 {
        let mut line = String::new();
        if says.read_line(&mut line)? == 0 {
            return Err(format!("the server ended: {heard:?}").into());
        }
        let line = line.trim_end();
        endpoints.extend(line.strip_prefix("bound ").map(str::to_owned));
        heard.push(line.to_owned());
    }
    let (mut asking, answers) = built.start(client, &["client", &endpoints[0], &endpoints[1]])?;
    let answers = answers.lines().collect::<std::io::Result<Vec<_>>>()?;
    let asked = asking.wait()?.success();
    if !asked {
        serving.kill()?;
    }
    for line in says.lines() {
        heard.push(line?);
    }
    let served = serving.wait()?.success();
    for (who, on, lines) in [("server", server, heard), ("client", client, answers)] {
        lines.iter().for_each(|line| println!("  {who} {line}"));
        let maps = format!("maps {}", built.library(on).display());
        if !lines.contains(&maps) {
            return Err(format!("the {who} does not say `{maps}`").into());
        }
    }
    if asked && served {
        Ok(())
    } else {
        Err("the exchange failed".into())
    }
}

impl On {
    fn describe(self) -> &'static str {
        match self {
            On::Libzmq => "on libzmq",
            On::MonocoqueByPreload => "on libmonocoque, by LD_PRELOAD",
            On::MonocoqueByName => "on libmonocoque, under the name libzmq.so.5",
        }
    }
}

impl Built {
    fn start(&self, on: On, arguments: &[&str]) -> Result<(Child, BufReader<ChildStdout>)> {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdout(Stdio::piped()).env_remove("LD_PRELOAD");
        match on {
            On::Libzmq | On::MonocoqueByPreload => command.env("LD_LIBRARY_PATH", folder_of(&self.reference)),
            On::MonocoqueByName => command.env("LD_LIBRARY_PATH", &self.renamed),
        };
        if let On::MonocoqueByPreload = on {
            command.env("LD_PRELOAD", &self.ours);
        }
        let mut child = command.spawn()?;
        let says = child.stdout.take().ok_or("no pipe to the program")?;
        Ok((child, BufReader::new(says)))
    }

    fn library(&self, on: On) -> &Path {
        match on {
            On::Libzmq => &self.reference,
            On::MonocoqueByPreload | On::MonocoqueByName => &self.ours,
        }
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().unwrap_or(file)
}
