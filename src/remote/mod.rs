//! Ends of a target on other hosts (floor 5): bytes on a pipe, what is said, who asks and who answers.

pub mod message;
