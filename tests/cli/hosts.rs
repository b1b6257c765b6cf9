//! Every test of this program, once more with its places on other hosts: `BACKUP_TEST_HOSTS=both cargo test --test cli`.
//!
//! The hosts are this one, reached by a script that forgets the host's name, so everything passes through agents and pipes. What a test expects of
//! messages and trees stays what it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The hosts of SOURCE and MIRROR; none is this one.
static HOSTS: LazyLock<(Option<&str>, Option<&str>)> = LazyLock::new(|| {
    let mode = std::env::var("BACKUP_TEST_HOSTS").unwrap_or_default();
    match mode.as_str() {
        "" | "none" => (None, None),
        "source" => (Some("uhane"), None),
        "mirror" => (None, Some("mamane")),
        "both" => (Some("uhane"), Some("mamane")),
        "one" => (Some("uhane"), Some("uhane")),
        other => panic!("BACKUP_TEST_HOSTS is none, source, mirror, both or one, not {other}"),
    }
});

/// The folder with the script and the caches, for all tests of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::Builder::new().prefix("backup-hosts-").tempdir().unwrap().keep();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let script = folder.join("rsh");
    fs::write(&script, "#!/bin/sh\nshift 2\nexec \"$BACKUP_TEST_PROGRAM\" \"$@\"\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    folder
});

/// Whether any place is on another host.
pub(crate) fn are_far() -> bool {
    *HOSTS != (None, None)
}

/// SOURCE, as a table has it.
pub(crate) fn source(path: &Path) -> String {
    place(HOSTS.0, path)
}

/// MIRROR, as a table has it.
pub(crate) fn mirror(path: &Path) -> String {
    place(HOSTS.1, path)
}

fn place(host: Option<&str>, path: &Path) -> String {
    host.map_or_else(|| path.display().to_string(), |host| format!("{host}:{}", path.display()))
}

/// Lets a command reach the hosts: there `backup` is this program.
pub(crate) fn reach(command: &mut Command, program: &Path) {
    if are_far() {
        command.env("BACKUP_RSH", FOLDER.join("rsh")).env("BACKUP_TEST_PROGRAM", program);
        command.env("XDG_CACHE_HOME", FOLDER.join("cache"));
    }
}
