//! The shape of the program, checked: who may use whom, and what is done in one place only.
//!
//! The tables below are the documentation. A test that fails says how to mend what it found; a table may be changed too, on purpose and
//! with a reason. `each_rule_can_fail` proves every rule on a few made-up lines.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

#[path = "architecture/source.rs"]
mod source;

use source::{Source, resolve, tokens};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

/// Rooms from the ground up: name, floor, and the rooms of its own floor that it may use. All rooms below it are free to use.
const ROOMS: &[(&str, u8, &[&str])] = &[
    // Values and bounds.
    ("id", 0, &[]),
    ("path", 0, &["limits"]),
    ("entry", 0, &["id", "path"]),
    ("place", 0, &["path"]),
    ("monitor", 0, &["path"]),
    ("limits", 0, &[]),
    // Content to blocks; bytes to values; system calls on trees; backup.tab.
    ("chunk", 1, &[]),
    ("format", 1, &["chunk"]),
    ("fs", 1, &[]),
    ("table", 1, &[]),
    // Chunks by id; trees of entries; the walk over a tree; which snapshots stay.
    ("store", 2, &[]),
    ("manifest", 2, &["store"]),
    ("scan", 2, &[]),
    ("retention", 2, &[]),
    // A tree into the store; a manifest into a tree; snapshots as a file system.
    ("browse", 3, &[]),
    ("source", 3, &[]),
    ("tree", 3, &[]),
    // One end of a target.
    ("mirror", 4, &[]),
    // Ends on other hosts.
    ("remote", 5, &[]),
    // The verbs.
    ("ops", 6, &[]),
    // Words, reports, exit codes; and what starts them.
    ("cli", 7, &[]),
    ("main", 8, &[]),
];

/// Files of one room that use each other all the same: (user, used). To be untied, not to be added to.
const KNOTS: &[(&str, &str)] =
    &[("chunk::choose", "chunk::codec"), ("source::feed", "source::snapshot"), ("table::check", "table::parse")];

/// Who touches the disk, and why. `fs` is the room for it: whoever is not here asks `fs`.
const DISK: &[(&str, &str)] = &[
    ("fs/", "the room of system calls"),
    ("store/history.rs", "lists and reads the packs of a store that another takes over"),
    ("store/import.rs", "looks how much of a pack was copied"),
    ("store/index/build.rs", "writes an index that fs::durable made"),
    ("store/index/file.rs", "holds an index of our own open"),
    ("store/index/set.rs", "lists our own folder of indexes"),
    ("store/pack/reader.rs", "holds a pack of our own open"),
    ("store/pack/writer.rs", "holds a pack of our own open"),
    ("store/snapshots.rs", "lists our own folder of records"),
    ("store/write.rs", "lists our own folder of packs"),
    ("source/known.rs", "reads from files that fs::dir opened"),
    ("source/prove.rs", "reads from files that fs::dir opened"),
    ("source/read.rs", "reads from files that fs::dir opened"),
    ("source/feed.rs", "names kinds of files"),
    ("tree/make.rs", "writes to files that fs::dir made"),
    ("tree/share.rs", "has files cloned that fs::dir opened and made"),
    ("tree/trust.rs", "names kinds of files"),
    ("tree/twin.rs", "copies a file that fs::dir opened into one that it made"),
    ("cli/table.rs", "finds backup.tab and looks at who may write to it"),
];

/// Where the only users of a package are: one that is replaced is replaced there.
const PACKAGES: &[(&str, &str)] = &[
    ("bincode", "format/bin.rs"),
    ("fastcdc", "chunk/cut.rs"),
    ("zstd", "chunk/"),
    ("fuser", "browse/fuse/"),
    ("memmap2", "fs/map.rs"),
    ("walkdir", "store/"),
    ("clap", "cli/"),
    ("anyhow", "cli/"),
    ("indicatif", "cli/"),
];

