//! `docs/compatibility.md` tells the truth: its tables name every function and option of the interface (`tests/facts`),
//! and what they say of an option is what the library answers. The RFC tables have a row for each SHALL, with a test
//! that exists.

use monocoque::constants::{ZMQ_PAIR, ZMQ_STREAM};
use monocoque::options::{Access, ContextOptions, Options, ROWS, Row, row};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of a table of facts, without its headline.
fn facts(name: &str) -> Vec<Vec<String>> {
    let text = read(format!("tests/facts/{name}.tsv"));
    text.lines()
        .skip(1)
        .map(|line| line.split('\t').map(String::from).collect())
        .collect()
}

/// The rows of the first table under a headline of the document, without code marks.
fn table(headline: &str) -> Vec<Vec<String>> {
    let document = read("docs/compatibility.md");
    let lines: Vec<&str> = document.lines().collect();
    let start = lines
        .iter()
        .position(|line| line.trim_start_matches('#').trim() == headline && line.starts_with('#'));
    let start = start.unwrap_or_else(|| panic!("no headline: {headline}"));
    let table = lines[start + 1..].iter().skip_while(|line| !line.starts_with('|'));
    let cells = |line: &&str| {
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect()
    };
    table
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(cells)
        .collect()
}

#[test]
fn every_function_has_a_row_and_what_is_not_yet_there_says_how_it_fails() {
    let documented = table("Functions");
    let names = |rows: &[Vec<String>]| rows.iter().map(|row| row[..2].to_vec()).collect::<Vec<_>>();
    assert_eq!(names(&documented), names(&facts("functions")));
    for row in &documented {
        match (row[1].as_str(), row[2].as_str()) {
            ("stable", "same") => {}
            ("stable", "not yet") => assert!(row[3].starts_with("ENOTSUP"), "{row:?}"),
            ("stable", "different") => assert!(!row[3].is_empty(), "{row:?}"),
            ("draft", "not yet") => assert_eq!(row[3], "not exported"),
            _ => panic!("{row:?}"),
        }
    }
}

#[test]
fn exactly_the_stable_functions_are_defined() {
    let mut defined = BTreeSet::new();
    for file in sources(&root().join("src/abi")) {
        let text = read(file);
        let definitions = text
            .lines()
            .map(str::trim_start)
            .filter(|line| line.starts_with("pub "));
        for (_, name) in definitions.filter_map(|line| line.split_once("fn zmq_")) {
            defined.insert(format!("zmq_{}", name.split('(').next().unwrap_or_default()));
        }
    }
    let stable = facts("functions")
        .into_iter()
        .filter(|row| row[1] == "stable")
        .map(|mut row| row.swap_remove(0));
    assert_eq!(defined, stable.collect());
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .collect()
}

#[test]
fn every_stable_option_has_a_row_in_the_document_and_in_the_code() {
    let documented = table("Socket options");
    let stable: BTreeSet<_> = facts("options")
        .into_iter()
        .filter(|row| row[3] == "stable")
        .map(|row| row[..2].to_vec())
        .collect();
    assert_eq!(
        documented.iter().map(|row| row[..2].to_vec()).collect::<BTreeSet<_>>(),
        stable
    );
    let drafts = facts("options")
        .into_iter()
        .filter(|row| row[3] == "draft")
        .map(|row| row[1].clone());
    let drafts: BTreeSet<_> = drafts.chain(["94".to_owned()]).collect();
    let in_code: Vec<_> = ROWS
        .iter()
        .filter(|row| !is_own(row))
        .filter(|row| !drafts.contains(&row.number.to_string()))
        .map(|row| [row.name.to_owned(), row.number.to_string(), access(row)])
        .collect();
    assert_eq!(
        documented.iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>(),
        in_code
    );
}

/// The libraries have no option in common that has this prefix.
fn is_own(row: &Row) -> bool {
    row.name.starts_with("MONOCOQUE_")
}

#[test]
fn every_option_of_this_library_has_a_row_with_its_number_default_and_access() {
    let documented = table("Options of this library");
    let in_code = ROWS.iter().filter(|row| is_own(row)).map(|row| {
        [
            row.name.to_owned(),
            row.number.to_string(),
            row.default.to_string(),
            access(row),
        ]
    });
    let first_word = |cell: &str| cell.split(':').next().unwrap().to_owned();
    let documented = documented
        .iter()
        .map(|row| [row[0].clone(), row[1].clone(), first_word(&row[3]), row[4].clone()]);
    assert_eq!(documented.collect::<Vec<_>>(), in_code.collect::<Vec<_>>());
    let texts = read("src/constants.rs");
    for row in ROWS.iter().filter(|row| is_own(row)) {
        let line = format!("pub const {}: c_int", row.name);
        let (before, _) = texts.split_once(&line).expect("it is a constant");
        let before = before.rsplit("pub const").next().unwrap();
        assert!(before.contains("///"), "{} is described in the header", row.name);
    }
}

fn access(row: &Row) -> String {
    let word = match row.access {
        // The document is about a library without it.
        Access::SetGet if is_of_gssapi(row) => "-",
        Access::SetGet => "set, get",
        Access::Set => "set",
        Access::Get => "get",
        Access::Neither => "-",
    };
    word.to_owned()
}

