//! Writes a history step by step: looks at what there is, and chooses what happens to it next. The same seed gives the same history.

use crate::random::Random;
use crate::step::{Content, Name, Op, Setting, Step, Style, What, mixed};
use crate::thing::Kind;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Few, so that what happens to one path happens to it again.
const NAMES: [&[u8]; 14] = [
    b"a",
    b"b",
    b"c",
    b"a",
    b"b",
    b"x y",
    b"\xff\xfe",
    "\u{e9}".as_bytes(),
    b"e\xcc\x81",
    b"new\nline",
    b"-rf",
    b"*",
    b"x.tmp",
    b"skip",
];
/// Beside the DIRs: no part of the target.
pub(crate) const OUTSIDE: &str = "out";
const FULL: usize = 60;
const DEEPEST: usize = 5;
const TIMES: [i64; 13] = [
    -2_000_000_000,
    -1,
    0,
    1,
    1_000_000_000,
    1_600_000_000,
    2_147_483_647,
    2_147_483_648,
    4_294_967_296,
    15_032_385_535,
    15_032_385_536,
    32_503_680_000,
    253_402_300_800,
];
const IDS: [u32; 7] = [0, 1, 1000, 1001, 65534, 0x8000_0000, 0xffff_fffe];
const MODES: [u32; 12] = [0o644, 0o600, 0o000, 0o755, 0o700, 0o555, 0o111, 0o4755, 0o2755, 0o1777, 0o7777, 0o6711];
const SIZES: [usize; 14] = [0, 1, 40, 511, 700, 3000, 4095, 4096, 4097, 5000, 9000, 20_000, 65_536, 70_000];

/// What stands below the tops of a tree, in order.
pub(crate) fn names(root: &Path, tops: &[Name]) -> Vec<(Name, Kind)> {
    let mut found = Vec::new();
    let mut waiting: Vec<Name> = tops.to_vec();
    while let Some(folder) = waiting.pop() {
        let Ok(items) = fs::read_dir(folder.at(root)) else { continue };
        for item in items.flatten() {
            let name = folder.below(item.file_name().as_bytes());
            if [&b".backup"[..], b"lost+found"].contains(&&name.0[..]) {
                continue;
            }
            let kind = Kind::of(&item.path());
            if kind == Kind::Full {
                waiting.push(name.clone());
            }
            found.push((name, kind));
        }
    }
    found.sort();
    found
}

pub(crate) struct Author {
    random: Random,
    tops: Vec<Name>,
    /// Changes until the next night.
    left: usize,
    /// Whether the tree has yet to be planted.
    is_new: bool,
}

impl Author {
    pub(crate) fn new(setting: &Setting) -> Self {
        let mut random = mixed(setting.seed);
        let mut tops = setting.tops();
        if !tops[0].0.is_empty() {
            tops.push(Name::new(OUTSIDE));
        }
        Self { left: 20 + random.below(16), random, tops, is_new: true }
    }

    /// What happens next on this source, after so many snapshots.
    pub(crate) fn next(&mut self, source: &Path, snapshots: usize) -> Step {
        if self.left == 0 {
            self.is_new = false;
            return self.night();
        }
        self.left -= 1;
        let there = names(source, &self.tops);
        if !self.is_new && self.random.one_in(12) {
            self.event(&there, snapshots)
        } else {
            Step::Change(self.change(&there))
        }
    }

    fn night(&mut self) -> Step {
        self.left = 4 + self.random.below(10);
        match self.random.below(12) {
            0 => Step::Killed(self.random.next() % 60_000),
            1 => Step::Night { reread: true, approve: true },
            2 => Step::Night { reread: false, approve: false },
            _ => Step::Night { reread: false, approve: true },
        }
    }

    fn event(&mut self, there: &[(Name, Kind)], snapshots: usize) -> Step {
        let random = &mut self.random;
        match random.below(20) {
            0..=4 => Step::Check { data: random.one_in(3) },
            5..=8 => Step::Tamper(self.change(there)),
            9 => Step::Swap,
            _ => {
                let (snapshot, delete) = (random.below(snapshots), !random.one_in(4));
                let mut path = random.one_in(2).then(|| self.old(there)).flatten();
                if self.random.one_in(3) {
                    path = self.tops.first().filter(|top| !top.0.is_empty()).cloned();
                }
                Step::Restore { snapshot, path, delete }
            }
        }
    }

