//! Bytes to targets, line by line.
//!
//! A target is complete when the next one begins or the table ends; only then can `check` look at it as a whole. So
//! the mistake reported is the first that someone reading from the top could have seen.

use globset::{GlobBuilder, GlobSet};

use crate::path::RelPath;
use crate::path::shown;
use crate::place::Place;
use crate::table::check;
use crate::table::closest::closest;
use crate::table::dir;
use crate::table::error::{Fault, Mistake, Seen};
use crate::table::hold::Hold;
use crate::table::keep::Keep;
use crate::table::keyword::Keyword;
use crate::table::lines::Lines;
use crate::table::rsh::Rsh;
use crate::table::{Context, Target};

/// The longest EXCLUDE. Nested braces cost stack in the pattern compiler.
const LONGEST_GLOB: usize = 1000;

/// The most of a word that is no keyword that a message repeats: it may come from any file at all.
const LONGEST_WORD: usize = 40;

/// What some editors put in front of UTF-8.
pub(crate) const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A target whose lines are still being read.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) source: Option<Place>,
    pub(crate) mirror: Option<Place>,
    pub(crate) dirs: Vec<RelPath>,
    pub(crate) excludes: Vec<String>,
    pub(crate) store: Option<Place>,
    pub(crate) keep: Option<Keep>,
    pub(crate) hold: Option<Hold>,
    pub(crate) rsh: Option<Rsh>,
    pub(crate) lines: Lines,
}

/// Reads a whole table.
pub(crate) fn targets(bytes: &[u8], context: &Context<'_>) -> Result<Vec<Target>, Fault> {
    let bytes = bytes.strip_prefix(MARK).unwrap_or(bytes);
    let mut done: Vec<Target> = Vec::new();
    let mut open: Option<Draft> = None;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let at = |mistake: Mistake| mistake.at(number);
        let Some((keyword, value)) = words(line).map_err(at)? else {
            continue;
        };
        if keyword == Keyword::Target {
            if let Some(draft) = open.take() {
                done.push(check::complete(draft, &done, context)?);
            }
            let mut draft = begin(value, &done).map_err(at)?;
            draft.lines.push(keyword, value, number);
            open = Some(draft);
        } else {
            let draft = open.as_mut().ok_or_else(|| at(Mistake::BeforeTarget(keyword)))?;
            set(draft, keyword, value).map_err(at)?;
            draft.lines.push(keyword, value, number);
        }
    }
    if let Some(draft) = open {
        done.push(check::complete(draft, &done, context)?);
    }
    if done.is_empty() {
        return Err(Fault { line: None, mistake: Mistake::NoTarget });
    }
    Ok(done)
}

/// The keyword and the value of a line; nothing for a blank line or a comment. Blanks around the value are not part of
/// it, so a path that ends in a blank is written with a `/` behind it.
pub(crate) fn words(line: &[u8]) -> Result<Option<(Keyword, &[u8])>, Mistake> {
    if line.contains(&0) {
        return Err(Mistake::Nul);
    }
    let line = trimmed(line.strip_suffix(b"\r").unwrap_or(line));
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (word, value) = line.split_at_checked(end).unwrap_or((line, b""));
    let keyword = Keyword::from_bytes(word).ok_or_else(|| unknown(word))?;
    let value = trimmed(value);
    if value.is_empty() {
        return Err(Mistake::NoValue(keyword));
    }
    Ok(Some((keyword, value)))
}

