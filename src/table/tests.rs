//! What a table means, and the tables that the tests beside this file begin with.

mod exchange;
mod lines;
mod overlaps;
mod places;
mod random;
mod values;

use std::path::Path;

use crate::table::{Hold, Table};

const ELIXIR: &str = "\
# /data/elixir
TARGET  elixir
        SOURCE  uhane:/local/data/elixir
        MIRROR  mamane:/local/data/mamane/elixir.mirror
        DIR     detrend
        DIR     tests
";

/// A whole entry up to line 4, for the tests of a keyword on line 5.
const START: &str = "TARGET t\nSOURCE /s\nMIRROR /m\nDIR d\n";

fn parse(bytes: impl AsRef<[u8]>) -> Result<Table, String> {
    let file = Path::new("backup.tab");
    let folder = Path::new("/data/tab");
    Table::parse(bytes.as_ref(), file, folder, "mamane.cfht.hawaii.edu").map_err(|error| error.to_string())
}

fn with(lines: &str) -> Result<Table, String> {
    parse(format!("{START}{lines}\n"))
}

/// A table of one target with these places and DIRs: SOURCE on line 2, MIRROR on 3, DIRs from 4 on.
fn trees(source: &str, mirror: &str, dirs: &str) -> Result<Table, String> {
    let dirs: Vec<String> = dirs.split(' ').map(|dir| format!("DIR {dir}\n")).collect();
    let dirs = dirs.concat();
    parse(format!("TARGET t\nSOURCE {source}\nMIRROR {mirror}\n{dirs}"))
}

/// Two targets: MIRROR of the second on line 7, its DIR on 8, more on 9.
fn two(first: &str, second: &str) -> Result<Table, String> {
    parse(format!("TARGET one\nSOURCE /s1\n{first}\nDIR d\nTARGET two\nSOURCE /s2\n{second}\nDIR d\n"))
}

#[track_caller]
fn refused(table: Result<Table, String>, message: &str) {
    assert_eq!(table.unwrap_err(), format!("backup.tab:{message}"));
}

fn status(table: &Table) -> String {
    String::from_utf8(table.targets[0].status()).unwrap()
}

#[test]
fn status_of_elixir_prints_byte_for_byte() {
    let table = parse(ELIXIR).unwrap();
    let expected = "\
target:  elixir
source:  uhane:/local/data/elixir
mirror:  mamane:/local/data/mamane/elixir.mirror
dir:     detrend
dir:     tests
";
    assert_eq!(status(&table), expected);
    let target = table.find("elixir").unwrap();
    assert_eq!(target.source_path(), None);
    let mirror = Path::new("/local/data/mamane/elixir.mirror");
    assert_eq!(target.mirror_path(), Some(mirror));
    assert_eq!((target.line(), target.store_path()), (2, None));
}

#[test]
fn status_prints_further_keywords_as_written_whatever_their_order() {
    let table = with(
        "RSH ssh  -p 2222\nHOLD 20%\nSTORE /big/t\nEXCLUDE *.tmp\nKEEP last 7   daily 30\nEXCLUDE **/core # x\nDIR ./e//f/",
    )
    .unwrap();
    let expected = "\
target:  t
source:  /s
mirror:  /m
dir:     d
dir:     ./e//f/
keep:    last 7   daily 30
exclude: *.tmp
exclude: **/core # x
store:   /big/t
hold:    20%
rsh:     ssh  -p 2222
";
    assert_eq!(status(&table), expected);
    let target = &table.targets[0];
    assert_eq!(target.excludes, ["*.tmp", "**/core # x"]);
    assert_eq!(target.store_path(), Some(Path::new("/big/t")));
    assert_eq!(target.hold.unwrap().percent(), 20);
    assert_eq!(Hold::default().percent(), 50);
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let plain = parse(ELIXIR);
    let windows = format!("\u{feff}{}", ELIXIR.replace('\n', "\r\n"));
    assert_eq!(parse(windows), plain);
    assert_eq!(parse(ELIXIR.trim_end()), plain);
    // Only one of them is the line end.
    assert!(
        status(&parse(ELIXIR.replace('\n', "\r\r\n").replace("elixir\r", "elixir")).unwrap()).contains("mirror\\x")
    );
}

#[test]
fn values_run_to_the_end_of_the_line_with_blanks_and_hashes() {
    let table = parse("\t TARGET\tt\n  # note\n\nSOURCE /my data #1 \t\nMIRROR /m\nDIR a b#c\nDIR end /\n").unwrap();
    let target = &table.targets[0];
    assert_eq!(target.source_path(), Some(Path::new("/my data #1")));
    assert_eq!(target.dirs[0].as_bytes(), b"a b#c");
    assert_eq!(target.dirs[1].as_bytes(), b"end ");
}

#[test]
fn paths_need_not_be_text_and_print_escaped() {
    let table = parse(b"TARGET t\nSOURCE /a\x80\nMIRROR h:/\x07\nDIR \x80/\x80\n").unwrap();
    assert_eq!(table.targets[0].dirs[0].as_bytes(), b"\x80/\x80");
    let expected = "target:  t\nsource:  /a\\x80\nmirror:  h:/\\x07\ndir:     \\x80/\\x80\n";
    assert_eq!(status(&table), expected);
}

#[test]
fn a_name_with_a_slip_is_suggested() {
    let table = parse(ELIXIR).unwrap();
    assert!(table.find("elixr").is_none() && table.find("Elixir").is_none());
    for (typed, near) in [
        ("elixr", Some("elixir")),
        ("Elixir", Some("elixir")),
        ("eilxir", Some("elixir")),
        ("potion", None),
        ("", None),
    ] {
        assert_eq!(table.suggest(typed), near, "{typed}");
    }
}

#[test]
fn the_file_is_called_as_the_caller_called_it() {
    let file = Path::new("/etc/my\x07.tab");
    let error = Table::parse(b"\nX", file, Path::new("/etc"), "").unwrap_err();
    assert_eq!((error.file.as_path(), error.line), (file, Some(2)));
    assert!(error.to_string().starts_with("/etc/my\\x07.tab:2: unknown keyword X (one of "));
    assert!(error.message.starts_with("unknown keyword X"));
}

#[test]
fn the_example_is_a_table() {
    let text = include_str!("../../backup.tab.example");
    let table = parse(text).unwrap();
    let names: Vec<_> = table.targets.iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["elixir", "example"]);
    let example = table.find("example").unwrap();
    assert_eq!(example.source_path(), Some(Path::new("/data/tab")));
    // What it proposes is right, too: keywords to try have their # right in front, comments have a blank there.
    let lines: Vec<_> = text
        .lines()
        .map(str::trim_start)
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(char::is_uppercase) => rest,
            _ => line,
        })
        .collect();
    let all = parse(lines.join("\n"));
    let example = all.unwrap().targets.remove(1);
    assert!(example.keep.is_some() && example.hold.is_some() && example.rsh.is_some());
    assert!(example.store.is_some() && !example.excludes.is_empty());
}
