//! The near side of a pipe that someone else started us on (floor 5): standard input and output.

use super::Error;
use super::line::{Line, Options};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsFd;
use std::sync::Arc;

/// What an agent calls who started it.
const CALLER: &str = "the host that called";

/// A line over standard input and output. From now on, what anyone prints goes to standard error: it would garble the line.
pub fn open(options: Options) -> Result<Line, Error> {
    let (input, output) = take().map_err(|source| Error::Pipe { host: CALLER.to_owned(), source: Arc::new(source) })?;
    Line::open(CALLER.to_owned(), input, output, options)
}

fn take() -> io::Result<(PipeReader, PipeWriter)> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok((input.into(), output.into()))
}

/// Returns when nobody can write to standard input any more, even while what was written is not read yet.
pub fn hung_up() -> io::Result<()> {
    let input = io::stdin().as_fd().try_clone_to_owned()?;
    loop {
        match poll(&mut [PollFd::new(&input, PollFlags::RDHUP)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
