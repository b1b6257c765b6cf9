//! Materialising against a tree that someone else changes between the look and the publishing: theirs is never lost, and the rest is done.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop")]

#[path = "tree/moves.rs"]
mod moves;

use backup::entry::{ChunkRef, Content, Entry, Identity, Meta, Node, Time};
use backup::fs::clock;
use backup::fs::dir::Dir;
use backup::fs::fidelity::Fidelity;
use backup::monitor::{Monitor, Phase};
use backup::path::RelPath;
use backup::scan::selection::Selection;
use backup::store;
use backup::store::chunks::{ChunkReader, ChunkSource};
use backup::tree::Error;
use backup::tree::apply::{Applied, Target, apply};
use backup::tree::moves::Moves;
use backup::tree::plan::Action;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Mutex;
use tempfile::TempDir;

/// A store that holds nothing: empty files need nothing of it.
struct Nothing;

impl ChunkSource for Nothing {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, store::Error> {
        Ok(Box::new(Nothing))
    }
}

impl ChunkReader for Nothing {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        Err(store::Error::MissingChunk(chunk.id))
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Monitor for Heard {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, _files: u64, _bytes: u64) {}
    fn problem(&self, path: &RelPath, message: &str) {
        self.0.lock().unwrap().push(format!("{path}: {message}"));
    }
    fn wrong(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
    fn note(&self, message: &str) {
        self.0.lock().unwrap().push(message.to_owned());
    }
}

/// A tree and its stage.
struct Place {
    folder: TempDir,
    heard: Heard,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("tree")).unwrap();
        fs::create_dir(folder.path().join("stage")).unwrap();
        Self { folder, heard: Heard::default() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("tree").join(path)
    }

    /// Applies to a tree that was looked at just now.
    fn apply(&self, trusted: Time, actions: Vec<Action>) -> Result<Applied, Error> {
        let root = Dir::open(&self.folder.path().join("tree")).unwrap();
        let stage_path = self.folder.path().join("stage");
        let stage = Dir::open(&stage_path).unwrap();
        let selection = Selection::new([RelPath::root()], &["*.tmp".to_owned()]).unwrap();
        let (selection, fidelity, stage_path) = (&selection, &Fidelity::assumed(), &stage_path);
        let moves = &Moves::default();
        let target = Target { root: &root, stage, stage_path, selection, fidelity, trusted, moves };
        apply(actions.into_iter().map(Ok), target, &Nothing, &self.heard)
    }

    fn heard(&self) -> String {
        self.heard.0.lock().unwrap().join("\n")
    }

    fn stage_is_empty(&self) -> bool {
        fs::read_dir(self.folder.path().join("stage")).unwrap().count() == 0
    }
}

fn entry(path: &str, node: Node) -> Entry {
    let mtime = Time { seconds: 1_000_000_000, nanoseconds: 5 };
    let meta = Meta { mode: 0o644, uid: clock::effective_uid(), gid: 0, mtime, xattrs: Vec::new() };
    Entry { path: RelPath::new(path).unwrap(), meta, identity: Identity::default(), flags: 0, node }
}

fn empty(path: &str) -> Entry {
    entry(path, Node::File { size: 0, content: Content::Direct(Vec::new()) })
}

/// As it was when the tree was looked at.
fn seen(place: &Place, path: &str) -> Entry {
    let facts = fs::symlink_metadata(place.at(path)).unwrap();
    let mut entry = empty(path);
    entry.node = Node::File { size: facts.len(), content: Content::Direct(Vec::new()) };
    entry.meta.mtime = Time { seconds: facts.mtime(), nanoseconds: u32::try_from(facts.mtime_nsec()).unwrap() };
    entry
}

#[test]
fn new_times_are_not_given_to_content_that_someone_has_just_written() {
    let place = Place::new();
    fs::write(place.at("a"), "known").unwrap();
    let old = seen(&place, "a");
    let trusted = clock::settled(false);
    fs::write(place.at("a"), "other").unwrap();
    let before = fs::metadata(place.at("a")).unwrap();
    let done = place.apply(trusted, vec![Action::Meta { new: empty("a"), old: Some(old) }]).unwrap();
    assert_eq!((done.touched, done.failed), (0, 1));
    let after = fs::metadata(place.at("a")).unwrap();
    assert_eq!((after.mtime(), after.mtime_nsec()), (before.mtime(), before.mtime_nsec()), "a later look must see it");
    assert!(place.heard().contains("a: cannot be put in place: it was changed by someone else"), "{}", place.heard());
}

