//! Use cases: what happens to a conversation when somebody does something, independent of how they reached us.
//!
//! | module | what |
//! |---|---|
//! | [`inbound`] | a customer wrote |
//! | [`reply`] | the AI's turn, and whatever follows from an event off the request path |
//! | [`texting`] | text messages go out, each once |
//! | [`control`] | people take over, write, hand back |
//! | [`calls`] | phone calls: before, after, and ours |
//! | [`briefing`], [`memory`] | what is known of a contact; seed B's library functions |
//! | [`webhooks`] | the work of a verified webhook, first time or replayed |
//! | [`frames`], [`delivery`], [`connections`] | viewers are told |

pub mod briefing;
pub mod calls;
pub mod chat;
pub mod connections;
pub mod control;
pub mod delivery;
pub mod frames;
pub mod inbound;
pub mod memory;
pub mod reply;
pub mod texting;
pub mod webhooks;
