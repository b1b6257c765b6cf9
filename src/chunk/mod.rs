//! What is done to content between a file and a pack: cut it ([`cut`]), compress it ([`codec`]) (floor 1).

mod choose;
pub mod codec;
pub mod cut;
mod fingerprint;
pub mod predict;
pub mod shuffle;
