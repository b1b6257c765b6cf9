//! What is asked of the judge, `driver.py`: to copy trees, and to compare them.

#[path = "../faults/judge.rs"]
#[expect(dead_code, reason = "the campaign of faults asks in its own words")]
mod process;

use crate::step::Name;
use serde_json::{Value, json};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(crate) struct Judge(process::Judge);

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
    pub(crate) fn new() -> Self {
        Self(process::Judge::of("tests/histories/driver.py"))
    }

    fn ask(&mut self, question: &Value) -> Result<(), Difference> {
        let answer = self.0.answer(question);
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
