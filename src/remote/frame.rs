//! What goes over the pipe (floor 5): a hello each way, then frames. Pure: bytes in, values out.
//!
//! ```text
//! hello   8 bytes BKUPWIRE, u16 protocol, u16 length, version of the program in so many bytes (at most 64)
//! frame   u32 length of the payload, u8 channel, 8 bytes checksum (BLAKE3 of length, channel and payload),
//!         4 bytes check (BLAKE3 of the 13 bytes before it), payload
//! ```
//!
//! Numbers are little-endian. A length is proved and compared with its limit before anything is allocated or waited for, and nothing is read beyond the hello or frame.

use super::Error;
use crate::format::fixed::short_checksum;
use crate::limits::FRAME_MAX;
use crate::path::shown;
use std::io::{self, Read, Write};
use std::sync::Arc;

/// The protocol that this program speaks. Raised with every change that an older program would not understand.
pub const PROTOCOL: u16 = 1;
/// Channel of requests, replies and events.
pub const TALK: u8 = 0;
/// Channel of another talk that is only passed on.
pub const TUNNEL: u8 = 1;
/// Channel of empty frames that say: still here.
pub const ALIVE: u8 = 255;

const MAGIC: &[u8; 8] = b"BKUPWIRE";
const NAME_MAX: usize = 64;
const HEAD: usize = 17;
/// The end of a head, that proves the rest of it.
const CHECK: usize = 4;
/// So much of an answer that is no hello is shown.
const LINE_MAX: usize = 160;
/// Shorter payloads are copied, to be written at one go with their head.
const COPIED: usize = 64 << 10;

/// What is wrong with what came.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The pipe could not be read.
    #[error(transparent)]
    Pipe(#[from] io::Error),
    /// The pipe ended within a hello or a frame, or before the hello.
    #[error("it ends too early")]
    Cut,
    /// Not a hello; the beginning of what it is.
    #[error("it is something else")]
    Banner(Vec<u8>),
    /// Bytes that no program of ours sends.
    #[error("{0}")]
    Damaged(&'static str),
}

impl Flaw {
    /// The same in the words of the room.
    pub fn at(self, host: &str) -> Error {
        let host = host.to_owned();
        match self {
            Self::Pipe(source) => broken(host, source),
            Self::Cut => Error::Closed { host, last: String::new() },
            Self::Banner(bytes) => Error::NotOurs { host, line: first_line(&bytes) },
            Self::Damaged(what) => Error::Damaged { host, what },
        }
    }
}

/// A pipe that failed. One without a reader is no failure of the pipe: the other end is gone.
pub(super) fn broken(host: String, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Error::Closed { host, last: String::new() },
        _ => Error::Pipe { host, source: Arc::new(source) },
    }
}

/// What each side says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The protocol that it speaks.
    pub protocol: u16,
    /// The version of its program, escaped.
    pub program: String,
}

impl Hello {
    /// What this program says.
    pub fn ours() -> Self {
        Self { protocol: PROTOCOL, program: env!("CARGO_PKG_VERSION").to_owned() }
    }

    /// Writes it at one go.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let name: Vec<u8> = self.program.bytes().take(NAME_MAX).collect();
        let length = u16::try_from(name.len()).unwrap_or_default();
        to.write_all(&[MAGIC, &self.protocol.to_le_bytes()[..], &length.to_le_bytes()[..], &name].concat())?;
        to.flush()
    }

    /// Reads what the other side says. Of anything else no more than the length of the magic is read: it may be a prompt that waits.
    pub fn read(from: &mut impl Read) -> Result<Self, Flaw> {
        let mut magic = [0; 8];
        let count = fill(from, &mut magic)?;
        let begun = magic.get(..count).unwrap_or_default();
        if begun.is_empty() || (count < magic.len() && MAGIC.starts_with(begun)) {
            return Err(Flaw::Cut);
        }
        if begun != MAGIC {
            return Err(Flaw::Banner(begun.to_vec()));
        }
        let mut numbers = [0; 4];
        whole(from, &mut numbers)?;
        let [low, high, short, long] = numbers;
        let length = usize::from(u16::from_le_bytes([short, long]));
        if length > NAME_MAX {
            return Err(Flaw::Damaged("a hello that is too long"));
        }
        let mut name = vec![0; length];
        whole(from, &mut name)?;
        Ok(Self { protocol: u16::from_le_bytes([low, high]), program: shown(&name) })
    }

    /// As messages have it: `0.1.0 (protocol 1)`.
    pub fn named(&self) -> String {
        format!("{} (protocol {})", self.program, self.protocol)
    }
}

