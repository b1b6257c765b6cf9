//! Walks a tree in path order by held directory descriptors (floor 2).
//!
//! [`selection`] says which part of the tree; [`walk`] goes through it. Used for a source that is to be stored and for a mirror that is to be
//! looked at alike. What cannot be read is an item of its own: it is never mistaken for something that is not there.

mod cache;
pub mod selection;
pub mod walk;
