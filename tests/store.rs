//! The store through its own interface: what is put can be read, survives damage, and is found again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use backup::chunk::codec::Encoder;
use backup::chunk::cut::Chunker;
use backup::entry::{ChunkRef, Time};
use backup::format::config::{Config, StoreId};
use backup::format::pack::BlockKind;
use backup::format::snapshot::{Kind, Record, Totals};
use backup::id::Id;
use backup::monitor::Silent;
use backup::store::Store;
use backup::store::block::Block;
use backup::store::chunks::{ChunkSink, ChunkSource};
use std::fs;
use std::path::{Path, PathBuf};

fn create(root: &Path) -> Store {
    Store::create(root, Config { store: StoreId(7), chunker: Chunker::default() }).unwrap()
}

/// Opened as a run opens it, under its lock.
fn reopen(root: &Path) -> Store {
    let store = Store::open(root).unwrap();
    store.recover().unwrap();
    store
}

fn block(chunks: &[&[u8]]) -> (Block, Vec<ChunkRef>) {
    let refs: Vec<ChunkRef> =
        chunks.iter().map(|c| ChunkRef { id: Id::of(c), length: u32::try_from(c.len()).unwrap() }).collect();
    let plain = chunks.concat();
    (Block::encode(BlockKind::Data, refs.clone(), &plain, &mut Encoder::new().unwrap()).unwrap(), refs)
}

fn put(store: &Store, chunks: &[&[u8]]) -> Vec<ChunkRef> {
    let (block, refs) = block(chunks);
    store.put(block).unwrap();
    refs
}

fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = walkdir::WalkDir::new(root)
        .into_iter()
        .map(|item| item.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

#[test]
fn chunks_of_one_block_are_read_in_any_order_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir.path().join("s"));
    let refs = put(&store, &[b"one", b"two two", b"three"]);
    store.settle().unwrap();
    let mut reader = store.reader().unwrap();
    for n in [0, 1, 1, 2, 0, 0, 2, 1] {
        assert_eq!(Id::of(reader.read(&refs[n]).unwrap()), refs[n].id, "chunk {n}");
    }
}

#[test]
fn a_chunk_that_was_put_is_not_missing_before_and_after_it_is_settled() {
    let dir = tempfile::tempdir().unwrap();
    let store = create(&dir.path().join("s"));
    let id = Id::of(b"content");
    assert_eq!(store.missing(BlockKind::Data, &[id]).unwrap(), [true]);
    put(&store, &[b"content"]);
    assert_eq!(store.missing(BlockKind::Data, &[id, Id::of(b"other")]).unwrap(), [false, true]);
    store.settle().unwrap();
    assert_eq!(store.missing(BlockKind::Data, &[id]).unwrap(), [false]);
    assert_eq!(reopen(&dir.path().join("s")).missing(BlockKind::Data, &[id]).unwrap(), [false]);
}

#[test]
fn many_indexes_are_merged_and_everything_is_still_found() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    let mut all = Vec::new();
    for night in 0..40_u32 {
        let chunks: Vec<Vec<u8>> = (0..=night).map(|n| format!("{night} {n}").into_bytes()).collect();
        all.extend(put(&store, &chunks.iter().map(Vec::as_slice).collect::<Vec<_>>()));
        store.settle().unwrap();
    }
    assert!(files(&root, "idx").len() <= 8, "{} indexes", files(&root, "idx").len());
    for store in [store, reopen(&root)] {
        let mut reader = store.reader().unwrap();
        for chunk in &all {
            reader.read(chunk).unwrap();
        }
        assert!(reader.read(&ChunkRef { id: Id::of(b"never put"), length: 9 }).is_err());
    }
}

#[test]
fn packs_of_an_interrupted_run_are_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    let refs = put(&store, &[b"packed"]);
    store.settle().unwrap();
    for index in files(&root, "idx") {
        fs::remove_file(index).unwrap();
    }
    fs::write(root.join("packs/tmp-0.pack"), b"half a pack").unwrap();
    let store = reopen(&root);
    assert!(store.reader().unwrap().read(&refs[0]).is_ok());
    assert!(!root.join("packs/tmp-0.pack").exists());
    assert_eq!(files(&root, "idx").len(), 1, "the index is durable again");
}