/// The first line with something in it, as people may see it.
fn first_line(bytes: &[u8]) -> String {
    let line = bytes.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    shown(line.get(..LINE_MAX).unwrap_or(line))
}

/// One message on one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// [`TALK`], [`TUNNEL`] or [`ALIVE`].
    pub channel: u8,
    /// At most [`FRAME_MAX`] bytes.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Reads one frame; none where the pipe ends between two of them.
    pub fn read(from: &mut impl Read) -> Result<Option<Self>, Flaw> {
        let mut head = [0; HEAD];
        match fill(from, &mut head)? {
            0 => return Ok(None),
            HEAD => {}
            _ => return Err(Flaw::Cut),
        }
        let (covered, check) = head.split_last_chunk::<CHECK>().ok_or(Flaw::Cut)?;
        // A length that is not what was sent is never waited for.
        if *check != check_of(covered) {
            return Err(Flaw::Damaged("a wrong checksum"));
        }
        let [a, b, c, d, channel, sum @ ..] = covered else { return Err(Flaw::Cut) };
        let (length, channel) = (u32::from_le_bytes([*a, *b, *c, *d]), *channel);
        let size = usize::try_from(length).ok().filter(|size| *size <= FRAME_MAX);
        let size = size.ok_or(Flaw::Damaged("a frame that is too long"))?;
        let mut payload = Vec::new();
        payload.try_reserve_exact(size).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        payload.resize(size, 0);
        whole(from, &mut payload)?;
        if sum != checksum(length, channel, &payload) {
            return Err(Flaw::Damaged("a wrong checksum"));
        }
        if !(channel == TALK || channel == TUNNEL || channel == ALIVE && payload.is_empty()) {
            return Err(Flaw::Damaged("a channel that does not exist"));
        }
        Ok(Some(Self { channel, payload }))
    }

    /// Writes this frame.
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        write(to, self.channel, &self.payload)
    }
}

/// Writes a frame. Nothing is written of one that no reader would take.
pub fn write(to: &mut impl Write, channel: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= FRAME_MAX);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a message that is too long"))?;
    let sum = checksum(length, channel, payload);
    let covered = [&length.to_le_bytes()[..], &[channel], &sum].concat();
    let head = [&covered[..], &check_of(&covered)].concat();
    if payload.len() <= COPIED {
        to.write_all(&[&head, payload].concat())?;
    } else {
        to.write_all(&head)?;
        to.write_all(payload)?;
    }
    to.flush()
}

fn check_of(covered: &[u8]) -> [u8; CHECK] {
    let [a, b, c, d, ..] = short_checksum(&[covered]);
    [a, b, c, d]
}

fn checksum(length: u32, channel: u8, payload: &[u8]) -> [u8; 8] {
    short_checksum(&[&length.to_le_bytes(), &[channel], payload])
}

/// Reads until `buffer` is full or the pipe ends; says how much there was.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0_usize;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(n) => count = count.saturating_add(n),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

fn whole(from: &mut impl Read, buffer: &mut [u8]) -> Result<(), Flaw> {
    if fill(from, buffer)? == buffer.len() { Ok(()) } else { Err(Flaw::Cut) }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
