//! `-pin` and `-unpin`: a snapshot stays whatever KEEP says, or not any more (floor 6).

use super::places::Ends;
use super::{Context, Error, guards};

/// Pins a snapshot, or takes its pin away; whether that changed anything.
pub fn pin(ends: Ends<'_>, sequence: u64, pinned: bool, context: Context<'_>) -> Result<bool, Error> {
    guards::rows_are_not_swapped(&ends)?;
    Ok(ends.open_mirror(context)?.pin(sequence, pinned)?)
}
