//! Finding and reading backup.tab (floor 7).

use super::Failure;
use crate::fs::{clock, durable};
use crate::limits::TEXT_MAX;
use crate::ops::swap::Tab;
use crate::path::{shown, shown_path};
use crate::table::{Table, Target};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const NAME: &str = "backup.tab";

/// A table and where it was found.
pub(super) struct Found {
    pub(super) table: Table,
    /// As `--tab` gave it.
    given: Option<PathBuf>,
    path: PathBuf,
    bytes: Vec<u8>,
    folder: PathBuf,
    this_host: String,
}

impl Found {
    /// From `--tab`, `$BACKUP_TAB`, beside the program, the current folder, or /etc, whichever is first.
    pub(super) fn load(tab: Option<&Path>) -> Result<Self, Failure> {
        let path = find(tab)?;
        let read = |e: &dyn std::fmt::Display| Failure::usage(format!("{}: {e}", shown_path(&path)));
        let bytes = durable::read_named(&path, TEXT_MAX).map_err(|e| read(&e.source))?;
        must_be_safe(&path)?;
        let absolute = std::path::absolute(&path).map_err(|e| read(&e))?;
        let folder = absolute.parent().unwrap_or(Path::new("/")).to_path_buf();
        let this_host = clock::host_name();
        let table = Table::parse(&bytes, &path, &folder, &this_host);
        let table = table.map_err(|e| Failure::usage(e.to_string()))?;
        Ok(Self { table, given: tab.map(Path::to_path_buf), path, bytes, folder, this_host })
    }

    /// All of it, for who rewrites it.
    pub(super) fn tab(&self) -> Tab<'_> {
        let Self { table, path, bytes, folder, this_host, .. } = self;
        Tab { table, bytes, file: path, folder, this_host }
    }

    /// Name of this machine.
    pub(super) fn this_host(&self) -> &str {
        &self.this_host
    }

    /// Where the table lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The target of this name, or the names that there are.
    pub(super) fn target(&self, wanted: &str) -> Result<&Target, Failure> {
        self.table.find(wanted).ok_or_else(|| {
            let names: Vec<&str> = self.table.targets.iter().map(|target| target.name.as_str()).collect();
            let hint = self.table.suggest(wanted).map(|name| format!(" ({name}?)")).unwrap_or_default();
            let (wanted, names) = (shown(wanted.as_bytes()), names.join(", "));
            Failure::usage(format!("{}: there is no target {wanted}{hint}; there are: {names}", shown_path(&self.path)))
        })
    }

    /// A command for an operator to type, with the table that this one was given.
    pub(super) fn command(&self, words: &str) -> String {
        let tab = self.given.as_deref().map(|path| format!(" --tab {}", typed_path(path))).unwrap_or_default();
        format!("backup {words}{tab}")
    }
}

/// As a shell wants it, from whatever folder it is typed in.
pub(super) fn typed_path(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    typed(absolute.as_os_str().as_bytes())
}

/// A word as a shell wants it. What cannot be shown is written as bash, zsh and ksh have it.
pub(super) fn typed(word: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:,@%".contains(b);
    match std::str::from_utf8(word) {
        Ok(text) if !word.is_empty() && word.iter().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => format!("$'{}'", word.escape_ascii()),
    }
}

fn find(tab: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = tab {
        return Ok(path.to_path_buf());
    }
    if let Some(path) = std::env::var_os("BACKUP_TAB").filter(|value| !value.is_empty()) {
        return Ok(path.into());
    }
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join(NAME)));
    let candidates: Vec<PathBuf> =
        beside.into_iter().chain([PathBuf::from(NAME), Path::new("/etc").join(NAME)]).collect();
    let there = candidates.iter().find(|path| path.exists());
    there.cloned().ok_or_else(|| {
        let looked: Vec<String> = candidates.iter().map(|path| shown_path(path)).collect();
        Failure::usage(format!("no table: not given by --tab or $BACKUP_TAB, and none of {} exists", looked.join(", ")))
    })
}

/// Whoever may write to the table decides what root reads and overwrites.
fn must_be_safe(path: &Path) -> Result<(), Failure> {
    if !clock::is_root() {
        return Ok(());
    }
    let real = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    let named = std::path::absolute(path).unwrap_or_else(|_| real.clone());
    if real.metadata().is_ok_and(|file| file.mode() & 0o022 != 0 || file.uid() != 0) {
        let table = shown_path(path);
        return Err(Failure::usage(format!(
            "{table}: others may write to this table, and root would obey it: chown root and chmod go-w it"
        )));
    }
    // Who may write to a folder above it may put another table in its place; in a sticky folder, as /tmp is, only its owner may.
    for folder in named.ancestors().skip(1).chain(real.ancestors().skip(1)) {
        if folder.metadata().is_ok_and(|folder| folder.mode() & 0o1002 == 0o002 || folder.uid() != 0) {
            let (table, folder) = (shown_path(path), shown_path(folder));
            return Err(Failure::usage(format!(
                "{table}: others may write to {folder}, and so replace this table: chown root and chmod o-w {folder}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::typed;

    #[test]
    fn a_word_is_typed_as_a_shell_takes_it_back() {
        let words: [&[u8]; 7] =
            [b"d/2003/bias.fits", b"a b", b"it's", b"", b"d/\xff\n", "d/\u{e9}t\u{e9}".as_bytes(), b"a\\b'\x01\"*$x"];
        for word in words {
            let script = format!("printf %s {}", typed(word));
            let said = std::process::Command::new("bash").args(["-c", &script]).output().unwrap();
            assert_eq!(said.stdout, word, "{script}");
        }
    }
}
