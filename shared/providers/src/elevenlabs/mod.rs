//! ElevenLabs Agents: voice calls.

mod call;
pub mod client;
mod payload;
pub mod signature;
pub mod webhook;

/// Ids become parts of keys, so only what their ids are made of may pass.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
}
