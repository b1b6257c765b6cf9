//! How the bytes of a block are stored: raw, zstd, byte-shuffle and zstd, or prediction and zstd.
//!
//! Floor 1, above `chunk::shuffle`, `chunk::predict` and `chunk::choose`; the pack writer and reader of the store call it with whole blocks.
//!
//! What must stay true: the number of a codec is written in every block header and never changes its meaning; a stored
//! block is either the plain bytes (`Raw`) or exactly one zstd frame, without checksum (the chunk ids prove the content)
//! and without dictionary, after which comes, if it was predicted, a byte that says how; which codec and level were chosen
//! is nobody's business but the encoder's, a reader needs only the number. Stored bytes come from a disk that may have rotted: the decoder answers anything with an error,
//! never with a panic, and never takes more memory than the caller's `plain_len`.

use thiserror::Error;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::{CParameter, MAGICNUMBER, compress_bound, find_frame_compressed_size};

use super::choose::{Chooser, Effort, Plan, arrange};
use super::predict::{Model, restore};
use super::shuffle::{Stride, unshuffle};

/// The longest block that is ever encoded or decoded: 8 MiB, twice the longest chunk.
pub const MAX_PLAIN: usize = 8 << 20;

/// How a block is stored. The numbers are part of the format.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// The plain bytes.
    Raw = 0,
    /// One zstd frame.
    Zstd = 1,
    /// Shuffled by 2, then one zstd frame.
    Shuffle2 = 2,
    /// Shuffled by 4, then one zstd frame.
    Shuffle4 = 3,
    /// Shuffled by 8, then one zstd frame.
    Shuffle8 = 4,
    /// Predicted as 16-bit numbers, then one zstd frame and the byte of the model.
    Predict2 = 5,
}

impl Codec {
    /// The width by which the bytes are shuffled, if they are.
    #[must_use]
    pub const fn stride(self) -> Option<Stride> {
        match self {
            Self::Raw | Self::Zstd | Self::Predict2 => None,
            Self::Shuffle2 => Some(Stride::Two),
            Self::Shuffle4 => Some(Stride::Four),
            Self::Shuffle8 => Some(Stride::Eight),
        }
    }
}

/// A codec number that this program does not know.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("unknown codec {0}")]
pub struct UnknownCodec(pub u8);

impl TryFrom<u8> for Codec {
    type Error = UnknownCodec;

    fn try_from(number: u8) -> Result<Self, UnknownCodec> {
        match number {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Zstd),
            2 => Ok(Self::Shuffle2),
            3 => Ok(Self::Shuffle4),
            4 => Ok(Self::Shuffle8),
            5 => Ok(Self::Predict2),
            _ => Err(UnknownCodec(number)),
        }
    }
}

impl From<Codec> for u8 {
    fn from(codec: Codec) -> Self {
        codec as Self
    }
}

/// Why a block could not be encoded or decoded.
#[derive(Debug, Error)]
pub enum Error {
    /// zstd has no memory for a context, or refuses one of our own levels.
    #[error("zstd could not compress: {0}")]
    Compress(#[source] std::io::Error),
    /// The stored bytes are not a frame, or not a whole one.
    #[error("stored bytes are damaged: {0}")]
    Damaged(#[source] std::io::Error),
    /// The stored bytes are not exactly one frame.
    #[error("stored bytes are not exactly one zstd frame")]
    NotOneFrame,
    /// The stored bytes of a predicted block do not say how.
    #[error("stored bytes do not end in the byte of a model")]
    NoModel,
    /// The stored bytes are good, but not as long as the header says.
    #[error("block is {found} bytes long where {expected} were promised")]
    Length {
        /// The length promised.
        expected: usize,
        /// The length found.
        found: usize,
    },
    /// Longer than [`MAX_PLAIN`].
    #[error("a block of {0} bytes is longer than any block may be")]
    TooLong(usize),
    /// No memory for the plain bytes.
    #[error("no memory for a block")]
    Memory(#[from] std::collections::TryReserveError),
}

/// Encodes blocks. One a worker thread: it holds zstd's tables, two buffers of about a block and a memory of its choices.
pub struct Encoder {
    zstd: Zstd,
    chooser: Chooser,
    arranged: Vec<u8>,
    stored: Vec<u8>,
}

impl Encoder {
    /// A new encoder.
    ///
    /// # Errors
    /// When zstd refuses a context.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { zstd: Zstd::new()?, chooser: Chooser::new()?, arranged: Vec::new(), stored: Vec::new() })
    }

    /// Encodes `plain` with the codec that a sample of it speaks for. The stored bytes are valid until the next call; they
    /// are `plain` itself when the codec is [`Codec::Raw`], and never longer than it.
    ///
    /// # Errors
    /// When `plain` is longer than [`MAX_PLAIN`], or memory is short.
    pub fn encode<'a>(&'a mut self, plain: &'a [u8]) -> Result<(Codec, &'a [u8]), Error> {
        if plain.len() > MAX_PLAIN {
            return Err(Error::TooLong(plain.len()));
        }
        let plan = self.chooser.choose(plain)?;
        let codec = if plan.codec == Codec::Raw { Codec::Raw } else { self.encode_as(plan, plain)? };
        if codec == Codec::Raw {
            return Ok((Codec::Raw, plain));
        }
        Ok((codec, &self.stored))
    }

    /// Encodes as planned, and falls back to raw when that gains too little.
    fn encode_as(&mut self, plan: Plan, plain: &[u8]) -> Result<Codec, Error> {
        let (source, _) = arrange(plan, plain, &mut self.arranged);
        self.zstd.compress(plan.effort, source, &mut self.stored)?;
        if plan.codec == Codec::Predict2 {
            self.stored.push(plan.model.byte());
        }
        self.chooser.learn(plan, plain.len(), self.stored.len());
        Ok(if Plan::gains(plain.len(), self.stored.len()) { plan.codec } else { Codec::Raw })
    }
}

/// A zstd context that changes its settings only when it must.
pub(super) struct Zstd {
    context: Compressor<'static>,
    effort: Option<Effort>,
}

impl Zstd {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Self { context: Compressor::new(1).map_err(Error::Compress)?, effort: None })
    }

    /// Replaces `stored` by one frame of `source`.
    pub(super) fn compress(&mut self, effort: Effort, source: &[u8], stored: &mut Vec<u8>) -> Result<(), Error> {
        if self.effort != Some(effort) {
            let (level, min_match) = effort.settings();
            self.context.set_compression_level(level).map_err(Error::Compress)?;
            self.context.set_parameter(CParameter::MinMatch(min_match)).map_err(Error::Compress)?;
            self.effort = Some(effort);
        }
        stored.clear();
        stored.try_reserve_exact(compress_bound(source.len()))?;
        self.context.compress_to_buffer(source, stored).map_err(Error::Compress)?;
        Ok(())
    }
}

