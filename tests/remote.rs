//! An end on another host gives the same answers as one here, with few waits; and says what is wrong when it cannot.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may stop")]

#[path = "remote/delta.rs"]
mod delta;
#[path = "remote/hostile.rs"]
mod hostile;
#[path = "remote/wire.rs"]
mod wire;

use backup::chunk::codec::Encoder;
use backup::entry::{ChunkRef, Content, Entry, Extent, Node, Time};
use backup::format::pack::BlockKind;
use backup::format::role::State;
use backup::format::snapshot::{Kind, Record};
use backup::fs::dir::Dir;
use backup::id::Id;
use backup::manifest::cursor::Cursor;
use backup::manifest::lookup::find_in_all;
use backup::mirror::Error;
use backup::mirror::end::End;
use backup::mirror::look::Drift;
use backup::mirror::near::Near;
use backup::mirror::service::{Draft, MirrorService};
use backup::monitor::Silent;
use backup::path::RelPath;
use backup::remote::far::FarEnd;
use backup::remote::message::Whereabouts;
use backup::scan::selection::Selection;
use backup::source::snapshot::{Request, Trust, take};
use backup::store;
use backup::store::block::Block;
use backup::store::chunks::ChunkSource;
use backup::tree::apply::Applied;
use backup::tree::survey::Survey;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use wire::{Wire, connect, dead};

const TARGET: &str = "elixir";

/// A source, two mirrors of it, and a folder for nodes.
struct Hosts {
    folder: tempfile::TempDir,
    wire: Arc<Wire>,
}

impl Hosts {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["source/deep/er", "near", "far"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        let hosts = Self { folder, wire: Arc::default() };
        for n in 0..300_u32 {
            hosts.write(&format!("deep/er/{n:04}"), &n.to_le_bytes().repeat(n as usize));
        }
        hosts.write("large", &noise(3 << 20, 1));
        hosts.write("empty", b"");
        std::os::unix::fs::symlink("large", hosts.at("source/link")).unwrap();
        // Later than anything above by the clock of the file system.
        std::thread::sleep(Duration::from_millis(20));
        hosts
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        fs::write(self.at("source").join(path), bytes).unwrap();
    }

    fn near(&self) -> Near {
        Near::new(TARGET, &self.at("near"), None)
    }

    fn far_after(&self, round_trip: Duration) -> FarEnd {
        let path = self.at("far").as_os_str().as_bytes().to_vec();
        let place = Whereabouts { target: TARGET.to_owned(), path, store: None };
        let connect = connect(&self.wire, round_trip);
        FarEnd::new("mamane".to_owned(), place, connect, Some(self.at("cache")))
    }

    fn far(&self) -> FarEnd {
        self.far_after(Duration::ZERO)
    }

    fn night(&self, end: &dyn End) -> Night {
        let mirror = end.open(&Silent).unwrap();
        night(mirror.as_ref(), &self.at("source"))
    }

    /// Waits for the agents of lines that were cut: they end one after the other, and nothing stays locked.
    fn unlocked(&self) {
        *self.wire.cut_after.lock().unwrap() = None;
        let begun = Instant::now();
        while self.near_far().open(&Silent).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(5), "it stays locked");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The far place, as it is seen on its host.
    fn near_far(&self) -> Near {
        Near { path: self.at("far"), ..self.near() }
    }

    fn cached(&self) -> PathBuf {
        let mut files = fs::read_dir(self.at("cache")).unwrap().map(|file| file.unwrap().path());
        let only = files.next().unwrap();
        assert_eq!(files.next(), None, "one file for one store, and nothing unfinished");
        only
    }
}

/// Bytes that do not compress.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut reader = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes
}

/// All that came of a night.
#[derive(Debug, PartialEq)]
struct Night {
    tidied: Option<Record>,
    drift: Drift,
    survey: Survey,
    record: Record,
    applied: Applied,
    state: State,
    sequences: Vec<u64>,
    entries: usize,
}

