//! The program, as a user runs it.

use serde_json::Value;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_backup");
/// Longer than any run takes.
const PATIENCE: Duration = Duration::from_mins(2);
const PAUSE: Duration = Duration::from_micros(300);

/// In a folder with a `backup.tab` that has a target `data`.
pub(crate) struct Program {
    pub(crate) root: PathBuf,
    /// What it says goes to this file, which is in memory: there is room for it on any disk.
    pub(crate) said: PathBuf,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// Its summary.
    pub(crate) json: Value,
    /// All that it said.
    pub(crate) said: String,
}

impl Program {
    /// The first word is the command; paths come last.
    fn start(&self, words: &[&str], paths: &[&OsStr]) -> Child {
        let said = File::create(&self.said).unwrap();
        let mut command = Command::new(PROGRAM);
        command.args(["--tab", "backup.tab", "--json"]).args(words).arg("data");
        // A path may look like an option.
        command.arg("--").args(paths).current_dir(&self.root);
        command.env_clear().env("RAYON_NUM_THREADS", "2").env("TZ", "UTC");
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        command.spawn().unwrap()
    }

    /// Runs it to its end; an error if there is none.
    pub(crate) fn run(&self, words: &[&str], paths: &[&OsStr]) -> Result<Ran, String> {
        let mut child = self.start(words, paths);
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > end {
                child.kill().unwrap();
                child.wait().unwrap();
                return Err(format!("{words:?} {paths:?} does not end"));
            }
            std::thread::sleep(PAUSE);
        };
        let said = String::from_utf8_lossy(&fs::read(&self.said).unwrap()).trim().to_owned();
        let json = rows(&said).rfind(|row| row["type"] == "summary").unwrap_or_default();
        let ran = Ran { code: status.code().unwrap_or(-1), json, said: format!("{words:?} {paths:?}:\n{said}") };
        if ran.said.contains("panicked") { Err(ran.said) } else { Ok(ran) }
    }

    /// Kills it after so many microseconds; whether it was still there.
    pub(crate) fn killed(&self, words: &[&str], microseconds: u64) -> bool {
        let mut child = self.start(words, &[]);
        std::thread::sleep(Duration::from_micros(microseconds));
        child.kill().ok();
        child.wait().unwrap().code().is_none()
    }
}

fn rows(said: &str) -> impl DoubleEndedIterator<Item = Value> {
    said.lines().filter_map(|line| serde_json::from_str(line).ok())
}

impl Ran {
    /// All that it said as JSON.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Value> {
        rows(&self.said)
    }

    pub(crate) fn must(&self, code: i32) -> Result<(), String> {
        if self.code == code { Ok(()) } else { Err(format!("exit code {}, not {code}: {}", self.code, self.said)) }
    }

    /// The number of the snapshot of a run that did all it had to.
    pub(crate) fn done(&self) -> Result<u64, String> {
        self.must(0)?;
        self.json["sequence"].as_u64().ok_or_else(|| format!("no summary: {}", self.said))
    }

    /// Why it was held.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let list = self.json["reasons"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|reason| reason.as_str().map(str::to_owned)).collect()
    }
}