/// Decodes blocks. One a worker thread: it holds zstd's tables and, once a shuffled block was met, a buffer of a block.
pub struct Decoder {
    zstd: Decompressor<'static>,
    arranged: Vec<u8>,
}

impl Decoder {
    /// A new decoder.
    ///
    /// # Errors
    /// When zstd refuses a context.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { zstd: Decompressor::new().map_err(Error::Damaged)?, arranged: Vec::new() })
    }

    /// Replaces `out` by the `plain_len` bytes that `stored` stands for.
    ///
    /// # Errors
    /// When `stored` is not what an encoder made of exactly that many bytes; `out` then holds nothing of use.
    pub fn decode(&mut self, codec: Codec, stored: &[u8], plain_len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        if plain_len > MAX_PLAIN {
            return Err(Error::TooLong(plain_len));
        }
        match (codec, codec.stride()) {
            (_, Some(stride)) => {
                self.arranged(stored, plain_len, out)?;
                unshuffle(stride, &self.arranged, out);
            }
            (Codec::Predict2, _) => {
                let (byte, frame) = stored.split_last().ok_or(Error::NoModel)?;
                let model = Model::of(*byte).ok_or(Error::NoModel)?;
                self.arranged(frame, plain_len, out)?;
                restore(model, &self.arranged, out);
            }
            (Codec::Zstd, _) => decompress(&mut self.zstd, stored, plain_len, out)?,
            _ => {
                expect_length(plain_len, stored.len())?;
                out.clear();
                out.try_reserve_exact(plain_len)?;
                out.extend_from_slice(stored);
            }
        }
        Ok(())
    }

    /// Decompresses the arranged bytes of a block, and makes room for the plain ones.
    fn arranged(&mut self, frame: &[u8], plain_len: usize, out: &mut Vec<u8>) -> Result<(), Error> {
        decompress(&mut self.zstd, frame, plain_len, &mut self.arranged)?;
        Ok(out.try_reserve_exact(plain_len.saturating_sub(out.len()))?)
    }
}

/// Replaces `out` by what `stored` decompresses to. zstd writes to no more than the room that `out` has: `plain_len` bytes,
/// or more if it is a used buffer.
fn decompress(
    zstd: &mut Decompressor<'static>,
    stored: &[u8],
    plain_len: usize,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    // zstd would also take several frames in a row, and skippable ones.
    if !stored.starts_with(&MAGICNUMBER.to_le_bytes()) || find_frame_compressed_size(stored).ok() != Some(stored.len())
    {
        return Err(Error::NotOneFrame);
    }
    out.clear();
    out.try_reserve_exact(plain_len)?;
    zstd.decompress_to_buffer(stored, out).map_err(Error::Damaged)?;
    expect_length(plain_len, out.len())
}

const fn expect_length(expected: usize, found: usize) -> Result<(), Error> {
    if expected == found { Ok(()) } else { Err(Error::Length { expected, found }) }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