#[test]
fn an_index_that_cannot_be_used_is_made_again() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    let refs = put(&store, &[b"packed"]);
    store.settle().unwrap();
    let index = files(&root, "idx").remove(0);
    let bytes = fs::read(&index).unwrap();
    fs::write(&index, &bytes[..bytes.len() - 1]).unwrap();
    let store = reopen(&root);
    assert!(store.reader().unwrap().read(&refs[0]).is_ok());
    assert_eq!(fs::read(&index).unwrap(), bytes, "the same packs give the same index");
}

/// A pack of the same name is the same pack, unless it is damaged: then the good one must win.
#[test]
fn content_of_a_pack_that_was_cut_is_stored_again_under_the_same_name() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    put(&store, &[b"content that was lost"]);
    store.settle().unwrap();
    let pack = files(&root, "pack").remove(0);
    let bytes = fs::read(&pack).unwrap();
    fs::write(&pack, &bytes[..20]).unwrap();

    let store = reopen(&root);
    let id = Id::of(b"content that was lost");
    assert_eq!(
        store.missing(BlockKind::Data, &[id]).unwrap(),
        [true],
        "nothing is deduplicated against a pack that is cut"
    );
    let refs = put(&store, &[b"content that was lost"]);
    store.settle().unwrap();
    assert_eq!(fs::read(&pack).unwrap(), bytes);
    assert!(reopen(&root).reader().unwrap().read(&refs[0]).is_ok());
}

/// What was lost and stored again in another pack is found there, also when the indexes of both have become one.
#[test]
fn merging_indexes_keeps_the_place_of_a_chunk_that_is_not_lost() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    let gone = put(&store, &[b"lost", b"lost for good"]);
    store.settle().unwrap();
    let pack = files(&root, "pack").remove(0);
    fs::remove_file(&pack).unwrap();
    let store = reopen(&root);
    put(&store, &[b"healed in another pack", b"lost", b"and more"]);
    store.settle().unwrap();
    for night in 0..40_u32 {
        put(&store, &[format!("night {night}").as_bytes()]);
        store.settle().unwrap();
    }
    let store = reopen(&root);
    assert!(files(&root, "idx").len() <= 8);
    assert_eq!(Id::of(store.reader().unwrap().read(&gone[0]).unwrap()), gone[0].id);
    assert_eq!(store.missing(BlockKind::Data, &[gone[0].id, gone[1].id]).unwrap(), [false, true]);
    // That something is gone stays known: nothing may be taken over from earlier snapshots unread.
    assert!(store.has_lost());
    assert_eq!(store.recover().unwrap().lost, [pack.display().to_string()]);
}

/// What is lost and stored again gives the very index that there was. A merge that took it twice would miss it when the old ones go.
#[test]
fn an_index_that_is_written_again_is_merged_once() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let night = |night: u32| format!("night {night}").into_bytes();
    let store = create(&root);
    for n in 0..8 {
        put(&store, &[&night(n)]);
        store.settle().unwrap();
    }
    fs::remove_file(&files(&root, "pack")[0]).unwrap();
    let store = reopen(&root);
    let gone = (0..8).find(|n| store.missing(BlockKind::Data, &[Id::of(&night(*n))]).unwrap() == [true]).unwrap();
    put(&store, &[&night(gone)]);
    store.settle().unwrap();
    assert_eq!(files(&root, "idx").len(), 8, "there is no further index, and so none to merge");
    put(&store, &[b"and more"]);
    store.settle().unwrap();
    assert_eq!(files(&root, "idx").len(), 1);
    let store = reopen(&root);
    assert!(!store.has_lost());
    assert!((0..8).all(|n| store.missing(BlockKind::Data, &[Id::of(&night(n))]).unwrap() == [false]));
}

/// Very small files: the names of millions of them would be in memory until their pack is full.
#[test]
fn a_pack_of_many_tiny_chunks_is_ended_by_their_number() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    for part in 0..9_u32 {
        let chunks: Vec<[u8; 8]> =
            (0..8192_u32).map(|n| [part.to_le_bytes(), n.to_le_bytes()].concat().try_into().unwrap()).collect();
        put(&store, &chunks.iter().map(<[u8; 8]>::as_slice).collect::<Vec<_>>());
    }
    store.settle().unwrap();
    assert_eq!(files(&root, "pack").len(), 2);
    assert_eq!(reopen(&root).missing(BlockKind::Data, &[Id::of(&[0; 8])]).unwrap(), [false]);
}