/// A night as the verb has it, without its questions to the operator.
fn night(mirror: &dyn MirrorService, source: &Path) -> Night {
    let now = Time { seconds: 2_000_000_000, nanoseconds: 0 };
    let selection = Selection::new([RelPath::root()], &["*.tmp".to_owned()]).unwrap();
    let tidied = mirror.tidy(now, &Silent).unwrap();
    let parent = mirror.newest(|record| record.kind == Kind::Backup).unwrap();
    let request = Request {
        root: Arc::new(Dir::open(source).unwrap()),
        selection: &selection,
        parent: parent.as_ref().map(|record| record.root),
        trust: parent.as_ref().map_or(Trust::Nothing, |record| Trust::Identity(record.time)),
        of_mirror: None,
        filter: None,
        without_caches: false,
        chunker: mirror.chunker(),
    };
    let taken = take(request, mirror, &Silent).unwrap();
    let look = mirror.look(&selection, &Silent).unwrap();
    mirror.settle().unwrap();
    let survey = mirror.survey(&look, taken.root, &selection).unwrap();
    let draft = Draft {
        kind: Kind::Backup,
        time: now,
        source: b"uhane:/data".to_vec(),
        dirs: vec![RelPath::root()],
        root: taken.root,
        totals: taken.totals,
        users: Vec::new(),
        groups: Vec::new(),
        note: String::new(),
    };
    let record = mirror.commit(draft).unwrap();
    let entries = entries(mirror, record.root).len();
    let applied = mirror.publish(&look, &record, &selection, &Silent).unwrap();
    let (state, sequences) = (mirror.role().state, mirror.sequences().unwrap());
    Night { tidied, drift: look.drift, survey, record, applied, state, sequences, entries }
}

fn entries(mirror: &dyn MirrorService, root: ChunkRef) -> Vec<Entry> {
    let mut cursor = Cursor::new(root, mirror.reader().unwrap()).unwrap();
    std::iter::from_fn(|| cursor.next_entry().unwrap()).collect()
}

fn chunks(entries: &[Entry]) -> Vec<ChunkRef> {
    let extents = entries.iter().filter_map(|entry| match &entry.node {
        Node::File { content: Content::Direct(extents), .. } => Some(extents),
        _ => None,
    });
    let chunk = |extent: &Extent| match *extent {
        Extent::Data { id, length } => Some(ChunkRef { id, length }),
        Extent::Hole { .. } => None,
    };
    extents.flatten().filter_map(chunk).collect()
}

/// Names and bytes of a tree, without our own folder.
fn tree(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let items = walkdir::WalkDir::new(root).sort_by_file_name().into_iter();
    let items = items.filter_entry(|item| item.file_name() != ".backup").map(Result::unwrap);
    let bytes = |path: &Path| fs::read(path).unwrap_or_default();
    items.map(|item| (item.path().strip_prefix(root).unwrap().to_owned(), bytes(item.path()))).collect()
}

/// All entries of the fourth night, whose content was read.
fn read_back(end: &dyn End) -> Vec<Entry> {
    let mirror = end.open(&Silent).unwrap();
    let all = entries(mirror.as_ref(), mirror.record(4).unwrap().root);
    let (mut reader, wanted) = (mirror.reader().unwrap(), chunks(&all));
    ChunkSource::expect(mirror.as_ref(), wanted.clone());
    assert!(wanted.len() > 300 && wanted.iter().all(|chunk| Id::of(reader.read(chunk).unwrap()) == chunk.id));
    all
}

#[test]
fn a_far_end_gives_the_same_answers_as_a_near_one_night_after_night() {
    let hosts = Hosts::new();
    let (near, far) = (hosts.near(), hosts.far());
    let ends: [&dyn End; 2] = [&near, &far];
    let both = |what: &dyn Fn(&dyn End) -> String| assert_eq!(what(ends[0]), what(ends[1]));
    assert!(ends.map(|end| end.role().unwrap()) == [None, None]);
    for end in ends {
        end.init(7).unwrap();
    }
    both(&|end| format!("{:?}", end.role().unwrap().map(|role| (role.store, role.state))));
    both(&|end| format!("{:?}", end.without_content(&[RelPath::root(), RelPath::new("no").unwrap()]).is_ok()));
    assert_eq!(far.mirror_around().unwrap().unwrap().root, far.name());
    assert_eq!(far.name(), format!("mamane:{}", hosts.at("far").display()));
    for change in 0..4 {
        match change {
            1 => hosts.write("deep/er/0007", b"changed"),
            2 => fs::remove_file(hosts.at("source/large")).unwrap(),
            3 => hosts.write("large", &noise(5 << 20, 2)),
            _ => {}
        }
        let [here, there] = ends.map(|end| hosts.night(end));
        assert_eq!(here, there, "night {change}");
        assert!(there.entries > 300 && there.applied.failed == 0 && matches!(there.state, State::Clean(_)));
        for mirror in ["near", "far"] {
            assert_eq!(tree(&hosts.at("source")), tree(&hosts.at(mirror)), "{mirror} after night {change}");
        }
    }
    both(&|end| format!("{:?}", end.records().unwrap()));
    both(&|end| format!("{:?}", end.open(&Silent).unwrap().verify(true, &Silent).unwrap()));
    both(&|end| format!("{:?}", read_back(end)));
    both(&|end| end.open(&Silent).unwrap().record(99).unwrap_err().to_string());
    both(&|end| {
        // Whoever only reads takes no lock, and needs none.
        let _locked = end.open(&Silent).unwrap();
        let Ok(reading) = end.open_to_read() else { panic!("{}", end.name()) };
        let records: Vec<_> = reading.sequences().unwrap().into_iter().map(|n| reading.record(n).unwrap()).collect();
        let all: Vec<_> = records.iter().map(|record| entries(reading.as_ref(), record.root)).collect();
        let refused = reading.look(&Selection::everything(), &Silent).unwrap_err().to_string();
        assert!(refused.contains("was opened for reading only (nothing was written)"), "{refused}");
        format!("{records:?} {all:?}")
    });
}

