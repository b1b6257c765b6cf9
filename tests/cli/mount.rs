//! `-mount`: what is seen through it, and how it ends.

use crate::support::{Night, Site, names, noise, same, set_mode, set_mtime, tree, we_are_root};
use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A program that serves a mount. However a test ends, nothing stays mounted.
struct Mounted {
    folder: TempDir,
    child: Child,
    said: String,
}

impl Mounted {
    #[track_caller]
    fn new(site: &Site) -> Self {
        Self::with(site, &[])
    }

    #[track_caller]
    fn with(site: &Site, words: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("mounted-").tempdir().unwrap();
        let at = folder.path().to_str().unwrap().to_owned();
        let mut command = site.command([&["-mount", "data", at.as_str()], words].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let mut mounted = Self { folder, child, said };
        if !mounted.said.contains("snapshots at") {
            let ended = mounted.ended();
            panic!("{ended:?}");
        }
        mounted
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The folder of a snapshot.
    #[track_caller]
    fn snapshot(&self, sequence: u64) -> PathBuf {
        let names = names(self.folder.path());
        let begins = |name: &&std::ffi::OsString| name.to_string_lossy().starts_with(&format!("{sequence:06}-"));
        let name = names.iter().find(begins).unwrap_or_else(|| panic!("no {sequence} in {names:?}"));
        self.folder.path().join(name)
    }

    #[track_caller]
    fn has(&self, site: &Site, nights: &[Night]) {
        for night in nights {
            let found = tree(&self.snapshot(night.sequence), &site.dirs());
            same(&night.tree, &found, &format!("snapshot {} as it is mounted", night.sequence));
        }
    }

    fn is_there(&self) -> bool {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        mounts.contains(&format!(" {} ", self.folder.path().display()))
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Waits for the end: exit code, and what was said on standard error.
    #[track_caller]
    fn ended(&mut self) -> (i32, String) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if let Some(status) = self.child.try_wait().unwrap() {
                let mut said = String::new();
                self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                return (status.code().unwrap_or(-1), said);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end");
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            self.child.kill().unwrap();
            self.child.wait().unwrap();
        }
        if self.is_there() {
            let _gone = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        }
    }
}

/// A site with a little of everything.
fn awkward() -> Site {
    let site = Site::with(&["d", "e/f"], "");
    fs::create_dir_all(site.src("d/sub/empty")).unwrap();
    fs::write(site.src("d/file"), noise(1, 3_000_000)).unwrap();
    fs::write(site.src("d/nothing"), "").unwrap();
    fs::hard_link(site.src("d/file"), site.src("d/sub/again")).unwrap();
    fs::hard_link(site.src("d/file"), site.src("e/f/once more")).unwrap();
    symlink("../file", site.src("d/sub/link")).unwrap();
    fs::hard_link(site.src("d/sub/link"), site.src("d/sub/link too")).unwrap();
    fs::write(site.src("d").join("n".repeat(255)), "long").unwrap();
    fs::write(site.src("d/a\u{e9} \u{1f52d}"), "odd").unwrap();
    let sparse = fs::File::create(site.src("d/sparse")).unwrap();
    sparse.set_len(40 << 20).unwrap();
    sparse.write_at(&noise(2, 70_000), 8 << 20).unwrap();
    sparse.write_at(b"end", (40 << 20) - 3).unwrap();
    let run = |line: &str| {
        let mut words = line.split(' ');
        let mut command = Command::new(words.next().unwrap());
        assert!(command.args(words).current_dir(site.src("d")).status().unwrap().success(), "{line}");
    };
    run("mkfifo fifo");
    run("setfattr -n user.note -v some file");
    run("setfacl -m u:1:rw,g:2:r nothing");
    run("setfacl -d -m u:1:rwx sub");
    if we_are_root() {
        run("mknod device b 259 70000");
        run("chown 3:4 nothing");
    }
    set_mode(&site.src("d/nothing"), 0o4751);
    set_mtime(&site.src("d/file"), -3, 250_000_000);
    set_mtime(&site.src("d/sub"), 1_000_000_000, 123_456_789);
    site
}

#[test]
fn every_snapshot_is_as_it_was() {
    let site = awkward();
    let mut nights = vec![site.init()];
    fs::remove_file(site.src("d/sub/again")).unwrap();
    fs::write(site.src("d/nothing"), noise(3, 10_000)).unwrap();
    nights.push(site.night());
    fs::rename(site.src("d/sub"), site.src("e/f/moved")).unwrap();
    nights.push(site.night());
    let before = site.everything();
    let mounted = Mounted::new(&site);
    mounted.has(&site, &nights);
    let links =
        |n: usize, path: &str| mounted.snapshot(nights[n].sequence).join(path).symlink_metadata().unwrap().nlink();
    assert_eq!((links(0, "d/file"), links(1, "e/f/once more"), links(0, "d/sub/link too")), (3, 2, 2));
    // Room is what is no hole.
    let sparse = mounted.snapshot(nights[0].sequence).join("d/sparse").metadata().unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20, "{} blocks", sparse.blocks());
    // What leads to them.
    let title = mounted.snapshot(nights[2].sequence);
    assert_eq!(fs::read_link(mounted.path("latest")).unwrap().as_os_str(), title.file_name().unwrap());
    let day = &title.file_name().unwrap().to_str().unwrap()[7..17].replace('-', "/");
    let day = mounted.path("by-date").join(day);
    assert_eq!(names(&day).len(), 3);
    same(&nights[2].tree, &tree(&day.join(title.file_name().unwrap()), &site.dirs()), "the link of the day");
    // Nobody can write, and nothing was written.
    let denied = fs::write(title.join("d/new"), "x").unwrap_err();
    assert_eq!(denied.kind(), ErrorKind::ReadOnlyFilesystem);
    drop(mounted);
    same(&before, &site.everything(), "the mirror after it was browsed");
}

#[test]
fn it_ends_when_it_is_told_to_or_unmounted_and_leaves_nothing() {
    let site = Site::new();
    fs::write(site.src("d/a"), "a").unwrap();
    site.init();
    for signal in ["-INT", "-TERM", "-HUP"] {
        let mut mounted = Mounted::new(&site);
        assert!(mounted.is_there());
        mounted.signal(signal);
        assert_eq!(mounted.ended(), (0, String::new()), "{signal}");
        assert!(!mounted.is_there(), "{signal}");
    }
    let mut mounted = Mounted::new(&site);
    assert!(Command::new("fusermount3").arg("-u").arg(mounted.folder.path()).status().unwrap().success());
    assert_eq!(mounted.ended(), (0, String::new()));
    // Somebody works in it.
    let mut mounted = Mounted::new(&site);
    let open = fs::File::open(mounted.path("latest/d/a")).unwrap();
    mounted.signal("-INT");
    let (code, said) = mounted.ended();
    assert!(code == 0 && said.contains("somebody still works in it"), "{code} {said}");
    assert!(!mounted.is_there());
    drop(open);
}

#[test]
fn snapshots_that_are_taken_meanwhile_appear_in_all_mounts() {
    let site = Site::new();
    fs::write(site.src("d/a"), noise(1, 100_000)).unwrap();
    let mut nights = vec![site.init()];
    let (one, two) = (Mounted::new(&site), Mounted::new(&site));
    one.has(&site, &nights);
    for night in 2..5 {
        fs::write(site.src("d/b"), noise(night, 50_000)).unwrap();
        nights.push(site.night());
        std::thread::sleep(Duration::from_millis(600));
        one.has(&site, &nights);
        let latest = fs::read_link(one.path("latest")).unwrap();
        assert!(latest.to_str().unwrap().starts_with(&format!("{:06}-", nights.last().unwrap().sequence)));
    }
    two.has(&site, &nights);
}

/// Overwrites the middle of every pack of file content of a site.
fn spoil(site: &Site) {
    for pack in site.packs() {
        let bytes = fs::read(&pack).unwrap();
        // Of the first block: 0 is file content.
        if bytes[16 + 5] == 0 {
            let file = fs::OpenOptions::new().write(true).open(&pack).unwrap();
            file.write_at(&[0x55; 64], 16 + 32 + 1000).unwrap();
        }
    }
}

#[test]
fn what_is_damaged_is_an_error_of_who_reads_it_and_is_named_once() {
    let site = Site::new();
    fs::write(site.src("d/bad"), noise(1, 400_000)).unwrap();
    fs::write(site.src("d/good"), noise(2, 400_000)).unwrap();
    let night = site.init();
    spoil(&site);
    let mut mounted = Mounted::new(&site);
    let folder = mounted.snapshot(night.sequence);
    for _ in 0..3 {
        let error = fs::read(folder.join("d/bad")).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(5), "{error}");
    }
    assert_eq!(fs::read(folder.join("d/good")).unwrap(), noise(2, 400_000));
    // Its disk goes.
    fs::rename(site.mirror(".backup/store/packs"), site.mirror(".backup/store/elsewhere")).unwrap();
    assert_eq!(fs::metadata(folder.join("d/bad")).unwrap().len(), 400_000);
    mounted.signal("-INT");
    let (code, said) = mounted.ended();
    assert_eq!(code, 0);
    assert_eq!(said.lines().filter(|line| line.contains("snapshot 1, d/bad: ")).count(), 1, "{said}");
}

