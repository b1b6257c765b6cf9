//! A place to work in: a source in memory, a volume that can lose its power, a table with four targets, and a judge.
//!
//! | target    | SOURCE         | MIRROR, on the volume |
//! |-----------|----------------|-----------------------|
//! | `data`    | in memory      | `mirror`              |
//! | `here`    | `work`, on the volume too: what is restored in place | `here` |
//! | `adopted` | that of `data` | `adopted`             |
//! | `old`     | one of its own in memory | `old`; the last two nights are kept |

use super::judge::Judge;
use super::recorder::Shelf;
use super::volume::{Fs, Volume};
use fastrand::Rng;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A snapshot that must be there from now on, and what is in it.
#[derive(Clone, Debug)]
pub(crate) struct Acknowledged {
    pub(crate) store: PathBuf,
    pub(crate) sequence: u64,
    pub(crate) listing: String,
}

/// How the program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) words: String,
    pub(crate) code: i32,
    pub(crate) said: String,
}

impl Ran {
    pub(crate) fn ended(self, codes: &[i32]) -> Result<Self, String> {
        let Self { words, code, said } = &self;
        if codes.contains(code) && !said.contains("panicked") {
            return Ok(self);
        }
        let said: String = said.chars().take(600).collect();
        Err(format!("`backup {words}` ended with {code} and not with {codes:?}: {said}"))
    }
}

#[derive(Debug)]
pub(crate) struct Site {
    folder: PathBuf,
    pub(crate) volume: Volume,
    pub(crate) judge: Judge,
    pub(crate) rng: Rng,
    pub(crate) acknowledged: Vec<Acknowledged>,
}

impl Site {
    pub(crate) fn new(folder: &Path, shelf: &Arc<Shelf>, fs: Fs, seed: u64) -> Self {
        fs::create_dir_all(folder.join("source")).unwrap();
        fs::create_dir_all(folder.join("old source")).unwrap();
        let volume = Volume::new(shelf, fs, &folder.join("volume"));
        let site = Self {
            folder: folder.to_owned(),
            volume,
            judge: Judge::start(),
            rng: Rng::with_seed(seed),
            acknowledged: Vec::new(),
        };
        let target = |name: &str, source: &Path, mirror: &str| {
            let (source, mirror) = (source.display(), site.on_volume(mirror));
            format!("TARGET {name}\n  SOURCE {source}\n  MIRROR {}\n  DIR d\n", mirror.display())
        };
        let table = target("data", &site.source(), "mirror")
            + &target("here", &site.on_volume("work"), "here")
            + &target("adopted", &site.source(), "adopted")
            + &target("old", &site.old_source(), "old")
            + "  KEEP last 2\n";
        fs::write(site.table(), table).unwrap();
        site
    }

    fn table(&self) -> PathBuf {
        self.folder.join("backup.tab")
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.folder.join("source")
    }

    pub(crate) fn old_source(&self) -> PathBuf {
        self.folder.join("old source")
    }

    pub(crate) fn on_volume(&self, path: &str) -> PathBuf {
        self.volume.place.join(path)
    }

    pub(crate) fn program(&self, words: &str) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backup"));
        command.current_dir(&self.folder).stdin(Stdio::null()).env("TZ", "UTC").arg("--tab").arg(self.table());
        command.args(words.split(' '));
        let done = assert_cmd::Command::from_std(command).timeout(Duration::from_mins(1)).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr) + String::from_utf8_lossy(&done.stdout);
        Ran { words: words.to_owned(), code: done.status.code().unwrap_or(-1), said: said.trim().to_owned() }
    }

    /// The snapshots of a target: number and kind.
    pub(crate) fn snapshots(&self, target: &str) -> Vec<(u64, String)> {
        let ran =
            self.program(&format!("--json -snapshots {target}")).ended(&[0]).unwrap_or_else(|why| panic!("{why}"));
        let rows = ran.said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| (row["sequence"].as_u64().unwrap(), row["kind"].as_str().unwrap().to_owned())).collect()
    }

    /// What is done with the volume mounted, and is on its disk afterwards.
    pub(crate) fn mounted<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        self.volume.mount().unwrap_or_else(|why| panic!("{why}"));
        let done = work(self);
        self.volume.unmount();
        done
    }
}