/// Files beside the head of a room that hold an `Error`: why they may.
const ERRORS: &[(&str, &str)] = &[
    ("browse/fuse/mod.rs", "of a mount, not of what is asked through it"),
    ("chunk/codec.rs", "of one noun, not of the room"),
    ("table/error.rs", "the room's own; table/mod.rs gives it out"),
];

/// Talks over standard output, and prints nothing to it.
const PIPE: &str = "remote/stdio.rs";

/// Lines of code in a file, its tests included.
const FILE_LINES: usize = 400;
/// Packages in Cargo.lock.
const LOCKED: usize = 156;

static FILES: LazyLock<Vec<Source>> = LazyLock::new(|| source::read(Path::new("src")));

fn holds(broken: &[String], mend: &str) {
    assert!(broken.is_empty(), "\n\n{}\n\nTo mend it: {mend}.\n", broken.join("\n"));
}

fn modules(files: &[Source]) -> BTreeSet<Vec<String>> {
    files.iter().map(|file| file.module.clone()).collect()
}

/// All uses of one file by another, outside tests: user, line, used.
fn uses(files: &[Source]) -> Vec<(&Source, usize, Vec<String>)> {
    let modules = modules(files);
    let of = |file| {
        let found = Source::mentions(file).into_iter();
        found.filter_map(|m| Some((file, m.line, resolve(file, &m.path, &modules)?))).collect::<Vec<_>>()
    };
    files.iter().filter(|file| !file.is_test).flat_map(of).filter(|(file, _, used)| file.module != *used).collect()
}

fn rooms_not_in_the_table(files: &[Source]) -> Vec<String> {
    let known = |room: &str| room == "lib" || ROOMS.iter().any(|(name, ..)| *name == room);
    let unknown = files.iter().filter(|file| !known(file.room()));
    unknown.map(|file| format!("src/{}: the room `{}` stands on no floor", file.path, file.room())).collect()
}

fn imports_upward(files: &[Source]) -> Vec<String> {
    let floor = |room: &str| ROOMS.iter().find(|(name, ..)| *name == room);
    let mut broken = Vec::new();
    for (file, line, used) in uses(files) {
        let (from, to) = (file.room(), used.first().map_or("", String::as_str));
        let (Some((_, high, beside)), Some((_, low, _))) = (floor(from), floor(to)) else {
            if from != "lib" && to.is_empty() {
                broken.push(format!("src/{}:{line}: uses the crate's root", file.path));
            }
            continue;
        };
        if from != to && low >= high && !beside.contains(&to) {
            broken.push(format!("src/{}:{line}: `{from}` (floor {high}) uses `{to}` (floor {low})", file.path));
        }
    }
    broken
}

/// A way from a name back to itself.
fn cycle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit(
        at: &str,
        edges: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if let Some(start) = way.iter().position(|name| name == at) {
            way.drain(..start);
            way.push(at.to_owned());
            return true;
        }
        if !done.contains(at) {
            way.push(at.to_owned());
            if edges.get(at).is_some_and(|next| next.iter().any(|to| visit(to, edges, way, done))) {
                return true;
            }
            way.pop();
            done.insert(at.to_owned());
        }
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    edges.keys().any(|start| visit(start, edges, &mut way, &mut done)).then_some(way)
}

/// Rooms are what is at the top of src.
fn cycle_of_rooms(files: &[Source]) -> Vec<String> {
    let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, _, used) in uses(files) {
        if let Some(to) = used.first().filter(|to| *to != file.room()) {
            edges.entry(file.room().to_owned()).or_default().insert(to.clone());
        }
    }
    cycle(&edges).map(|way| way.join(" -> ")).into_iter().collect()
}

