//! `backup`: a plain mirror of an archive, and behind it every earlier night.
//!
//! Data flows one way: source -> chunks -> store -> manifest -> tree. ARCHITECTURE.md shows the rooms and who may use whom
//! (`tests/architecture.rs` checks it); format-spec.md is the authority on everything that lies on a disk.
//!
//! | word | meaning |
//! |---|---|
//! | target | an entry of backup.tab: SOURCE, MIRROR, DIRs |
//! | place | `host:path` |
//! | store | everything under `MIRROR/.backup/` that holds content: packs, indexes, snapshots |
//! | chunk | a content-defined piece of a file, named by the BLAKE3-256 of its plain bytes |
//! | block | one or more chunks compressed together |
//! | pack | an immutable file of blocks, ending in its own table of contents |
//! | index | immutable sorted file: chunk id -> pack, block, offset, length |
//! | manifest | the complete, path-sorted list of entries of a snapshot, a tree of chunks |
//! | entry | one file, directory, link, device ... with all its metadata and its content as chunk ids |
//! | snapshot | a small record: sequence number, time, kind, parent, root of its manifest, totals |
//! | kind | `backup` (of SOURCE), `rescue` (content saved before it was overwritten), `held` (not yet on the mirror) |
//! | materialise | make a tree equal a manifest |

// floor 0: values
pub mod entry;
pub mod id;
pub mod limits;
pub mod monitor;
pub mod path;
pub mod place;
// floor 1
pub mod chunk;
pub mod format;
pub mod fs;
pub mod table;
// floor 2
pub mod manifest;
pub mod retention;
pub mod scan;
pub mod store;
// floor 3
pub mod browse;
pub mod source;
pub mod tree;
// floor 4
pub mod mirror;
// floor 5
pub mod remote;
// floor 6
pub mod ops;
// floor 7
pub mod cli;