#[test]
fn a_file_that_someone_has_just_written_is_not_replaced_nor_removed() {
    let place = Place::new();
    for name in ["put", "gone"] {
        fs::write(place.at(name), "known").unwrap();
    }
    let (put, gone) = (seen(&place, "put"), seen(&place, "gone"));
    let trusted = clock::settled(false);
    for name in ["put", "gone", "new"] {
        fs::write(place.at(name), "theirs").unwrap();
    }
    let actions = vec![
        Action::Remove { old: gone },
        Action::Put { new: empty("new"), old: None },
        Action::Put { new: empty("put"), old: Some(put) },
    ];
    let done = place.apply(trusted, actions).unwrap();
    assert_eq!((done.written, done.removed, done.failed), (0, 0, 3));
    for name in ["put", "gone", "new"] {
        assert_eq!(fs::read(place.at(name)).unwrap(), b"theirs", "{name}");
    }
    assert!(place.stage_is_empty(), "nothing of ours is left over");
}

#[test]
fn a_directory_that_someone_has_just_put_a_file_into_stays() {
    let place = Place::new();
    fs::create_dir(place.at("d")).unwrap();
    fs::create_dir(place.at("e")).unwrap();
    let trusted = clock::settled(false);
    fs::write(place.at("d/x"), "theirs").unwrap();
    fs::write(place.at("e/x"), "theirs").unwrap();
    let directory = |path| entry(path, Node::Directory);
    let actions = vec![
        Action::Put { new: empty("d"), old: Some(directory("d")) },
        Action::Remove { old: directory("e") },
        Action::Put { new: empty("f"), old: None },
    ];
    let done = place.apply(trusted, actions).unwrap();
    assert_eq!((done.written, done.failed), (1, 2));
    assert_eq!(fs::read(place.at("d/x")).unwrap(), b"theirs");
    assert_eq!(fs::read(place.at("e/x")).unwrap(), b"theirs");
    assert!(place.stage_is_empty());
}

#[test]
fn a_directory_with_nothing_but_excluded_files_stays_without_a_complaint() {
    let place = Place::new();
    fs::create_dir_all(place.at("d/e")).unwrap();
    fs::write(place.at("d/e/x.tmp"), "excluded").unwrap();
    let trusted = clock::settled(false);
    let removed = |path| Action::Remove { old: entry(path, Node::Directory) };
    let done = place.apply(trusted, vec![removed("d/e"), removed("d")]).unwrap();
    assert_eq!(done.failed, 0, "{}", place.heard());
    assert_eq!(fs::read(place.at("d/e/x.tmp")).unwrap(), b"excluded");
}

#[test]
fn an_object_that_the_file_system_cannot_hold_does_not_hold_back_the_rest() {
    let place = Place::new();
    let long = Node::Symlink { target: vec![b'x'; 5000] };
    let content = Content::Direct(vec![backup::entry::Extent::Data { id: backup::id::Id::of(b"gone"), length: 4 }]);
    let lost = entry("lost", Node::File { size: 4, content });
    let put = |new| Action::Put { new, old: None };
    let actions = vec![put(empty("a")), put(entry("link", long)), put(lost), put(empty("z"))];
    let done = place.apply(clock::settled(false), actions).unwrap();
    // What is beyond the file system is no failure.
    assert_eq!((done.written, done.failed), (2, 1));
    assert!(place.at("a").exists() && place.at("z").exists() && !place.at("lost").exists());
    let heard = place.heard();
    assert!(heard.contains("1 names cannot be on this file system, such as link"), "{heard}");
    assert!(heard.contains("lost: cannot be had from the store"), "{heard}");
    assert!(place.stage_is_empty());
}

#[test]
fn what_an_interrupted_run_displaced_is_never_removed_unseen() {
    let place = Place::new();
    let stage = place.folder.path().join("stage");
    fs::create_dir_all(stage.join("ready")).unwrap();
    fs::write(stage.join("ready/0"), "somebody's").unwrap();
    fs::create_dir_all(stage.join("making")).unwrap();
    fs::write(stage.join("making/7"), "half of a fi").unwrap();
    let refused = place.apply(clock::settled(false), vec![Action::Put { new: empty("a"), old: None }]);
    assert!(matches!(refused, Err(Error::Displaced(_))), "{refused:?}");
    assert_eq!(fs::read(stage.join("ready/0")).unwrap(), b"somebody's");
    assert!(!stage.join("making").exists(), "what was not finished goes");
    assert!(!place.at("a").exists());
}