/// Single files. The file of a folder is left out: it holds the `Error` that all in it use, and joins them.
fn cycle_of_files(files: &[Source], knots: &[(&str, &str)]) -> Vec<String> {
    let joins: BTreeSet<&[String]> = files.iter().filter(|f| f.is_mod()).map(|f| f.module.as_slice()).collect();
    let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
    for (file, _, used) in uses(files) {
        if !file.is_mod() && !joins.contains(used.as_slice()) {
            edges.entry(file.module.join("::")).or_default().insert(used.join("::"));
        }
    }
    let mut broken = Vec::new();
    for (from, to) in knots {
        if !edges.get_mut(*from).is_some_and(|used| used.remove(*to)) {
            broken.push(format!("the knot {from} -> {to} is untied: take it out of KNOTS"));
        }
    }
    broken.extend(cycle(&edges).map(|way| way.join(" -> ")));
    broken
}

fn globs(files: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.is_test) {
        let found = file.mentions().into_iter().filter(|m| m.path.last().is_some_and(|name| name == "*"));
        broken.extend(found.map(|m| format!("src/{}:{}: use {}", file.path, m.line, m.path.join("::"))));
    }
    broken
}

/// Lines of `text` that hold one of the patterns, not as a part of a longer word.
fn lines_with(file: &Source, text: &str, patterns: &[&str]) -> Vec<String> {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let cut = |a: Option<char>, b: Option<char>| !(in_word(a) && in_word(b));
    let holds = |line: &str, pattern: &str| {
        line.match_indices(pattern).any(|(at, _)| {
            let (before, after) = (line[..at].chars().next_back(), line[at + pattern.len()..].chars().next());
            cut(before, pattern.chars().next()) && cut(pattern.chars().next_back(), after)
        })
    };
    let mut hits = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let found = patterns.iter().filter(|pattern| holds(line, pattern));
        hits.extend(found.map(|pattern| format!("src/{}:{}: {pattern}", file.path, n + 1)));
    }
    hits
}

fn super_super(files: &[Source]) -> Vec<String> {
    files.iter().filter(|f| !f.is_test).flat_map(|f| lines_with(f, &f.code, &["super::super"])).collect()
}

fn files_without_head(files: &[Source]) -> Vec<String> {
    let bare = files.iter().filter(|file| !file.is_test && !file.text.starts_with("//! "));
    bare.map(|file| format!("src/{}: line 1", file.path)).collect()
}

fn files_too_long(files: &[Source]) -> Vec<String> {
    let long = files.iter().filter(|file| file.code_lines() > FILE_LINES);
    long.map(|file| format!("src/{}: {} lines of code", file.path, file.code_lines())).collect()
}

fn ways_to_panic(files: &[Source]) -> Vec<String> {
    let patterns = [".unwrap()", ".expect(", "panic!", "todo!", "unimplemented!", "unreachable!"];
    files.iter().filter(|f| !f.is_test).flat_map(|f| lines_with(f, &f.code, &patterns)).collect()
}

fn unfinished_work(files: &[Source]) -> Vec<String> {
    files.iter().flat_map(|f| lines_with(f, &f.text, &["FIXME", "TODO", "XXX"])).collect()
}

fn is_in(path: &str, place: &str) -> bool {
    path == place || (place.ends_with('/') && path.starts_with(place))
}

/// Users of the disk that are not in the table, and rows of the table without a user.
fn users_of_the_disk(files: &[Source], allowed: &[(&str, &str)]) -> Vec<String> {
    const PATHS: [&str; 4] = ["std::fs", "std::os::unix::fs", "rustix::fs", "walkdir"];
    const CALLS: [&str; 8] = [
        "File::open",
        "File::create",
        ".exists()",
        ".try_exists()",
        ".canonicalize()",
        ".metadata()",
        ".symlink_metadata()",
        ".read_dir()",
    ];
    let (mut broken, mut seen) = (Vec::new(), BTreeSet::new());
    for file in files.iter().filter(|file| !file.is_test) {
        let named = file.mentions().into_iter().filter(|m| PATHS.iter().any(|path| m.starts_with(path)));
        let named = named.map(|m| format!("src/{}:{}: {}", file.path, m.line, m.path.join("::")));
        let hits: Vec<String> = named.chain(lines_with(file, &file.code, &CALLS)).collect();
        match allowed.iter().position(|(place, _)| is_in(&file.path, place)) {
            Some(row) if !hits.is_empty() => _ = seen.insert(row),
            Some(_) => {}
            None => broken.extend(hits),
        }
    }
    let idle = (0..allowed.len()).filter(|row| !seen.contains(row));
    broken.extend(idle.map(|row| format!("{} touches the disk no more: take it out of DISK", allowed[row].0)));
    broken
}