#[test]
fn a_path_is_looked_up_in_many_nights_by_few_questions() {
    let hosts = Hosts::new();
    let far = hosts.far();
    far.init(7).unwrap();
    let nights: Vec<Night> = (0..12_u8)
        .map(|n| {
            hosts.write("deep/er/0007", &[n, n]);
            hosts.night(&far)
        })
        .collect();
    fs::remove_dir_all(hosts.at("cache")).unwrap();
    let far = hosts.far();
    let reading = far.open_to_read().unwrap();
    let roots: Vec<ChunkRef> = nights.iter().map(|night| night.record.root).collect();
    hosts.wire.asked();
    let path = RelPath::new("deep/er/0007").unwrap();
    let found = find_in_all(&roots, reading.as_ref(), &path).unwrap();
    let asked = hosts.wire.asked();
    assert!(asked.len() <= 4, "{asked:?}");
    for (night, found) in nights.iter().zip(&found) {
        let mut all = entries(reading.as_ref(), night.record.root).into_iter();
        assert_eq!(found.as_ref().unwrap().as_deref(), all.find(|entry| entry.path == path).as_ref());
    }
    assert!(found[0].as_ref().unwrap() != found[1].as_ref().unwrap());
}

#[test]
fn a_night_without_changes_costs_few_round_trips_and_fetches_no_node() {
    let hosts = Hosts::new();
    hosts.far().init(7).unwrap();
    hosts.night(&hosts.far());
    hosts.wire.asked();
    let night = hosts.night(&hosts.far());
    assert_eq!(night.survey.actions, 0);
    let asked = hosts.wire.asked();
    let expected =
        ["Bind", "Open", "Tidy", "Look", "Settle", "Survey", "Commit", "Publish", "Role", "Close"].map(str::to_owned);
    assert_eq!(asked, expected);
    // Without what the night before left, it is slower, and the same.
    fs::remove_file(hosts.cached()).unwrap();
    let again = hosts.night(&hosts.far());
    assert!(hosts.wire.asked().contains(&"Read".to_owned()));
    assert_eq!((again.entries, again.record.root), (night.entries, night.record.root));
}

#[test]
fn a_damaged_cache_of_nodes_costs_time_and_nothing_else() {
    let hosts = Hosts::new();
    fs::remove_dir_all(hosts.at("source")).unwrap();
    fs::create_dir_all(hosts.at("source/a")).unwrap();
    for name in ["a/1", "a/2", "b"] {
        hosts.write(name, name.as_bytes());
    }
    let far = hosts.far();
    far.init(7).unwrap();
    let root = hosts.night(&far).record.root;
    let cached = hosts.cached();
    let whole = fs::read(&cached).unwrap();
    let look = || {
        let mirror = far.open(&Silent).unwrap();
        let found = entries(mirror.as_ref(), root);
        let unknown = mirror.missing(BlockKind::Manifest, &[Id::of(b"no such node")]).unwrap();
        (found, unknown)
    };
    let expected = look();
    assert_eq!((expected.0.len(), &expected.1), (5, &vec![true]));
    let mut fetched = 0;
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x41;
        let shorter = whole[..at].to_vec();
        for bytes in [damaged, shorter] {
            fs::write(&cached, bytes).unwrap();
            hosts.wire.asked();
            assert_eq!(look(), expected, "damaged or cut at byte {at}");
            fetched += usize::from(hosts.wire.asked().contains(&"Read".to_owned()));
        }
    }
    assert!(fetched >= 2 * whole.len() - 40, "{fetched} of {}: almost all damage is noticed", 2 * whole.len());
    // What is no file at all is left alone.
    fs::remove_file(&cached).unwrap();
    std::os::unix::fs::symlink(hosts.at("source/b"), &cached).unwrap();
    assert_eq!(look(), expected);
    assert_eq!(fs::read(hosts.at("source/b")).unwrap(), b"b");
    fs::remove_dir_all(hosts.at("cache")).unwrap();
    fs::write(hosts.at("cache"), "in the way").unwrap();
    assert_eq!(look(), expected);
}

