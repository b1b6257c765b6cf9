//! Paths inside a target, and how a path is shown to people (floor 0).
//!
//! A [`RelPath`] cannot be built from bytes that could leave the tree: no empty, `.`, `..` or over-long component, no NUL. Its order is
//! the order of manifests (format-spec.md, 6): component by component, so a directory is followed at once by what is in it. No path is longer than
//! [`REL_PATH_MAX`].

pub mod called;

use crate::limits::REL_PATH_MAX;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt;
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest name of a file in bytes (Linux, `NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// A path relative to the root of a target: names joined by `/`; the root itself is empty.
#[derive(PartialEq, Eq, Hash, Default)]
pub struct RelPath(Vec<u8>);

impl Clone for RelPath {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }

    // What is derived would take new memory. In a walk each path takes the place of the one before it.
    fn clone_from(&mut self, source: &Self) {
        self.0.clone_from(&source.0);
    }
}

/// Bytes that are not a path inside a target.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("not a path inside the target: {0}")]
pub struct BadPath(String);

/// Whether these bytes can be the name of a file: 1 to 255 bytes, no `/`, no NUL, not `.` or `..`.
pub fn is_name(name: &[u8]) -> bool {
    !name.is_empty()
        && name.len() <= NAME_MAX
        && name != b"."
        && name != b".."
        && !name.iter().any(|&b| b == b'/' || b == 0)
}

fn too_long(length: usize) -> BadPath {
    BadPath(format!("it has {length} bytes; {REL_PATH_MAX} are possible"))
}

impl RelPath {
    /// The root of the target.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// A path from bytes of the exact form `a/b/c` (or nothing for the root).
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, BadPath> {
        let bytes = bytes.into();
        Self::proved(bytes, 0)
    }

    /// A path of which all names before the one that begins at `from` are known to be good.
    fn proved(bytes: Vec<u8>, from: usize) -> Result<Self, BadPath> {
        if bytes.len() > REL_PATH_MAX {
            return Err(too_long(bytes.len()));
        }
        let names = bytes.get(from..).unwrap_or_default();
        if bytes.is_empty() || names.split(|&b| b == b'/').all(is_name) {
            Ok(Self(bytes))
        } else {
            Err(BadPath(shown(&bytes)))
        }
    }

    /// The path that begins with so many bytes of this one, followed by these.
    pub fn continued(&self, shared: usize, rest: &[u8]) -> Result<Self, BadPath> {
        let kept = self.0.get(..shared).ok_or_else(|| BadPath(shown(rest)))?;
        let from = kept.iter().rposition(|&b| b == b'/').map_or(0, |slash| slash.saturating_add(1));
        Self::proved([kept, rest].concat(), from)
    }

    /// How many bytes from the first on are the same in both.
    pub fn shared_with(&self, other: &Self) -> usize {
        fn equal<const STEP: usize>(a: &[u8], b: &[u8]) -> usize {
            let (a, b) = (a.as_chunks::<STEP>().0, b.as_chunks::<STEP>().0);
            a.iter().zip(b).take_while(|(a, b)| a == b).count().saturating_mul(STEP)
        }
        let (mut a, mut b) = (self.0.as_slice(), other.0.as_slice());
        for step in [equal::<64>, equal::<8>, equal::<1>] {
            let same = step(a, b);
            (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
        }
        self.0.len() - a.len()
    }

    /// Whether this comes before a path with which it shares so many bytes and no more.
    pub fn is_before(&self, other: &Self, shared: usize) -> bool {
        self.cmp_behind(other, shared).is_lt()
    }

    fn cmp_behind(&self, other: &Self, shared: usize) -> Ordering {
        // Where one of them ends, it is the lesser.
        let rank = |path: &Self| path.0.get(shared).copied().map(rank);
        rank(self).cmp(&rank(other))
    }

    /// The path of the entry `name` inside this directory.
    pub fn join(&self, name: &[u8]) -> Result<Self, BadPath> {
        let mut path = Self(Vec::with_capacity(self.0.len() + 1 + name.len()));
        path.0.extend_from_slice(&self.0);
        path.push(name)?;
        Ok(path)
    }

    /// Goes down to the entry `name` inside this directory.
    pub fn push(&mut self, name: &[u8]) -> Result<(), BadPath> {
        if !is_name(name) {
            return Err(BadPath(shown(name)));
        }
        if self.0.len() + 1 + name.len() > REL_PATH_MAX {
            return Err(too_long(self.0.len() + 1 + name.len()));
        }
        if !self.0.is_empty() {
            self.0.push(b'/');
        }
        self.0.extend_from_slice(name);
        Ok(())
    }

    /// Goes up to the directory that holds this path; the root stays.
    pub fn pop(&mut self) {
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        self.0.truncate(end);
    }

    /// The names from this byte on, which is the end of one: those before it are not looked at.
    pub fn names_from(&self, at: usize) -> impl Iterator<Item = &[u8]> {
        self.0.get(at..).unwrap_or_default().split(|&b| b == b'/').filter(|name| !name.is_empty())
    }

    /// The bytes, `/` between the names.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same for the system, to be joined to the path of a place.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether this is the root of the target.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, from the root down.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names_from(0)
    }

    /// The directory that holds this path; none for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|&b| b == b'/').unwrap_or(0);
        Some(Self(self.0.get(..end).unwrap_or_default().to_vec()))
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|&b| b == b'/').next().unwrap_or_default()
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_within(&self, ancestor: &Self) -> bool {
        ancestor.is_root()
            || self.0.strip_prefix(ancestor.0.as_slice()).is_some_and(|rest| rest.first().is_none_or(|&b| b == b'/'))
    }

    /// Whether this path lies below `ancestor` and is not it.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        self != ancestor && self.is_within(ancestor)
    }
}

/// `/` sorts below every byte that a name can hold.
fn rank(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

impl Ord for RelPath {
    fn cmp(&self, other: &Self) -> Ordering {
        self.cmp_behind(other, self.shared_with(other))
    }
}

impl PartialOrd for RelPath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&if self.is_root() { ".".to_owned() } else { shown(&self.0) })
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for RelPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for RelPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(deserializer)?;
        Self::new(bytes).map_err(serde::de::Error::custom)
    }
}

/// Any path of a host, on its way to another one: serde's own way takes valid UTF-8 only.
pub mod bytes_of_path {
    use serde::{Deserializer, Serializer};
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::PathBuf;

    /// Writes the bytes of the path.
    pub fn serialize<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = path.as_ref().map(|path| serde_bytes::Bytes::new(path.as_os_str().as_bytes()));
        serde::Serialize::serialize(&bytes, serializer)
    }

    /// Reads them.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
        let bytes: Option<serde_bytes::ByteBuf> = serde::Deserialize::deserialize(deserializer)?;
        Ok(bytes.map(|bytes| PathBuf::from(OsString::from_vec(bytes.into_vec()))))
    }
}

/// Bytes as people may see them: control characters, invalid UTF-8 and bidirectional controls as `\xNN`, so that a name can
/// neither move the cursor nor fake a line of a log.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for piece in bytes.utf8_chunks() {
        for c in piece.valid().chars() {
            if is_unsafe(c) {
                let mut buffer = [0; 4];
                escape_into(&mut text, c.encode_utf8(&mut buffer).as_bytes());
            } else {
                text.push(c);
            }
        }
        escape_into(&mut text, piece.invalid());
    }
    text
}

/// As [`shown`], for a path of this host; one that begins at a held directory begins with its name.
pub fn shown_path(path: &Path) -> String {
    shown(called::called(path).as_os_str().as_bytes())
}

/// Bytes as a shell takes them for one word, in one line that can be shown.
pub fn typed(bytes: &[u8]) -> String {
    let is_plain = |b: &u8| b.is_ascii_alphanumeric() || b"/._-+:,@%".contains(b);
    let text = shown(bytes);
    if bytes.iter().all(is_plain) {
        text
    } else if text.as_bytes() == bytes {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        // What is shown as \xNN means the byte there.
        let quoted: Vec<u8> =
            bytes.iter().flat_map(|b| if b"'\\".contains(b) { vec![b'\\', *b] } else { vec![*b] }).collect();
        format!("$'{}'", shown(&quoted))
    }
}

fn escape_into(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\\x{byte:02x}");
    }
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::{RelPath, shown, typed};

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn a_directory_is_followed_by_what_is_in_it() {
        let mut paths = ["a.b", "a/b", "a", "", "a/b/c", "a b", "b"].map(path);
        paths.sort();
        assert_eq!(paths, ["", "a", "a/b", "a/b/c", "a b", "a.b", "b"].map(path));
    }

    #[test]
    fn paths_that_leave_the_tree_cannot_be_built() {
        for bad in ["/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "a\0b"] {
            assert!(RelPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(RelPath::new(vec![b'x'; 256]).is_err());
        assert!(path("a").join(b"..").is_err());
    }

    #[test]
    fn a_path_goes_down_and_up_by_names() {
        let mut at = RelPath::root();
        for (name, then) in [("a", "a"), ("bc", "a/bc"), ("d", "a/bc/d")] {
            at.push(name.as_bytes()).unwrap();
            assert_eq!(at, path(then));
        }
        assert!(at.push(b"..").is_err() && at.push(b"").is_err() && at.push(b"x/y").is_err());
        assert_eq!(at.names_from(1).collect::<Vec<_>>(), [b"bc".as_slice(), b"d"]);
        assert_eq!((at.names_from(0).count(), at.names_from(4).count(), at.names_from(6).count()), (3, 1, 0));
        for then in ["a/bc", "a", "", ""] {
            at.pop();
            assert_eq!(at, path(then));
        }
    }

    #[test]
    fn long_paths_are_ordered_as_short_ones_are() {
        for length in [1, 4, 5, 32, 33, 63, 64, 65, 127, 128, 300] {
            let base = vec![b"x".as_slice(); length].join(&b'/');
            let with = |tail: &str| RelPath::new([&base, tail.as_bytes()].concat()).unwrap();
            let paths = ["", "/a", "/b", " b", "a"].map(with);
            assert!(paths.is_sorted_by(|a, b| a < b), "{length}");
        }
    }

    #[test]
    fn within_goes_by_components() {
        assert!(path("a/b").is_within(&path("a")));
        assert!(path("a").is_within(&path("a")) && !path("a").is_below(&path("a")));
        assert!(!path("ab").is_within(&path("a")));
        assert!(path("x").is_below(&RelPath::root()));
    }

    #[test]
    fn what_is_typed_is_one_word_to_a_shell() {
        for (bytes, wanted) in [
            (b"d/a.fits".as_slice(), "d/a.fits"),
            (b"it's here", r"'it'\''s here'"),
            (b"a*[b", "'a*[b'"),
            (b"a\nb'\\\xff", r"$'a\x0ab\'\\\xff'"),
        ] {
            assert_eq!(typed(bytes), wanted);
            let echoed =
                std::process::Command::new("bash").args(["-c", &format!("printf %s {wanted}")]).output().unwrap();
            assert_eq!(echoed.stdout, bytes);
        }
    }

    #[test]
    fn what_is_shown_cannot_move_the_cursor() {
        assert_eq!(shown(b"a\x1b[2Jb\n\xff"), "a\\x1b[2Jb\\x0a\\xff");
        assert_eq!(shown("h\u{e9} \u{202e}x".as_bytes()), "h\u{e9} \\xe2\\x80\\xaex");
    }
}