    fn old(&mut self, there: &[(Name, Kind)]) -> Option<Name> {
        if there.is_empty() { None } else { Some(self.random.pick(there).0.clone()) }
    }

    /// Every kind that is there equally often.
    fn old_by_kind(&mut self, there: &[(Name, Kind)]) -> Option<Name> {
        let kinds: BTreeSet<Kind> = there.iter().map(|(_, kind)| *kind).collect();
        let kinds: Vec<_> = kinds.into_iter().collect();
        if kinds.is_empty() {
            return None;
        }
        let kind = *self.random.pick(&kinds);
        self.of_kind(there, &[kind])
    }

    fn of_kind(&mut self, there: &[(Name, Kind)], kinds: &[Kind]) -> Option<Name> {
        let fits: Vec<_> = there.iter().filter(|(_, kind)| kinds.contains(kind)).cloned().collect();
        self.old(&fits)
    }

    /// A name that may be there or not.
    fn any(&mut self, there: &[(Name, Kind)]) -> Name {
        let random = &mut self.random;
        let mut folders: Vec<Name> = self.tops.clone();
        // What is empty stays so for a while.
        let kinds: &[Kind] = if random.one_in(4) { &[Kind::Empty, Kind::Full] } else { &[Kind::Full] };
        let dirs = there.iter().filter(|(_, kind)| kinds.contains(kind)).map(|(name, _)| name.clone());
        folders.extend(dirs.filter(|name| name.0.split(|byte| *byte == b'/').count() <= DEEPEST));
        // What lies outside only serves to have links to it.
        let outside = Name::new(OUTSIDE);
        let folder = random.pick(&folders).clone();
        let folder = if folder.is_within(&outside) && !random.one_in(3) { self.tops[0].clone() } else { folder };
        folder.below(random.pick::<&[u8]>(&NAMES))
    }

    fn content(&mut self) -> Content {
        let random = &mut self.random;
        let length = match random.below(120) {
            0 => 4_300_000 + random.below(4_000_000),
            1..=3 => 540_000 + random.below(900_000),
            _ => *random.pick(&SIZES),
        };
        let style = *random.pick(&[Style::Noise, Style::Noise, Style::Text, Style::Zeros]);
        Content { length, style, seed: random.next() % 100_000 }
    }

    fn small(&mut self) -> Content {
        Content { length: 1 + self.random.below(900), style: Style::Noise, seed: self.random.next() % 100_000 }
    }

    fn what(&mut self) -> What {
        let random = &mut self.random;
        match random.below(if self.is_new { 14 } else { 9 }) {
            0 => What::EmptyDir,
            1 => What::FullDir(random.next() % 100_000),
            2 => What::Symlink(self.target()),
            3 => What::Fifo,
            4 => What::Socket,
            5 => What::Char(u32::try_from(random.below(300)).unwrap(), u32::try_from(random.below(70_000)).unwrap()),
            6 => What::Block(7, u32::try_from(random.below(300)).unwrap()),
            _ => What::File(self.content()),
        }
    }

    fn target(&mut self) -> Name {
        let random = &mut self.random;
        let long = vec![b'l'; 1 + random.below(4000)];
        let targets: [&[u8]; 8] = [b"a", b"../a", b".", b"nowhere\xff", b"/nonexistent/\n", b"a//b", b"..", &long];
        Name(random.pick(&targets).to_vec())
    }

    fn make(&mut self, there: &[(Name, Kind)]) -> Op {
        let old = if self.random.one_in(3) { None } else { self.old_by_kind(there) };
        let name = old.unwrap_or_else(|| self.any(there));
        Op::Make(name, self.what())
    }

