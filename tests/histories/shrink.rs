//! A shorter history that still fails.

use crate::step::Step;
use std::time::{Duration, Instant};

/// Leaves out as many steps as it can in that time, larger pieces first. `fails` says whether a list of steps still does.
pub(crate) fn shrink(mut steps: Vec<Step>, time: Duration, mut fails: impl FnMut(&[Step]) -> bool) -> Vec<Step> {
    let end = Instant::now() + time;
    let mut size = steps.len().div_ceil(2);
    while size > 0 && !steps.is_empty() {
        let before = steps.len();
        let mut at = 0;
        while at < steps.len() && Instant::now() < end {
            let last = (at + size).min(steps.len());
            let fewer = [&steps[..at], &steps[last..]].concat();
            if fails(&fewer) {
                steps = fewer;
            } else {
                at = last;
            }
        }
        if Instant::now() > end {
            break;
        }
        // Pieces of one step are tried until none can be spared.
        size = if size > 1 { size / 2 } else { usize::from(steps.len() < before) };
    }
    steps
}
