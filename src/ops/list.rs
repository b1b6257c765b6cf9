//! `-list`: what a snapshot holds, as `ls -l` has it (floor 6). Reads without a lock.

use super::pattern::Pattern;
use super::places::Ends;
use super::snapshots::{Which, find, open_to_read};
use super::{Context, Error};
use crate::entry::{ChunkRef, Entry, Node};
use crate::format::snapshot::{Owner, Record};
use crate::manifest::cursor::{self, Cursor};
use crate::mirror::service::MirrorService;
use crate::path::RelPath;

/// What to list.
#[derive(Clone, Debug)]
pub struct Options {
    /// A folder, a file or a glob; nothing means the root of the target.
    pub path: Option<Pattern>,
    /// Of which snapshot.
    pub which: Which,
    /// Whether to list what is below folders, too.
    pub recursive: bool,
}

/// One entry.
#[derive(Debug)]
pub struct Row<'a> {
    /// What it is.
    pub entry: &'a Entry,
    /// Name of the owner on the source's host, if it has one.
    pub user: Option<&'a [u8]>,
    /// Name of the group.
    pub group: Option<&'a [u8]>,
    /// Length in bytes; of a further name, that of the file.
    pub size: u64,
}

/// Lists; gives the record of the snapshot.
pub fn list(
    ends: Ends<'_>,
    options: &Options,
    context: Context<'_>,
    tell: &mut dyn FnMut(Row<'_>),
) -> Result<Record, Error> {
    let (mirror, note) = open_to_read(&ends)?;
    if let Some(note) = note {
        context.monitor.note(&note);
    }
    let record = find(mirror.as_ref(), options.which)?;
    let listing = Listing { mirror: mirror.as_ref(), record: &record, recursive: options.recursive };
    let found = match &options.path {
        None => {
            listing.folder(&RelPath::root(), tell)?;
            true
        }
        Some(pattern) => listing.pattern(pattern, tell)?,
    };
    match &options.path {
        Some(pattern) if !found => Err(Error::Refused(format!(
            "{pattern} is not in snapshot {}; `backup -find {} {pattern}` looks in all of them",
            record.sequence, ends.target.name
        ))),
        _ => Ok(record),
    }
}

struct Listing<'a> {
    mirror: &'a dyn MirrorService,
    record: &'a Record,
    recursive: bool,
}

impl Listing<'_> {
    /// Whether there was anything to tell of.
    fn pattern(&self, pattern: &Pattern, tell: &mut dyn FnMut(Row<'_>)) -> Result<bool, Error> {
        let literal = pattern.literal().map(|path| self.find(&path)).transpose()?.flatten();
        match literal {
            Some(entry) if entry.is_directory() => self.folder(&entry.path, tell).map(|()| true),
            Some(entry) => self.tell(&entry, tell).map(|()| true),
            None if pattern.is_open() => self.glob(pattern, tell),
            None => Ok(false),
        }
    }

    /// What is in a folder.
    fn folder(&self, folder: &RelPath, tell: &mut dyn FnMut(Row<'_>)) -> Result<(), Error> {
        let mut cursor = self.cursor()?;
        cursor.seek(folder)?;
        while let Some(entry) = cursor.next_entry()?.filter(|entry| entry.path.is_within(folder)) {
            if entry.path == *folder {
                continue;
            }
            if entry.is_directory() && !self.recursive {
                cursor.leave(&entry.path)?;
            }
            self.tell(&entry, tell)?;
        }
        Ok(())
    }

    /// What a glob matches, and with `recursive` what is below that.
    fn glob(&self, pattern: &Pattern, tell: &mut dyn FnMut(Row<'_>)) -> Result<bool, Error> {
        let (folder, mut cursor) = (pattern.folder(), self.cursor()?);
        cursor.seek(&folder)?;
        let (mut found, mut within) = (false, None::<RelPath>);
        while let Some(entry) = cursor.next_entry()?.filter(|entry| entry.path.is_within(&folder)) {
            let is_below = within.as_ref().is_some_and(|top| entry.path.is_below(top));
            if is_below || pattern.matches(&entry.path) {
                found = true;
                self.tell(&entry, tell)?;
                if self.recursive && !is_below && entry.is_directory() {
                    within = Some(entry.path);
                }
            }
        }
        Ok(found)
    }

    fn tell(&self, entry: &Entry, tell: &mut dyn FnMut(Row<'_>)) -> Result<(), Error> {
        let size = match &entry.node {
            Node::HardLink { leader } => self.find(leader)?.map_or(0, |first| first.size()),
            _ => entry.size(),
        };
        let (user, group) = (name_of(&self.record.users, entry.meta.uid), name_of(&self.record.groups, entry.meta.gid));
        tell(Row { entry, user, group, size });
        Ok(())
    }

    fn root(&self) -> ChunkRef {
        self.record.root
    }

    fn find(&self, path: &RelPath) -> Result<Option<Entry>, Error> {
        Ok(cursor::find(self.root(), self.mirror.reader()?, path)?)
    }

    fn cursor(&self) -> Result<Cursor<'_>, Error> {
        Ok(Cursor::new(self.root(), self.mirror.reader()?)?)
    }
}

fn name_of(owners: &[Owner], number: u32) -> Option<&[u8]> {
    owners.iter().find(|owner| owner.number == number).map(|owner| owner.name.as_slice())
}
