//! The architecture as a check of the source text: which room uses which, where `unsafe` stands, and how files look.
//!
//! The order of the rooms is the one in `docs/architecture.md` and `src/lib.rs`, which are compared with it. The checker is a
//! function of a path and a text, so that planted violations show that it finds them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms from the top: each may use only those below it.
const ROOMS: [&str; 14] = [
    "abi",
    "socket",
    "pattern",
    "hub",
    "context",
    "session",
    "reactor",
    "pipe",
    "zmtp",
    "transport",
    "options",
    "handle",
    "message",
    "sys",
];
/// May be used by every room, and use nothing but each other.
const COMMON: [&str; 2] = ["constants", "error"];
/// The entry macros stand at the top of the crate and belong to `abi`.
const ENTRY_MACROS: [&str; 2] = ["entry", "entry_unwind"];
const UNSAFE_PLACES: [&str; 5] = ["abi/", "handle/", "message/", "sys/", "reactor/driver/"];
const FORBIDDEN_WORDS: [&str; 3] = ["dead_code", "todo", "unimplemented"];
const HEAD_LINES_MAX: usize = 10;
const LINES_MAX: usize = 600;

#[test]
fn every_room_uses_only_rooms_below_it() {
    assert_none(in_files("src", edges_upward));
}

#[test]
fn unsafe_stands_only_where_it_may() {
    assert_none(in_files("src", misplaced_unsafe));
}

#[test]
fn every_file_says_what_it_is_and_is_small_and_finished() {
    for folder in [
        "src",
        "tests",
        "examples",
        "perf",
        "fuzz/fuzz_targets",
        "fuzz/src",
        "models/src",
    ] {
        assert_none(in_files(folder, form));
    }
}

