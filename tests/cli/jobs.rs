//! Several targets in one run of the program, some of them at the same time.

use crate::hosts;
use crate::support::{PROGRAM, Ran, Site, bare, finish, noise, rsync_finds_nothing, same, set_mode, tree};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Makes these the targets of a site, each with a source of its own.
fn targets(site: &Site, names: &[&str]) {
    let mut table = String::new();
    for name in names {
        fs::create_dir_all(source(site, name).join("d")).unwrap();
        let (source, mirror) = (source(site, name), mirror(site, name));
        write!(table, "TARGET {name}\nSOURCE {}\nMIRROR {}\nDIR d\n", hosts::source(&source), hosts::mirror(&mirror))
            .unwrap();
    }
    fs::write(site.path("backup.tab"), table).unwrap();
}

fn source(site: &Site, name: &str) -> PathBuf {
    site.path(format!("{name}.src"))
}

fn mirror(site: &Site, name: &str) -> PathBuf {
    site.path(format!("{name}.mirror"))
}

/// One night's work: large and small files, some in several targets, some changed every night, some the same for ever.
fn work(site: &Site, name: &str, night: u64) {
    let seed = name.bytes().map(u64::from).sum::<u64>();
    let dir = source(site, name).join("d");
    for (n, length) in [(0, 3 << 20), (1, 700_000), (2, 1 << 20)] {
        fs::write(dir.join(format!("large{n}")), noise(seed + night * n, length)).unwrap();
    }
    fs::write(dir.join("shared"), noise(night, 2 << 20)).unwrap();
    for n in 0..300 {
        let folder = dir.join(format!("{}", n % 7));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(n.to_string()), noise(seed + if n % 3 == 0 { n * night } else { n }, 2000)).unwrap();
    }
}

#[track_caller]
fn equal(site: &Site, name: &str) {
    let (source, mirror) = (source(site, name), mirror(site, name));
    same(&tree(&source, &["d"]), &tree(&mirror, &["d"]), &format!("the mirror of {name}"));
    rsync_finds_nothing(&source.join("d"), &mirror.join("d"));
}

/// The targets of the summaries, which are all that stands on standard output, each a whole line.
#[track_caller]
fn summaries(said: &Ran) -> Vec<&str> {
    let whole =
        |line: &str| line.contains(": snapshot ") && line.ends_with(" s") && line.matches(" files, ").count() == 1;
    assert!(said.out.lines().all(whole), "{said}");
    let mut names: Vec<&str> = said.out.lines().map(|line| line.split_once(':').unwrap().0).collect();
    names.sort_unstable();
    names
}

#[test]
fn runs_at_the_same_time_end_as_each_would_alone() {
    let site = Site::new();
    let (good, all) = (["a", "b", "c", "d"], ["a", "gone", "b", "held", "c", "d"]);
    targets(&site, &all);
    for name in all {
        work(&site, name, 0);
    }
    let said = site.run("-backup --init --all --jobs 6").ended(0).in_peace();
    assert_eq!(summaries(&said).len(), 6, "{said}");
    for name in all {
        equal(&site, name);
    }
    fs::remove_dir_all(mirror(&site, "gone")).unwrap();
    fs::remove_dir_all(source(&site, "held").join("d")).unwrap();
    for night in 1..4 {
        for name in good {
            work(&site, name, night);
        }
        // One that is named twice is backed up once.
        let said = site.run("-backup a gone b held c d a --jobs 3").ended(2);
        assert_eq!(summaries(&said), good, "{said}");
        let failed: Vec<&str> = said.err.lines().filter(|line| line.starts_with("backup: gone: ")).collect();
        assert_eq!(failed.len(), 1, "{said}");
        // What is said of the held run stands together.
        let held = said.err.split_once("backup: held: HELD: ").expect("a held run").1;
        assert!(held.lines().skip(1).take(3).all(|line| line.starts_with("  If ")), "{said}");
        for name in good {
            equal(&site, name);
        }
    }
    for name in good {
        let said = site.run(&format!("-check {name} --data")).ended(0).in_peace();
        said.says(&[&format!("{name}: all in order: 4 snapshots")]);
    }
    assert!(!mirror(&site, "gone").exists());
    assert!(mirror(&site, "held").join("d/shared").exists());
}

