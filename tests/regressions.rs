//! Bugs that were found once, each as the shortest run of the real program that showed it.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use assert_cmd::Command;
use std::fs;
use std::path::{Path, PathBuf};

/// A target `t` with the DIR `d`, in a folder of its own.
struct Night {
    folder: tempfile::TempDir,
}

impl Night {
    fn new() -> Self {
        let night = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(night.at("src/d")).unwrap();
        night.table("");
        night
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn table(&self, more: &str) {
        fs::write(self.at("tab"), format!("TARGET t\nSOURCE src\nMIRROR mir\nDIR d\n{more}")).unwrap();
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    /// Runs the program; gives the exit code and all that it said.
    fn run(&self, words: &[&str]) -> (i32, String) {
        let mut command = Command::cargo_bin("backup").unwrap();
        let output = command.arg("--tab").arg(self.at("tab")).args(words).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    }

    /// Runs the program, which must end with this code.
    fn ends(&self, code: i32, words: &[&str]) -> String {
        let (found, text) = self.run(words);
        assert_eq!(found, code, "{words:?}: {text}");
        text
    }

    /// Runs the program, which must end well; gives its calls that make something durable, and its renames.
    fn calls(&self, words: &[&str]) -> String {
        let mut command = Command::new("strace");
        command.args(["-f", "-y", "-e", "trace=syncfs,fsync,rename,renameat2", "-o"]).arg(self.at("calls"));
        command.arg(env!("CARGO_BIN_EXE_backup")).arg("--tab").arg(self.at("tab")).args(words).assert().code(0);
        self.read("calls")
    }

    /// As if the run that went from the one snapshot to the other had not come to its end.
    fn was_publishing(&self, from: u64, to: u64) {
        let role = self.read("mir/.backup/role");
        let role = role.replace(&format!("state clean {to}"), &format!("state publishing {from} {to}"));
        let body = role.split("check ").next().unwrap();
        self.write("mir/.backup/role", &format!("{body}check {}\n", blake3::hash(body.as_bytes()).to_hex()));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// An adopted tree has no manifest that it could have drifted from: what an approved run takes from it was in no snapshot.
#[test]
fn what_an_approved_run_takes_from_an_adopted_tree_is_rescued() {
    let night = Night::new();
    night.table("DIR e\n");
    night.write("src/d/a", "a");
    night.write("mir/d/mine", "precious");
    night.ends(3, &["-backup", "--init", "t"]);
    night.ends(0, &["-approve", "t"]);
    assert_eq!(names(&night.at("mir/d")), ["a"]);
    let list = night.ends(0, &["-snapshots", "t"]);
    let rescue = list.lines().find(|line| line.contains("rescue")).expect("a rescue snapshot");
    let number = rescue.split_whitespace().next().unwrap();
    let out = night.at("out");
    night.ends(0, &["-restore", "t", "--snapshot", number, "--to", out.to_str().unwrap()]);
    assert_eq!(night.read("out/d/mine"), "precious");
}

/// A user who may write to the root of SOURCE led a restore by root to any folder, where it removed every file.
#[test]
fn a_restore_removes_nothing_through_a_symlink_and_nothing_of_others() {
    let night = Night::new();
    night.write("src/d/a", "a");
    night.ends(0, &["-backup", "--init", "t"]);
    fs::remove_file(night.at("src/d/a")).unwrap();
    night.write("victim/v", "v");
    fs::create_dir(night.at("src/.backup")).unwrap();
    std::os::unix::fs::symlink(night.at("victim"), night.at("src/.backup/stage")).unwrap();
    night.ends(2, &["-restore", "t"]);
    assert_eq!(night.read("victim/v"), "v");
    fs::remove_file(night.at("src/.backup/stage")).unwrap();
    night.write("src/.backup/stage/mine", "mine");
    night.ends(2, &["-restore", "t"]);
    assert_eq!(night.read("src/.backup/stage/mine"), "mine");
    fs::remove_dir_all(night.at("src/.backup")).unwrap();
    night.ends(0, &["-restore", "t"]);
    assert_eq!(night.read("src/d/a"), "a");
}

/// One name of a file got another time, and the next, which became another file, was then taken for changed by someone else: it stayed as it was, and
/// every later run was held.
#[test]
fn a_file_with_two_names_of_which_one_is_touched_and_one_replaced() {
    let night = Night::new();
    let touch = |path| fs::File::open(night.at(path)).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    for name in ["b", "c"] {
        night.write(&format!("src/d/{name}1"), "old");
        fs::hard_link(night.at(&format!("src/d/{name}1")), night.at(&format!("src/d/{name}2"))).unwrap();
    }
    night.ends(0, &["-backup", "--init", "t"]);
    touch("src/d/b1");
    fs::remove_file(night.at("src/d/b2")).unwrap();
    night.write("src/d/b2", "new");
    touch("src/d/c1");
    fs::remove_file(night.at("src/d/c2")).unwrap();
    night.ends(0, &["-backup", "t"]);
    assert_eq!(names(&night.at("mir/d")), ["b1", "b2", "c1"]);
    assert_eq!((night.read("mir/d/b1"), night.read("mir/d/b2")), ("old".to_owned(), "new".to_owned()));
    night.ends(0, &["-backup", "t"]);
}

/// The power went when the first name of a file was the new one and the second still the old one: the next run took that for somebody's doing.
#[test]
fn a_file_with_two_names_of_which_one_was_replaced_when_the_power_went() {
    let night = Night::new();
    night.write("src/d/a", "old");
    fs::hard_link(night.at("src/d/a"), night.at("src/d/b")).unwrap();
    night.ends(0, &["-backup", "--init", "t"]);
    let when = fs::metadata(night.at("mir/d/b")).unwrap().modified().unwrap();
    night.write("src/d/a", "new and longer");
    night.ends(0, &["-backup", "t"]);
    fs::remove_file(night.at("mir/d/b")).unwrap();
    night.write("mir/d/b", "old");
    fs::File::open(night.at("mir/d/b")).unwrap().set_modified(when).unwrap();
    night.was_publishing(1, 2);
    night.ends(0, &["-backup", "t"]);
    assert_eq!(night.read("mir/d/b"), "new and longer");
    night.ends(0, &["-backup", "t"]);
}

/// The run was killed when all was in place and nothing yet made sure of; the next had nothing to do, and said in the role that all was well.
#[test]
fn a_tree_that_a_killed_run_had_finished_is_made_durable_before_the_role_says_so() {
    let night = Night::new();
    night.write("src/d/a", "old");
    night.ends(0, &["-backup", "--init", "t"]);
    night.write("src/d/a", "new and longer");
    night.ends(0, &["-backup", "t"]);
    night.was_publishing(1, 2);
    let calls = night.calls(&["-backup", "t"]);
    let (sync, role) = (calls.find("syncfs("), calls.rfind("tmp-role"));
    assert!(sync.is_some() && sync < role, "{calls}");
    assert!(night.read("mir/.backup/role").contains("state clean 3"));
}

#[test]
fn a_restore_with_nothing_left_to_do_is_made_durable_too() {
    let night = Night::new();
    night.write("src/d/a", "one");
    night.ends(0, &["-backup", "--init", "t"]);
    let calls = night.calls(&["-restore", "t"]);
    assert!(calls.lines().any(|line| line.contains("syncfs(") && line.contains("/src>")), "{calls}");
}

/// The run was killed when a pack had its name, and the folder of that was not yet synced.
#[test]
fn a_pack_of_a_killed_run_is_made_durable_before_it_is_indexed() {
    let night = Night::new();
    night.write("src/d/a", "one");
    night.ends(0, &["-backup", "--init", "t"]);
    fs::remove_dir_all(night.at("mir/.backup/store/index")).unwrap();
    fs::create_dir(night.at("mir/.backup/store/index")).unwrap();
    let calls = night.calls(&["-backup", "t"]);
    let index = calls.find("tmp-index").expect("an index is made");
    for pack in names(&night.at("mir/.backup/store/packs")) {
        let sync = calls.find(&format!("store/packs/{pack}>)"));
        assert!(sync.is_some_and(|sync| sync < index), "packs/{pack}: {calls}");
    }
}
