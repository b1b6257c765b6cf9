//! Pack files: written once from front to back ([`writer`]), made durable ([`seal`]), read at any block ([`reader`]) (floor 2).

pub mod reader;
pub mod seal;
pub mod writer;
