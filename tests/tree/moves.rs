//! Files that are moved while somebody else works on the tree, and between batches.

use super::{Heard, Place, entry, found, linked};
use backup::entry::{Apart, ChunkRef, Content, Entry, Extent, Node, Time};
use backup::fs::clock;
use backup::fs::dir::Dir;
use backup::fs::fidelity::Fidelity;
use backup::id::Id;
use backup::limits::PUBLISH_FILES;
use backup::manifest;
use backup::manifest::diff::Change;
use backup::monitor::{Monitor, Phase};
use backup::path::RelPath;
use backup::scan::selection::Selection;
use backup::store;
use backup::store::chunks::{ChunkReader, ChunkSource};
use backup::tree::Error;
use backup::tree::apply::{Applied, Target, apply};
use backup::tree::plan::{Plan, Scope};
use backup::tree::survey::{Surveyed, survey};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Mutex;

/// A store in which every content is a chunk of its own.
#[derive(Default)]
struct Contents(Vec<Vec<u8>>);

struct Reader<'a>(&'a Contents);

impl ChunkSource for Contents {
    fn reader(&self) -> Result<Box<dyn ChunkReader + '_>, store::Error> {
        Ok(Box::new(Reader(self)))
    }
}

impl ChunkReader for Reader<'_> {
    fn read(&mut self, chunk: &ChunkRef) -> Result<&[u8], store::Error> {
        let found = self.0.0.iter().find(|bytes| Id::of(bytes) == chunk.id);
        found.map(Vec::as_slice).ok_or(store::Error::MissingChunk(chunk.id))
    }
}

/// Does something when the third batch is made: by then the first is in the tree.
struct Meddler<'a, F: Fn() + Sync> {
    heard: &'a Heard,
    actions: Mutex<usize>,
    meddle: F,
}

impl<F: Fn() + Sync> Monitor for Meddler<'_, F> {
    fn begin(&self, _phase: Phase, _files: Option<u64>, _bytes: Option<u64>) {}
    fn advance(&self, files: u64, _bytes: u64) {
        let mut actions = self.actions.lock().unwrap();
        *actions += usize::try_from(files).unwrap();
        if *actions == 2 * PUBLISH_FILES + 1 {
            (self.meddle)();
        }
    }
    fn problem(&self, path: &RelPath, message: &str) {
        self.heard.problem(path, message);
    }
    fn wrong(&self, message: &str) {
        self.heard.wrong(message);
    }
    fn note(&self, message: &str) {
        self.heard.note(message);
    }
}

/// A tree that is to be changed, and the store that has all of it.
struct Scene {
    place: Place,
    store: Contents,
    changes: Vec<(Option<Entry>, Option<Entry>)>,
}

impl Scene {
    fn new() -> Self {
        Self { place: Place::new(), store: Contents::default(), changes: Vec::new() }
    }

    /// Makes a file and gives what was seen of it.
    fn file(&mut self, path: &str, content: &str) -> Entry {
        fs::create_dir_all(self.place.at(path).parent().unwrap()).unwrap();
        fs::write(self.place.at(path), content).unwrap();
        self.store.0.push(content.as_bytes().to_vec());
        let extent = Extent::Data { id: Id::of(content.as_bytes()), length: content.len().try_into().unwrap() };
        let node = Node::File { size: content.len() as u64, content: Content::Direct(vec![extent]) };
        Entry { node, ..found(&self.place, path) }
    }

    fn change(&mut self, old: Option<Entry>, new: Option<Entry>) {
        self.changes.push((old, new));
    }

    /// Moves a file that is there, which comes in the order of the plan where it is said.
    fn moved(&mut self, old: &Entry, to: &str) {
        let new = Entry { path: RelPath::new(to).unwrap(), ..old.clone() };
        self.change(None, Some(new));
        self.change(Some(old.clone()), None);
        self.changes.sort_by_key(|(old, new)| old.as_ref().or(new.as_ref()).unwrap().path.clone());
    }

    /// So many changes that what comes before and after these names is not in one batch.
    fn fill(&mut self, name: &str) {
        fs::create_dir(self.place.at(name)).unwrap();
        let gone = |n: usize| entry(&format!("{name}/{n:06}"), Node::Fifo);
        self.changes.extend((0..PUBLISH_FILES).map(|n| (Some(gone(n)), None)));
    }