/// Puts chunks that do not compress, and gives their names.
fn filled(far: &FarEnd, count: u64, length: usize) -> Vec<ChunkRef> {
    far.init(7).unwrap();
    let mirror = far.open(&Silent).unwrap();
    let mut encoder = Encoder::new().unwrap();
    let mut all = Vec::new();
    for first in (0..count).step_by(16) {
        let plain: Vec<Vec<u8>> = (first..(first + 16).min(count)).map(|n| noise(length, n)).collect();
        let name = |bytes: &Vec<u8>| ChunkRef { id: Id::of(bytes), length: u32::try_from(length).unwrap() };
        let names: Vec<ChunkRef> = plain.iter().map(name).collect();
        mirror.put(Block::encode(BlockKind::Data, names.clone(), &plain.concat(), &mut encoder).unwrap()).unwrap();
        all.extend(names);
    }
    let ids: Vec<Id> = all.iter().map(|chunk| chunk.id).collect();
    assert!(!mirror.missing(BlockKind::Data, &ids).unwrap().contains(&true), "what was put is not missing");
    mirror.settle().unwrap();
    all
}

#[test]
fn two_thousand_chunks_in_the_expected_order_cost_a_few_round_trips() {
    let hosts = Hosts::new();
    let all = filled(&hosts.far(), 2000, 8 << 10);
    let round_trip = Duration::from_millis(50);
    let far = hosts.far_after(round_trip);
    let mirror = far.open(&Silent).unwrap();
    let time = |by_reader: bool, order: &[usize]| {
        let begun = Instant::now();
        let mut reader = mirror.reader().unwrap();
        if by_reader {
            reader.expect(&all);
        } else {
            ChunkSource::expect(mirror.as_ref(), all.clone());
        }
        for &n in order {
            assert_eq!(Id::of(reader.read(&all[n]).unwrap()), all[n].id);
        }
        begun.elapsed()
    };
    let in_order: Vec<usize> = (0..all.len()).collect();
    let (by_store, by_reader) = (time(false, &in_order), time(true, &in_order));
    println!("{by_store:?} where the order is sure, {by_reader:?} where a reader has to find out");
    assert!(by_store < 30 * round_trip, "{by_store:?}");
    assert!(by_reader < 40 * round_trip, "{by_reader:?}");
    // Two threads that begin at both halves.
    let halves: Vec<usize> = (0..1000).flat_map(|n| [n, n + 1000]).collect();
    let by_halves = time(false, &halves);
    assert!(by_halves < 40 * round_trip, "{by_halves:?}");
    // In no order at all, it is still right.
    let backwards: Vec<usize> = in_order.iter().rev().step_by(100).copied().collect();
    time(false, &backwards);
    time(true, &backwards);
}

#[test]
fn a_window_that_is_full_of_what_nobody_reads_makes_room() {
    let hosts = Hosts::new();
    let far = hosts.far();
    let all = filled(&far, 200, 256 << 10);
    let mirror = far.open(&Silent).unwrap();
    ChunkSource::expect(mirror.as_ref(), all.clone());
    let mut reader = mirror.reader().unwrap();
    for chunk in all.iter().skip(1).step_by(3).chain(all.iter().rev().step_by(7)) {
        assert_eq!(Id::of(reader.read(chunk).unwrap()), chunk.id);
    }
    // Several readers at once, all of everything.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut reader = mirror.reader().unwrap();
                assert!(all.iter().all(|chunk| Id::of(reader.read(chunk).unwrap()) == chunk.id));
            });
        }
    });
}

