//! What is said between a client and an agent (floor 5): format and meaning of the talk on a line.
//!
//! The client asks; each question has a number, and the answer carries it. Many questions are under way at once, and are answered in any order, but
//! for those that change the store, which keep theirs. What must stay true: nothing that is said here is trusted. Paths inside a tree are checked by
//! the types they are decoded to; which place on the agent's host a client may name is decided by the agent (`--root`), never by the client.
//!
//! The bytes are `bin` (format-spec.md, 2). They are no format: both ends are of one version, which the hello has proved.

use super::delta::{Signature, Step};
use crate::chunk::cut::Chunker;
use crate::entry::{ChunkRef, Time};
use crate::format::config::Config;
use crate::format::role::{Role, State};
use crate::format::snapshot::Record;
use crate::format::{Error as FormatError, bin};
use crate::fs::space::Need;
use crate::id::Id;
use crate::mirror::end::{Around, Room};
use crate::mirror::look::Look;
use crate::mirror::prune::{Order, Pruned};
use crate::mirror::service::Draft;
use crate::mirror::verify::Verified;
use crate::monitor::Phase;
use crate::path::RelPath;
use crate::store::history::Past;
use crate::store::import::Imported;
use crate::tree::apply::Applied;
use crate::tree::survey::Survey;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The place that a conversation is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whereabouts {
    /// Name of the target in the table.
    pub target: String,
    /// Its path on the agent's host, as in the table.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// Its store, where the table says another place than the usual one.
    #[serde(with = "serde_bytes")]
    pub store: Option<Vec<u8>>,
}

/// Part of a tree, as a table names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Subtrees.
    pub tops: Vec<RelPath>,
    /// What EXCLUDE names.
    pub excludes: Vec<String>,
}

/// Everything that passes on a line.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// From the client: a question, with its number.
    Ask(u64, Ask),
    /// From the agent: what came of it.
    Answer(u64, Result<Answer, Fault>),
    /// From the agent: what happened on the way.
    Event(u64, Event),
    /// From the agent: it needs something of the client to answer.
    Pull(u64, Pull),
    /// From the client: what was needed, or why it cannot be had.
    Push(u64, Result<Push, Fault>),
}

/// What a client may ask. Each names the answer that fits.
#[derive(Debug, Serialize, Deserialize)]
pub enum Ask {
    /// First of all: the place. [`Answer::Done`]
    Bind(Whereabouts),
    /// [`Answer::Role`]
    Role,
    /// [`Answer::Around`]
    MirrorAround,
    /// [`Answer::Why`]
    WithoutContent(Vec<RelPath>),
    /// The records after this number, as many as fit. [`Answer::Records`]
    Records(u64),
    /// [`Answer::Sequences`]
    Pins,
    /// Whether to settle first. [`Answer::Room`]
    Room(bool),
    /// For packs of these lengths. [`Answer::Need`]
    RoomForHistory(BTreeMap<Id, u64>),
    /// With a random number for a new store. [`Answer::Done`]
    Init(u128),
    /// The same; the agent pulls the history. [`Answer::Imported`]
    InitAfterSwap {
        /// For a new store.
        random: u128,
        /// How messages name the history.
        name: String,
        /// Name and parameters of its store.
        config: Config,
    },
    /// Opens the mirror; the next asks are of it. [`Answer::Opened`]
    Open,
    /// Opens the history of a place for reading only, without a lock; the next asks are of it. [`Answer::Opened`]
    OpenToRead,
    /// Ends what was opened, and gives its lock back. [`Answer::Done`]
    Close,
    /// Takes the lock; the next asks are of the turn. [`Answer::State`]
    BeginTurn,
    /// [`Answer::Number`]
    TurnNumber,
    /// [`Answer::State`]
    FinishPublishing(Part),
    /// [`Answer::Why`]: the link
    LinkStore,
    /// [`Answer::State`]
    Promote(u64),
    /// [`Answer::State`]
    TakeBack(u64),
    /// [`Answer::Sequences`]
    Sequences,
    /// [`Answer::Record`]
    Record(u64),
    /// [`Answer::Tidied`]
    Tidy(Time),
    /// [`Answer::Look`]
    Look(Part),
    /// With whether every file is to be read. [`Answer::Look`]
    LookDry(Part, bool),
    /// With whether all content is to be read. [`Answer::Verified`]
    Verify(bool),
    /// From the tree as the last look found it, whose root this is. [`Answer::Survey`]
    Survey {
        /// Root of the manifest of the look.
        look: ChunkRef,
        /// Root of what shall be.
        to: ChunkRef,
        /// The part that is meant.
        part: Part,
    },
    /// [`Answer::Record`]
    Commit(Draft),
    /// [`Answer::Pruned`]
    Prune(Order),
    /// Pins a snapshot, or takes its pin away. [`Answer::Changed`]
    Pin(u64, bool),
    /// [`Answer::Applied`]
    Publish {
        /// Root of the manifest of the last look.
        look: ChunkRef,
        /// The snapshot that recorded it, if one did.
        recorded: Option<u64>,
        /// The snapshot that shall be put on the tree.
        to: u64,
        /// The part that is meant.
        part: Part,
    },
    /// [`Answer::Missing`]
    Missing(Vec<Id>),
    /// A block, in the order in which it is to be stored. [`Answer::Done`]
    Put(Packed),
    /// The same, made of what the store has. [`Answer::Done`]
    Patch(Patch),
    /// For each list of chunks, the sums of their bytes, one after the other. [`Answer::Signatures`]
    Signatures(Vec<Vec<ChunkRef>>),
    /// [`Answer::Done`]
    Settle,
    /// At most as many as [`crate::limits::FETCH_CHUNKS`], and as many bytes as fit. [`Answer::Chunks`]
    Read(Vec<ChunkRef>),
    /// Carries out a verb where this agent is; what it is, is known to the room above. [`Answer::Carried`]
    Errand(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// A block on a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// Its header, as in a pack (format-spec.md, 4).
    #[serde(with = "serde_bytes")]
    pub header: Vec<u8>,
    /// The chunks that are asked for or given, each with its offset in the plain bytes. On the way into a store: all, one after the other.
    pub chunks: Vec<(u32, ChunkRef)>,
    /// The encoded bytes.
    #[serde(with = "serde_bytes")]
    pub stored: Vec<u8>,
}

/// A block of which the store has some of the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// Its chunks, one after the other.
    pub chunks: Vec<ChunkRef>,
    /// Chunks of the store whose bytes, one after the other, are the old ones.
    pub old: Vec<ChunkRef>,
    /// How the new ones are made.
    pub steps: Vec<Step>,
    /// A block of the same kind, of one chunk: the bytes that are sent for it.
    pub sent: Packed,
}

