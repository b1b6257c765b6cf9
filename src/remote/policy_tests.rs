//! What a client may name, and what it may not.

use super::Policy;
use crate::mirror::end::End;
use crate::mirror::near::Near;
use proptest::prelude::{ProptestConfig, any, prop, prop_assert, proptest};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

struct Fixture {
    _scratch: tempfile::TempDir,
    outside: PathBuf,
    root: PathBuf,
    policy: Policy,
}

/// A root with symlinks in it that lead out, and beside it what must not be reached.
fn fixture() -> Fixture {
    let scratch = tempfile::tempdir().unwrap();
    let outside = scratch.path().canonicalize().unwrap();
    let root = outside.join("root");
    std::fs::create_dir_all(root.join("a/b c")).unwrap();
    for secret in ["rootx", "root.", "secret"] {
        std::fs::create_dir_all(outside.join(secret)).unwrap();
        std::fs::write(outside.join(secret).join("mark"), "outside").unwrap();
    }
    std::fs::write(root.join("file"), "x").unwrap();
    symlink(outside.join("secret"), root.join("out")).unwrap();
    symlink("../../secret", root.join("a/out")).unwrap();
    symlink("..", root.join("a/up")).unwrap();
    symlink(".", root.join("here")).unwrap();
    symlink("nowhere", root.join("dangling")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();
    let policy = Policy::pinned(&root, false).unwrap();
    Fixture { _scratch: scratch, outside, root, policy }
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// Paths, between bars.
const PATHS: &str = "|/|//|///|/.|/..|/../..|..|../|../root|./..|a/..|a/../..|a/../../secret|a/./b|./a|././|a//b|//a|/etc|/etc/passwd|\
    /proc/self/root|/proc/self/fd/0|/proc/self/cwd|/dev/null|$HOME/..|`id`/..|out|out/|out/x|a/out|a/out/x|a/up|a/up/up|here|here/a|dangling|\
    dangling/x|magic|magic/etc|file|file/|file/x|\0|a\0|a\0/../..|a/..\0|/a/../..";
/// What comes after the name of the root.
const AFTER: &str = "x|.|..|/..|/../|/../secret|/a/..|/a/../..|/./a|/.|//|//a|/a//b|/\0|\0|\0/a|/a\0b|/out|/out/|/out/mark|/a/out|/a/out/x|\
    /a/up|/a/up/a|/here|/here/|/here/here/a|/dangling|/dangling/x|/magic|/magic/etc/passwd|/file|/file/|/file/x| |\n|%2e%2e|\\..|/../root/a|\
    /../rootx|/...//|-x";
/// What lies beside the root.
const BESIDE: &str = "rootx|root.|secret||.|..|roo|ROOT|root/../secret|./root|/root|root/a/../../secret";

/// Two hundred and more ways out.
fn hostile(outside: &Path, root: &Path) -> Vec<Vec<u8>> {
    let (outside, root) = (outside.as_os_str().as_bytes(), root.as_os_str().as_bytes());
    let mut all: Vec<Vec<u8>> = PATHS.split('|').map(|path| path.as_bytes().to_vec()).collect();
    all.extend(AFTER.split('|').map(|after| [root, after.as_bytes()].concat()));
    all.extend(BESIDE.split('|').map(|name| [outside, b"/", name.as_bytes()].concat()));
    for depth in 1..=30 {
        all.push("../".repeat(depth).into_bytes());
        all.push([root, "/..".repeat(depth).as_bytes()].concat());
        all.push([root, b"/a/", "../".repeat(depth).as_bytes(), b"secret"].concat());
        all.push([root, b"/", &b"d/".repeat(depth), &b"../".repeat(depth), b"a"].concat());
    }
    all.push(b"a".repeat(256));
    all.push([root, b"/", &b"a".repeat(256)].concat());
    all.push([root, &b"/a".repeat(5000)].concat());
    all.push(b"x/".repeat(1 << 20));
    all.push([root, b"/\xff\xfe/.."].concat());
    all.push(b"\xff/../..".to_vec());
    all
}

#[test]
fn two_hundred_hostile_paths_are_refused_and_told_in_one_short_line() {
    let f = fixture();
    let all = hostile(&f.outside, &f.root);
    assert!(all.len() >= 200, "{}", all.len());
    for bytes in all {
        let refused = f.policy.admit(path(&bytes));
        let text = format!("{refused:?}");
        assert!(refused.is_err(), "{}: {text}", String::from_utf8_lossy(&bytes));
        assert!(text.len() < 1500 && !text.contains('\n'), "{text}");
    }
}

#[test]
fn the_root_and_what_is_below_it_may_be_named_be_it_there_or_not() {
    let f = fixture();
    let of = |below: &str| f.root.join(below).into_os_string().into_encoded_bytes();
    let root = f.root.as_os_str().as_bytes();
    for (named, real) in [
        (root.to_vec(), of("")),
        ([root, b"/"].concat(), of("")),
        (b".".to_vec(), of("")),
        (b"a".to_vec(), of("a")),
        (of("a"), of("a")),
        (of("a/"), of("a")),
        (of("a/b c"), of("a/b c")),
        (of("new"), of("new")),
        (of("new/below/.backup/store"), of("new/below/.backup/store")),
        ([root, b"/\xff\xfe"].concat(), [root, b"/\xff\xfe"].concat()),
        (of("$(id)"), of("$(id)")),
        (of("-rf"), of("-rf")),
    ] {
        let admitted = f.policy.admit(path(&named)).unwrap();
        assert!(admitted.starts_with("/proc/self/fd"), "{}", admitted.display());
        let found = crate::fs::durable::real_path(&admitted);
        assert_eq!(found.components().as_path(), path(&real).components().as_path());
        assert_eq!(crate::path::shown_path(&admitted), crate::path::shown(&real).trim_end_matches('/'));
    }
}

#[test]
fn who_renames_the_root_leads_nowhere_else() {
    let f = fixture();
    let place = f.policy.admit(&f.root.join("a")).unwrap();
    std::fs::rename(&f.root, f.outside.join("moved")).unwrap();
    symlink(f.outside.join("secret"), &f.root).unwrap();
    std::fs::write(place.join("new"), "inside").unwrap();
    assert!(f.outside.join("moved/a/new").is_file());
    let again = f.policy.admit(&f.root.join("a")).unwrap();
    assert_eq!(std::fs::read(again.join("new")).unwrap(), b"inside");
    assert_eq!(std::fs::read_dir(f.outside.join("secret")).unwrap().count(), 1);
}

#[test]
fn a_root_must_be_a_directory_and_no_symlink() {
    let f = fixture();
    for bad in ["file", "here", "out", "dangling", "missing"] {
        assert!(Policy::pinned(&f.root.join(bad), true).is_err(), "{bad}");
    }
    assert!(Policy::pinned(&f.root.join("a/"), true).unwrap().append_only());
}

#[test]
fn the_root_of_everything_may_be_one() {
    let f = fixture();
    let policy = Policy::pinned(Path::new("/"), false).unwrap();
    let admitted = policy.admit(&f.root).unwrap();
    assert_eq!(crate::path::shown_path(&admitted), f.root.display().to_string());
    assert!(policy.admit(Path::new("/..")).is_err());
}

#[test]
fn without_a_root_any_path_is_taken_and_made_absolute() {
    let policy = Policy::open();
    assert_eq!(&*policy.admit(Path::new("/x/../y")).unwrap(), Path::new("/x/../y"));
    assert!(policy.admit(Path::new("x")).unwrap().is_absolute());
    for bad in [&b""[..], b"a\0b", &b"/x".repeat(5000)] {
        assert!(policy.admit(path(bad)).is_err());
    }
}

/// A client with two connections: a mirror that it publishes by one has at `x` now a folder, now a symlink, and `x` is its place by the other.
#[test]
fn what_was_admitted_is_what_is_used_whatever_takes_its_name() {
    let f = fixture();
    let place = f.policy.admit(&f.root.join("a/b c")).unwrap();
    let new = f.policy.admit(&f.root.join("a/new/place")).unwrap();
    std::fs::rename(f.root.join("a/b c"), f.root.join("moved")).unwrap();
    for name in ["a/b c", "a/new"] {
        symlink(f.outside.join("secret"), f.root.join(name)).unwrap();
    }
    std::fs::write(place.join("new"), "inside").unwrap();
    assert!(f.root.join("moved/new").is_file());
    let near = |place: &Path| Near::new("elixir", place, None);
    near(&place).init(7).unwrap();
    assert!(f.root.join("moved/.backup/role").is_file());
    assert!(near(&new).init(7).is_err() && near(&new).role().unwrap().is_none());
    assert_eq!(std::fs::read_dir(f.outside.join("secret")).unwrap().count(), 1);
    assert!(f.policy.admit(&f.root.join("a/b c")).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_admitted_lies_below_the_root(
        parts in prop::collection::vec(prop::sample::select(vec![
            "..", ".", "", "a", "b c", "out", "up", "here", "new", "root", "secret", "file", "\0", "dangling",
        ]), 0..8),
        absolute in any::<bool>(),
    ) {
        let f = fixture();
        let text = parts.join("/");
        let named = if absolute { format!("{}/{text}", f.root.display()) } else { text };
        if let Ok(admitted) = f.policy.admit(Path::new(&named)) {
            let real = crate::fs::durable::real_path(&admitted);
            prop_assert!(real.starts_with(&f.root), "{named}: {}", real.display());
        }
    }
}
