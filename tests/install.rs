//! The installed tree: what is in it, what it exports, and programs built against it by every means.
//!
//! The tree is installed once, below a temporary folder, with libzmq's names as well. pkg-config's files are read here, so
//! that the test needs a C compiler alone; where pkg-config and CMake are installed, they build the same program.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PREFIX: &str = "/opt/tree";
const LIBRARIES: [(&str, &str); 2] = [("libmonocoque.so", "libmonocoque.so.0"), ("libzmq.so", "libzmq.so.5")];
const PACKAGES: [(&str, &str, &str); 2] = [
    ("monocoque", "monocoque", "monocoque::monocoque"),
    ("libzmq", "ZeroMQ", "libzmq"),
];

/// One message to and fro between two sockets of one process, over tcp.
const PROGRAM: &str = r#"
#include <zmq.h>
#include <string.h>
#define CHECK(expression) if (!(expression)) { printf("%s: %s\n", #expression, zmq_strerror(zmq_errno())); return 1; }
int main(void) {
    char endpoint[128], text[16];
    size_t size = sizeof endpoint;
    int major, minor, patch;
    void *context = zmq_ctx_new();
    void *server = zmq_socket(context, ZMQ_REP), *client = zmq_socket(context, ZMQ_REQ);
    CHECK(zmq_bind(server, "tcp://127.0.0.1:*") == 0);
    CHECK(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    CHECK(zmq_connect(client, endpoint) == 0);
    CHECK(zmq_send(client, "hello", 5, 0) == 5);
    CHECK(zmq_recv(server, text, sizeof text, 0) == 5 && memcmp(text, "hello", 5) == 0);
    CHECK(zmq_send(server, text, 5, 0) == 5);
    CHECK(zmq_recv(client, text, sizeof text, 0) == 5);
    CHECK(zmq_close(client) == 0 && zmq_close(server) == 0 && zmq_ctx_term(context) == 0);
    zmq_version(&major, &minor, &patch);
    printf("%d.%d.%d %.5s\n", major, minor, patch, text);
    return 0;
}
"#;
const ANSWER: &str = "4.3.5 hello\n";

#[test]
fn nothing_but_the_interface_is_exported() {
    let expected: BTreeSet<String> = functions();
    let shared = LIBRARIES.map(|(library, _)| lib().join(library));
    for library in shared.iter().chain([&built().join("libmonocoque.so")]) {
        let symbols = run(Command::new("nm").args(["-D", "--defined-only"]).arg(library));
        assert_eq!(defined(&symbols), expected, "{}", library.display());
    }
    let symbols = run(Command::new("nm")
        .args(["-g", "--defined-only"])
        .arg(lib().join("libmonocoque.a")));
    assert_eq!(defined(&symbols), expected, "libmonocoque.a");
}

#[test]
fn the_shared_libraries_have_their_names_and_stay_loaded() {
    for (library, soname) in LIBRARIES {
        let dynamic = run(Command::new("readelf").arg("-d").arg(lib().join(library)));
        assert!(dynamic.contains(&format!("Library soname: [{soname}]")), "{dynamic}");
        assert!(dynamic.contains("NODELETE"), "{dynamic}");
        assert!(lib().join(soname).exists());
    }
}

#[test]
fn a_program_finds_the_library_by_its_pkg_config_file() {
    for (package, _, _) in PACKAGES {
        let flags = pkg_config_flags(package);
        if let Some(theirs) = installed("pkg-config") {
            let mut command = Command::new(theirs);
            command
                .env("PKG_CONFIG_PATH", lib().join("pkgconfig"))
                .env("PKG_CONFIG_SYSROOT_DIR", tree());
            let theirs = run(command.args(["--cflags", "--libs", package]));
            let theirs: BTreeSet<String> = theirs.split_whitespace().map(str::to_owned).collect();
            assert_eq!(theirs, flags.iter().cloned().collect());
        }
        let program = scratch(package).join("program");
        run(Command::new("cc")
            .arg(source(package))
            .args(flags)
            .arg("-o")
            .arg(&program));
        assert_eq!(run(Command::new(&program).env("LD_LIBRARY_PATH", lib())), ANSWER);
    }
}

/// Beside both sums of counters, that of the publisher and those of its subscribers.
#[test]
fn the_example_accounts_for_every_message() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/counters.c");
    let program = scratch("counters").join("program");
    run(Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror"])
        .arg(example)
        .args(pkg_config_flags("monocoque"))
        .arg("-o")
        .arg(&program));
    let printed = run(Command::new(&program).env("LD_LIBRARY_PATH", lib()));
    let sums: Vec<u64> = printed
        .lines()
        .map(|line| {
            let (sum, parts) = line.rsplit_once(": ").unwrap().1.split_once(" = ").unwrap();
            let numbers = parts.split(" + ").map(|part| part.split(' ').next().unwrap());
            let total: u64 = numbers.map(|number| number.parse::<u64>().unwrap()).sum();
            assert_eq!(sum.parse::<u64>().unwrap(), total, "{line}");
            total
        })
        .collect();
    assert_eq!(sums.len(), 3, "{printed}");
    assert_eq!(sums[0] + sums[1], sums[2], "{printed}");
    assert!(sums[1] >= 100_000, "{printed}");
}

