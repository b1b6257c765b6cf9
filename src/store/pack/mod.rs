//! Pack files: written once from front to back ([`writer`]), made durable ([`seal`]), read at any block or as a whole ([`reader`], [`hash`]) (floor 2).

pub mod hash;
pub mod reader;
pub mod seal;
pub mod writer;
