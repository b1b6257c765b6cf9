//! The campaign proves itself before anything is believed of it: its judge sees every small difference, its copies are copies, and a mirror that is
//! wrong after a night is a violation, which is made shorter.

use crate::campaign::live;
use crate::change::Tree;
use crate::judge::{But, Judge};
use crate::shrink::shrink;
use crate::step::{Content, Fs, Name, Op, Setting, Step, Style, What};
use crate::thing;
use crate::world::World;
use std::path::Path;
use std::time::Duration;

fn content(length: usize) -> Content {
    Content { length, style: Style::Noise, seed: 1 }
}

/// A tree with one of everything.
fn planted() -> Vec<Op> {
    let name = |text| Name::new(text);
    vec![
        Op::Make(name("d"), What::EmptyDir),
        Op::Make(name("d/file"), What::File(content(5000))),
        Op::Make(name("d/other"), What::File(content(10))),
        Op::Link(name("d/file"), name("d/second")),
        Op::Make(name("d/sparse"), What::File(content(1))),
        Op::Truncate(name("d/sparse"), 1 << 20),
        Op::Make(name("d/dir"), What::FullDir(3)),
        Op::Make(name("d/link"), What::Symlink(name("file"))),
        Op::Make(name("d/fifo"), What::Fifo),
        Op::Make(name("d/socket"), What::Socket),
        Op::Make(name("d/char"), What::Char(1, 3)),
        Op::Make(name("d/block"), What::Block(7, 1)),
        Op::Xattr(name("d/file"), b"user.a".to_vec(), content(20)),
        Op::Xattr(name("d/fifo"), b"trusted.t".to_vec(), content(0)),
        Op::Acl { path: name("d/dir"), default: true, users: vec![5, 0xffff_fffe], perms: 0o751 },
        Op::Capability(name("d/other")),
        Op::Owner(name("d/link"), 0x8000_0000, 1),
        Op::Mode(name("d/second"), 0o4751),
        Op::Touch(name("d/char"), -5, 999_999_999),
    ]
}

/// Small changes; each must be seen.
fn changes() -> Vec<Op> {
    let name = |text| Name::new(text);
    vec![
        Op::Quietly(name("d/file"), 77),
        Op::Append(name("d/other"), content(1)),
        Op::Xattr(name("d/file"), b"user.a".to_vec(), content(21)),
        Op::NoXattr(name("d/fifo")),
        Op::NoXattr(name("d/other")),
        Op::Acl { path: name("d/dir"), default: true, users: vec![5], perms: 0o751 },
        Op::Acl { path: name("d/second"), default: false, users: vec![], perms: 0o751 },
        Op::Owner(name("d/link"), 0x8000_0000, 2),
        Op::Mode(name("d/fifo"), 0o600),
        Op::Mode(name("d/dir"), 0o700),
        Op::Touch(name("d/char"), -5, 999_999_998),
        Op::Touch(name("d/dir"), 5, 0),
        Op::Make(name("d/link"), What::Symlink(name("filf"))),
        Op::Make(name("d/char"), What::Char(1, 5)),
        Op::Make(name("d/block"), What::Char(7, 1)),
        Op::Make(name("d/socket"), What::Fifo),
        Op::Make(name("d/new"), What::EmptyDir),
        Op::Delete(name("d/fifo")),
        Op::Link(name("d/other"), name("d/second")),
        Op::Replaced(name("d/second"), 9),
    ]
}

fn the_judge_sees(folder: &Path, judge: &mut Judge) {
    let (tree, other, tops) = (folder.join("tree"), folder.join("copy"), [Name::new("d")]);
    let plant = || {
        for place in [&tree, &other] {
            thing::remove(place).unwrap();
            std::fs::create_dir_all(place).unwrap();
        }
        let tree = Tree { root: &tree, tops: &[] };
        for op in planted() {
            tree.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        }
    };
    for op in changes() {
        plant();
        judge.copy(&tree, &other, &tops, &[]).unwrap();
        let but = But { holes: true, ..But::default() };
        judge.same(&tree, &other, &tops, but).unwrap_or_else(|d| panic!("a copy is none: {}", d.text));
        Tree { root: &other, tops: &[] }.apply(&op).unwrap_or_else(|e| panic!("{op:?}: {e}"));
        assert!(judge.same(&tree, &other, &tops, but).is_err(), "{op:?} is not seen");
    }
    plant();
    judge.copy(&tree, &other, &tops, &["sp*e", "d/dir/**"]).unwrap();
    assert!(!other.join("d/sparse").exists() && other.join("d/file").exists(), "a copy without what is excluded");
    std::fs::write(tree.join("d/sparse"), vec![0; 1 << 20]).unwrap();
    let left_out = But { excludes: &["d/sparse", "*"], ..But::default() };
    judge.same(&tree, &other, &tops, left_out).unwrap();
}

/// A history in which nothing is done wrong has no violation; one whose mirror is changed behind the back of all has one, of a few steps.
fn a_wrong_mirror_is_a_violation(folder: &Path, judge: &mut Judge) {
    let setting = Setting { dirs: vec!["d"], excludes: vec![], ..Setting::new(1, Fs::Tmpfs, Some(3)) };
    let (root, copies) = (folder.join("world"), folder.join("copies"));
    let mut attempt = |steps: Option<&[Step]>, sabotage| {
        let mut world = World::new(setting.clone(), &root, &copies, judge);
        world.sabotage = sabotage;
        live(world, steps, true)
    };
    let good = attempt(None, None);
    assert!(good.wrong.is_none(), "a short history fails: {:?}\n{:?}", good.wrong, good.steps);
    let spoil = Some((1, Op::Make(Name::new("d/a"), What::File(content(3)))));
    let bad = attempt(Some(&good.steps), spoil.clone());
    assert!(bad.wrong.is_some_and(|why| why.contains("the mirror is not SOURCE")), "a wrong mirror is no violation");
    let all = bad.steps.len();
    let few = shrink(bad.steps, Duration::from_mins(1), |steps| attempt(Some(steps), spoil.clone()).wrong.is_some());
    assert!(few.len() <= 2 && few.len() < all, "{} of {all} steps are left: {few:?}", few.len());
}

/// Panics when something is believed that is not so.
pub(crate) fn prove(folder: &Path) {
    let mut judge = Judge::new();
    the_judge_sees(folder, &mut judge);
    a_wrong_mirror_is_a_violation(folder, &mut judge);
    std::fs::remove_dir_all(folder).ok();
}
