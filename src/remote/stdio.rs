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
    writers_gone(&io::stdin().as_fd().try_clone_to_owned()?)
}

fn writers_gone(input: &impl AsFd) -> io::Result<()> {
    loop {
        match poll(&mut [PollFd::new(input, PollFlags::RDHUP)], None) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::writers_gone;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc::{RecvTimeoutError, channel};
    use std::time::Duration;

    fn is_noticed(input: impl AsFd + Send + 'static, mut output: impl Write) {
        output.write_all(b"not read yet").unwrap();
        let (gone, noticed) = channel();
        std::thread::spawn(move || gone.send(writers_gone(&input)));
        assert!(matches!(noticed.recv_timeout(Duration::from_millis(100)), Err(RecvTimeoutError::Timeout)));
        drop(output);
        noticed.recv_timeout(Duration::from_secs(5)).unwrap().unwrap();
    }

    #[test]
    fn a_hang_up_is_noticed_behind_data_that_nobody_reads() {
        let (input, output) = std::io::pipe().unwrap();
        is_noticed(input, output);
        let (input, output) = UnixStream::pair().unwrap();
        is_noticed(input, output);
    }
}
