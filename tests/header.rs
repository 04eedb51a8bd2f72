//! The C header: generated from the crate, complete, and equal to the reference interface.
//!
//! `tests/facts/` holds that interface as tables: every constant and function of libzmq 4.3.5. The C compiler judges: what
//! is asserted here are `_Static_assert`s and assignments in generated sources.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const GENERATED: &str = concat!(env!("OUT_DIR"), "/monocoque.h");
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
const REFERENCE: &str = "/usr/include/zmq.h";
const CPPZMQ: [&str; 2] = ["/usr/include/zmq.hpp", "/usr/include/zmq_addon.hpp"];

/// With `MONOCOQUE_RENEW_HEADER` set (`make header`) the committed header is renewed instead.
#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = fs::read_to_string(GENERATED).unwrap();
    let committed = Path::new(ROOT).join("include/monocoque.h");
    if env::var_os("MONOCOQUE_RENEW_HEADER").is_some() {
        fs::write(&committed, &generated).unwrap();
    }
    let committed = fs::read_to_string(&committed).unwrap_or_default();
    let difference = generated
        .lines()
        .zip(committed.lines())
        .find(|(generated, committed)| generated != committed);
    assert!(
        generated == committed,
        "run `make header`; the first line that differs: {difference:?}"
    );
}

#[test]
fn every_header_compiles_in_every_language_alone_and_twice() {
    for header in ["monocoque.h", "zmq.h", "zmq_utils.h"] {
        let source = format!(
            "#include <{header}>\n#include <{header}>\nint answer = ZMQ_VERSION + (int)sizeof(zmq_pollitem_t);\n"
        );
        for (standard, extension) in [("c99", "c"), ("c11", "c"), ("c++17", "cpp")] {
            compile(
                &format!("alone-{header}-{standard}.{extension}"),
                standard,
                &ours(),
                &source,
            )
            .unwrap();
        }
    }
}

#[test]
fn the_header_brings_what_programs_rely_on() {
    let mut source = String::from("#include <zmq.h>\n");
    for name in [
        "ZMQ_HAVE_TIMERS",
        "ZMQ_DEFINED_STDINT",
        "ZMQ_HAS_CAPABILITIES",
        "ZMQ_MAKE_VERSION",
        "ZMQ_VERSION",
    ] {
        source += &format!("#ifndef {name}\n#error {name}\n#endif\n");
    }
    source += "#if ZMQ_VERSION != ZMQ_MAKE_VERSION(4, 3, 5)\n#error version\n#endif\n";
    source += "int user(struct iovec *vector) { printf(\"%d\", EINVAL); return vector != NULL && errno == ENOTSUP; }\n";
    source += "uint64_t wide; size_t size; zmq_fd_t descriptor; zmq_msg_t message; zmq_pollitem_t item;\n";
    source += "zmq_free_fn *f; zmq_timer_fn *t; zmq_thread_fn *h;\n";
    source += "_Static_assert(sizeof(zmq_msg_t) == 64 && _Alignof(zmq_msg_t) == _Alignof(void *), \"message\");\n";
    source += "_Static_assert(offsetof(zmq_pollitem_t, socket) == 0 && sizeof(item.fd) == sizeof(int), \"item\");\n";
    source += "_Static_assert(offsetof(zmq_pollitem_t, fd) == sizeof(void *), \"descriptor\");\n";
    source += "_Static_assert(offsetof(zmq_pollitem_t, events) == sizeof(void *) + 4, \"events\");\n";
    source += "_Static_assert(offsetof(zmq_pollitem_t, revents) == sizeof(void *) + 6, \"revents\");\n";
    source += "#define ZMQ_EXPORT the name is free again, as after the reference header\n";
    compile("relied-on.c", "c11", &ours(), &source).unwrap();
}

#[test]
fn every_stable_constant_is_a_macro_of_the_right_value() {
    compile(
        "constants.c",
        "c11",
        &ours(),
        &constants("#include <zmq.h>\n", |_| true),
    )
    .unwrap();
    let wrong = "#include <zmq.h>\n_Static_assert(ZMQ_PAIR == 1, \"wrong\");\n";
    assert!(
        compile("constants-wrong.c", "c11", &ours(), wrong).is_err(),
        "the check itself must be able to fail"
    );
}

/// Debian's header is of 4.3.4: all that differs is the version.
#[test]
fn the_tables_agree_with_the_reference_header_where_it_is_installed() {
    let same = |name: &str| !matches!(name, "ZMQ_VERSION" | "ZMQ_VERSION_PATCH");
    for header in [Path::new(ROOT).join("include/zmq.h"), PathBuf::from(REFERENCE)]
        .iter()
        .filter(|header| header.exists())
    {
        let include = format!("#include \"{}\"\n", header.display());
        compile("reference-constants.c", "gnu11", &ours(), &constants(&include, same)).unwrap();
        compile("reference-functions.c", "gnu11", &ours(), &functions(&include)).unwrap();
    }
}

