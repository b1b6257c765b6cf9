//! A place: the value of SOURCE, MIRROR, STORE or `--to`, as written: `host:path` or `path`.
//!
//! Floor 0: knows nothing of tables, and never looks anything up: this machine's name comes in as an argument.
//!
//! What must stay true:
//! - a place prints exactly as it was written, but for control characters;
//! - a host can be handed to `ssh` as an argument of its own: it never begins with `-` and holds no letter that a
//!   shell or an option parser would read differently.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::path::{shown, shown_path};

/// Where a tree lies: a path, on this machine or on another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The host as written; none when only a path was written.
    pub host: Option<String>,
    /// The path as written, any bytes, perhaps relative.
    pub path: PathBuf,
}

/// Why some text is not a place. Reads on after the text itself: `x:y: host x ...`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// There is no text at all.
    #[error("nothing is written (host:path, or path)")]
    Empty,
    /// No system call takes a path with a NUL in it.
    #[error("it holds a NUL byte (remove it)")]
    Nul,
    /// The text begins with a colon.
    #[error("no host before the colon (host:path; a local path with a colon begins with ./)")]
    NoHost,
    /// Such a host would be read as an option by `ssh`.
    #[error("host {0} begins with - (name a host; a local path with a colon begins with ./)")]
    HostDash(String),
    /// The host holds something other than letters, digits, `.`, `_` and `-`, or begins with one of the last three.
    #[error("host {0} is not a host name (letters, digits, then also . _ -; a local path with a colon begins with ./)")]
    HostLetters(String),
    /// There is a host, and nothing behind its colon.
    #[error("no path after the colon (as in {0}:/path)")]
    NoPath(String),
}

impl Place {
    /// Reads `host:path` or `path`. What stands before the first colon is a host only if it holds no `/`, so `./a:b`
    /// and `/a:b` are paths.
    ///
    /// # Errors
    /// When there is no path, or the host could not be one.
    pub fn parse(text: &[u8]) -> Result<Self, PlaceError> {
        if text.is_empty() {
            return Err(PlaceError::Empty);
        }
        if text.contains(&0) {
            return Err(PlaceError::Nul);
        }
        let mut parts = text.splitn(2, |byte| *byte == b':');
        match (parts.next(), parts.next()) {
            (Some(host), Some(path)) if !host.contains(&b'/') => {
                let host = host_name(host)?;
                if path.is_empty() {
                    return Err(PlaceError::NoPath(host));
                }
                Ok(Self { host: Some(host), path: path_of(path) })
            }
            _ => Ok(Self { host: None, path: path_of(text) }),
        }
    }

    /// Whether this place is on the machine called `this_host`: no host, `localhost`, or its name, short or full.
    #[must_use]
    pub fn is_local(&self, this_host: &str) -> bool {
        self.host.as_deref().is_none_or(|host| host.eq_ignore_ascii_case("localhost") || same_host(host, this_host))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(host) = &self.host {
            write!(out, "{}:", shown(host.as_bytes()))?;
        }
        out.write_str(&shown_path(&self.path))
    }
}

/// Whether two host names may be taken for one machine: equal, or one is the short form of the other. Two different
/// full names are two machines, even when they begin alike.
#[must_use]
pub fn same_host(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other) || is_short_for(one, other) || is_short_for(other, one)
}

fn is_short_for(short: &str, full: &str) -> bool {
    full.split_once('.').is_some_and(|(first, _)| first.eq_ignore_ascii_case(short))
}

fn host_name(host: &[u8]) -> Result<String, PlaceError> {
    match host {
        [] => return Err(PlaceError::NoHost),
        [b'-', ..] => return Err(PlaceError::HostDash(shown(host))),
        [first, rest @ ..] => {
            let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            if !first.is_ascii_alphanumeric() || !rest.iter().all(plain) {
                return Err(PlaceError::HostLetters(shown(host)));
            }
        }
    }
    // Only ASCII is left, so nothing is lost here.
    Ok(String::from_utf8_lossy(host).into_owned())
}

fn path_of(bytes: &[u8]) -> PathBuf {
    Path::new(OsStr::from_bytes(bytes)).to_path_buf()
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use crate::place::{Place, PlaceError};

    #[test]
    fn text_before_the_first_colon_is_a_host_only_without_a_slash() {
        for (text, host, path) in [
            ("uhane:/local/data", Some("uhane"), "/local/data"),
            ("uhane:data", Some("uhane"), "data"),
            ("h_1-a.b:/x:y", Some("h_1-a.b"), "/x:y"),
            ("h::", Some("h"), ":"),
            ("/a:b", None, "/a:b"),
            ("./a:b", None, "./a:b"),
            ("a/b:c", None, "a/b:c"),
            (".", None, "."),
            ("-x", None, "-x"),
            ("with space # and hash", None, "with space # and hash"),
        ] {
            let place = Place::parse(text.as_bytes()).unwrap();
            assert_eq!(place.host.as_deref(), host, "{text}");
            assert_eq!(place.path.as_os_str().as_bytes(), path.as_bytes(), "{text}");
            assert_eq!(place.to_string(), text);
        }
    }

    #[test]
    fn what_is_not_a_place_is_refused() {
        let dash = |host: &str| PlaceError::HostDash(host.to_owned());
        let letters = |host: &str| PlaceError::HostLetters(host.to_owned());
        for (text, error) in [
            (&b""[..], PlaceError::Empty),
            (b"/a\0b", PlaceError::Nul),
            (b":/x", PlaceError::NoHost),
            (b"-oProxyCommand=id:/x", dash("-oProxyCommand=id")),
            (b"-h:/x", dash("-h")),
            (b"me@uhane:/x", letters("me@uhane")),
            (b"my disk:/x", letters("my disk")),
            (b".h:/x", letters(".h")),
            (b"h\x07[m:/x", letters("h\\x07[m")),
            (b"h\x80:/x", letters("h\\x80")),
            (b"[::1]:/x", letters("[")),
            (b"uhane:", PlaceError::NoPath("uhane".to_owned())),
        ] {
            assert_eq!(Place::parse(text), Err(error));
        }
    }

    #[test]
    fn bytes_that_are_not_text_survive_and_print_escaped() {
        let place = Place::parse(b"uhane:/a\x80\x07[2Jb").unwrap();
        assert_eq!(place.path.as_os_str().as_bytes(), b"/a\x80\x07[2Jb");
        assert_eq!(place.to_string(), "uhane:/a\\x80\\x07[2Jb");
    }

    #[test]
    fn this_machine_is_known_by_its_short_and_full_name() {
        for (text, this_host, local) in [
            ("/x", "uhane", true),
            ("/x", "", true),
            ("localhost:/x", "uhane", true),
            ("LocalHost:/x", "", true),
            ("uhane:/x", "uhane", true),
            ("UHANE:/x", "uhane.cfht.hawaii.edu", true),
            ("uhane.cfht.hawaii.edu:/x", "Uhane", true),
            ("uhane.cfht.hawaii.edu:/x", "uhane.cfht.hawaii.edu", true),
            ("uhane.elsewhere.org:/x", "uhane.cfht.hawaii.edu", false),
            ("uhane.cfht:/x", "uhane.cfht.hawaii.edu", false),
            ("uhane2:/x", "uhane", false),
            ("uha:/x", "uhane", false),
            ("uhane:/x", "", false),
        ] {
            let place = Place::parse(text.as_bytes()).unwrap();
            assert_eq!(place.is_local(this_host), local, "{text} on {this_host}");
        }
    }
}
