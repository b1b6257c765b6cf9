//! The judge, `driver.py`, as a process of its own: one question a line.

use crate::step::Name;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub(crate) struct Judge {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _child: Child,
}

/// How two trees differ.
#[derive(Clone, Debug, Default)]
pub(crate) struct Difference {
    /// The first few, in words.
    pub(crate) text: String,
    /// The paths of all that is more than the metadata of a directory and the grouping of links.
    pub(crate) hard: Vec<String>,
}

impl From<Difference> for String {
    fn from(difference: Difference) -> Self {
        difference.text
    }
}

/// What of two trees is compared, beside everything.
#[derive(Clone, Copy, Default)]
pub(crate) struct But<'a> {
    /// Globs of what is looked at on neither side.
    pub(crate) excludes: &'a [&'static str],
    /// Nor are these.
    pub(crate) skip: &'a [Name],
    /// The second may not take more room.
    pub(crate) holes: bool,
    /// The second may have more names.
    pub(crate) more: bool,
}

/// Bytes as JSON has them, one character each.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn path(path: &Path) -> String {
    text(path.as_os_str().as_bytes())
}

fn dirs(dirs: &[Name]) -> Vec<String> {
    dirs.iter().map(|dir| if dir.0.is_empty() { ".".to_owned() } else { text(&dir.0) }).collect()
}

impl Judge {
    /// The first Python that has what the reader needs.
    pub(crate) fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var("CARGO_TARGET_DIR").unwrap_or_else(|_| "target".to_owned());
        let own = root.join(target).join("venv/bin/python3").to_string_lossy().into_owned();
        let fits = |python: &&str| {
            let tried = Command::new(python).args(["-c", "import blake3, zstandard"]).stderr(Stdio::null()).status();
            tried.is_ok_and(|status| status.success())
        };
        let python = ["python3", &own].into_iter().find(fits).map(str::to_owned);
        let python = python.expect("a Python with blake3 and zstandard: tests/run makes one in target/venv");
        let mut command = Command::new(python);
        command.arg("-B").arg(root.join("tests/histories/driver.py")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the judge starts");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        Self { input, output: BufReader::new(output), _child: child }
    }

    fn ask(&mut self, question: &Value) -> Result<(), Difference> {
        writeln!(self.input, "{question}").expect("the judge listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the judge answers");
        let answer: Value = serde_json::from_str(&line).expect("the judge answers in JSON");
        if answer["ok"] == true {
            return Ok(());
        }
        let hard = answer["hard"].as_array().into_iter().flatten();
        Err(Difference {
            text: answer["why"].as_str().unwrap_or("no reason").to_owned(),
            hard: hard.filter_map(|path| path.as_str().map(str::to_owned)).collect(),
        })
    }

    pub(crate) fn copy(&mut self, tree: &Path, to: &Path, tops: &[Name], excludes: &[&str]) -> Result<(), String> {
        let (tree, to) = (path(tree), path(to));
        self.ask(&json!({"op": "copy", "tree": tree, "to": to, "dirs": dirs(tops), "exclude": excludes}))?;
        Ok(())
    }

    /// Both trees hold the same.
    pub(crate) fn same(&mut self, a: &Path, b: &Path, tops: &[Name], but: But<'_>) -> Result<(), Difference> {
        let But { excludes, skip, holes, more } = but;
        let skip: Vec<_> = skip.iter().map(|name| text(&name.0)).collect();
        self.ask(
            &json!({"op": "same", "a": path(a), "b": path(b), "dirs": dirs(tops), "exclude": excludes, "skip": skip,
            "holes": holes, "more": more}),
        )
    }

    /// Removes what the globs name.
    pub(crate) fn clear(&mut self, tree: &Path, tops: &[Name], excludes: &[&str]) -> Result<(), String> {
        self.ask(&json!({"op": "clear", "tree": path(tree), "dirs": dirs(tops), "exclude": excludes}))?;
        Ok(())
    }

    pub(crate) fn verify(&mut self, store: &Path) -> Result<(), String> {
        self.ask(&json!({"op": "verify", "store": path(store)}))?;
        Ok(())
    }
}
