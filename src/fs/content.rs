//! Reading the data of a file around its holes, writing files with holes, and files that share what they hold (floor 1).

use crate::limits::WRITE_PART;
use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::{Errno, retry_on_intr};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Where the next data of the file begins and ends at or after `at`, below `size`; none when only a hole is left. A file system that
/// knows no holes says that all is data.
pub fn next_data(file: &File, at: u64, size: u64) -> io::Result<Option<(u64, u64)>> {
    if at >= size {
        return Ok(None);
    }
    let start = match retry_on_intr(|| rustix::fs::seek(file, SeekFrom::Data(at))) {
        Ok(start) if start >= size => return Ok(None),
        Ok(start) => start,
        // Only a hole is left, to the end of the file.
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(Some((at, size))),
        Err(e) => return Err(e.into()),
    };
    match retry_on_intr(|| rustix::fs::seek(file, SeekFrom::Hole(start))) {
        Ok(end) => Ok(Some((start, end.min(size)))),
        // No holes known here; or (NXIO) the file was cut meanwhile, which reading will notice.
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NXIO) => Ok(Some((start, size))),
        Err(e) => Err(e.into()),
    }
}

/// Reads at `at` until the buffer is full or the file ends; gives the number of bytes read.
pub fn read_at(file: &File, mut at: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        let Some(rest) = buffer.get_mut(filled..) else { break };
        match file.read_at(rest, at) {
            Ok(0) => break,
            Ok(n) => {
                filled += n;
                at += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// Writes all of `bytes` at `at`, a part at a time: see [`WRITE_PART`].
pub fn write_at(file: &File, mut at: u64, bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(WRITE_PART) {
        file.write_all_at(part, at)?;
        at += part.len() as u64;
    }
    Ok(())
}

/// Makes `to` hold what `from` holds, both on the same medium: nothing is copied before one of them changes (`FICLONE`).
pub fn clone_file(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

/// Makes a hole where there may be data.
pub fn punch(file: &File, at: u64, length: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, at, length)?)
}

#[cfg(test)]
mod tests {
    use super::{WRITE_PART, read_at, write_at};

    #[test]
    fn what_is_written_in_parts_is_all_there() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..=250).cycle().take(2 * WRITE_PART + 1000).collect();
        write_at(&file, 77, &bytes).unwrap();
        let mut read = vec![0; bytes.len() + 100];
        assert_eq!(read_at(&file, 77, &mut read).unwrap(), bytes.len());
        assert!(read.starts_with(&bytes));
    }
}
