//! Every bound of the program in one place (floor 0): sizes, counts, memory.
//!
//! Nothing that is read from disk, table or wire may make the program allocate more than a limit named here.

/// Shortest chunk that the cutter makes, except the last of a file.
pub const CHUNK_MIN: usize = 256 << 10;
/// Average chunk.
pub const CHUNK_AVERAGE: usize = 1 << 20;
/// Longest chunk (format-spec.md, 3).
pub const CHUNK_MAX: usize = 4 << 20;

/// Chunks below this are gathered into blocks; larger ones stand alone.
pub const GATHER_BELOW: usize = CHUNK_MIN;
/// A gathered block is closed when it holds this much: source code takes 1 % less than in blocks of half that, and larger ones save less and less.
pub const BLOCK_TARGET: usize = 2 << 20;
/// The same of manifest nodes: who compares two manifests decodes blocks for a few nodes of each.
pub const MANIFEST_BLOCK: usize = 1 << 20;
/// Or so many chunks.
pub const GATHER_CHUNKS: usize = 8 << 10;
/// Plain bytes of a block that a reader accepts (format-spec.md, 3).
pub const BLOCK_MAX: usize = 8 << 20;
/// Chunks of a block that a reader accepts: no chunk is empty.
pub const BLOCK_CHUNKS_MAX: usize = 1 << 20;

/// A pack is closed when it passes this, ...
pub const PACK_TARGET: u64 = 64 << 20;
/// ... or has so many chunks: of very small files it would have millions, whose names are in memory until it is in an index.
pub const PACK_CHUNKS: usize = 64 << 10;
/// Bytes given to a file in one call. Linux tries to find pages in one piece for a call (large folios: ext4 from 6.16 on), and where memory is full
/// of other files' pages it moves them about for that: measured on 6.18, writes of 4 MiB take eight times the system time of writes of 1 MiB or less.
pub const WRITE_PART: usize = 256 << 10;
/// Bytes written to a file before the disk is told to begin with them.
pub const WRITEBACK: u64 = 4 << 20;
/// Length of a pack that a reader accepts.
pub const PACK_MAX: u64 = 1 << 30;

/// A path inside a target: 10,000 names of 255 bytes fit.
pub const REL_PATH_MAX: usize = 5 << 19;
/// An encoded entry with its paths in full; it may have two, and much else.
pub const ENTRY_MAX: usize = 2 * REL_PATH_MAX + (1 << 18);
/// A manifest node is not cut before it has this many bytes, without the first path.
pub const NODE_MIN: usize = 4 << 10;
/// A manifest node is cut when it has this many bytes, without the first path: that alone may have more.
pub const NODE_CUT: usize = 256 << 10;
/// Plain bytes of a manifest node that a reader accepts: the first path, `NODE_CUT` and one entry more fit.
pub const NODE_MAX: usize = BLOCK_MAX;
const _: () = assert!(REL_PATH_MAX + NODE_CUT + ENTRY_MAX <= NODE_MAX, "what is written must be read");
/// The paths of a manifest node together, in full: in the bytes of the node each leaves out what it shares with the one before it.
pub const NODE_PATHS_MAX: usize = 32 << 20;
/// One path in so many ends a segment.
pub const SEGMENT_MODULUS: u16 = 128;
/// One child in so many ends an inner node.
pub const INNER_MODULUS: u16 = 64;
/// Levels of a manifest tree.
pub const LEVELS_MAX: u8 = 16;

/// A file with more extents than this has them listed in chunks of their own.
pub const EXTENTS_DIRECT: usize = 1024;
/// One extent in so many ends a list chunk.
pub const EXTENT_LIST_MODULUS: u16 = 1024;
/// Extents in one list chunk at most.
pub const EXTENT_LIST_MAX: usize = 8192;

/// A snapshot record.
pub const RECORD_MAX: usize = 16 << 20;
/// A small text file: config, role, table.
pub const TEXT_MAX: u64 = 1 << 20;