#[test]
fn a_place_that_is_no_place_for_it_is_refused() {
    let site = Site::new();
    site.init();
    let refused = |place: &Path, words: &[&str]| {
        site.run_words(&["-mount", "data", place.to_str().unwrap()]).ended(2).warns(words);
    };
    refused(&site.path("nothing"), &["there is no such folder", "nothing is mounted"]);
    refused(&site.path("backup.tab"), &["it is no folder"]);
    fs::create_dir_all(site.path("full/of")).unwrap();
    refused(&site.path("full"), &["it is not empty"]);
    fs::create_dir(site.mirror("d/empty")).unwrap();
    if site.run("-status data").out.contains("localhost") || std::env::var_os("BACKUP_TEST_HOSTS").is_none() {
        refused(&site.mirror("d/empty"), &["it lies in MIRROR"]);
    }
    fs::create_dir(site.path("empty")).unwrap();
    site.run("-mount nobody empty").ended(64);
}

/// As root, where another user may use FUSE: in a mount namespace of its own.
#[test]
fn an_ordinary_user_mounts_through_fusermount() {
    if !we_are_root() || std::env::var_os("BACKUP_TEST_HOSTS").is_some() {
        return;
    }
    let site = Site::of_a_user();
    fs::write(site.src("d/a"), noise(1, 100_000)).unwrap();
    site.give_all_away();
    site.init();
    fs::create_dir(site.path("look")).unwrap();
    site.give_all_away();
    let script = r#"
        set -e
        mkdir dev; mount -t tmpfs none dev; mknod dev/fuse c 10 229; chmod 666 dev/fuse; mount --bind dev/fuse /dev/fuse
        as() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
        as ./backup-program --tab backup.tab -mount data look >said 2>&1 & pid=$!
        trap 'kill $pid' EXIT
        for n in $(seq 100); do grep -q snapshots said && break; sleep 0.1; done
        as cmp look/latest/d/a src/d/a
        as stat -c %U:%a look
        as fusermount3 -u look
        wait $pid
        trap - EXIT
    "#;
    let done = Command::new("unshare").args(["-m", "sh", "-c", script]).current_dir(site.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout) + String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{said}");
    assert_eq!(said, "nobody:555\n");
}

#[test]
fn others_see_what_the_modes_allow() {
    if !we_are_root() {
        return;
    }
    let site = Site::new();
    fs::write(site.src("d/open"), "x").unwrap();
    fs::write(site.src("d/secret"), "x").unwrap();
    set_mode(&site.src("d"), 0o755);
    set_mode(&site.src("d/open"), 0o644);
    set_mode(&site.src("d/secret"), 0o600);
    site.init();
    let as_nobody = |mounted: &Mounted, path: &str| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--clear-groups", "cat"])
            .arg(mounted.path(path))
            .output()
            .unwrap()
            .status
            .success()
    };
    let alone = Mounted::new(&site);
    assert!(!as_nobody(&alone, "latest/d/open"));
    drop(alone);
    let shared = Mounted::with(&site, &["--allow-other"]);
    assert!(as_nobody(&shared, "latest/d/open") && !as_nobody(&shared, "latest/d/secret"));
}