    fn run(&self, trusted: Time, moved: u64) -> Result<Applied, Error> {
        self.run_with(trusted, moved, || {})
    }

    fn run_with(&self, trusted: Time, moved: u64, meddle: impl Fn() + Sync) -> Result<Applied, Error> {
        let root = Dir::open(&self.place.at("")).unwrap();
        let stage_path = self.place.folder.path().join("stage");
        let stage = Dir::open(&stage_path).unwrap();
        let (selection, fidelity, apart) = (&Selection::everything(), &Fidelity::assumed(), &Apart::default());
        let plan = || {
            let changes = self.changes.clone().into_iter().map(|(old, new)| Ok(Change { old, new }));
            Ok::<_, manifest::Error>(Plan::new(changes, Scope { selection, delete: true, apart, fidelity }))
        };
        let Surveyed { survey, moves, kept } = survey(plan, self.store.reader().unwrap().as_mut()).unwrap();
        assert_eq!((survey.moved, survey.bytes), (moved, 0));
        let (stage_path, moves) = (&stage_path, &moves);
        let target = Target { root: &root, stage, stage_path, selection, fidelity, trusted, moves };
        let monitor = Meddler { heard: &self.place.heard, actions: Mutex::default(), meddle };
        apply(kept.actions(plan).unwrap(), target, &self.store, &monitor)
    }

    fn inode(&self, path: &str) -> u64 {
        fs::symlink_metadata(self.place.at(path)).unwrap().ino()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.place.at(path)).unwrap()
    }
}

#[test]
fn a_file_is_moved_from_one_batch_to_the_next_and_its_folder_goes() {
    let mut scene = Scene::new();
    let (early, late) = (scene.file("a/deep/early", "one"), scene.file("z/late", "two"));
    let inodes = [scene.inode("a/deep/early"), scene.inode("z/late")];
    fs::create_dir(scene.place.at("new")).unwrap();
    scene.fill("m");
    for gone in ["a", "a/deep", "z"] {
        scene.change(Some(entry(gone, Node::Directory)), None);
    }
    scene.moved(&early, "new/x");
    scene.moved(&late, "b");
    let done = scene.run(clock::settled(false), 2).unwrap();
    assert_eq!((done.moved, done.written, done.bytes, done.failed), (2, 0, 0, 0), "{}", scene.place.heard());
    assert_eq!([scene.inode("new/x"), scene.inode("b")], inodes);
    assert!(!scene.place.at("a").exists() && !scene.place.at("z").exists() && scene.place.stage_is_empty());
}

#[test]
fn what_someone_has_just_written_is_not_moved_and_the_new_place_gets_what_it_shall_have() {
    let mut scene = Scene::new();
    let names = ["c", "d", "n"];
    let [c, d, n] = names.map(|name| scene.file(name, &format!("known {name}")));
    scene.moved(&c, "z1");
    scene.moved(&d, "z2");
    scene.moved(&n, "a");
    let trusted = clock::settled(false);
    for name in names {
        fs::write(scene.place.at(name), format!("other {name}")).unwrap();
    }
    // One of them looks as before.
    let time =
        std::time::UNIX_EPOCH + std::time::Duration::new(n.meta.mtime.seconds.unsigned_abs(), n.meta.mtime.nanoseconds);
    fs::File::options().write(true).open(scene.place.at("n")).unwrap().set_modified(time).unwrap();
    let done = scene.run(trusted, 3).unwrap();
    assert_eq!((done.moved, done.written, done.failed), (0, 3, 3), "{}", scene.place.heard());
    assert_eq!(names.map(|name| scene.read(name)), ["other c", "other d", "other n"]);
    assert_eq!(["z1", "z2", "a"].map(|name| scene.read(name)), ["known c", "known d", "known n"]);
    assert!(scene.place.stage_is_empty());
}

#[test]
fn a_file_that_got_another_name_meanwhile_is_not_moved() {
    let mut scene = Scene::new();
    let (a, n) = (scene.file("b", "one"), scene.file("n", "two"));
    scene.moved(&a, "z");
    scene.moved(&n, "a");
    let trusted = clock::settled(false);
    for name in ["b", "n"] {
        fs::hard_link(scene.place.at(name), scene.place.folder.path().join(name)).unwrap();
    }
    let done = scene.run(trusted, 2).unwrap();
    assert_eq!((done.moved, done.written, done.failed), (0, 2, 2), "{}", scene.place.heard());
    assert_eq!([scene.read("z"), scene.read("a")], ["one", "two"]);
    assert!(scene.place.stage_is_empty());
}

