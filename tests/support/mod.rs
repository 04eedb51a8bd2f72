//! What the tests that run C programs share: the libraries to run them on, the compiler, and a watchdog.
//!
//! The reference library is the libzmq that the `zmq` crate bundles and builds: its static archive is linked into a
//! `libzmq.so.5`. Each library stands under that name in a folder of its own, so that the same binary runs on any of them
//! by `LD_LIBRARY_PATH`. Everything built lies in cargo's folder for the temporary files of integration tests.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A library that programs can be run on.
#[derive(Clone, Debug)]
pub struct Library {
    /// What reports call it.
    pub name: String,
    /// The folder that holds it as `libzmq.so.5`.
    pub folder: PathBuf,
    /// The folder that it lies in, with the libraries that it needs itself.
    pub home: PathBuf,
    /// Environment variables for programs that run on it.
    pub environment: Vec<(&'static str, String)>,
}

/// How a program ended, and what it printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The exit status in words: `exit status: 0`, a signal, or that the watchdog ended it.
    pub status: String,
    /// Everything the program wrote to its standard output.
    pub stdout: String,
    /// Everything the program wrote to its standard error.
    pub stderr: String,
}

/// The root of the source tree.
pub fn source_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compiles `<name>.c` of that folder of the source tree, unless it was compiled since it or a header last changed, and
/// returns the program.
pub fn program(sources: &str, name: &str) -> PathBuf {
    let folder = scratch("programs").join(sources);
    fs::create_dir_all(&folder).expect("a folder for programs");
    let _lock = lock("programs");
    let source = source_root().join(sources).join(format!("{name}.c"));
    let binary = folder.join(name);
    let stub = reference().folder.join("libzmq.so.5");
    let inputs = [source.clone(), stub.clone()];
    let headers = [sources, "tests-c", "include"].map(headers).into_iter().flatten();
    if is_newer(&binary, inputs.into_iter().chain(headers)) {
        return binary;
    }
    let partial = folder.join(format!("{name}.part"));
    let mut compiler = c_compiler();
    compiler.args([
        "-std=gnu11",
        "-O1",
        "-g",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-pthread",
        "-I",
    ]);
    compiler
        .arg(source_root().join("include"))
        .arg("-o")
        .arg(&partial)
        .arg(&source)
        .arg(&stub);
    run_to_success(&mut compiler);
    fs::rename(&partial, &binary).expect("rename the compiled program");
    binary
}

/// The headers in a folder of the source tree.
fn headers(folder: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(source_root().join(folder)).expect("a folder of headers");
    files
        .map(|entry| entry.expect("a file").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "h"))
        .collect()
}

/// The reference library, linked from the archive that the `zmq` crate built.
pub fn reference() -> Library {
    let folder = scratch("reference");
    let _lock = lock("reference");
    let archive = newest_archive();
    let library = folder.join("libzmq.so.5");
    if !is_newer(&library, [archive.clone()]) {
        let partial = folder.join("libzmq.part");
        let mut compiler = cc::Build::new();
        compiler.cpp(true);
        let mut linker = tool(&mut compiler);
        linker
            .args(["-shared", "-Wl,-soname,libzmq.so.5", "-Wl,--whole-archive"])
            .arg(&archive);
        linker
            .args(["-Wl,--no-whole-archive", "-pthread", "-lrt", "-o"])
            .arg(&partial);
        run_to_success(&mut linker);
        fs::rename(&partial, &library).expect("rename the reference library");
    }
    Library {
        name: "libzmq (zmq crate)".into(),
        home: folder.clone(),
        folder,
        environment: Vec::new(),
    }
}

/// Further reference libraries: the one that is installed, where it is a 4.3.4 or 4.3.5, and those that the environment
/// variable `MONOCOQUE_REFERENCES` names (paths of shared libraries, separated by colons).
pub fn further_references() -> Vec<Library> {
    let installed = [
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
    ]
    .iter()
    .map(|folder| Path::new(folder).join("libzmq.so.5"))
    .filter_map(|path| path.canonicalize().ok())
    .find(|path| {
        ["5.2.4", "5.2.5"]
            .iter()
            .any(|version| path.to_string_lossy().ends_with(version))
    });
    let named = std::env::var("MONOCOQUE_REFERENCES").unwrap_or_default();
    let named: Vec<PathBuf> = named
        .split(':')
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect();
    installed
        .into_iter()
        .chain(named)
        .enumerate()
        .map(|(index, path)| under_its_name(&format!("reference-{index}"), &path))
        .collect()
}

/// The library under test, once for each driver.
pub fn ours() -> Vec<Library> {
    let built = profile_folder().join("deps/libmonocoque.so");
    assert!(built.is_file(), "{} was not built", built.display());
    let library = under_its_name("ours", &built);
    ["uring", "epoll"]
        .map(|driver| Library {
            name: format!("monocoque ({driver})"),
            environment: vec![("MONOCOQUE_DRIVER", driver.to_owned())],
            ..library.clone()
        })
        .to_vec()
}