fn printing(files: &[Source]) -> Vec<String> {
    let patterns = ["println!", "print!", "eprintln!", "eprint!", "dbg!", "stdout()", "stderr()"];
    let may = |path: &str| is_in(path, "cli/") || path == PIPE;
    let silent = files.iter().filter(|file| !file.is_test && !may(&file.path));
    silent.flat_map(|file| lines_with(file, &file.code, &patterns)).collect()
}

fn packages_out_of_place(files: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| !file.is_test) {
        for mention in file.mentions() {
            let row = PACKAGES.iter().find(|(name, _)| mention.starts_with(name));
            if let Some((name, place)) = row.filter(|(_, place)| !is_in(&file.path, place)) {
                broken.push(format!("src/{}:{}: {name}, which belongs to {place}", file.path, mention.line));
            }
        }
    }
    broken
}

fn errors_out_of_place(files: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.module.len() != 1 && !ERRORS.iter().any(|(path, _)| *path == file.path))
    {
        for pair in tokens(&file.code).windows(2) {
            if ["enum", "struct", "type"].contains(&pair[0].text.as_str()) && pair[1].text == "Error" {
                broken.push(format!("src/{}:{}: {} Error", file.path, pair[0].line, pair[0].text));
            }
        }
    }
    broken
}

fn more_than_modules_in_lib(files: &[Source]) -> Vec<String> {
    let lib = files.iter().filter(|file| file.path == "lib.rs");
    let other = |line: &&str| !(line.trim().is_empty() || line.starts_with("pub mod ") && line.ends_with(';'));
    lib.flat_map(|file| file.code.lines().filter(other)).map(|line| format!("src/lib.rs: {line}")).collect()
}

fn packages_in(lock: &str) -> usize {
    lock.lines().filter(|line| *line == "[[package]]").count()
}

#[test]
fn every_room_stands_on_a_floor() {
    holds(&rooms_not_in_the_table(&FILES), "give the room a floor in ROOMS, as low as what it uses lets it");
}

#[test]
fn rooms_use_only_rooms_below_them() {
    holds(
        &imports_upward(&FILES),
        "move what both need to a floor below, or hand it down as an argument, a closure or a trait; name things as crate::room::Noun",
    );
}

#[test]
fn no_rooms_use_each_other_in_a_circle() {
    holds(&cycle_of_rooms(&FILES), "move what they share to a room below both");
    let beside = |(name, _, beside): &(&str, u8, &[&str])| {
        ((*name).to_owned(), beside.iter().map(|&b| b.to_owned()).collect::<BTreeSet<_>>())
    };
    assert_eq!(cycle(&ROOMS.iter().map(beside).collect()), None, "ROOMS itself has a circle");
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    holds(&cycle_of_files(&FILES, KNOTS), "move what they share to a file of its own, or to the one that is lower");
}

#[test]
fn every_import_names_what_it_takes() {
    holds(&globs(&FILES), "name what is used");
}

#[test]
fn no_path_climbs_two_floors() {
    holds(&super_super(&FILES), "begin at crate::");
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    holds(&files_without_head(&FILES), "begin the file with `//! What it does (floor N)`, and what must stay true");
}

#[test]
fn no_file_is_long() {
    holds(&files_too_long(&FILES), &format!("cut it in two nouns; {FILE_LINES} lines without comments are the limit"));
}

#[test]
fn nothing_can_panic_outside_tests() {
    holds(&ways_to_panic(&FILES), "return an error, or choose a form that cannot fail");
}

