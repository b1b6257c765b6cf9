//! Which paths an operator means: one path, a glob over paths, or a name anywhere (floor 6).

use super::Error;
use crate::path::{RelPath, shown};
use globset::{GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Characters by which a glob is one.
const META: &[u8] = b"*?[{\\";

/// What a path has to be like.
#[derive(Clone, Debug)]
pub struct Pattern {
    bytes: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Path,
    Name,
    Glob(Box<GlobMatcher>),
    NameGlob(Box<GlobMatcher>),
}

impl Pattern {
    /// As `-list` has it: a path, or a glob whose `*` does not cross a `/`.
    pub fn path(bytes: &[u8]) -> Result<Self, Error> {
        let kind = if is_glob(bytes) { Kind::Glob(glob(bytes)?) } else { Kind::Path };
        Ok(Self { bytes: bytes.to_vec(), kind })
    }

    /// As `-find` has it: what has no `/` is a name, or a glob over names, anywhere.
    pub fn anywhere(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.contains(&b'/') {
            return Self::path(bytes);
        }
        let kind = if is_glob(bytes) { Kind::NameGlob(glob(bytes)?) } else { Kind::Name };
        Ok(Self { bytes: bytes.to_vec(), kind })
    }

    /// The one path that is meant, letter by letter, if this can be one: a name may have a `*` or a `[` in it.
    pub fn literal(&self) -> Option<RelPath> {
        if matches!(self.kind, Kind::Name | Kind::NameGlob(_)) {
            return None;
        }
        RelPath::new(self.bytes.as_slice()).ok()
    }

    /// Whether it can mean other paths than its letters say.
    pub const fn is_open(&self) -> bool {
        !matches!(self.kind, Kind::Path)
    }

    /// Everything that matches is this folder, or below it.
    pub fn folder(&self) -> RelPath {
        if matches!(self.kind, Kind::Name | Kind::NameGlob(_)) {
            return RelPath::root();
        }
        let mut folder = RelPath::root();
        let mut names = self.bytes.split(|&b| b == b'/').peekable();
        while let Some(name) = names.next().filter(|name| self.kind.is_path() || !is_glob(name)) {
            // The last name of a glob is in the folder. Braces may hold a slash.
            if names.peek().is_none() && !self.kind.is_path() || folder.push(name).is_err() {
                break;
            }
        }
        folder
    }

    /// Whether a path is meant.
    pub fn matches(&self, path: &RelPath) -> bool {
        match &self.kind {
            Kind::Path => path.as_bytes() == self.bytes,
            Kind::Name => path.name() == self.bytes,
            Kind::Glob(glob) => glob.is_match(OsStr::from_bytes(path.as_bytes())),
            Kind::NameGlob(glob) => glob.is_match(OsStr::from_bytes(path.name())),
        }
    }
}

impl Kind {
    const fn is_path(&self) -> bool {
        matches!(self, Self::Path)
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shown(&self.bytes))
    }
}

fn is_glob(bytes: &[u8]) -> bool {
    bytes.iter().any(|b| META.contains(b))
}

fn glob(bytes: &[u8]) -> Result<Box<GlobMatcher>, Error> {
    let bad = |why: &dyn std::fmt::Display| Error::Pattern(format!("{}: not a valid pattern: {why}", shown(bytes)));
    let text = std::str::from_utf8(bytes).map_err(|e| bad(&e))?;
    let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|e| bad(&e.kind()))?;
    Ok(Box::new(glob.compile_matcher()))
}

#[cfg(test)]
mod tests {
    use super::Pattern;
    use crate::path::RelPath;

    #[test]
    fn a_pattern_is_a_path_a_glob_or_a_name() {
        let cases: [(&str, &str, &[&str], &[&str]); 8] = [
            (
                "d/2003/bias.fits",
                "d/2003/bias.fits",
                &["d/2003/bias.fits"],
                &["d/2003", "d/2003/bias.fits/x", "bias.fits"],
            ),
            ("d/*/bias*", "d", &["d/2003/bias.fits"], &["d/bias", "d/a/b/bias"]),
            ("d/**/bias", "d", &["d/bias", "d/a/bias", "d/a/b/bias"], &["e/bias"]),
            ("d/20{03,04}/x", "d", &["d/2003/x", "d/2004/x"], &["d/2005/x"]),
            ("bias.fits", "", &["bias.fits", "d/2003/bias.fits"], &["d/2003/bias.fits/x", "d/bias.fit"]),
            ("*.fits", "", &["a.fits", "d/2003/bias.fits"], &["d.fits/x"]),
            ("d/[ab].c", "d", &["d/a.c"], &["d/c.c", "d/[ab].c"]),
            ("d/{a/b,c}/x", "d", &["d/a/b/x", "d/c/x"], &["d/b/x"]),
        ];
        for (text, folder, yes, no) in cases {
            let pattern = Pattern::anywhere(text.as_bytes()).unwrap();
            assert_eq!(pattern.folder(), RelPath::new(folder).unwrap(), "{text}");
            for (paths, expected) in [(yes, true), (no, false)] {
                for path in paths {
                    assert_eq!(pattern.matches(&RelPath::new(*path).unwrap()), expected, "{text} {path}");
                }
            }
        }
        assert_eq!(Pattern::anywhere(b"d/[ab].c").unwrap().literal(), RelPath::new("d/[ab].c").ok());
        assert!(Pattern::anywhere(b"[ab].c").unwrap().literal().is_none());
        assert!(Pattern::path(b"*.c").unwrap().matches(&RelPath::new("a.c").unwrap()));
        assert!(!Pattern::path(b"*.c").unwrap().matches(&RelPath::new("d/a.c").unwrap()));
        assert!(Pattern::anywhere(b"d/[").is_err());
    }
}