/// Whoever had it open before it was moved writes to it while it waits.
#[test]
fn what_is_written_to_a_file_that_waits_aside_is_never_removed_unseen() {
    let mut scene = Scene::new();
    let old = scene.file("a", "known");
    scene.fill("m");
    scene.fill("n");
    scene.moved(&old, "z");
    let trusted = clock::settled(false);
    let open = fs::File::options().write(true).open(scene.place.at("a")).unwrap();
    let write = || std::os::unix::fs::FileExt::write_all_at(&open, b"other", 0).unwrap();
    let ended = scene.run_with(trusted, 1, write);
    assert!(matches!(&ended, Err(Error::Displaced(at)) if at.ends_with("stage/aside")), "{ended:?}");
    assert_eq!(scene.read("z"), "known");
    let aside = scene.place.folder.path().join("stage/aside/0");
    assert_eq!(fs::read(aside).unwrap(), b"other");
}

#[test]
fn a_file_that_is_in_the_way_of_one_that_is_moved_stays() {
    let mut scene = Scene::new();
    let (b, n) = (scene.file("b", "one"), scene.file("n", "two"));
    scene.moved(&b, "z");
    scene.moved(&n, "a");
    let trusted = clock::settled(false);
    for name in ["z", "a"] {
        fs::write(scene.place.at(name), "theirs").unwrap();
    }
    let done = scene.run(trusted, 2).unwrap();
    assert_eq!((done.moved, done.failed), (0, 2), "{}", scene.place.heard());
    assert_eq!([scene.read("z"), scene.read("a")], ["theirs", "theirs"]);
    assert!(!scene.place.at("b").exists() && !scene.place.at("n").exists(), "the store has them");
    assert!(scene.place.stage_is_empty());
}

/// What has several names, or shall have, is told by the plan.
#[test]
fn files_with_several_names_are_left_out() {
    let mut scene = Scene::new();
    let first = scene.file("b", "all");
    fs::hard_link(scene.place.at("b"), scene.place.at("c")).unwrap();
    let single = scene.file("d", "single");
    let to = |path: &str, like: &Entry| Entry { path: RelPath::new(path).unwrap(), ..like.clone() };
    scene.change(None, Some(to("x", &first)));
    scene.change(None, Some(to("y", &single)));
    scene.change(None, Some(linked("z", &to("y", &single))));
    let link = linked("c", &first);
    for old in [first, link, single] {
        scene.change(Some(old), None);
    }
    scene.changes.sort_by_key(|(old, new)| old.as_ref().or(new.as_ref()).unwrap().path.clone());
    let (selection, fidelity, apart) = (&Selection::everything(), &Fidelity::assumed(), &Apart::default());
    let plan = || {
        let changes = scene.changes.clone().into_iter().map(|(old, new)| Ok(Change { old, new }));
        Ok::<_, manifest::Error>(Plan::new(changes, Scope { selection, delete: true, apart, fidelity }))
    };
    let survey = survey(plan, scene.store.reader().unwrap().as_mut()).unwrap().survey;
    assert_eq!((survey.moved, survey.created, survey.removed), (0, 3, 3));
}

/// A mode that nobody else may see comes with the new name, not before it.
#[test]
fn metadata_are_given_aside() {
    let mut scene = Scene::new();
    let old = scene.file("a", "known");
    fs::set_permissions(scene.place.at("a"), fs::Permissions::from_mode(0o644)).unwrap();
    let old = Entry { node: old.node, ..found(&scene.place, "a") };
    let mut new = Entry { path: RelPath::new("z").unwrap(), ..old.clone() };
    (new.meta.mode, new.meta.mtime.seconds) = (0o600, 1_234_567_890);
    scene.change(Some(old), None);
    scene.change(None, Some(new));
    let (inode, trusted) = (scene.inode("a"), clock::settled(false));
    let done = scene.run(trusted, 1).unwrap();
    assert_eq!((done.moved, done.failed), (1, 0), "{}", scene.place.heard());
    let facts = fs::metadata(scene.place.at("z")).unwrap();
    assert_eq!((facts.ino(), facts.mode() & 0o7777, facts.mtime()), (inode, 0o600, 1_234_567_890));
}
