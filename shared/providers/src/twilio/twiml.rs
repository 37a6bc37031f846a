//! Our answer to a Twilio webhook.
//!
//! Always `text/xml`: Twilio would send `text/plain` to the customer as a message (protocols.md 1.4).

/// The content type of every answer.
pub const CONTENT_TYPE: &str = "text/xml";

/// An answer that sends nothing. The comment keeps the seed's words (B24).
pub fn empty() -> String {
    "<Response><!-- SMS processed --></Response>".to_owned()
}