#[test]
fn the_order_is_the_documented_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let modules: BTreeSet<String> = fs::read_dir(root.join("src"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let known = ROOMS
        .iter()
        .chain(&COMMON)
        .chain(&["lib"])
        .map(|room| (*room).to_owned());
    assert_eq!(modules, known.collect(), "modules in src");
    let head = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let head: Vec<&str> = head.lines().take_while(|line| line.starts_with("//!")).collect();
    let quoted: Vec<String> = head
        .join(" ")
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    let order: Vec<&String> = quoted.iter().filter(|word| ROOMS.contains(&word.as_str())).collect();
    assert_eq!(order, ROOMS, "src/lib.rs");
    let table = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let rows = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let order: Vec<&str> = rows.filter(|room| ROOMS.contains(room)).collect();
    assert_eq!(order, ROOMS, "docs/architecture.md");
}

#[test]
fn a_planted_edge_is_found() {
    let found = |path: &str, text: &str| edges_upward(path, text).len();
    assert_eq!(found("pipe/end.rs", "use crate::session::Session;"), 1);
    assert_eq!(
        found("pipe/end.rs", "use crate::message::Body;\nuse crate::error::Error;"),
        0
    );
    assert_eq!(
        found("pipe/end.rs", "use crate::pipe::Lane;\nuse super::batch::Batch;"),
        0
    );
    assert_eq!(
        found(
            "pipe/end.rs",
            "use crate::{\n    message::{Body, socket},\n    socket::{self, find},\n};"
        ),
        1
    );
    assert_eq!(
        found("pipe/end.rs", "fn f() { crate :: abi::entry::guard(0, || Ok(0)); }"),
        1
    );
    assert_eq!(found("pipe/mod.rs", "use super::socket;"), 1);
    assert_eq!(found("pipe/end.rs", "use super::super::socket;"), 1);
    let inside =
        "mod tests {\n    use super::super::message;\n    fn f() { {} }\n    use super::super::super::socket;\n}";
    assert_eq!(edges_upward("pipe/end.rs", inside), ["pipe/end.rs:4: pipe uses socket"]);
    assert_eq!(
        edges_upward("pipe/end.rs", &format!("{inside}\nuse super::super::abi;")).len(),
        2
    );
    assert_eq!(found("abi/socket.rs", "use super::context;\nuse crate::entry;"), 0);
    assert_eq!(found("sys/lock.rs", "entry!();\ncrate::entry! {}"), 1);
    assert_eq!(found("error.rs", "use crate::sys::errno;"), 1);
    assert_eq!(found("pipe/end.rs", "use crate::nowhere::Thing;"), 1);
    assert_eq!(found("pipe/end.rs", "use crate as whole;"), 1);
    assert_eq!(
        found(
            "pipe/end.rs",
            "// use crate::abi;\n/* crate::abi */ pub(crate) fn f() -> &'static str { \"crate::abi\" }"
        ),
        0
    );
}

#[test]
fn planted_unsafe_is_found() {
    assert_eq!(
        misplaced_unsafe("pipe/end.rs", "fn f() {\n    unsafe { g() }\n}"),
        ["pipe/end.rs:2: unsafe"]
    );
    assert!(misplaced_unsafe("reactor/mod.rs", "unsafe fn f() {}").len() == 1);
    assert!(misplaced_unsafe("reactor/driver/uring.rs", "unsafe fn f() {}").is_empty());
    assert!(
        misplaced_unsafe(
            "pipe/end.rs",
            "#![forbid(unsafe_code)] // unsafe\nconst S: &str = r#\"unsafe\"#;"
        )
        .is_empty()
    );
}

#[test]
fn planted_faults_of_form_are_found() {
    assert!(form("a.rs", "//! Head.\n\nfn f() {}\n").is_empty());
    assert_eq!(form("a.rs", "fn f() {}\n").len(), 1);
    assert_eq!(form("a.rs", &"//! Head.\n".repeat(HEAD_LINES_MAX + 1)).len(), 1);
    assert_eq!(
        form("a.rs", &format!("//! Head.\n{}", "\n".repeat(LINES_MAX - 1))).len(),
        0
    );
    assert_eq!(form("a.rs", &format!("//! Head.\n{}", "\n".repeat(LINES_MAX))).len(), 1);
    assert_eq!(
        form("a.rs", "//! Head.\n#[allow(unused, dead_code)]\nfn f() { todo!() }\n").len(),
        2
    );
    assert_eq!(
        form("a.rs", "//! Head.\nfn f() { unimplemented!(\"{}\", '\"') }\n").len(),
        1
    );
}

#[test]
fn text_that_is_no_code_is_blanked() {
    let blanked = code("let a = \"x\\\"y\"; // z\nlet b = '\\''; let c: &'a str = r##\"q\"#q\"##; /* n /* m */ n */ d");
    let words: Vec<&str> = words(&blanked).map(|(_, word)| word).collect();
    assert_eq!(words, ["let", "a", "let", "b", "let", "c", "a", "str", "r", "d"]);
    assert_eq!(blanked.lines().count(), 2);
}

/// Uses of a room that the order forbids. The path is relative to `src`.
fn edges_upward(path: &str, text: &str) -> Vec<String> {
    let room = path.split(['/', '.']).next().unwrap_or_default();
    if room == "lib" {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (line, used) in used_rooms(path, &code(text)) {
        if !may_use(room, &used) {
            found.push(format!("{path}:{line}: {room} uses {used}"));
        }
    }
    found
}

fn may_use(room: &str, used: &str) -> bool {
    let used = if ENTRY_MACROS.contains(&used) { "abi" } else { used };
    let place = |room| ROOMS.iter().position(|one| *one == room);
    match (place(room), place(used)) {
        (Some(room), Some(used)) => room <= used,
        (Some(_), None) => COMMON.contains(&used),
        (None, _) => COMMON.contains(&room) && COMMON.contains(&used),
    }
}

/// What follows `crate::`, or as many `super::` as lead to the top of the crate, with the line.
fn used_rooms(path: &str, code: &str) -> Vec<(usize, String)> {
    let folders = path.matches('/').count();
    let file_depth = if path.ends_with("/mod.rs") {
        folders
    } else {
        folders + 1
    };
    let mut used = Vec::new();
    let mut supers = 0;
    let mut braces = 0_usize;
    // The levels of braces at which modules inside the file were opened.
    let mut modules = Vec::new();
    let mut seen = 0;
    let mut module_is_named = false;
    for (offset, word) in words(code) {
        for character in code[seen..offset].chars() {
            match character {
                '{' => braces += 1,
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            }
            if character == '}' {
                modules.retain(|level| *level <= braces);
            }
        }
        seen = offset + word.len();
        let rest = code[seen..].trim_start();
        if module_is_named && rest.starts_with('{') {
            modules.push(braces + 1);
        }
        module_is_named = word == "mod";
        supers = if word == "super" { supers + 1 } else { 0 };
        let at_top = word == "crate" || supers == file_depth + modules.len();
        let line = code[..offset].matches('\n').count() + 1;
        match rest.strip_prefix("::").map(str::trim_start) {
            Some(rest) if at_top => used.extend(first_names(rest).into_iter().map(|name| (line, name))),
            // Under another name the top of the crate would lead anywhere.
            None if word == "crate" && rest.starts_with("as ") => used.push((line, "crate".to_owned())),
            Some(_) => {}
            None => supers = 0,
        }
    }
    used
}

/// The first name of a path, or of each path of a list in braces.
fn first_names(rest: &str) -> Vec<String> {
    let name = |text: &str| {
        words(text)
            .next()
            .filter(|(offset, _)| *offset == 0)
            .map(|(_, word)| word.to_owned())
    };
    let Some(list) = rest.strip_prefix('{') else {
        return name(rest).into_iter().collect();
    };
    let mut depth = 0;
    let mut names = Vec::new();
    let mut expected = true;
    for (offset, character) in list.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expected = true,
            _ if expected && !character.is_whitespace() => {
                names.extend(name(&list[offset..]));
                expected = false;
            }
            _ => {}
        }
    }
    names
}