    /// One change.
    fn change(&mut self, there: &[(Name, Kind)]) -> Op {
        let few = self.is_new && !self.random.one_in(3);
        if there.is_empty() || few {
            return Op::Make(self.any(there), self.what());
        }
        if there.len() > FULL {
            return Op::Delete(self.old(there).unwrap());
        }
        let op = match self.random.below(100) {
            0..28 => Some(self.make(there)),
            28..48 => self.on_file(there),
            48..72 => self.metadata(there),
            _ => self.names_change(there),
        };
        op.unwrap_or_else(|| self.make(there))
    }

    fn on_file(&mut self, there: &[(Name, Kind)]) -> Option<Op> {
        let name = self.of_kind(there, &[Kind::File])?;
        let seed = self.random.next() % 100_000;
        Some(match self.random.below(10) {
            0 | 1 => Op::Write(name, self.content()),
            2 => Op::Append(name, self.small()),
            3 | 4 => Op::Insert(name, self.random.next() % 100_000, self.small()),
            5 => {
                let far = if self.random.one_in(8) { 3 << 30 } else { 0 };
                Op::Truncate(name, self.random.next() % 50_000 + far)
            }
            6 => Op::Punch(name, self.random.next() % 70_000, 1 + self.random.next() % 200_000),
            7 | 8 => Op::Quietly(name, seed),
            _ => Op::Replaced(name, seed),
        })
    }

    fn metadata(&mut self, there: &[(Name, Kind)]) -> Option<Op> {
        let name = if self.random.one_in(12) { self.tops[0].clone() } else { self.old(there)? };
        let random = &mut self.random;
        Some(match random.below(13) {
            0..3 => Op::Touch(name, *random.pick(&TIMES), *random.pick(&[0, 1, 123_456_789, 999_999_999])),
            3 | 4 => Op::Mode(name, *random.pick(&MODES)),
            5 | 6 => Op::Owner(name, *random.pick(&IDS), *random.pick(&IDS)),
            7 | 8 => self.xattr(name, there),
            9 => Op::NoXattr(name),
            10 => Op::Capability(name),
            _ => {
                let default = random.one_in(3);
                let users = (0..random.below(4)).map(|_| *random.pick(&IDS)).collect();
                Op::Acl { path: name, default, users, perms: u16::try_from(random.below(4096)).unwrap() }
            }
        })
    }

    fn xattr(&mut self, name: Name, there: &[(Name, Kind)]) -> Op {
        let random = &mut self.random;
        let kind = there.iter().find(|(other, _)| *other == name).map_or(Kind::Nothing, |(_, kind)| *kind);
        let length = *random.pick(&[0, 1, 30, 300, 3000]);
        let value = Content { length, style: Style::Noise, seed: random.next() % 100_000 };
        let users = matches!(kind, Kind::File | Kind::Empty | Kind::Full);
        let keys: &[&[u8]] =
            if users { &[b"user.a", b"user.b", b"user.%\xff", b"trusted.t"] } else { &[b"trusted.t", b"trusted.u"] };
        Op::Xattr(name, random.pick(keys).to_vec(), value)
    }

    fn names_change(&mut self, there: &[(Name, Kind)]) -> Option<Op> {
        let one = self.old(there)?;
        Some(match self.random.below(32) {
            0..6 => Op::Delete(one),
            6..12 => Op::Rename(one, self.any(there)),
            12..15 => Op::Rename(one, self.old(there)?),
            15..18 => Op::Exchange(one, self.old(there)?),
            18..27 => {
                let from = if self.random.one_in(3) {
                    self.of_kind(there, &[Kind::Fifo, Kind::Symlink, Kind::Char, Kind::Block, Kind::Socket])?
                } else {
                    self.of_kind(there, &[Kind::File])?
                };
                let to = if self.random.one_in(3) { one } else { self.any(there) };
                Op::Link(from, to)
            }
            27 => Op::ManyEmpty(self.any(there), 1 + self.random.below(30)),
            28 | 29 => Op::Crowd(self.tops[0].below(b"crowd"), 24),
            _ => Op::Clear(self.random.pick(&self.tops).clone(), self.random.one_in(2)),
        })
    }
}