/// A file of the tree with these names, seen as the first of them and links to that, and a time after which changes show.
fn group(place: &Place, names: &[&str], content: &str) -> Vec<Entry> {
    fs::write(place.at(names[0]), content).unwrap();
    for name in &names[1..] {
        fs::hard_link(place.at(names[0]), place.at(name)).unwrap();
    }
    let first = found(place, names[0]);
    let leader = first.path.clone();
    let further = names[1..].iter().map(|name| {
        let node = Node::HardLink { leader: leader.clone() };
        Entry { path: RelPath::new(*name).unwrap(), node, ..first.clone() }
    });
    std::iter::once(first.clone()).chain(further).collect()
}

/// As [`seen`], with owner and mode.
fn found(place: &Place, path: &str) -> Entry {
    let facts = fs::symlink_metadata(place.at(path)).unwrap();
    let mut entry = seen(place, path);
    entry.meta = Meta { mode: facts.mode() & 0o7777, uid: facts.uid(), gid: facts.gid(), ..entry.meta };
    entry
}

fn linked(path: &str, leader: &Entry) -> Entry {
    let node = Node::HardLink { leader: leader.path.clone() };
    Entry { path: RelPath::new(path).unwrap(), node, ..leader.clone() }
}

fn set_mtime(path: &PathBuf, like: &PathBuf) {
    let time = fs::metadata(like).unwrap().modified().unwrap();
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn the_names_of_a_file_are_taken_apart_one_by_one() {
    let place = Place::new();
    let [one, two, three, four] = group(&place, &["1", "2", "3", "4"], "all").try_into().unwrap();
    let [first, second, third] = group(&place, &["a", "b", "c"], "other").try_into().unwrap();
    let trusted = clock::settled(false);
    // All of it changes the ctime of what has the other names.
    let touched = Entry { meta: Meta { mode: 0o600, ..first.meta.clone() }, ..first.clone() };
    let actions = vec![
        Action::Remove { old: one },
        Action::Put { new: empty("2"), old: Some(two) },
        Action::Link { new: linked("3", &empty("2")), old: Some(three) },
        Action::Remove { old: four },
        Action::Link { new: linked("5", &empty("2")), old: None },
        Action::Meta { new: touched, old: Some(first) },
        Action::Put { new: empty("b"), old: Some(second) },
        Action::Remove { old: third },
    ];
    let done = place.apply(trusted, actions).unwrap();
    assert_eq!((done.written, done.removed, done.touched, done.failed), (4, 3, 1, 0), "{}", place.heard());
    let inode = |path| fs::metadata(place.at(path)).unwrap().ino();
    assert!(inode("2") == inode("3") && inode("2") == inode("5"));
    assert_eq!(fs::metadata(place.at("a")).unwrap().mode() & 0o7777, 0o600);
}

/// Between the look and the publishing somebody puts another file with several names there, of the same size and time.
#[test]
fn another_file_with_several_names_is_neither_given_metadata_nor_removed_nor_replaced() {
    let place = Place::new();
    let names = ["meta", "gone", "put"];
    for name in names {
        fs::write(place.at(name), "known").unwrap();
    }
    let [meta, gone, put] = names.map(|name| found(&place, name));
    fs::write(place.folder.path().join("victim"), "other").unwrap();
    let trusted = clock::settled(false);
    for name in names {
        let victim = place.folder.path().join("victim");
        set_mtime(&victim, &place.at(name));
        fs::remove_file(place.at(name)).unwrap();
        let other = place.folder.path().join(format!("victim-{name}"));
        fs::copy(&victim, &other).unwrap();
        set_mtime(&other, &victim);
        fs::hard_link(&other, place.at(name)).unwrap();
    }
    let touched = Entry { meta: Meta { mode: 0o4755, ..meta.meta.clone() }, ..meta.clone() };
    let actions = vec![
        Action::Remove { old: gone },
        Action::Meta { new: touched, old: Some(meta) },
        Action::Put { new: empty("put"), old: Some(put) },
    ];
    let done = place.apply(trusted, actions).unwrap();
    assert_eq!((done.failed, done.touched, done.removed, done.written), (3, 0, 0, 0), "{}", place.heard());
    for name in names {
        assert_eq!(fs::read(place.at(name)).unwrap(), b"other", "{name}");
        let mode = fs::metadata(place.folder.path().join(format!("victim-{name}"))).unwrap().mode();
        assert_eq!(mode & 0o4000, 0, "{name}");
    }
    assert!(place.stage_is_empty());
}

#[test]
fn a_name_is_not_given_to_what_took_the_place_of_its_first() {
    let place = Place::new();
    let first = group(&place, &["first"], "known").remove(0);
    let trusted = clock::settled(false);
    // As it was, but for the owner or the mode.
    fs::remove_file(place.at("first")).unwrap();
    fs::write(place.at("first"), "theirs").unwrap();
    fs::set_permissions(place.at("first"), std::os::unix::fs::PermissionsExt::from_mode(0o666)).unwrap();
    let name = linked("name", &first);
    let done = place.apply(trusted, vec![Action::Link { new: name, old: None }]).unwrap();
    assert_eq!((done.written, done.failed), (0, 1));
    assert!(place.heard().contains("its first name, first, was changed by someone else"), "{}", place.heard());
    assert!(!place.at("name").exists() && place.stage_is_empty());
}

/// What we linked ourselves is known by the ctime that we left it with: any other is somebody's doing.
#[test]
fn a_further_name_that_someone_changes_between_two_runs_of_ours_is_no_longer_known() {
    let place = Place::new();
    let [a, b] = group(&place, &["a", "b"], "all").try_into().unwrap();
    let trusted = clock::settled(false);
    fs::hard_link(place.at("b"), place.folder.path().join("elsewhere")).unwrap();
    let done = place.apply(trusted, vec![Action::Remove { old: a }, Action::Remove { old: b }]).unwrap();
    assert_eq!((done.removed, done.failed), (0, 2));
}

/// Somebody exchanges a folder for one of his own, or puts something into it, between the look and the publishing.
#[test]
fn nothing_is_put_into_a_folder_that_took_the_place_of_the_one_that_was_seen() {
    let place = Place::new();
    for folder in ["d/private", "d/theirs", "d/private/below", "d/theirs/below", "quiet"] {
        fs::create_dir_all(place.at(folder)).unwrap();
    }
    fs::write(place.at("d/theirs/known"), "").unwrap();
    let others = |path: &str| {
        fs::set_permissions(place.at(path), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    };
    others("d");
    let known = Entry { path: RelPath::new("d/private/known").unwrap(), ..found(&place, "d/theirs/known") };
    let trusted = clock::settled(false);
    fs::rename(place.at("d/private"), place.at("d/mine")).unwrap();
    fs::rename(place.at("d/theirs"), place.at("d/private")).unwrap();
    let folder = Entry { meta: Meta { mode: 0o700, ..known.meta.clone() }, ..entry("d/private", Node::Directory) };
    let touched = Entry { meta: Meta { mode: 0o4755, ..known.meta.clone() }, ..known.clone() };
    let put = |new| Action::Put { new, old: None };
    let actions = vec![
        Action::Meta { new: folder, old: Some(entry("d/private", Node::Directory)) },
        put(empty("d/private/secret")),
        put(empty("d/private/below/secret")),
        Action::Meta { new: touched, old: Some(known.clone()) },
        Action::Remove { old: known },
        put(entry("new", Node::Directory)),
        put(empty("new/file")),
        put(empty("quiet/file")),
    ];
    let done = place.apply(trusted, actions).unwrap();
    assert_eq!((done.written, done.failed), (3, 5), "{}", place.heard());
    assert!(place.heard().contains("d/private/secret: cannot be put in place: it was changed by someone else"));
    let theirs: Vec<_> = fs::read_dir(place.at("d/private")).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert!(theirs.len() == 2 && !place.at("d/private/below/secret").exists(), "{theirs:?}");
    assert_ne!(fs::metadata(place.at("d/private")).unwrap().mode() & 0o7777, 0o700);
    assert!(place.at("new/file").exists() && place.at("quiet/file").exists() && place.stage_is_empty());
}

/// Who may have exchanged a folder that its owner writes to all the time? Its owner alone: what is his can be put there.
#[test]
fn a_folder_in_which_its_owner_works_gets_what_is_his() {
    if !clock::is_root() {
        return;
    }
    let place = Place::new();
    for folder in ["home", "home/work", "home/work/below"] {
        fs::create_dir(place.at(folder)).unwrap();
        std::os::unix::fs::chown(place.at(folder), Some(1234), None).unwrap();
    }
    let trusted = clock::settled(false);
    fs::write(place.at("home/work/running"), "").unwrap();
    let his = |path| Entry { meta: Meta { uid: 1234, ..empty(path).meta }, ..empty(path) };
    let put = |new| Action::Put { new, old: None };
    let roots = [empty("home/work/root"), empty("home/work/below/root")].map(put);
    let done = place.apply(trusted, Vec::from(roots)).unwrap();
    assert_eq!((done.written, done.failed), (0, 2), "{}", place.heard());
    let actions = ["home/his", "home/work/below/his", "home/work/his"].map(|path| put(his(path)));
    let done = place.apply(trusted, Vec::from(actions)).unwrap();
    assert_eq!((done.written, done.failed), (3, 0), "{}", place.heard());
}