/// A command that runs the program on the library, in a fresh folder of its own (the second value; remove it afterwards).
pub fn command(program: &Path, library: &Library) -> (Command, PathBuf) {
    static COUNTER: AtomicUsize = AtomicUsize::new(0);
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let folder = scratch("runs").join(format!("{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder to run in");
    let path = std::env::join_paths([&library.folder, &library.home]).expect("no folder with a colon in its name");
    let mut command = Command::new(program);
    command
        .current_dir(&folder)
        .env("LD_LIBRARY_PATH", path)
        .env_remove("LD_PRELOAD");
    command
        .env_remove("MONOCOQUE_DRIVER")
        .envs(library.environment.iter().cloned())
        .stdin(Stdio::null());
    (command, folder)
}

/// Runs the program on the library; after `limit` it is killed, and the outcome says so.
pub fn run(program: &Path, arguments: &[&str], library: &Library, limit: Duration) -> Outcome {
    let (mut command, folder) = command(program, library);
    let mut child = command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run the program");
    let (sender, receiver) = mpsc::channel();
    let stdout = collect(child.stdout.take().expect("stdout"), sender.clone());
    let stderr = collect(child.stderr.take().expect("stderr"), sender);
    let deadline = Instant::now() + limit;
    let ended = (0..2).all(|_| {
        receiver
            .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            .is_ok()
    });
    if !ended {
        child.kill().expect("kill the program");
    }
    let status = child.wait().expect("wait for the program");
    let status = if ended {
        status.to_string()
    } else {
        format!("ended by the watchdog after {} s", limit.as_secs())
    };
    fs::remove_dir_all(&folder).expect("remove the folder of the run");
    Outcome {
        status,
        stdout: stdout.join().expect("stdout thread"),
        stderr: stderr.join().expect("stderr thread"),
    }
}

fn collect(mut stream: impl Read + Send + 'static, done: mpsc::Sender<()>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("read the program's output");
        // Nobody listens any more once the watchdog has gone off.
        let _ = done.send(());
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// `target/<profile>`: the test itself runs in its `deps` folder.
fn profile_folder() -> PathBuf {
    let test = std::env::current_exe().expect("the path of the test");
    test.parent()
        .and_then(Path::parent)
        .expect("the test lies in <profile>/deps")
        .to_owned()
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::create_dir_all(&folder).expect("a folder for temporary files");
    folder
}

/// Keeps other tests, also those of other processes, from building the same thing at the same time.
fn lock(name: &str) -> File {
    let file = File::create(scratch("locks").join(name)).expect("lock file");
    file.lock().expect("lock");
    file
}

/// A folder in which the library stands as `libzmq.so.5`.
fn under_its_name(name: &str, library: &Path) -> Library {
    let folder = scratch("libraries").join(name);
    let _lock = lock("libraries");
    fs::create_dir_all(&folder).expect("a folder for the library");
    let link = folder.join("libzmq.so.5");
    if fs::read_link(&link).ok().as_deref() != Some(library) {
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(library, &link).expect("link to the library");
    }
    let home = library.parent().expect("a library lies in a folder").to_owned();
    Library {
        name: library.display().to_string(),
        folder,
        home,
        environment: Vec::new(),
    }
}

/// The archive of libzmq that was built last in this target folder.
fn newest_archive() -> PathBuf {
    let build = profile_folder().join("build");
    let mut archives = Vec::new();
    for entry in fs::read_dir(&build).expect("cargo's build folder") {
        let out = entry.expect("a build script's folder").path().join("out");
        archives.extend(["libzmq.a", "lib/libzmq.a", "lib64/libzmq.a"].map(|file| out.join(file)));
    }
    let built = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    archives.retain(|path| built(path).is_some());
    archives
        .into_iter()
        .max_by_key(built)
        .unwrap_or_else(|| panic!("no libzmq.a below {}: the zmq crate builds it", build.display()))
}

/// True when the product is there and none of the inputs changed after it.
fn is_newer(product: &Path, inputs: impl IntoIterator<Item = PathBuf>) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    let Ok(product) = changed(product) else { return false };
    inputs
        .into_iter()
        .all(|input| changed(&input).expect("an input of the build") <= product)
}

fn c_compiler() -> Command {
    tool(&mut cc::Build::new())
}

/// The compiler that cc would take for this machine, which needs to be told what cargo tells build scripts.
fn tool(build: &mut cc::Build) -> Command {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    build
        .target(&target)
        .host(&target)
        .opt_level(1)
        .cargo_metadata(false)
        .get_compiler()
        .to_command()
}

fn run_to_success(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