#[test]
fn nothing_is_left_for_later() {
    holds(&unfinished_work(&FILES), "do it, or write it down as a shortcoming where users read it");
}

#[test]
fn only_those_in_the_table_touch_the_disk() {
    holds(&users_of_the_disk(&FILES, DISK), "use or extend `fs`; in rare cases add the file and a reason to DISK");
}

#[test]
fn only_cli_prints() {
    holds(&printing(&FILES), "tell a Monitor, or return it");
}

#[test]
fn each_package_is_used_in_its_place_only() {
    holds(&packages_out_of_place(&FILES), "call what wraps the package there");
}

#[test]
fn each_room_has_its_own_error() {
    holds(&errors_out_of_place(&FILES), "put it into the mod.rs of its room; there is no error of the whole crate");
}

#[test]
fn lib_only_lists_the_rooms() {
    holds(&more_than_modules_in_lib(&FILES), "put it into a room; nothing is given out a second time");
}

#[test]
fn few_packages_are_needed() {
    let count = packages_in(&std::fs::read_to_string("Cargo.lock").unwrap());
    assert!(
        count <= LOCKED,
        "Cargo.lock has {count} packages, {LOCKED} are allowed: do without, or raise LOCKED on purpose"
    );
}

mod each_rule_can_fail {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Vec<Source> {
        files.iter().map(|(path, text)| Source::new(path, text)).collect()
    }

    /// A rule lets the first text pass in this file and finds the second one in so many places.
    fn rule(rule: impl Fn(&[Source]) -> Vec<String>, path: &str, good: &str, bad: &str, count: usize) {
        let rooms = [("id.rs", ""), ("store/mod.rs", ""), ("store/x.rs", ""), ("ops/mod.rs", ""), ("cli/mod.rs", "")];
        let with = |text| files(&[&[(path, text)], rooms.as_slice()].concat());
        assert_eq!(rule(&with(good)), Vec::<String>::new());
        assert_eq!(rule(&with(bad)).len(), count, "{:?}", rule(&with(bad)));
    }

    #[test]
    fn a_room_without_floor() {
        assert_eq!(rooms_not_in_the_table(&files(&[("lib.rs", ""), ("fs/a.rs", ""), ("attic/mod.rs", "")])).len(), 1);
    }

    #[test]
    fn an_upward_import() {
        let good =
            "use crate::{id::Id, store::{self, x::Y}};\n#[cfg(test)]\nmod tests { use crate::cli::Z; }\n// crate::cli";
        rule(imports_upward, "ops/a.rs", good, "use crate::{id, cli::{self, X}};\nfn f() { crate::cli::g() }", 3);
        rule(imports_upward, "manifest/a.rs", "use crate::store;", "use crate::ops::X;", 1);
        rule(imports_upward, "scan/a.rs", "", "use crate::store;", 1);
        rule(imports_upward, "ops/a.rs", "use super::Error;", "use crate::Error;", 1);
        rule(imports_upward, "main.rs", "fn main() { backup::cli::main() }", "fn main() { backup::version() }", 1);
    }

    #[test]
    fn a_circle() {
        rule(cycle_of_rooms, "scan/a.rs", "use crate::store::x;", "", 0);
        let round =
            files(&[("a.rs", "use crate::b::X;"), ("b.rs", "fn f() { crate::c::g() }"), ("c.rs", "use crate::a;")]);
        assert_eq!(cycle_of_rooms(&round), ["a -> b -> c -> a"]);
        assert_eq!(cycle_of_files(&round, &[]), ["a -> b -> c -> a"]);
        assert!(cycle_of_files(&round, &[("c", "a")]).is_empty());
        assert_eq!(cycle_of_files(&round, &[("c", "a"), ("a", "c")]).len(), 1);
        let room = [("r/mod.rs", "mod x; use x::X; enum Error {}"), ("r/x.rs", "use super::Error; use super::y::Y;")];
        let good = files(&[&room[..], &[("r/y.rs", "")]].concat());
        assert!(cycle_of_files(&good, &[]).is_empty() && cycle_of_rooms(&good).is_empty());
        assert_eq!(
            cycle_of_files(&files(&[&room[..], &[("r/y.rs", "use super::x;")]].concat()), &[]),
            ["r::x -> r::y -> r::x"]
        );
    }