#[test]
fn a_block_that_is_not_taken_ends_what_depends_on_it() {
    let hosts = Hosts::new();
    let far = hosts.far();
    far.init(7).unwrap();
    let mirror = far.open(&Silent).unwrap();
    let wrong = ChunkRef { id: Id::of(b"something else"), length: 3 };
    let block = Block::encode(BlockKind::Data, vec![wrong], b"abc", &mut Encoder::new().unwrap()).unwrap();
    mirror.put(block).unwrap();
    let told = mirror.settle().unwrap_err().to_string();
    assert!(told.starts_with("mamane: ") && told.contains("not what it says"), "{told}");
    assert_eq!(mirror.settle().unwrap_err().to_string(), told);
}

#[test]
fn what_was_put_is_not_asked_for_again_by_an_answer_that_is_older() {
    let hosts = Hosts::new();
    let far = hosts.far();
    far.init(7).unwrap();
    let mirror = far.open(&Silent).unwrap();
    let name = ChunkRef { id: Id::of(b"abc"), length: 3 };
    let ids = || vec![name.id, Id::of(b"never put")];
    let older = mirror.ask(BlockKind::Data, ids()).unwrap();
    assert_eq!(mirror.missing(BlockKind::Data, &ids()).unwrap(), [true, true]);
    mirror.put(Block::encode(BlockKind::Data, vec![name], b"abc", &mut Encoder::new().unwrap()).unwrap()).unwrap();
    assert_eq!(older().unwrap(), [false, true]);
    // Nobody waits for a block to be taken: until it is, it may not have been counted.
    mirror.settle().unwrap();
    hosts.wire.asked();
    let node = ChunkRef { id: Id::of(b"node"), length: 4 };
    assert_eq!(mirror.missing(BlockKind::Manifest, &[node.id]).unwrap(), [true]);
    mirror.put(Block::encode(BlockKind::Manifest, vec![node], b"node", &mut Encoder::new().unwrap()).unwrap()).unwrap();
    assert_eq!(mirror.missing(BlockKind::Manifest, &[node.id]).unwrap(), [false]);
    assert_eq!(mirror.reader().unwrap().read(&node).unwrap(), b"node", "it has not settled, and is at hand");
    mirror.settle().unwrap();
    assert_eq!(hosts.wire.asked(), ["Put", "Settle"]);
}

#[test]
fn what_is_cached_of_a_store_that_has_lost_packs_is_not_taken_for_what_it_has() {
    let hosts = Hosts::new();
    hosts.far().init(7).unwrap();
    let root = hosts.night(&hosts.far()).record.root;
    let lacks = |far: &FarEnd| {
        let mirror = far.open(&Silent).unwrap();
        assert_eq!(entries(mirror.as_ref(), root).len(), 306, "it can be read in any case");
        (mirror.is_incomplete(), mirror.missing(BlockKind::Manifest, &[root.id]).unwrap())
    };
    assert_eq!(lacks(&hosts.far()), (false, vec![false]));
    let packs = walkdir::WalkDir::new(hosts.at("far/.backup/store/packs")).into_iter().map(Result::unwrap);
    for pack in packs.filter(|item| item.file_type().is_file()) {
        fs::remove_file(pack.path()).unwrap();
    }
    assert_eq!(lacks(&hosts.far()), (true, vec![true]));
}

#[test]
fn what_a_caller_tells_apart_stays_apart() {
    let hosts = Hosts::new();
    let far = hosts.far();
    let refused = far.open(&Silent).err().unwrap();
    assert!(matches!(refused, Error::Refused(_)) && refused.to_string().starts_with("mamane: "), "{refused}");
    far.init(7).unwrap();
    let held = far.open(&Silent).unwrap();
    let locked = hosts.far().open(&Silent).err().unwrap();
    assert!(matches!(locked, Error::Locked(_)), "{locked}");
    assert!(locked.to_string().starts_with(&format!("{}: another run", far.name())), "{locked}");
    assert!(matches!(held.record(3), Err(Error::Store(store::Error::NoSnapshot(3)))));
    drop(held);
    assert!(hosts.far().open(&Silent).is_ok(), "the lock goes with the mirror");
    hosts.night(&far);
    fs::write(hosts.at("far/.backup/store/snapshots/000001"), "rot").unwrap();
    let mirror = hosts.far();
    let mirror = mirror.open(&Silent).unwrap();
    let Err(Error::Store(e)) = mirror.record(1) else { panic!("a damaged record was read") };
    assert!(e.is_damage() && e.to_string().starts_with("mamane: "), "{e}");
    assert_eq!(mirror.newest(|_| true).unwrap(), None, "it is passed over");
}

