//! The program as an operator meets it: words in; messages, exit codes and what lies on the disk out.
//!
//! Every test makes its own places in a temporary folder. [`support`] makes them, runs the program and compares trees. A test below `// BUG:` shows
//! what should be, and fails until it is.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test says what is wrong by a panic"
)]

mod adopted;
mod agent;
mod cut;
mod damage;
mod deep;
mod disk;
mod fidelity;
mod filesystems;
mod full;
mod history;
mod hoard;
mod hosts;
mod human;
mod jobs;
mod killed;
mod mount;
mod moves;
mod nights;
mod permissions;
mod prune;
mod restores;
mod shared;
mod sources;
mod stage;
mod strangers;
mod support;
mod swap;
mod table;
mod words;