#[test]
fn a_program_holds_the_library_statically() {
    for (name, flags) in [("static-library", &[][..]), ("static-program", &["-static"])] {
        let program = scratch(name).join("program");
        let mut command = Command::new("cc");
        command
            .args(flags)
            .arg("-I")
            .arg(include())
            .arg("-I")
            .arg(include().join("monocoque"))
            .arg(source(name));
        run(command
            .arg(lib().join("libmonocoque.a"))
            .args(["-lpthread", "-ldl", "-lm", "-o"])
            .arg(&program));
        assert_eq!(run(&mut Command::new(&program)), ANSWER);
    }
}

#[test]
fn a_program_finds_the_library_by_its_cmake_package_where_cmake_is_installed() {
    for (_, package, target) in PACKAGES {
        let config = lib().join("cmake").join(package).join(format!("{package}Config.cmake"));
        let text = fs::read_to_string(config).unwrap();
        assert!(
            text.contains(&format!("add_library({target} SHARED IMPORTED)")) && !text.contains('@'),
            "{text}"
        );
        let Some(cmake) = installed("cmake") else {
            println!("cmake is not installed: the package file was read, not used");
            continue;
        };
        for target in [target.to_owned(), format!("{target}-static")] {
            let folder = scratch(&format!("cmake-{}", target.replace(':', "")));
            fs::write(folder.join("program.c"), PROGRAM).unwrap();
            let project = format!(
                "cmake_minimum_required(VERSION 3.10)\nproject(installed C)\nfind_package({package} REQUIRED)\n\
                 add_executable(program program.c)\ntarget_link_libraries(program {target})\n"
            );
            fs::write(folder.join("CMakeLists.txt"), project).unwrap();
            let build = folder.join("build");
            let prefix = format!("-DCMAKE_PREFIX_PATH={}{PREFIX}", tree().display());
            run(Command::new(&cmake)
                .arg("-S")
                .arg(&folder)
                .arg("-B")
                .arg(&build)
                .arg(prefix));
            run(Command::new(&cmake).arg("--build").arg(&build));
            assert_eq!(run(&mut Command::new(build.join("program"))), ANSWER);
        }
    }
}

#[test]
fn what_was_installed_can_be_removed() {
    let other = scratch("removed");
    install(&other, "0", &[]);
    let installed = run(Command::new("find")
        .arg(&other)
        .args(["-type", "f", "-o", "-type", "l"]));
    assert!(
        installed.contains("libmonocoque.so") && !installed.contains("libzmq"),
        "{installed}"
    );
    install(&other, "1", &[]);
    install(&other, "1", &["--uninstall"]);
    assert_eq!(
        run(Command::new("find")
            .arg(&other)
            .args(["-type", "f", "-o", "-type", "l"])),
        ""
    );
}

/// The folder below which the tree is installed.
fn tree() -> &'static Path {
    static TREE: OnceLock<PathBuf> = OnceLock::new();
    TREE.get_or_init(|| {
        let tree = scratch("tree");
        install(&tree, "1", &[]);
        tree
    })
}

fn install(destination: &Path, compatible: &str, arguments: &[&str]) {
    let mut command = Command::new(Path::new(ROOT).join("install.sh"));
    command
        .args(arguments)
        .env("PREFIX", PREFIX)
        .env("DESTDIR", destination)
        .env("LIBZMQ_COMPAT", compatible);
    run(command
        .env("BUILD", built())
        .env_remove("LIBDIR")
        .env_remove("INCLUDEDIR"));
}

/// Where cargo put the library that it built for this test run: next to this program.
fn built() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_owned()
}

fn lib() -> PathBuf {
    tree().join(&PREFIX[1..]).join("lib")
}

fn include() -> PathBuf {
    tree().join(&PREFIX[1..]).join("include")
}

/// An empty folder of that name.
fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("install").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn source(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("install")
        .join(name)
        .join("program.c");
    fs::write(&file, PROGRAM).unwrap();
    file
}

/// The compiler's flags in a package file, its variables filled in, below the folder of the tree.
fn pkg_config_flags(package: &str) -> Vec<String> {
    let text = fs::read_to_string(lib().join("pkgconfig").join(format!("{package}.pc"))).unwrap();
    let value = |key: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap_or_else(|| panic!("{key} in {text}"))
    };
    let mut flags = format!("{} {}", value("Cflags:"), value("Libs:"));
    for variable in ["libdir", "includedir"] {
        let place = format!("{}{}", tree().display(), value(&format!("{variable}=")));
        flags = flags.replace(&format!("${{{variable}}}"), &place);
    }
    flags.split_whitespace().map(str::to_owned).collect()
}

fn functions() -> BTreeSet<String> {
    let table = fs::read_to_string(Path::new(ROOT).join("tests/facts/functions.tsv")).unwrap();
    let stable = table
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .filter(|row| row[1] == "stable");
    stable.map(|row| row[0].to_owned()).collect()
}

/// The names in the output of nm, but for the library's own additions to the interface.
fn defined(symbols: &str) -> BTreeSet<String> {
    let rows = symbols
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|row| row.len() == 3);
    rows.map(|row| row[2].to_owned())
        .filter(|name| !name.starts_with("monocoque_"))
        .collect()
}

fn installed(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|file| file.exists())
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{stdout}{stderr}",
        output.status
    );
    stdout.into_owned()
}
