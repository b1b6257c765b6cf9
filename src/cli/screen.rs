//! The one terminal of the program (floor 7): a progress line for each run that is under way, and all that is printed, above them.
//!
//! What must stay true: whatever is printed goes through [`aside`], so that no line is torn, neither by a progress line nor by another thread's;
//! and a terminal that is gone takes no run with it.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, TermLike};
use rustix::termios::{Winsize, tcgetwinsize};
use std::io::{self, Write};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

/// Whether standard error is a terminal that can move its cursor: `indicatif` knows.
static IS_THERE: LazyLock<bool> = LazyLock::new(|| !ProgressDrawTarget::stderr().is_hidden());

static LINES: LazyLock<MultiProgress> = LazyLock::new(|| {
    let screen = || ProgressDrawTarget::term_like_with_hz(Box::<Screen>::default(), 20);
    MultiProgress::with_draw_target(if *IS_THERE { screen() } else { ProgressDrawTarget::hidden() })
});

/// Whether there is a terminal to show progress on. Waits for nobody who prints.
pub(super) fn is_there() -> bool {
    *IS_THERE
}

/// Puts a progress line below the others. Once only for each.
pub(super) fn show(bar: &ProgressBar) {
    let _same = LINES.add(bar.clone());
}

/// Takes a progress line away.
pub(super) fn hide(bar: &ProgressBar) {
    bar.finish_and_clear();
    LINES.remove(bar);
}

/// Prints while the progress lines are away. It may not touch one of them, which would wait for ever.
pub(super) fn aside(print: impl FnOnce()) {
    LINES.suspend(print);
}

/// Standard error as a terminal: all of a picture is written at once. An error is none of ours: `indicatif` would panic.
#[derive(Debug, Default)]
struct Screen {
    picture: Mutex<String>,
}

impl Screen {
    fn picture(&self) -> MutexGuard<'_, String> {
        self.picture.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go(&self, n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.write_str(&format!("\x1b[{n}{direction}")) }
    }
}

fn size() -> Option<Winsize> {
    tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        size().map_or(80, |size| size.ws_col)
    }

    fn height(&self) -> u16 {
        size().map_or(24, |size| size.ws_row)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.go(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.go(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.go(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.go(n, 'D')
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)?;
        self.write_str("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.picture().push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        self.write_str("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let picture = std::mem::take(&mut *self.picture());
        let _gone = io::stderr().lock().write_all(picture.as_bytes());
        Ok(())
    }
}