#[test]
fn with_json_each_target_has_its_line() {
    let site = Site::new();
    let all = ["a", "gone", "b", "held", "c"];
    targets(&site, &all);
    for name in all {
        work(&site, name, 0);
    }
    site.run("-backup --init --all --quiet --jobs 2").ended(0).in_peace();
    fs::remove_dir_all(mirror(&site, "gone")).unwrap();
    fs::remove_dir_all(source(&site, "held").join("d")).unwrap();
    let rows = site.run("-backup --all --json --jobs 5").ended(2).json();
    let mut kinds: Vec<String> =
        rows.iter().map(|row| format!("{} {} {}", row["type"], row["kind"], row["target"])).collect();
    kinds.sort();
    let wanted = [
        r#""error" null "gone""#,
        r#""summary" "backup" "a""#,
        r#""summary" "backup" "b""#,
        r#""summary" "backup" "c""#,
    ];
    assert_eq!(kinds, [&wanted[..], &[r#""summary" "held" "held""#]].concat());
    let error = rows.iter().find(|row| row["type"] == "error").unwrap();
    assert!(error["message"].as_str().unwrap().starts_with("gone: "), "{error}");
}

/// One that has more to say than a pipe holds stands still until it is read. What is begun and ended meanwhile runs at the same time.
#[test]
fn one_that_stands_still_does_not_keep_the_next_from_its_work() {
    if hosts::are_far() {
        return; // What it has to say fits into the pipes.
    }
    let site = Site::of_a_user();
    targets(&site, &["talks", "works"]);
    for n in 0..600 {
        let closed = source(&site, "talks").join(format!("d/{n:0>200}"));
        fs::write(&closed, "nobody may read this").unwrap();
        set_mode(&closed, 0);
    }
    fs::write(source(&site, "talks").join("d/zz"), "the last").unwrap();
    work(&site, "works", 0);
    site.give_all_away();
    let mut command = site.command(["-backup", "--init", "--verbose", "--jobs", "2", "talks", "works"]);
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    let ended = || tree(&source(&site, "works"), &["d"]) == tree(&mirror(&site, "works"), &["d"]);
    while !ended() {
        if start.elapsed() > Duration::from_mins(1) {
            run.kill().unwrap();
            panic!("works does not run while talks stands still: {:?}", run.wait_with_output().unwrap());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(run.try_wait().unwrap().is_none());
    assert!(!mirror(&site, "talks").join("d/zz").exists(), "talks did not stand still: this test proves nothing");
    let done = run.wait_with_output().unwrap();
    let (out, err) = (String::from_utf8(done.stdout).unwrap(), String::from_utf8(done.stderr).unwrap());
    assert_eq!((done.status.code(), out.lines().count(), err.lines().count()), (Some(1), 2, 600), "{out}{err}");
    assert!(
        err.lines().all(|line| line.starts_with("backup: talks: d/0") && line.contains(": cannot be read")),
        "{err}"
    );
    assert!(mirror(&site, "talks").join("d/zz").exists());
}

#[test]
fn all_targets_of_the_table_or_those_that_are_named() {
    let site = Site::new();
    targets(&site, &["a", "b", "c"]);
    for (words, message) in [
        ("-backup", "<TARGETS>"),
        ("-backup --jobs 2", "<TARGETS>"),
        ("-backup --all a", "cannot be used with"),
        ("-backup a --all", "cannot be used with"),
        ("-backup a --jobs 0", "1..=64"),
        ("-backup a --jobs 65", "1..=64"),
        ("-backup a --jobs two", "'two'"),
        ("-backup a --jobs", "--jobs <N>"),
        ("-check a --jobs 2", "--jobs"),
        ("-check --all", "--all"),
    ] {
        site.run(words).ended(64).warns(&[message]);
    }
    assert!(!mirror(&site, "a").exists());
    for name in ["a", "b", "c"] {
        work(&site, name, 0);
    }
    // One after the other it is the order of the table.
    let said = site.run("-backup --init --all --bwlimit 2M").ended(0).in_peace();
    let names: Vec<&str> = said.out.lines().map(|line| line.split_once(':').unwrap().0).collect();
    assert_eq!(names, ["a", "b", "c"], "{said}");
    for name in ["a", "b", "c"] {
        equal(&site, name);
    }
    let said = site.run("-backup --all --dry-run --jobs 64").ended(0).in_peace();
    assert_eq!(said.out.matches(": dry run: ").count(), 3, "{said}");
}

/// The terminal is a real one, made by `script`; what it shows is worked out by [`Picture`].
#[test]
fn on_a_terminal_each_run_has_its_line_and_none_is_torn() {
    let site = Site::new();
    targets(&site, &["a", "b", "c"]);
    for (seed, name) in (1..).zip(["a", "b", "c"]) {
        for n in 0..40 {
            fs::write(source(&site, name).join(format!("d/{n}")), noise(100 * seed + n, 1 << 20)).unwrap();
        }
    }
    let program = format!("{PROGRAM} --tab backup.tab -backup --init --all --jobs 3");
    let mut terminal = bare("script", &site.path(""));
    terminal.args(["-qec", &format!("stty cols {COLUMNS} rows 30; {program}"), "/dev/null"]).env("TERM", "xterm");
    let said = finish(terminal).ended(0);
    let mut picture = Picture::default();
    let (mut seen, mut most) = (BTreeSet::new(), 0);
    picture.follow(&said.out, |rows| {
        let at_work = rows.iter().filter(|row| row.contains(": reading ") || row.contains(": writing "));
        let names: Vec<String> = at_work.map(|row| row.split(':').next().unwrap().to_owned()).collect();
        most = most.max(names.len());
        seen.extend(names);
    });
    assert_eq!((seen.len(), most), (3, 3), "three lines at the same time: {seen:?} {said}");
    // What stays are the summaries, and nothing of the progress lines.
    let rows: Vec<&String> = picture.rows.iter().filter(|row| !row.is_empty()).collect();
    let whole = |row: &String| row.contains(": snapshot 1: 40 files, ") && row.ends_with(" s");
    assert!(rows.len() == 3 && rows.iter().all(|row| whole(row)), "{:?}", picture.rows);
    // Without a terminal, or where nobody wants it, there is no trace of them.
    for words in ["-backup --all --jobs 3 --json", "-backup --all --jobs 3 --quiet"] {
        let mut terminal = bare("script", &site.path(""));
        terminal.args(["-qec", &format!("{PROGRAM} --tab backup.tab {words}"), "/dev/null"]).env("TERM", "xterm");
        assert!(!finish(terminal).ended(0).out.contains('\x1b'), "{words}");
    }
}

/// As wide as all that is printed.
const COLUMNS: usize = 250;

/// What a terminal shows, by the few movements that the program makes.
#[derive(Default)]
struct Picture {
    rows: Vec<String>,
    row: usize,
    column: usize,
}

impl Picture {
    /// Takes what was printed; `look` sees the rows each time before a line is cleared.
    fn follow(&mut self, printed: &str, mut look: impl FnMut(&[String])) {
        let mut rest = printed;
        while let Some(c) = rest.chars().next() {
            if let Some(movement) = rest.strip_prefix("\x1b[") {
                let end = movement.find(|c: char| c.is_ascii_alphabetic()).expect("a movement");
                let n: usize = movement[..end].parse().unwrap();
                match &movement[end..=end] {
                    "A" => self.row -= n,
                    "B" => self.row += n,
                    "K" => {
                        look(&self.rows);
                        self.rows[self.row].clear();
                    }
                    other => panic!("a movement {other} that is not expected"),
                }
                rest = &movement[end + 1..];
                continue;
            }
            match c {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                c => self.put(c),
            }
            rest = &rest[c.len_utf8()..];
        }
        self.rows.iter_mut().for_each(|row| row.truncate(row.trim_end().len()));
    }

    fn put(&mut self, c: char) {
        if self.column == COLUMNS {
            (self.row, self.column) = (self.row + 1, 0);
        }
        let rows = self.rows.len().max(self.row + 1);
        self.rows.resize(rows, String::new());
        let mut row: Vec<char> = self.rows[self.row].chars().collect();
        row.resize(row.len().max(self.column + 1), ' ');
        row[self.column] = c;
        self.rows[self.row] = row.into_iter().collect();
        self.column += 1;
    }
}
