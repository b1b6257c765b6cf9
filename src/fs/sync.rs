//! How what was written to a tree is made durable (floor 1; reference: syncfs(2)).
//!
//! One sync of the whole file system costs a fraction of one a file, but it can be trusted only where it reaches the medium and reports what was
//! lost: not before Linux 5.8, and not on FUSE, network and stacked file systems, which may answer it without doing anything.

use super::dir::Dir;
use std::io;

/// What makes files durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// One sync of their file system.
    Whole,
    /// A sync of each file, and of each directory that names one.
    EachFile,
}

/// Magic numbers of file systems whose `syncfs` writes everything and tells of errors: ext2 to 4, xfs, btrfs, f2fs, bcachefs; and tmpfs, which
/// has no medium. (Linux, include/uapi/linux/magic.h)
const WHOLE: [u64; 6] = [0xEF53, 0x5846_5342, 0x9123_683E, 0xF2F5_2010, 0xCA45_1A4E, 0x0102_1994];

/// `syncfs` reports lost writes since this version of Linux.
const REPORTS_ERRORS: (u32, u32) = (5, 8);

impl Durability {
    /// What the file system of this directory needs.
    pub fn of(dir: &Dir) -> io::Result<Self> {
        let release = rustix::system::uname();
        let trusted = WHOLE.contains(&dir.file_system()?) && version(release.release().to_bytes()) >= REPORTS_ERRORS;
        Ok(if trusted { Self::Whole } else { Self::EachFile })
    }
}

/// Major and minor number of a kernel release such as `6.1.0-18-amd64`; one that cannot be read is taken for an old one.
fn version(release: &[u8]) -> (u32, u32) {
    let text = String::from_utf8_lossy(release);
    let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Dir, Durability, version};
    use std::path::Path;

    #[test]
    fn a_file_system_without_a_medium_behind_it_is_not_trusted() {
        let of = |path: &Path| Durability::of(&Dir::open(path).unwrap()).unwrap();
        assert_eq!(of(Path::new("/proc")), Durability::EachFile);
    }

    #[test]
    fn kernel_versions_compare_as_numbers() {
        for (release, expected) in [("6.1.0-18-amd64", (6, 1)), ("5.10.0", (5, 10)), ("4", (4, 0)), ("odd", (0, 0))] {
            assert_eq!(version(release.as_bytes()), expected, "{release}");
        }
    }
}
