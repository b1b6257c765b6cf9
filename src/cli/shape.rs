//! Entries for people (floor 7): their mode as `ls -l` has it, and their kinds.

use crate::entry::Node;
use crate::ops::change::Kind;

/// `-rw-r--r--`; a further name of a file begins with `h`.
pub(super) fn mode(kind: Kind, mode: u32) -> String {
    let letter = match kind {
        Kind::File => '-',
        Kind::Directory => 'd',
        Kind::Symlink => 'l',
        Kind::Fifo => 'p',
        Kind::Socket => 's',
        Kind::CharDevice => 'c',
        Kind::BlockDevice => 'b',
        Kind::HardLink => 'h',
    };
    let mut text = String::from(letter);
    for (shift, special, sign) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 == 0 { '-' } else { 'r' });
        text.push(if bits & 2 == 0 { '-' } else { 'w' });
        text.push(match (mode & special != 0, bits & 1 != 0) {
            (false, false) => '-',
            (false, true) => 'x',
            (true, false) => sign.to_ascii_uppercase(),
            (true, true) => sign,
        });
    }
    text
}

/// The name of a kind.
pub(super) const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::File => "file",
        Kind::Directory => "directory",
        Kind::Symlink => "symlink",
        Kind::Fifo => "fifo",
        Kind::Socket => "socket",
        Kind::CharDevice => "character device",
        Kind::BlockDevice => "block device",
        Kind::HardLink => "hard link",
    }
}

/// The numbers of a device.
pub(super) const fn device(node: &Node) -> Option<(u32, u32)> {
    match *node {
        Node::CharDevice { major, minor } | Node::BlockDevice { major, minor } => Some((major, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::mode;
    use crate::ops::change::Kind;

    #[test]
    fn modes_are_those_of_ls() {
        for (kind, bits, expected) in [
            (Kind::File, 0o644, "-rw-r--r--"),
            (Kind::Directory, 0o1777, "drwxrwxrwt"),
            (Kind::File, 0o4755, "-rwsr-xr-x"),
            (Kind::File, 0o6640, "-rwSr-S---"),
            (Kind::Symlink, 0o777, "lrwxrwxrwx"),
            (Kind::Directory, 0o1000, "d--------T"),
        ] {
            assert_eq!(mode(kind, bits), expected);
        }
    }
}