#[test]
fn every_stable_function_is_declared_with_its_prototype() {
    let source = functions("#include <zmq.h>\n");
    assert_eq!(source.matches("check_").count(), 70);
    compile("functions.c", "c11", &ours(), &source).unwrap();
    compile("functions.cpp", "c++17", &ours(), &source).unwrap();
    let declared = fs::read_to_string(GENERATED).unwrap();
    let foreign = declared.matches("ZMQ_EXPORT").count() - declared.matches("define ZMQ_EXPORT").count() - 1;
    let own = ["int monocoque_", "const char *monocoque_"].map(|start| declared.matches(start).count());
    for name in ["counter", "socket_stats", "socket_peers"] {
        assert!(declared.contains(&format!("int monocoque_{name}(")), "{name}");
    }
    assert!(declared.contains("const char *monocoque_driver(void)"));
    assert_eq!(
        (foreign, own.iter().sum::<usize>()),
        (74, 4),
        "functions in the header, all told, and those beyond libzmq's"
    );
}

#[test]
fn programs_in_c_and_cpp_compile_against_it() {
    let c = "#include <zmq.h>\n#include <zmq_utils.h>\nint main(void) { zmq_msg_t m; zmq_pollitem_t i[] = {{NULL, 0, ZMQ_POLLIN, 0}};\n\
             return zmq_msg_init(&m) + zmq_poll(i, 1, -1) + (zmq_errno() == ETERM); }\n";
    compile("program.c", "c99", &ours(), c).unwrap();
    let mut cpp = String::from("#include <zmq.h>\n");
    for header in CPPZMQ.iter().filter(|header| Path::new(header).exists()) {
        cpp += &format!("#include \"{header}\"\n");
    }
    cpp += "#ifdef __ZMQ_HPP_INCLUDED__\nvoid run() { zmq::context_t c; zmq::socket_t s(c, zmq::socket_type::rep);\n\
            s.set(zmq::sockopt::linger, 0); zmq::message_t m; (void)s.recv(m); zmq::multipart_t p(s);\n\
            s.send(zmq::buffer(\"x\", 1), zmq::send_flags::dontwait); }\n#endif\nint main() { zmq_msg_t m; return zmq_msg_init(&m); }\n";
    compile("program.cpp", "c++17", &ours(), &cpp).unwrap();
}

/// One assertion for every stable row of the table that `wanted` selects.
fn constants(include: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut source = include.to_owned();
    let mut count = 0;
    for [name, value, stability] in table("constants.tsv") {
        if stability != "stable" || !wanted(&name) {
            continue;
        }
        count += 1;
        source += &format!("#ifndef {name}\n#error {name} is no macro\n#endif\n");
        if !value.starts_with('(') {
            let value = value.split(" = ").next().unwrap();
            source += &format!("_Static_assert(({name}) == ({value}), \"{name}\");\n");
        }
    }
    assert!(count > 150, "the table lost its rows");
    source
}

/// One assignment to a function pointer of the expected type for every stable row of the table.
fn functions(include: &str) -> String {
    let stable = table("functions.tsv")
        .into_iter()
        .filter(|[_, stability, _]| stability == "stable");
    stable.fold(include.to_owned(), |source, [name, _, prototype]| {
        source + &prototype.replace(&format!("{name}("), &format!("(*check_{name})(")) + &format!(" = {name};\n")
    })
}

fn table(name: &str) -> Vec<[String; 3]> {
    let text = fs::read_to_string(Path::new(ROOT).join("tests/facts").join(name)).unwrap();
    let row = |line: &str| {
        let mut cells = line.split('\t').map(str::to_owned);
        [(); 3].map(|()| cells.next().unwrap_or_else(|| panic!("{name}: {line}")))
    };
    text.lines().skip(1).map(row).collect()
}

fn ours() -> PathBuf {
    Path::new(ROOT).join("include")
}

/// Compiles a source, with every warning an error, and gives what the compiler said when it refuses.
fn compile(file: &str, standard: &str, include: &Path, source: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (input, output) = (folder.join(file), folder.join(format!("{file}.o")));
    fs::write(&input, source).unwrap();
    let compiler = if file.ends_with(".cpp") { "c++" } else { "cc" };
    let mut command = Command::new(compiler);
    command
        .args(WARNINGS)
        .arg(format!("-std={standard}"))
        .arg("-I")
        .arg(include)
        .arg("-c")
        .arg(input)
        .arg("-o")
        .arg(output);
    let result = command.output().unwrap_or_else(|error| panic!("{compiler}: {error}"));
    if result.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&result.stderr).into_owned())
    }
}