fn trimmed(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

fn unknown(word: &[u8]) -> Mistake {
    let names = || Keyword::ALL.into_iter().map(Keyword::name);
    let hint = match closest(&String::from_utf8_lossy(word), names()) {
        Some(near) => format!("{near}?"),
        None => format!("one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    let text = match word.get(..LONGEST_WORD) {
        Some(start) if word.len() > LONGEST_WORD => format!("{}...", shown(start)),
        _ => shown(word),
    };
    Mistake::UnknownKeyword(text, hint)
}

fn begin(value: &[u8], done: &[Target]) -> Result<Draft, Mistake> {
    let wrong = |why| Mistake::Name(shown(value), why);
    let name = str::from_utf8(value).map_err(|_| wrong("is not UTF-8 (use plain letters)"))?;
    // Control characters first: some of them count as white space.
    if name.contains(char::is_control) {
        return Err(wrong("holds a control character (use plain letters)"));
    }
    if name.contains(char::is_whitespace) {
        return Err(wrong("holds white space (use - or _ in its place)"));
    }
    if name.contains('/') {
        return Err(wrong("holds a / (use - or _ in its place)"));
    }
    if name.starts_with('-') {
        return Err(wrong("begins with -, as options do (begin with a letter)"));
    }
    if matches!(name, "." | "..") {
        return Err(wrong("names a folder (use plain letters)"));
    }
    if let Some(other) = done.iter().find(|other| other.name == name) {
        return Err(Mistake::SameName(shown(value), other.line()));
    }
    Ok(Draft { name: name.to_owned(), ..Draft::default() })
}

fn set(draft: &mut Draft, keyword: Keyword, value: &[u8]) -> Result<(), Mistake> {
    if let Some(first) = draft.lines.number(keyword)
        && !keyword.repeats()
    {
        return Err(Mistake::Again(keyword, first));
    }
    let place = || Place::parse(value).map_err(|error| Mistake::Place(keyword, shown(value), error));
    match keyword {
        // The caller has dealt with it.
        Keyword::Target => {}
        Keyword::Source => draft.source = Some(place()?),
        Keyword::Mirror => draft.mirror = Some(place()?),
        Keyword::Store => draft.store = Some(place()?),
        Keyword::Keep => draft.keep = Some(Keep::parse(value)?),
        Keyword::Hold => draft.hold = Some(Hold::parse(value)?),
        Keyword::Rsh => draft.rsh = Some(Rsh::parse(value)?),
        Keyword::Dir => add_dir(draft, value)?,
        Keyword::Exclude => add_exclude(draft, value)?,
    }
    Ok(())
}

fn add_dir(draft: &mut Draft, value: &[u8]) -> Result<(), Mistake> {
    let dir = dir::parse(value)?;
    for (other, line) in draft.dirs.iter().zip(draft.lines.of(Keyword::Dir)) {
        match (dir.is_within(other), other.is_within(&dir)) {
            (true, true) => {
                return Err(Mistake::SameValue(Keyword::Dir, shown(value), line.number));
            }
            (true, false) => return Err(Mistake::DirInside(shown(value), Seen::from(line))),
            (false, true) => return Err(Mistake::DirHolds(shown(value), Seen::from(line))),
            (false, false) => {}
        }
    }
    draft.dirs.push(dir);
    Ok(())
}

fn add_exclude(draft: &mut Draft, value: &[u8]) -> Result<(), Mistake> {
    if value.len() > LONGEST_GLOB {
        return Err(Mistake::GlobLong(value.len(), LONGEST_GLOB));
    }
    let text = str::from_utf8(value).map_err(|_| Mistake::GlobBytes(shown(value)))?;
    let wrong = |error: &globset::Error| Mistake::Glob(shown(value), shown(error.kind().to_string().as_bytes()));
    let glob = GlobBuilder::new(text).literal_separator(true).build().map_err(|error| wrong(&error))?;
    // A pattern that parses may still be refused by the compiler, as too large; `Glob::compile_matcher` would panic.
    GlobSet::new([&glob]).map_err(|error| wrong(&error))?;
    let mut earlier = draft.lines.of(Keyword::Exclude);
    if let Some(line) = earlier.find(|line| line.value == value) {
        return Err(Mistake::SameValue(Keyword::Exclude, shown(value), line.number));
    }
    draft.excludes.push(text.to_owned());
    Ok(())
}