/// What an agent answers.
#[derive(Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is named by the question that it answers")]
pub enum Answer {
    Done,
    Role(Option<Role>),
    Around(Option<Around>),
    Why(Option<String>),
    /// Whether there are more.
    Records(Vec<(u64, Result<Record, String>)>, bool),
    Room(Room),
    Need(Need),
    Imported(Imported),
    Opened(Opened),
    State(State),
    Number(u64),
    Sequences(Vec<u64>),
    Record(Box<Record>),
    Tidied(Option<Box<Record>>),
    Look(Box<Look>),
    Verified(Verified),
    Changed(bool),
    Pruned(Pruned),
    Survey(Survey),
    Applied(Applied),
    Missing(Vec<bool>),
    Chunks(Vec<Packed>),
    /// None for what cannot be read.
    Signatures(Vec<Option<Signature>>),
    Carried(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// An open mirror, in one answer, so that opening costs one round trip.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Opened {
    /// What it says of itself.
    pub role: Role,
    /// How its store wants files cut.
    pub chunker: Chunker,
    /// Whether content of earlier snapshots is known to be gone.
    pub is_incomplete: bool,
    /// The numbers of all snapshots, ascending.
    pub sequences: Vec<u64>,
    /// Some records that will be asked for: the newest of each kind, and those that the role names.
    pub records: Vec<Record>,
}

/// What happens while a question is answered: what a [`crate::monitor::Monitor`] is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A phase begins.
    Begin(Phase, Option<u64>, Option<u64>),
    /// So many more files and bytes.
    Advance(u64, u64),
    /// A path could not be dealt with.
    Problem(RelPath, String),
    /// Something is wrong with a file of the store or a mirror.
    Wrong(String),
    /// News.
    Note(String),
    /// Of an errand; what it is, is known to the room above.
    Other(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// What an agent that takes over a history needs of the client, which has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pull {
    /// [`Push::Past`]
    Past,
    /// [`Push::Bytes`]: a record
    Record(u64),
    /// [`Push::Bytes`], one after the other until an empty one: a pack
    Pack(Id),
}

/// What the client gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Push {
    /// What there is.
    Past(Past),
    /// Some of the bytes.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
}

/// Why something was not done, in words of the other end, and what its caller has to tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fault {
    /// Another run has the lock.
    Locked(String),
    /// Nothing was written.
    Refused(String),
    /// There is no such snapshot.
    NoSnapshot(u64),
    /// Something in the store is not what it was.
    Damaged(String),
    /// It cannot be read now; that may pass.
    Unreadable(String),
    /// Anything else.
    Failed(String),
}

impl Message {
    /// As bytes.
    pub fn encode(&self) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::new();
        bin::encode(self, &mut bytes)?;
        Ok(bytes)
    }

    /// From bytes, all of them.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, FormatError> {
        let message = bin::decode(&mut bytes, "a message")?;
        if bytes.is_empty() { Ok(message) } else { Err(FormatError::Invalid("a message")) }
    }
}
