//! `store/config`: which store this is and how its files are cut (format-spec.md, 9; floor 1).

use super::{Error, text};
use crate::chunk::cut::Chunker;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::fmt;

const TITLE: &str = "backup store";
const WHAT: &str = "the config of a store";

/// The random name of a store; the role on a mirror must carry the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StoreId(pub u128);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl StoreId {
    /// From 32 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        u128::from_str_radix(text, 16).ok().filter(|_| plain).map(Self)
    }
}

/// The whole file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Name of the store.
    pub store: StoreId,
    /// Parameters that every writer of this store must use.
    pub chunker: Chunker,
}

impl Config {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Chunker { min, average, max } = self.chunker;
        let chunker = format!("fastcdc2020 {min} {average} {max} 1");
        text::seal(TITLE, &[("store", self.store.to_string()), ("chunker", chunker)])
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        let mut lines = text::open(bytes, TITLE, WHAT)?;
        let store = StoreId::parse(lines.value("store")?).ok_or(Error::Invalid(WHAT))?;
        let chunker = parse_chunker(lines.value("chunker")?).ok_or(Error::Invalid("the chunker of the store"))?;
        Ok(Self { store, chunker })
    }

    /// Whether it can be read back: what came another way than from a file may not.
    pub fn is_sound(&self) -> bool {
        Self::decode(&self.encode()).is_ok()
    }
}

fn parse_chunker(text: &str) -> Option<Chunker> {
    let sizes = text.strip_prefix("fastcdc2020 ")?.strip_suffix(" 1")?;
    let mut sizes = sizes.split(' ').map(str::parse::<usize>);
    let mut next = || sizes.next()?.ok();
    let chunker = Chunker { min: next()?, average: next()?, max: next()? };
    // The bounds are those that the package `fastcdc` accepts without panicking.
    let fits = (1024..=chunker.average).contains(&chunker.min)
        && (4096..=chunker.max).contains(&chunker.average)
        && chunker.max <= limits::CHUNK_MAX
        && sizes.next().is_none();
    fits.then_some(chunker)
}

#[cfg(test)]
mod tests {
    use super::{Config, StoreId};
    use crate::chunk::cut::Chunker;

    #[test]
    fn a_config_reads_back_and_a_changed_one_does_not() {
        let config = Config { store: StoreId(0x0123_4567), chunker: Chunker::default() };
        let bytes = config.encode();
        assert_eq!(Config::decode(&bytes), Ok(config));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 1;
            assert!(Config::decode(&bad).is_err(), "byte {at}");
            assert!(Config::decode(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
