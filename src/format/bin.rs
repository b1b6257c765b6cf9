//! The encoding `bin` of format-spec.md, 2 (floor 1). The only file that knows the package `bincode`.

use super::Error;
use serde::{Deserialize, Serialize};

const LIMIT: usize = crate::limits::RECORD_MAX;

fn configuration()
-> bincode::config::Configuration<bincode::config::LittleEndian, bincode::config::Varint, bincode::config::Limit<LIMIT>>
{
    bincode::config::standard().with_limit::<LIMIT>()
}

/// Appends the encoding of a value.
pub fn encode<T: Serialize>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    bincode::serde::encode_into_std_write(value, out, configuration())
        .map(|_length| ())
        .map_err(|_| Error::Invalid("a value to be written"))
}

/// Decodes one value from the front of `bytes` and moves `bytes` behind it. `what` names it in the error.
pub fn decode<'b, T: Deserialize<'b>>(bytes: &mut &'b [u8], what: &'static str) -> Result<T, Error> {
    let decoded = bincode::serde::borrow_decode_from_slice(bytes, configuration());
    let (value, used) = decoded.map_err(|_| Error::Invalid(what))?;
    *bytes = bytes.get(used..).ok_or(Error::Truncated(what))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};
    use crate::entry::{Extent, Time};
    use crate::id::Id;

    fn bytes<T: serde::Serialize>(value: &T) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value, &mut out).unwrap();
        out
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        assert_eq!(bytes(&250_u64), [250]);
        assert_eq!(bytes(&251_u32), [251, 251, 0]);
        assert_eq!(bytes(&65_536_u32), [252, 0, 0, 1, 0]);
        assert_eq!(bytes(&(1_u64 << 32)), [253, 0, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(bytes(&Time { seconds: -1, nanoseconds: 500_000_000 }), [1, 252, 0x00, 0x65, 0xcd, 0x1d]);
        assert_eq!(bytes(&Some(7_u8)), [1, 7]);
        let data = Extent::Data { id: Id::of(b""), length: 5 };
        let expected = [&[0], Id::of(b"").as_bytes().as_slice(), &[5]].concat();
        assert_eq!(bytes(&data), expected);
        assert_eq!(bytes(&Extent::Hole { length: 4096 }), [1, 251, 0, 16]);
    }

    #[test]
    fn a_length_that_lies_is_refused_before_it_is_allocated() {
        let mut lying: &[u8] = &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert!(decode::<Vec<Extent>>(&mut lying, "x").is_err());
        let mut lying: &[u8] = &[252, 0, 0, 0, 0x40, 1, 2, 3];
        assert!(decode::<serde_bytes::ByteBuf>(&mut lying, "x").is_err());
    }
}