/// Plain bytes read from the source and not yet written to a pack or dropped.
pub const IN_FLIGHT: usize = 48 << 20;
/// Files up to this size are read whole by a worker; larger ones are streamed.
pub const SMALL_FILE: u64 = 512 << 10;
/// Parcels of what was read about which the store is asked at a time.
pub const QUESTIONS: usize = 48;
/// A batch of small files for one worker: bytes...
pub const BATCH_BYTES: u64 = 1 << 20;
/// ... and entries.
pub const BATCH_ENTRIES: usize = 256;
/// Of a file that is only hashed so many bytes are read at a time, ...
pub const READ_WINDOW: usize = 256 << 10;
/// ... and so many extents are given to the workers.
pub const PROVED_AT_ONCE: usize = 1024;
/// Times a file that changes while it is read is read again.
pub const REREADS: u32 = 2;

/// New chunks kept in memory before they are written to an index of their own.
pub const INDEX_PENDING: usize = 128 << 10;
/// Indexes in a store before the small ones are merged.
pub const INDEXES: usize = 8;
/// The smallest indexes of a store are mapped, so many bytes together, ...
pub const INDEX_MAPPED: u64 = 16 << 20;
/// ... once they have been looked into so often. ...
pub const INDEX_LOOKS: u32 = 256;
/// ... Of any other a look-up reads so many bytes at a time, ...
pub const INDEX_WINDOW: usize = 4 << 10;
/// ... and who goes through all of it, or writes it, so many.
pub const INDEX_PIECE: usize = 128 << 10;
/// A sweep writes packs again until of what is needed one part in so many is for nothing...
pub const SWEEP_SLACK: u64 = 20;
/// ... but none of which less than one part in so many is.
pub const SWEEP_WASTE: u64 = 20;
/// Bytes that it copies before it removes what they were copied from.
pub const SWEEP_ROUND: u64 = 1 << 30;
/// Pack files held open by all readers of a store together, and one more by each while it reads.
pub const OPEN_PACKS: usize = 8;
/// Decoded blocks kept by one reader.
pub const DECODED_BLOCKS: usize = 4;
/// Bytes of manifest nodes kept by who compares manifests: what a night changes is mostly what one of the nights before did, too.
pub const RECENT_NODES: usize = 48 << 20;

/// Files of the first publish batch; each has twice as many as the one before, so that publishing begins early, ...
pub const PUBLISH_FIRST: usize = 512;
/// ... up to so many files...
pub const PUBLISH_FILES: usize = 10_000;
/// ... and bytes...
pub const PUBLISH_BYTES: u64 = 8 << 30;
/// ... and bytes of their paths: deep in a tree each is long.
pub const PUBLISH_PATHS: usize = 16 << 20;
/// Actions of a plan that are remembered while it is gone through several times: bytes.
pub const PLAN_KEPT: usize = 8 << 20;
/// Paths and keys of the files of a plan that go, remembered to find those that are moved: bytes...
pub const MOVES_BYTES: usize = 64 << 20;
/// ... and so many of the same content are looked at for the best.
pub const MOVES_ALIKE: usize = 64;
/// A file that has so many bytes in common with its last version, at the same places, ...
pub const SHARED_FILE: u64 = 1 << 20;
/// ... and one part in so many of its own, shares them with it where the file system can.
pub const SHARED_PART: u64 = 4;
/// Names of a file that may be as many as a file system gives one: 65,000 on ext4, less on others.
pub const MANY_NAMES: u64 = 1000;
/// Snapshots in which links are looked for that an interrupted run left in its stage.
pub const LEFTOVER_SNAPSHOTS: usize = 16;
/// Actions staged by one worker at a time: the first and the last block that their content is in may be decoded by two, ...
pub const STAGE_GROUP: usize = 512;
/// ... but fewer where they would be less than so many turns for each.
pub const STAGE_TURNS: usize = 8;

/// Of the directories from a root down to where work is being done, so many are held open, the innermost, and the root.
pub const OPEN_LEVELS: usize = 4;
/// Directories of one batch of small files: they are open until it has been read...
pub const BATCH_FOLDERS: usize = 4;
/// ... and, for each worker, those of all batches that were sent...
pub const WORKER_FOLDERS: usize = 2 * BATCH_FOLDERS;
/// ... but of all descriptors that the process may have no more than one in so many. So a snapshot with 8 workers has at most 83 open: 64 of these, 5
/// of levels, 4 of the batch that is being gathered, a file for each worker, one that is streamed, and a listing; where 1024 are allowed and there are
/// 64 workers, 203. Source and mirror are looked at at the same time.
pub const OPEN_SHARE: usize = 8;
/// Bytes of the names in one directory, and of what it takes to sort them: what lists more does not end.
pub const FOLDER_NAMES: usize = 512 << 20;

