//! Asks a file system what it can hold, by trying it with files that have no name, or one in a folder of ours (floor 1).

use super::dir::Dir;
use super::fidelity::{ALL_TIMES, Fidelity, SAMPLES, Times};
use super::is_one_of;
use super::meta::At;
use super::stat::Stat;
use crate::entry::{Node, Time, Xattr};
use crate::path::NAME_MAX;
use rustix::fs::{FileType, Gid, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// An access list that says what mode 0600 says (acl(5); `include/uapi/linux/posix_acl_xattr.h` in Linux).
const ACCESS_LIST: [u8; 28] =
    *b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff\x04\0\0\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff";

/// What is tried, where it must have a name.
const SAMPLE: &[u8] = b"tmp-sample";

/// What the tree of this directory can hold. Where there can be no file without a name, all is taken to be possible but what takes root's rights.
pub fn fidelity(dir: &Dir) -> Fidelity {
    let assumed = Fidelity::assumed();
    let Ok(sample) = dir.nameless_file() else { return assumed };
    let given = rustix::fs::fchown(&sample, Some(Uid::from_raw(1)), Some(Gid::from_raw(1)));
    let is_given = !given.is_err_and(|e| is_inability(&e.into()));
    Fidelity {
        owners: assumed.owners && is_given,
        times: times(&sample).unwrap_or(ALL_TIMES),
        namespaces: namespaces(&sample),
        ..assumed
    }
}

/// What becomes of these attributes on a new file: how many and how long ones a file system holds is its own secret.
pub fn xattrs(dir: &Dir, xattrs: &[Xattr], fidelity: &Fidelity) -> io::Result<Vec<Xattr>> {
    let sample = dir.nameless_file()?;
    At::file(&sample).set_xattrs(xattrs.iter(), fidelity)?;
    At::file(&sample).xattrs()
}

/// Whether an object of this kind, with the length, target or numbers that it has, can be made in a folder of ours. What goes wrong in another way is
/// not for lack of ability.
pub fn makes(folder: &Dir, node: &Node) -> bool {
    let is_beyond = |made: io::Result<()>| made.is_err_and(|e| is_beyond(&e));
    let named = |make: &dyn Fn() -> io::Result<()>| {
        let _left = folder.unlink(SAMPLE);
        let made = make();
        let _gone = folder.unlink(SAMPLE);
        !is_beyond(made)
    };
    match node {
        // Every file system has files of this length, and such targets.
        Node::Symlink { target } if target.len() <= NAME_MAX => true,
        Node::File { size, .. } if *size <= i32::MAX.unsigned_abs().into() => true,
        Node::File { size, .. } => {
            let sized = |file: File| file.set_len(*size);
            !is_beyond(folder.nameless_file().and_then(sized))
        }
        Node::Symlink { target } => named(&|| folder.make_symlink(target, SAMPLE)),
        Node::CharDevice { major, minor } => {
            named(&|| folder.make_special(SAMPLE, FileType::CharacterDevice, (*major, *minor)))
        }
        Node::BlockDevice { major, minor } => {
            named(&|| folder.make_special(SAMPLE, FileType::BlockDevice, (*major, *minor)))
        }
        _ => true,
    }
}

/// Whether an error says that something is never possible here. Any other, of the disk say, shows again when it is done in earnest, and is told then.
fn is_inability(e: &io::Error) -> bool {
    is_one_of(e, &[Errno::NOTSUP, Errno::PERM, Errno::ACCESS, Errno::INVAL])
}

/// Whether the kernel says of an object that this file system has no room for what it is, however much is free.
pub fn is_beyond(e: &io::Error) -> bool {
    const BEYOND: [Errno; 7] =
        [Errno::NAMETOOLONG, Errno::FBIG, Errno::OVERFLOW, Errno::INVAL, Errno::RANGE, Errno::NODEV, Errno::NOTSUP];
    is_one_of(e, &BEYOND)
}

fn times(sample: &File) -> io::Result<Times> {
    let kept = |seconds, nanoseconds| {
        At::file(sample).set_mtime(Time { seconds, nanoseconds })?;
        Ok::<_, io::Error>(Stat::of_open(sample)?.mtime)
    };
    // Within the range of any file system.
    let unit = 1_000_000_000 - kept(1 << 30, 999_999_999)?.nanoseconds;
    Ok(Times { first: kept(i64::MIN, 0)?.seconds, last: kept(i64::MAX, 0)?.seconds, unit })
}

fn namespaces(sample: &File) -> Vec<Vec<u8>> {
    let holds = |name: &[u8]| {
        let value = if name.starts_with(b"system.") { ACCESS_LIST.to_vec() } else { b"1".to_vec() };
        !At::file(sample).set_xattr(&Xattr { name: name.to_vec(), value }).is_err_and(|e| is_inability(&e))
    };
    SAMPLES.iter().filter(|(_, name)| holds(name)).map(|(namespace, _)| namespace.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::{At, Dir, Errno, Time, Xattr, fidelity, is_inability, xattrs};

    /// A disk that fails for a moment would else be taken for one that keeps no attributes.
    #[test]
    fn a_failing_disk_is_not_unable() {
        assert!(is_inability(&Errno::NOTSUP.into()) && is_inability(&Errno::PERM.into()));
        assert!([Errno::IO, Errno::ROFS, Errno::NOSPC, Errno::NOMEM].into_iter().all(|e| !is_inability(&e.into())));
    }

    /// The kernel's own word for it.
    #[test]
    fn what_a_tree_can_hold_is_what_it_holds() {
        let place = tempfile::tempdir().unwrap();
        let dir = Dir::open(place.path()).unwrap();
        let fidelity = fidelity(&dir);
        let file = dir.create_file(b"f").unwrap();
        for (seconds, nanoseconds) in [(1 << 45, 3), (-(1 << 45), 3), (0, 999_999_999), (-1, 1), (4_294_967_296, 5)] {
            let given = Time { seconds, nanoseconds };
            At::file(&file).set_mtime(given).unwrap();
            assert_eq!(dir.stat(b"f").unwrap().mtime, fidelity.time(given), "{given:?}");
        }
        let long = Xattr { name: b"user.long".to_vec(), value: vec![7; 60_000] };
        let short = Xattr { name: b"user.short".to_vec(), value: b"s".to_vec() };
        let kept = xattrs(&dir, &[long, short.clone()], &fidelity).unwrap();
        assert!(kept.contains(&short), "one that is refused does not keep back the next");
    }
}