    #[test]
    fn a_glob() {
        rule(
            globs,
            "ops/a.rs",
            "#[cfg(test)]\nmod tests { use super::*; }",
            "use crate::*;\nuse std::{fmt, io::*};",
            2,
        );
    }

    #[test]
    fn a_long_climb() {
        rule(super_super, "store/a/b.rs", "use super::x;", "use super::super::x;", 1);
    }

    #[test]
    fn a_file_without_head() {
        assert_eq!(
            files_without_head(&files(&[("a.rs", "//! A.\n"), ("a_tests.rs", ""), ("b.rs", "use a;")])).len(),
            1
        );
    }

    #[test]
    fn a_long_file() {
        let lines = |n: usize| "f();\n\n// note\n".repeat(n);
        rule(files_too_long, "ops/a.rs", &lines(FILE_LINES), &lines(FILE_LINES + 1), 1);
    }

    #[test]
    fn a_panic() {
        let good = "#[expect(dead_code)]\nfn f() { x.unwrap_or(1); y(\"panic!\") }\n#[cfg(test)]\nmod t { fn g() { x.unwrap() } }";
        rule(ways_to_panic, "ops/a.rs", good, "fn f() { x.unwrap();\n y.expect(\"z\");\n panic!();\n todo!() }", 4);
    }

    #[test]
    fn work_left_for_later() {
        rule(unfinished_work, "ops/a.rs", "// TODOS", "// TODO: this\n/* FIXME */", 2);
    }

    #[test]
    fn a_new_user_of_the_disk() {
        let allowed = [("store/", "ours")];
        let disk = |files: &[Source]| users_of_the_disk(files, &allowed);
        let user = ("store/y.rs", "use std::fs::File;");
        assert!(disk(&files(&[user, ("ops/a.rs", "use std::os::unix::ffi::OsStrExt;")])).is_empty());
        for bad in [
            "use std::{fs, io};",
            "use rustix::fs::FileType;",
            "fn f() { std::fs::remove_file(p) }",
            "if p.exists() {}",
        ] {
            assert_eq!(disk(&files(&[user, ("ops/a.rs", bad)])).len(), 1, "{bad}");
        }
        assert_eq!(disk(&files(&[("store/y.rs", "")])), ["store/ touches the disk no more: take it out of DISK"]);
    }

    #[test]
    fn a_print() {
        rule(printing, "cli/a.rs", "println!();", "", 0);
        rule(printing, "ops/a.rs", "blueprint!();", "println!();\nstd::io::stdout().lock();", 2);
    }

    #[test]
    fn a_package_out_of_place() {
        rule(packages_out_of_place, "cli/a.rs", "use clap::Parser;", "use bincode::config;", 1);
        rule(
            packages_out_of_place,
            "ops/a.rs",
            "use thiserror::Error;",
            "use clap::Parser;\nfn f() -> anyhow::Result<()>",
            2,
        );
    }

    #[test]
    fn an_error_out_of_place() {
        rule(errors_out_of_place, "fs/mod.rs", "pub enum Error {}", "", 0);
        rule(errors_out_of_place, "ops/a.rs", "use super::Error; enum MyError {}", "pub enum Error {}", 1);
        rule(errors_out_of_place, "lib.rs", "", "pub struct Error;", 1);
    }

    #[test]
    fn a_lib_with_more() {
        rule(more_than_modules_in_lib, "lib.rs", "//! A.\n// floor 0\npub mod a;", "pub mod a;\npub use a::B;", 1);
    }

    #[test]
    fn a_long_lock() {
        assert_eq!(packages_in("[[package]]\nname = \"a\"\n\n[[package]]\nname = \"b\"\n"), 2);
    }
}
