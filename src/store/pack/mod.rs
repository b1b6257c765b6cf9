//! Pack files: written once from front to back ([`writer`]), read at any block ([`reader`]) (floor 2).

pub mod reader;
pub mod writer;
