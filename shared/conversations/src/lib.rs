//! Use cases: what happens to a conversation when somebody does something, independent of how they reached us.

pub mod connections;
pub mod delivery;
pub mod frames;
pub mod inbound;