#[test]
fn a_flipped_byte_is_never_served() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    let refs = put(&store, &[b"some content that is long enough", b"and a second chunk of it"]);
    store.settle().unwrap();
    let pack = files(&root, "pack").remove(0);
    let good = fs::read(&pack).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&pack, &bad).unwrap();
        let mut reader = store.reader().unwrap();
        for chunk in &refs {
            if let Ok(bytes) = reader.read(chunk) {
                assert_eq!(Id::of(bytes), chunk.id, "byte {at}");
            }
        }
    }
}

/// Takes a folder of the store away while something is done.
fn without(folder: &Path, work: impl FnOnce()) {
    let aside = folder.with_extension("aside");
    fs::rename(folder, &aside).unwrap();
    work();
    drop(fs::remove_dir_all(folder));
    fs::rename(&aside, folder).unwrap();
}

fn record() -> Record {
    let root = ChunkRef { id: Id::of(b"root"), length: 4 };
    Record {
        sequence: 0,
        kind: Kind::Backup,
        time: Time::default(),
        parent: None,
        target: b"data".to_vec(),
        source: b"/source".to_vec(),
        dirs: Vec::new(),
        root,
        totals: Totals::default(),
        users: Vec::new(),
        groups: Vec::new(),
        note: Vec::new(),
    }
}

/// The first error of a write or a sync is final: what a second one says of the same pages is worth nothing.
#[test]
fn after_a_pack_or_an_index_could_not_be_written_nothing_is_acknowledged() {
    for folder in ["packs", "index"] {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("s");
        let store = create(&root);
        put(&store, &[b"a"]);
        let mut first = String::new();
        without(&root.join(folder), || first = store.settle().unwrap_err().to_string());
        assert!(first.contains(folder), "{first}");
        assert_eq!(store.settle().unwrap_err().to_string(), first);
        assert_eq!(store.put(block(&[b"b"]).0).unwrap_err().to_string(), first);
        assert_eq!(store.commit(record()).unwrap_err().to_string(), first);
        assert!(store.sequences().unwrap().is_empty());
        assert!(reopen(&root).commit(record()).is_ok(), "the next run begins anew");
    }
}

#[test]
fn after_a_record_could_not_be_written_none_is() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    fs::create_dir(root.join("snapshots/tmp-000001")).unwrap();
    let first = store.commit(record()).unwrap_err().to_string();
    fs::remove_dir(root.join("snapshots/tmp-000001")).unwrap();
    assert_eq!(store.commit(record()).unwrap_err().to_string(), first);
    assert_eq!(store.settle().unwrap_err().to_string(), first);
}

#[test]
fn after_a_failed_write_nothing_more_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("s");
    let store = create(&root);
    fs::remove_dir_all(root.join("packs")).unwrap();
    assert!(store.put(block(&[b"a"]).0).is_err());
    fs::create_dir(root.join("packs")).unwrap();
    assert!(store.put(block(&[b"b"]).0).is_err());
    assert!(store.settle().is_err());
}

#[test]
fn the_content_of_another_store_is_copied_once_and_a_damaged_pack_is_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let (from, to) = (create(&dir.path().join("from")), create(&dir.path().join("to")));
    let first = put(&from, &[b"one", b"two two"]);
    from.settle().unwrap();
    let second = put(&from, &[b"three"]);
    from.settle().unwrap();
    put(&to, &[b"of its own"]);
    to.settle().unwrap();
    let damaged = from.layout().pack(&from.locate(&second[0].id).unwrap().unwrap().pack);
    let whole = fs::read(&damaged).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&damaged, bytes).unwrap();
    let done = to.import(&from, &Silent).unwrap();
    assert_eq!((done.packs, done.snapshots, done.damaged), (1, 0, 1));
    assert_eq!(to.reader().unwrap().read(&first[1]).unwrap(), b"two two");
    assert!(to.locate(&second[0].id).unwrap().is_none());
    assert_eq!(files(&dir.path().join("to/packs"), "pack").len(), 2, "nothing half done is left");
    // When it can be read again it is all that is copied.
    fs::write(&damaged, whole).unwrap();
    let done = to.import(&from, &Silent).unwrap();
    assert_eq!((done.packs, done.damaged), (1, 0));
    assert_eq!(to.import(&from, &Silent).unwrap().packs, 0);
    assert_eq!(reopen(&dir.path().join("to")).reader().unwrap().read(&second[0]).unwrap(), b"three");
}