/// Problems shown one by one; the rest are counted.
pub const PROBLEMS_SHOWN: usize = 100;

/// Chunks of one request for content on a line to another host.
pub const FETCH_CHUNKS: usize = 1024;

/// Their plain bytes, but for one chunk more.
pub const FETCH_BYTES: u64 = 4 << 20;
/// Plain bytes asked for before they are needed, of one store on another host.
pub const AHEAD_BYTES: u64 = 32 << 20;
/// The same of one reader that may pass some over.
pub const READER_AHEAD_BYTES: u64 = 16 << 20;
/// Answers to one request for content that say that a chunk cannot be had: then the rest are asked for one by one.
pub const FETCH_FAULTS: usize = 4;
/// Encoded bytes given to another host that it has not acknowledged.
pub const PUT_BYTES: u64 = 32 << 20;
/// A file that changed is compared with its last version only up to this size...
pub const ALIKE_FILE: u64 = 2 * SMALL_FILE;
/// ... whose sums are of blocks of this length, ...
pub const ALIKE_BLOCK: u32 = 1 << 10;
/// ... and so many questions for sums are remembered.
pub const ALIKE_ASKED: usize = 256;
/// The same of a manifest node, whose last version is at hand.
pub const ALIKE_NODE_BLOCK: u32 = 32;
/// Old bytes that one new block is made of.
pub const ALIKE_BYTES: u64 = 4 * BLOCK_MAX as u64;
/// Ids that a client still knows to have given.
pub const PUT_IDS: usize = 128 << 10;
/// Ids of one question whether a store on another host lacks them.
pub const ASK_IDS: usize = 32 << 10;
/// Things that happen while another host answers, heard and not told yet: then it has to wait.
pub const EVENTS_WAITING: usize = 4096;
/// The nodes that are kept of one store on another host.
pub const CACHE_MAX: u64 = 1 << 30;
/// Payload of a frame between two hosts: a block, and what is said with it.
pub const FRAME_MAX: usize = BLOCK_MAX + (1 << 20);
/// Frames of one port that came and that nobody has taken yet...
pub const PORT_FRAMES: usize = 64;
/// ... and their bytes, but for one frame more.
pub const PORT_BYTES: usize = 16 << 20;
/// Manifest nodes that are kept in memory for a client, where nothing may be written: bytes.
pub const KEPT_NODES: u64 = 512 << 20;
/// Questions of one client that wait for their turn...
pub const WAITING: usize = 1024;
/// ... and their bytes, but for one more.
pub const WAITING_BYTES: usize = 40 << 20;
/// Questions of one client that take long, under way at once.
pub const LONG_ASKS: usize = 8;
/// Records that are given with an open mirror...
pub const OPENED_RECORDS: usize = 16;
/// ... and how many of the newest are searched for one of each kind.
pub const OPENED_SEARCH: usize = 64;
/// Bytes of the records in one answer, but for one record more.
pub const RECORDS_BYTES: usize = 1 << 20;
/// Answers that all records of a store may take.
pub const RECORDS_ANSWERS: usize = 128;

/// Paths that the patterns of a restore may match, what is in a folder that matches not counted.
pub const RESTORE_MATCHES: usize = 10_000;

/// Decoded manifest nodes that are kept while snapshots are browsed: bytes, about.
pub const BROWSED_NODES: usize = 32 << 20;
/// The same of chunks of content, ...
pub const BROWSED_CHUNKS: usize = 32 << 20;
/// ... of lists of extents, ...
pub const BROWSED_LISTS: usize = 8 << 20;
/// ... and of the counts of hard links.
pub const BROWSED_LINKS: usize = 8 << 20;
/// Manifest nodes of which the hard links are known.
pub const BROWSED_LINKS_NODES: usize = 128 << 10;
/// Bytes of a file that are asked for before they are read, where they come from afar.
pub const BROWSED_AHEAD: u64 = 8 << 20;
/// Threads that answer who browses.
pub const BROWSE_THREADS: usize = 4;
/// Different messages that are told once each while snapshots are browsed.
pub const BROWSE_MESSAGES: usize = 1000;