fn misplaced_unsafe(path: &str, text: &str) -> Vec<String> {
    if UNSAFE_PLACES.iter().any(|place| path.starts_with(place)) {
        return Vec::new();
    }
    let code = code(text);
    let uses = words(&code).filter(|(_, word)| *word == "unsafe");
    uses.map(|(offset, _)| format!("{path}:{}: unsafe", code[..offset].matches('\n').count() + 1))
        .collect()
}

fn form(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let head = text.lines().take_while(|line| line.starts_with("//!")).count();
    if !(1..=HEAD_LINES_MAX).contains(&head) {
        faults.push(format!("{path}: {head} lines of `//!` at the top"));
    }
    let lines = text.lines().count();
    if lines > LINES_MAX {
        faults.push(format!("{path}: {lines} lines"));
    }
    let code = code(text);
    for (_, word) in words(&code).filter(|(_, word)| FORBIDDEN_WORDS.contains(word)) {
        faults.push(format!("{path}: {word}"));
    }
    faults
}

/// The words of a text and where they start.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |character: char| character == '_' || character.is_alphanumeric();
    let mut position = 0;
    std::iter::from_fn(move || {
        let start = position + text[position..].find(is_part)?;
        let end = text[start..]
            .find(|character| !is_part(character))
            .map_or(text.len(), |length| start + length);
        position = end;
        Some((start, &text[start..end]))
    })
}

/// The text with comments, strings and character literals blanked, line by line as long as before.
fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut blanked = bytes.to_vec();
    let mut place = 0;
    while place < bytes.len() {
        let rest = &bytes[place..];
        let end = place + length_of_other(rest, place.checked_sub(1).map(|before| bytes[before]));
        for byte in blanked[place..end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
        place = end.max(place + 1);
    }
    String::from_utf8(blanked).unwrap()
}

/// How long the comment or literal is that `rest` starts with; 0 if it starts with code.
fn length_of_other(rest: &[u8], before: Option<u8>) -> usize {
    let find = |needle: &[u8], from: usize| {
        let place = rest[from..].windows(needle.len()).position(|window| window == needle);
        place.map_or(rest.len(), |place| from + place + needle.len())
    };
    match rest {
        [b'/', b'/', ..] => rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()),
        [b'/', b'*', ..] => {
            let (mut depth, mut place) = (1, 2);
            while depth > 0 && place < rest.len() {
                match &rest[place..] {
                    [b'/', b'*', ..] => (depth, place) = (depth + 1, place + 2),
                    [b'*', b'/', ..] => (depth, place) = (depth - 1, place + 2),
                    _ => place += 1,
                }
            }
            place
        }
        [b'"' | b'#', ..] if matches!(before, Some(b'r')) => {
            let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
            if rest.get(hashes) != Some(&b'"') {
                return 0;
            }
            let mut end = vec![b'"'];
            end.resize(hashes + 1, b'#');
            find(&end, hashes + 1)
        }
        [b'"', ..] => quoted(rest, b'"'),
        [b'\'', b'\\', ..] => quoted(rest, b'\''),
        // A lifetime has no quote behind its first character.
        [b'\'', first, ..] => match first.leading_ones() as usize {
            0 if rest.get(2) == Some(&b'\'') => 3,
            0 => 0,
            length => length + 2,
        },
        _ => 0,
    }
}

fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut place = 1;
    while place < rest.len() {
        match rest[place] {
            b'\\' => place += 2,
            byte if byte == quote => return place + 1,
            _ => place += 1,
        }
    }
    rest.len()
}

fn in_files(folder: &str, check: fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(!files.is_empty(), "no source files in {folder}");
    let mut faults = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
        faults.extend(check(&name, &fs::read_to_string(&file).unwrap()));
    }
    faults
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
