//! HOLD: how much of a DIR may be deleted or get other content before a run is held.

use crate::path::shown;
use crate::table::error::Mistake;

/// The value of HOLD: a whole percentage from 1 to 100. Without a HOLD it is 50 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold(u8);

impl Hold {
    /// Reads `50%`.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Mistake> {
        let (number, sign) = match text {
            [number @ .., b'%'] => (number.trim_ascii_end(), true),
            _ => (text, false),
        };
        let digits = (1..=3).contains(&number.len()) && number.iter().all(u8::is_ascii_digit);
        let percent = digits
            .then(|| str::from_utf8(number).ok()?.parse::<u8>().ok())
            .flatten()
            .filter(|percent| (1..=100).contains(percent));
        match (percent, sign) {
            (Some(percent), true) => Ok(Self(percent)),
            (Some(percent), false) => Err(Mistake::HoldSign(percent)),
            (None, _) => Err(Mistake::Hold(shown(text))),
        }
    }

    /// The percentage, 1 to 100.
    #[must_use]
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl Default for Hold {
    fn default() -> Self {
        Self(50)
    }
}
