//! A place to try the program in, and the comparison of trees.

use crate::hosts;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_backup");

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
    line: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "exit code of {self}");
        self
    }

    /// Every fragment stands on standard output.
    #[track_caller]
    pub(crate) fn says(self, fragments: &[&str]) -> Self {
        for fragment in fragments {
            assert!(self.out.contains(fragment), "no {fragment:?} on the output of {self}");
        }
        self
    }

    /// Every fragment stands on standard error.
    #[track_caller]
    pub(crate) fn warns(self, fragments: &[&str]) -> Self {
        for fragment in fragments {
            assert!(self.err.contains(fragment), "no {fragment:?} on the errors of {self}");
        }
        self
    }

    /// Standard error is empty.
    #[track_caller]
    pub(crate) fn in_peace(self) -> Self {
        assert!(self.err.is_empty(), "complaints of {self}");
        self
    }

    /// Standard output, one JSON object a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {self}"))).collect()
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`: exit {}\n--- out\n{}--- err\n{}---", self.line, self.code, self.out, self.err)
    }
}

/// Runs a prepared command to its end. Whatever happens, the program may not panic and has one of its exit codes.
#[track_caller]
pub(crate) fn finish(command: Command) -> Ran {
    let line: Vec<_> = command.get_args().map(|a| a.to_string_lossy().into_owned()).collect();
    let done = assert_cmd::Command::from_std(command).timeout(Duration::from_mins(3)).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program prints UTF-8 only");
    let code = done.status.code().unwrap_or(-1);
    let ran = Ran { code, out: text(done.stdout), err: text(done.stderr), line: line.join(" ") };
    assert!(!ran.err.contains("panicked"), "a panic in {ran}");
    assert!(!(ran.err.clone() + &ran.out).contains("data: data: "), "the target is named twice in {ran}");
    assert!([0, 1, 2, 3, 4, 64].contains(&ran.code), "an odd exit code: {ran}");
    ran
}

/// A program with nothing of our own environment that could matter.
pub(crate) fn bare(program: impl AsRef<OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).stdin(Stdio::null());
    command.env_remove("BACKUP_TAB").env("TZ", "UTC").env("LC_ALL", "C");
    hosts::reach(&mut command, Path::new(PROGRAM));
    command
}

/// Copies the program, by a process of its own: a file that any process has open for writing cannot be run, and other tests fork.
pub(crate) fn copy_program(to: &Path) {
    assert!(Command::new("cp").arg(PROGRAM).arg(to).status().unwrap().success());
}

/// One night that went well: its number and what the source was.
#[derive(Debug)]
pub(crate) struct Night {
    pub(crate) sequence: u64,
    pub(crate) tree: Tree,
}

/// A table with the one target `data`, its source and its mirror, which is not made yet.
#[derive(Debug)]
pub(crate) struct Site {
    folder: TempDir,
    dirs: Vec<String>,
    /// Who runs the program, if not we.
    user: Option<u32>,
    program: PathBuf,
}

/// The user that runs the program where permissions matter.
const NOBODY: u32 = 65534;

pub(crate) fn we_are_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Site {
    /// With the one DIR `d`.
    pub(crate) fn new() -> Self {
        Self::with(&["d"], "")
    }

    /// With these DIRs, which are made, and these further lines in the table.
    pub(crate) fn with(dirs: &[&str], lines: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("backup-cli-").tempdir().unwrap();
        let dirs: Vec<String> = dirs.iter().map(|&dir| dir.to_owned()).collect();
        let site = Self { folder, dirs, user: None, program: PROGRAM.into() };
        fs::create_dir_all(site.src("")).unwrap();
        for dir in site.dirs.iter().filter(|dir| *dir != ".") {
            fs::create_dir_all(site.src(dir)).unwrap();
        }
        site.table(lines);
        site
    }

    /// As `new`, but the program runs as an ordinary user, to whom everything belongs.
    pub(crate) fn of_a_user() -> Self {
        Self::of_a_user_with(&["d"])
    }

    pub(crate) fn of_a_user_with(dirs: &[&str]) -> Self {
        Self::with(dirs, "").belonging_to(NOBODY)
    }

    /// As `of_a_user`, of one that perhaps nobody else is.
    pub(crate) fn of(user: u32) -> Self {
        Self::new().belonging_to(user)
    }

    fn belonging_to(mut self, user: u32) -> Self {
        if we_are_root() {
            self.user = Some(user);
            // Where the program was built need not be a folder that everybody may enter.
            self.program = self.path("backup-program");
            copy_program(&self.program);
            fs::set_permissions(self.path(""), fs::Permissions::from_mode(0o755)).unwrap();
            self.give_all_away();
        }
        self
    }

    /// What the test made belongs to the user that runs the program.
    pub(crate) fn give_all_away(&self) {
        fn give(path: &Path, user: u32) {
            let facts = path.symlink_metadata().unwrap();
            // A needless chown would change ctimes on the mirror, too.
            if (facts.uid(), facts.gid()) != (user, user) {
                std::os::unix::fs::lchown(path, Some(user), Some(user)).unwrap();
            }
            if facts.is_dir() {
                for name in &names(path) {
                    give(&path.join(name), user);
                }
            }
        }
        if let Some(user) = self.user {
            give(&self.path(""), user);
        }
    }

    /// Writes the table anew, with these further lines.
    pub(crate) fn table(&self, lines: &str) {
        let (source, mirror) = (hosts::source(&self.src("")), hosts::mirror(&self.mirror("")));
        let mut text = format!("TARGET data\n  SOURCE {source}\n  MIRROR {mirror}\n");
        for dir in &self.dirs {
            writeln!(text, "  DIR {dir}").unwrap();
        }
        fs::write(self.path("backup.tab"), text + lines).unwrap();
    }

    pub(crate) fn path(&self, rest: impl AsRef<Path>) -> PathBuf {
        // `join("")` would add a slash.
        if rest.as_ref().as_os_str().is_empty() { self.folder.path().into() } else { self.folder.path().join(rest) }
    }

    pub(crate) fn src(&self, rest: impl AsRef<Path>) -> PathBuf {
        if rest.as_ref().as_os_str().is_empty() { self.path("src") } else { self.path("src").join(rest) }
    }

    pub(crate) fn mirror(&self, rest: impl AsRef<Path>) -> PathBuf {
        if rest.as_ref().as_os_str().is_empty() { self.path("mirror") } else { self.path("mirror").join(rest) }
    }

    /// Writes a file below the source, and the folders above it.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.src(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The program with these words, to be run in the site's folder with its table.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = if let Some(user) = self.user {
            let mut command = bare("setpriv", &self.path(""));
            let id = user.to_string();
            command.args(["--reuid", &id, "--regid", &id, "--clear-groups"]).arg(&self.program);
            command
        } else {
            bare(&self.program, &self.path(""))
        };
        command.arg("--tab").arg(self.path("backup.tab")).args(words);
        hosts::reach(&mut command, &self.program);
        command
    }

    /// Runs the program with these words, cut at blanks.
    #[track_caller]
    pub(crate) fn run(&self, words: &str) -> Ran {
        finish(self.command(words.split_whitespace()))
    }

    #[track_caller]
    pub(crate) fn run_words<S: AsRef<OsStr>>(&self, words: &[S]) -> Ran {
        finish(self.command(words))
    }

    /// The first night.
    #[track_caller]
    pub(crate) fn init(&self) -> Night {
        self.a_night("-backup --init data")
    }

    /// A night that goes well and leaves the mirror equal to the source.
    #[track_caller]
    pub(crate) fn night(&self) -> Night {
        self.a_night("-backup data")
    }

    #[track_caller]
    fn a_night(&self, words: &str) -> Night {
        let said = self.run(words).ended(0).in_peace();
        assert_eq!(said.out.lines().count(), 1, "one line a target: {said}");
        self.mirror_equals_source();
        Night { sequence: self.newest("backup"), tree: self.source_tree() }
    }

    pub(crate) fn dirs(&self) -> Vec<&str> {
        self.dirs.iter().map(String::as_str).collect()
    }

    /// The DIRs of the source.
    pub(crate) fn source_tree(&self) -> Tree {
        tree(&self.src(""), &self.dirs())
    }

    pub(crate) fn mirror_tree(&self) -> Tree {
        tree(&self.mirror(""), &self.dirs())
    }

    /// Equal in all that we know to look at, and in all that rsync looks at.
    #[track_caller]
    pub(crate) fn mirror_equals_source(&self) {
        same(&self.source_tree(), &self.mirror_tree(), "the mirror");
        for dir in &self.dirs {
            rsync_finds_nothing(&self.src(dir), &self.mirror(dir));
        }
    }

    /// Rows of `-snapshots --json`.
    #[track_caller]
    pub(crate) fn snapshots(&self) -> Vec<Value> {
        self.run("-snapshots data --json").ended(0).json()
    }

    /// Number of the newest snapshot of a kind.
    #[track_caller]
    pub(crate) fn newest(&self, kind: &str) -> u64 {
        let rows = self.snapshots();
        rows.iter().rev().find(|row| row["kind"] == kind).expect("a snapshot")["sequence"].as_u64().unwrap()
    }

    /// Restores a snapshot into a new folder and gives that.
    #[track_caller]
    pub(crate) fn restored(&self, sequence: u64) -> TempDir {
        let place = tempfile::Builder::new().prefix("restored-").tempdir_in(self.path("")).unwrap();
        self.give_all_away();
        let words = format!("-restore data --snapshot {sequence} --to {}", place.path().display());
        self.run(&words).ended(0).in_peace();
        assert!(!place.path().join(".backup").exists(), "a restore leaves nothing of its own");
        place
    }

    /// Each of these nights is restored as it was.
    #[track_caller]
    pub(crate) fn all_restore(&self, nights: &[Night]) {
        for night in nights {
            let place = self.restored(night.sequence);
            same(&night.tree, &tree(place.path(), &self.dirs()), &format!("snapshot {}", night.sequence));
        }
    }

    /// The files in a folder of the store.
    pub(crate) fn store(&self, folder: &str) -> BTreeSet<PathBuf> {
        files(&self.mirror(".backup/store").join(folder))
    }

    pub(crate) fn packs(&self) -> BTreeSet<PathBuf> {
        self.store("packs")
    }

    /// Bytes of the packs, indexes and records.
    pub(crate) fn store_bytes(&self) -> u64 {
        self.store("").iter().map(|path| path.metadata().unwrap().len()).sum()
    }

    /// The whole mirror with everything of ours in it, except for the lock.
    pub(crate) fn everything(&self) -> Tree {
        let mut all = tree(&self.mirror(""), &["."]);
        all.retain(|path, _| path.as_os_str() != ".backup/lock");
        all
    }
}

/// All plain files below a folder.
pub(crate) fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    if !folder.exists() {
        return found;
    }
    for name in names(folder) {
        let path = folder.join(name);
        // A running program may have moved it since.
        let Ok(facts) = path.symlink_metadata() else { continue };
        if facts.is_dir() {
            found.extend(files(&path));
        } else if facts.is_file() {
            found.insert(path);
        }
    }
    found
}

pub(crate) fn names(folder: &Path) -> Vec<OsString> {
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name()).collect();
    names.sort();
    names
}

/// All that a copy must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    kind: &'static str,
    mode: u32,
    owner: (u32, u32),
    mtime: (i64, i64),
    size: u64,
    /// Hash of the bytes.
    content: u64,
    /// Where the bytes are that are not holes.
    data: Vec<(u64, u64)>,
    link: Option<PathBuf>,
    device: u64,
    /// The first name of the same file, where it has several.
    first_name: Option<PathBuf>,
    xattrs: BTreeMap<OsString, Vec<u8>>,
}

pub(crate) type Tree = BTreeMap<PathBuf, Fact>;

/// What lies below these folders of a root.
pub(crate) fn tree(root: &Path, dirs: &[&str]) -> Tree {
    let mut all = Tree::new();
    let mut inodes = BTreeMap::new();
    for dir in dirs {
        let dir = if *dir == "." { "" } else { dir };
        add(root, Path::new(dir), &mut all, &mut inodes);
    }
    all
}

fn add(root: &Path, at: &Path, all: &mut Tree, inodes: &mut BTreeMap<(u64, u64), PathBuf>) {
    let path = if at.as_os_str().is_empty() { root.to_path_buf() } else { root.join(at) };
    let Ok(facts) = path.symlink_metadata() else { return };
    let kind = facts.file_type();
    let first = (facts.nlink() > 1 && !kind.is_dir())
        .then(|| inodes.entry((facts.dev(), facts.ino())).or_insert_with(|| at.to_path_buf()).clone());
    let fact = Fact {
        kind: match kind {
            _ if kind.is_file() => "file",
            _ if kind.is_dir() => "directory",
            _ if kind.is_symlink() => "symlink",
            _ if kind.is_fifo() => "fifo",
            _ if kind.is_socket() => "socket",
            _ if kind.is_char_device() => "character device",
            _ => "block device",
        },
        mode: facts.mode() & 0o7777,
        owner: (facts.uid(), facts.gid()),
        mtime: (facts.mtime(), facts.mtime_nsec()),
        size: if kind.is_dir() { 0 } else { facts.len() },
        content: if kind.is_file() { hash(&path) } else { 0 },
        data: if kind.is_file() { data(&path) } else { Vec::new() },
        link: kind.is_symlink().then(|| fs::read_link(&path).unwrap()),
        device: facts.rdev(),
        first_name: first,
        xattrs: xattrs(&path),
    };
    all.insert(at.to_path_buf(), fact);
    if kind.is_dir() {
        for name in names(&path) {
            add(root, &at.join(name), all, inodes);
        }
    }
}

fn hash(path: &Path) -> u64 {
    let mut file = fs::File::open(path).unwrap();
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    let mut short = std::hash::DefaultHasher::new();
    short.write(hasher.finalize().as_bytes());
    short.finish()
}

/// From where to where there is data.
fn data(path: &Path) -> Vec<(u64, u64)> {
    use rustix::fs::SeekFrom::{Data, Hole};
    let mut file = fs::File::open(path).unwrap();
    let end = file.seek(SeekFrom::End(0)).unwrap();
    let (mut found, mut at) = (Vec::new(), 0);
    while at < end {
        let Ok(start) = rustix::fs::seek(&file, Data(at)) else { break };
        at = rustix::fs::seek(&file, Hole(start)).unwrap();
        found.push((start, at));
    }
    found
}

fn xattrs(path: &Path) -> BTreeMap<OsString, Vec<u8>> {
    let mut buffer = vec![0; 64 << 10];
    let Ok(length) = rustix::fs::llistxattr(path, &mut buffer) else { return BTreeMap::new() };
    let list = buffer[..length].to_vec();
    let names = list.split(|&byte| byte == 0).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let length = rustix::fs::lgetxattr(path, name, &mut buffer).unwrap();
            (OsString::from_vec(name.to_vec()), buffer[..length].to_vec())
        })
        .collect()
}

/// Both trees are equal; else the first differences are shown.
#[track_caller]
pub(crate) fn same(wanted: &Tree, found: &Tree, what: &str) {
    let paths: BTreeSet<_> = wanted.keys().chain(found.keys()).collect();
    let mut text = String::new();
    for path in paths {
        let (wanted, found) = (wanted.get(path), found.get(path));
        if wanted != found {
            write!(text, "\n{}\n  wanted {wanted:?}\n  found  {found:?}", path.display()).unwrap();
        }
    }
    assert!(text.is_empty(), "{what} is not as it should be:{text}");
}

#[track_caller]
pub(crate) fn rsync_finds_nothing(from: &Path, to: &Path) {
    let with_slash = |path: &Path| path.join("");
    let mut rsync = Command::new("rsync");
    rsync.args(["-aHAXnic", "--delete", "--exclude=/.backup"]).arg(with_slash(from)).arg(with_slash(to));
    let done = rsync.env("LC_ALL", "C").output().unwrap();
    let text = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && text.is_empty(), "rsync {} {}:\n{text}", from.display(), to.display());
}

/// Bytes that cannot be compressed, always the same for one seed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

pub(crate) fn set_mtime(path: &Path, seconds: i64, nanoseconds: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A name of these bytes.
pub(crate) fn name(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

/// Asks `tests/reader.py`, which was written from format-spec.md alone, about a store.
#[track_caller]
pub(crate) fn reader(store: &Path, words: &[&str]) -> std::process::Output {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reader.py");
    let mut command = Command::new(python());
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(reader).arg(store).args(words).output().unwrap()
}

/// A Python that has what the reader needs: that of `tests/run`, or one on PATH.
#[track_caller]
fn python() -> PathBuf {
    static FOUND: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    let built = Path::new(env!("CARGO_BIN_EXE_backup")).ancestors().nth(2).unwrap().join("venv/bin/python3");
    let works = |python: &PathBuf| {
        Command::new(python).args(["-c", "import blake3, zstandard"]).output().is_ok_and(|done| done.status.success())
    };
    let found = FOUND.get_or_init(|| [PathBuf::from("python3"), built].into_iter().find(works));
    found.clone().expect("python3 with the packages blake3 and zstandard: tests/run makes one in target/venv")
}