#[test]
fn a_turn_is_taken_and_given_back_over_the_line() {
    let hosts = Hosts::new();
    let far = hosts.far();
    far.init(7).unwrap();
    hosts.night(&far);
    let mut turn = far.begin_turn().unwrap();
    assert_eq!((turn.state(), turn.number().unwrap()), (State::Clean(1), 1));
    turn.finish_publishing(&Selection::everything(), &Silent).unwrap();
    assert_eq!(turn.link_store().unwrap(), None);
    turn.promote(1).unwrap();
    assert_eq!(turn.state(), State::Promoted(1));
    drop(turn);
    let promoted = far.open_to_read().unwrap();
    assert!(entries(promoted.as_ref(), promoted.record(1).unwrap().root).len() > 300);
    drop(promoted);
    let mut turn = far.begin_turn().unwrap();
    turn.take_back(1).unwrap();
    drop(turn);
    assert_eq!(far.role().unwrap().unwrap().state, State::Clean(1));
    assert!(matches!(far.history().err().unwrap(), Error::Refused(_)));
}

#[test]
fn a_far_end_takes_over_the_history_of_a_near_one() {
    let hosts = Hosts::new();
    let near = hosts.near();
    near.init(7).unwrap();
    hosts.night(&near);
    let mut turn = near.begin_turn().unwrap();
    turn.promote(1).unwrap();
    drop(turn);
    let far = hosts.far();
    let history = near.history().unwrap();
    assert!(far.room_for_history(history.as_ref()).unwrap().bytes > 3 << 20);
    let imported = far.init_after_swap(history.as_ref(), 8, &Silent).unwrap();
    assert_eq!((imported.snapshots, imported.damaged), (1, 0));
    assert!(imported.packs >= 2);
    assert_eq!(far.records().unwrap(), near.records().unwrap());
    assert_eq!(far.open(&Silent).unwrap().verify(true, &Silent).unwrap().snapshots, 1);
}

#[test]
fn a_host_that_is_down_is_called_once_and_only_when_it_is_asked() {
    let wire = Arc::default();
    let place = Whereabouts { target: TARGET.to_owned(), path: b"/data\x1b[2J".to_vec(), store: None };
    let far = FarEnd::new("mamane".to_owned(), place, dead(&wire), None);
    assert_eq!(far.name(), "mamane:/data\\x1b[2J");
    assert!(far.here().is_none() && far.store_name().ends_with("/.backup/store"));
    assert_eq!(wire.calls.load(Ordering::SeqCst), 0);
    for _ in 0..3 {
        let told = far.role().unwrap_err();
        assert!(matches!(&told, Error::Store(store::Error::Lost(_))), "{told}");
        assert!(told.to_string().starts_with("mamane: ") && told.to_string().contains("it is down"), "{told}");
    }
    assert_eq!(wire.calls.load(Ordering::SeqCst), 1);
}

#[test]
fn a_line_that_is_cut_anywhere_ends_the_night_with_an_error_and_not_with_waiting() {
    let hosts = Hosts::new();
    hosts.far().init(7).unwrap();
    for cut in 0..12 {
        hosts.unlocked();
        *hosts.wire.cut_after.lock().unwrap() = Some(cut);
        let far = hosts.far();
        let begun = Instant::now();
        let run = || -> Result<(), Error> {
            let mirror = far.open(&Silent)?;
            let selection = Selection::everything();
            for n in 0..12 {
                let look = mirror.look(&selection, &Silent)?;
                let plain = noise(1 << 20, n);
                let name = ChunkRef { id: Id::of(&plain), length: 1 << 20 };
                mirror
                    .put(Block::encode(BlockKind::Data, vec![name], &plain, &mut Encoder::new().unwrap()).unwrap())?;
                mirror.settle()?;
                mirror.reader()?.read(&name)?;
                mirror.survey(&look, look.taken.root, &selection)?;
            }
            Ok(())
        };
        let told = run().unwrap_err();
        assert!(matches!(told, Error::Store(store::Error::Lost(_))), "cut after {cut}: {told}");
        assert!(told.to_string().starts_with("mamane: "), "{told}");
        assert!(begun.elapsed() < Duration::from_secs(5), "cut after {cut}: {:?}", begun.elapsed());
    }
    hosts.unlocked();
}
