//! An agent in a thread, and a pipe to it on which everything may take long and all questions are written down.

use backup::remote::Error;
use backup::remote::far::{Connect, Connection};
use backup::remote::frame::{Frame, Hello, TALK};
use backup::remote::line::{Line, Options};
use backup::remote::message::{Ask, Message};
use backup::remote::policy::Policy;
use backup::remote::serve::serve;
use std::io::{PipeReader, PipeWriter, pipe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What passed on a pipe.
#[derive(Default)]
pub(crate) struct Wire {
    /// The questions, each by its first word.
    asked: Mutex<Vec<String>>,
    /// Bytes to the agent since the questions were asked for.
    pub(crate) sent: AtomicUsize,
    pub(crate) calls: AtomicUsize,
    /// Once this many frames came from the agent, the pipe is cut.
    pub(crate) cut_after: Mutex<Option<usize>>,
    /// What comes instead of each message of the agent.
    pub(crate) tamper: Mutex<Option<Tamper>>,
}

/// Makes other messages of one.
pub(crate) type Tamper = Box<dyn FnMut(Vec<u8>) -> Vec<Vec<u8>> + Send>;

impl Wire {
    /// The questions since this was asked last.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.sent.store(0, Ordering::SeqCst);
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn tampered(&self, frame: Frame) -> Vec<Frame> {
        match &mut *self.tamper.lock().unwrap() {
            Some(tamper) if frame.channel == TALK && !frame.payload.is_empty() => {
                tamper(frame.payload).into_iter().map(|payload| Frame { channel: TALK, payload }).collect()
            }
            _ => vec![frame],
        }
    }

    fn note(&self, frame: &Frame) {
        self.sent.fetch_add(frame.payload.len(), Ordering::SeqCst);
        if frame.channel == TALK
            && let Ok(Message::Ask(_, ask)) = Message::decode(&frame.payload)
        {
            self.asked.lock().unwrap().push(word(&ask));
        }
    }
}

fn word(ask: &Ask) -> String {
    let text = format!("{ask:?}");
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
}

/// Passes frames on, each so much later than it came.
fn carry(from: PipeReader, mut to: PipeWriter, delay: Duration, wire: Arc<Wire>, from_agent: bool) {
    let (sender, receiver): (Sender<(Instant, Frame)>, Receiver<_>) = channel();
    thread::spawn(move || {
        let mut from = from;
        Hello::read(&mut from).unwrap();
        let mut count = 0;
        while let Ok(Some(frame)) = Frame::read(&mut from) {
            count += 1;
            let cut = *wire.cut_after.lock().unwrap();
            if from_agent && cut.is_some_and(|cut| count > cut) {
                return;
            }
            if !from_agent {
                wire.note(&frame);
            }
            for frame in if from_agent { wire.tampered(frame) } else { vec![frame] } {
                if sender.send((Instant::now() + delay, frame)).is_err() {
                    return;
                }
            }
        }
    });
    thread::spawn(move || {
        Hello::ours().write(&mut to).unwrap();
        for (due, frame) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if frame.write(&mut to).is_err() {
                return;
            }
        }
    });
}

/// Calls an agent that is a thread; an answer comes so long after its question.
pub(crate) fn connect(wire: &Arc<Wire>, round_trip: Duration) -> Connect {
    let wire = Arc::clone(wire);
    Box::new(move || {
        wire.calls.fetch_add(1, Ordering::SeqCst);
        let [(to_wire, input), (from_wire, output), (agent_in, to_agent), (agent_out, from_agent)] =
            [pipe().unwrap(), pipe().unwrap(), pipe().unwrap(), pipe().unwrap()];

        thread::spawn(move || {
            let line = Line::open("client".to_owned(), agent_in, from_agent, Options::default())?;
            serve(&line.talk(), &Policy::open(), None)
        });
        carry(to_wire, to_agent, round_trip / 2, Arc::clone(&wire), false);
        carry(agent_out, output, round_trip / 2, Arc::clone(&wire), true);
        let options = Options { may_end: false, ..Options::default() };
        let line = Line::open("mamane".to_owned(), from_wire, input, options)?;
        Ok(Connection { port: line.talk(), keep: Box::new(line) })
    })
}

/// A host that is down.
pub(crate) fn dead(wire: &Arc<Wire>) -> Connect {
    let wire = Arc::clone(wire);
    Box::new(move || {
        wire.calls.fetch_add(1, Ordering::SeqCst);
        Err(Error::Closed { host: "mamane".to_owned(), last: "it is down".to_owned() })
    })
}
