//! An agent on its host: it is never left behind, whatever becomes of who called it.

use crate::support::PROGRAM;
use backup::remote::frame::{Hello, TALK, write};
use backup::remote::message::{Ask, Message};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// More answers than a pipe holds.
const ASKED: u64 = 1500;

#[test]
fn an_agent_whose_caller_takes_nothing_any_more_ends_though_the_pipe_stays_open() {
    let mut command = Command::new(PROGRAM);
    command.arg("-agent").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut agent = command.spawn().unwrap();
    // Held open, and not read, as by an sshd whose client is gone.
    let (mut input, _output) = (agent.stdin.take().unwrap(), agent.stdout.take().unwrap());
    Hello::ours().write(&mut input).unwrap();
    for number in 0..ASKED {
        write(&mut input, TALK, &Message::Ask(number, Ask::Role).encode().unwrap()).unwrap();
    }
    input.write_all(&[0xff; 64]).unwrap();
    let begun = Instant::now();
    while agent.try_wait().unwrap().is_none() {
        let waited = begun.elapsed();
        if waited > Duration::from_secs(15) {
            agent.kill().unwrap();
            agent.wait().unwrap();
            panic!("the agent was still there after {waited:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