/// Whether the option works because of the feature that is off by default.
fn is_of_gssapi(row: &Row) -> bool {
    cfg!(feature = "gssapi") && row.name.starts_with("ZMQ_GSSAPI_")
}

/// "Same" and "different" options accept some value that is not their default's, or can only be read; the others refuse
/// all.
#[test]
fn the_status_of_an_option_is_what_the_library_answers() {
    for documented in table("Socket options") {
        let row = row(documented[1].parse().unwrap()).unwrap();
        if is_of_gssapi(row) {
            assert!(accepts_a_change(row) && documented[4].contains("with the feature gssapi"));
            continue;
        }
        let works = accepts_a_change(row) || row.access == Access::Get;
        match documented[3].as_str() {
            "same" => assert!(works, "{documented:?}"),
            "different" => assert!(works && !documented[4].is_empty(), "{documented:?}"),
            "not yet" | "same (EINVAL)" => assert!(!works && !documented[4].is_empty(), "{documented:?}"),
            _ => panic!("{documented:?}"),
        }
    }
}

/// Whether a setting that would change something is accepted by a socket of any type.
fn accepts_a_change(row: &Row) -> bool {
    let one = 1i32.to_ne_bytes();
    let wide = 1i64.to_ne_bytes();
    let changes: [&[u8]; 5] = [&one, &wide, b"name", b"127.0.0.1", &[1; 32]];
    (ZMQ_PAIR..=ZMQ_STREAM).any(|socket_type| {
        let mut options = Options::new(socket_type);
        // What a publisher's owner may subscribe to depends on this option; other types refuse it.
        let _ = options.set(monocoque::constants::ZMQ_XPUB_MANUAL, Some(&one));
        changes
            .iter()
            .any(|change| options.set(row.number, Some(change)).is_ok())
    })
}

#[test]
fn draft_options_are_listed_and_refused_but_for_those_that_say_otherwise() {
    let documented = table("Draft options");
    let listed: BTreeSet<_> = documented.iter().map(|row| row[..2].to_vec()).collect();
    for fact in facts("options").into_iter().filter(|row| row[3] == "draft") {
        assert!(listed.contains(&fact[..2]), "{fact:?}");
    }
    for documented in documented {
        let works = match documented[2].as_str() {
            "same" => true,
            "different" => !documented[3].is_empty(),
            "not yet" => documented[3].starts_with("reads"),
            _ => panic!("{documented:?}"),
        };
        assert_eq!(row(documented[1].parse().unwrap()).is_some(), works, "{documented:?}");
    }
}

#[test]
fn every_context_option_is_listed_and_known_and_no_other_number_is() {
    let mut listed = BTreeSet::new();
    for documented in table("Context options") {
        let number: i32 = documented[1].parse().unwrap();
        let set = ContextOptions::new().set(number, 1).is_ok();
        let get = ContextOptions::new().get(number).is_ok();
        // Number 8 takes away a processor that number 7 added.
        let removes = number == 8 && {
            let mut options = ContextOptions::new();
            options.set(7, 1).is_ok() && options.set(8, 1).is_ok()
        };
        assert!(set || get || removes, "{documented:?}");
        assert!(documented[2] == "same" || !documented[3].is_empty(), "{documented:?}");
        listed.insert(number);
    }
    for number in (-10..200).filter(|number| !listed.contains(number)) {
        assert!(
            ContextOptions::new().set(number, 1).is_err() && ContextOptions::new().get(number).is_err(),
            "{number}"
        );
    }
}

/// The number of SHALLs that each section of RFC 28 to 31 has as list items.
const SHALLS: [(&str, usize); 11] = [
    ("28/REQREP: REQ", 8),
    ("28/REQREP: REP", 11),
    ("28/REQREP: DEALER", 11),
    ("28/REQREP: ROUTER", 11),
    ("29/PUBSUB: PUB", 11),
    ("29/PUBSUB: XPUB", 12),
    ("29/PUBSUB: SUB", 8),
    ("29/PUBSUB: XSUB", 13),
    ("30/PIPELINE: PUSH", 10),
    ("30/PIPELINE: PULL", 7),
    ("31/EXPAIR: PAIR", 10),
];

#[test]
fn every_shall_names_a_test_that_exists() {
    // A test is a function of a file: of Rust or, in the programs of `tests-c`, of C.
    let exists = |test: &str| {
        let Some((file, function)) = test.split_once("::") else {
            return false;
        };
        let is_defined = |text: String| {
            [format!("fn {function}("), format!("static void {function} (")]
                .iter()
                .any(|head| text.contains(head))
        };
        fs::read_to_string(root().join(file)).is_ok_and(is_defined)
    };
    let mut without = Vec::new();
    for (headline, count) in SHALLS {
        let rows = table(headline);
        assert_eq!(rows.len(), count, "{headline}");
        without.extend(rows.into_iter().filter(|row| !row[1].split(", ").all(exists)));
    }
    assert!(without.is_empty(), "{} without a test: {without:#?}", without.len());
}
