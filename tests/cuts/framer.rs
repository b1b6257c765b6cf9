//! Where frames end in a stream, by the lengths in it: a hello of 12 bytes and a text, then frames of 17 bytes and a payload.
//!
//! What must stay true: it looks at lengths only, and a stream that is no such stream does it no harm.

use std::collections::VecDeque;

const HELLO: usize = 12;
const HEAD: usize = 17;

#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// The hello is over.
    begun: bool,
    /// What is known of the head of this frame.
    head: VecDeque<u8>,
    /// What is left of its payload.
    left: usize,
    /// Frames that have ended; the hello is the first.
    pub(crate) ended: u64,
}

impl Framer {
    /// Takes in bytes until `frames` have ended; how many of them those were, or all.
    pub(crate) fn take(&mut self, bytes: &[u8], frames: u64) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.ended < frames {
            let wanted = if self.begun { HEAD } else { HELLO };
            if self.head.len() < wanted {
                self.head.push_back(bytes[at]);
                at += 1;
                if self.head.len() == wanted {
                    self.left = self.length();
                }
            } else {
                let some = self.left.min(bytes.len() - at);
                self.left -= some;
                at += some;
            }
            if self.head.len() == wanted && self.left == 0 {
                self.head.clear();
                self.begun = true;
                self.ended += 1;
            }
        }
        at
    }

    fn length(&self) -> usize {
        let byte = |at: usize| usize::from(self.head[at]);
        if self.begun { (0..4).map(|at| byte(at) << (8 * at)).sum() } else { byte(10) | byte(11) << 8 }
    }
}

/// Panics when it does not find what it should.
pub(crate) fn prove() {
    let mut stream = b"BKUPWIRE\x01\0\x03\x000.1".to_vec();
    for length in [0_u8, 5, 200] {
        stream.extend([length, 0, 0, 0, 1]);
        stream.extend([7; 12]);
        stream.extend(vec![9; usize::from(length)]);
    }
    let ends = [15, 32, 54, 271];
    assert_eq!(stream.len(), ends[3]);
    for step in [1, 2, 7, 300] {
        for (frames, end) in (1..).zip(ends) {
            let mut framer = Framer::default();
            let mut taken = 0;
            for part in stream.chunks(step) {
                taken += framer.take(part, frames);
            }
            assert_eq!((taken, framer.ended), (end, frames), "steps of {step}");
        }
    }
}
