//! Chats of people with the model: seed C's interactions, seed E's sessions.
//!
//! A chat is a run of numbered exchanges. An [`Exchange`] is a [`Question`], written when it is asked, and an [`Outcome`],
//! written once, when its answer is over: neither is ever changed (U6, E12).

mod prompt;
mod search;

pub use prompt::{Brief, HISTORY, prompt};
pub use search::{NEEDLE_CHARS, Needle};

use crate::ids::{ChatId, ConnectionId, ExchangeId, OrganizationId, UserId};
use crate::points::price;
use crate::time::Timestamp;
use crate::user::Profile;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Most characters of a title (E13).
const TITLE_CHARS: usize = 50;
/// Most characters of a message.
pub const MESSAGE_CHARS: usize = 32_000;
/// Most bytes of an answer: an answer that grows beyond ends there.
pub const ANSWER_BYTES: usize = 2 * 1024 * 1024;
/// Distance between the event numbers of two exchanges of a chat: more than any answer has tokens.
const EVENTS: u64 = 1_000_000;

/// A chat's head (E11).
#[derive(Clone, Serialize, Deserialize)]
pub struct Chat {
    /// Which.
    pub id: ChatId,
    /// Whose: nobody else sees it.
    pub user_id: UserId,
    /// The beginning of its first message.
    pub title: String,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub updated_at: Timestamp,
    /// Whether it is not deleted (E10).
    pub active: bool,
    /// Number of its latest exchange.
    pub last: u64,
    /// Exchanges whose answers are not over.
    pub open: u64,
}

/// What a person asked.
#[derive(Clone, Serialize, Deserialize)]
pub struct Question {
    /// Which exchange.
    pub id: ExchangeId,
    /// In which chat.
    pub chat_id: ChatId,
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Who asks.
    pub user_id: UserId,
    /// Number of the exchange in its chat, from 1.
    pub number: u64,
    /// What.
    pub message: String,
    /// Any word of the client's (E03).
    pub message_type: String,
    /// Pictures that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<MediaFile>,
    /// What the model was told of the person (E15).
    #[serde(default, skip_serializing_if = "Profile::is_empty")]
    pub profile: Profile,
    /// When.
    pub asked_at: Timestamp,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// What the answer may cost, and at which price.
    pub reserve: Reserve,
    /// Over which connection it came; it gets no echo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ConnectionId>,
    /// Number of the exchange whose answer this one takes the place of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<u64>,
}

/// Points set aside for an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserve {
    /// How many.
    pub points: u64,
    /// Tokens that one point buys.
    pub tokens_per_point: u32,
    /// Whether the answer could need more than there was to set aside: then it is watched as it comes.
    #[serde(default)]
    pub tight: bool,
    /// The month, such as `202611`, on whose account of the organization they are set aside too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub month: Option<String>,
}

impl Reserve {
    /// What so many tokens cost.
    pub fn price(&self, tokens: u64) -> u64 {
        price(tokens, self.tokens_per_point)
    }
}

/// A picture of a question (C02).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFile {
    /// The client's id of it.
    pub id: String,
    /// Where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// How an answer ended.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What was delivered of it.
    pub response: String,
    /// How it ended.
    pub ending: Ending,
    /// Tokens it took, question included; of a stopped one those of the delivered part.
    pub tokens_used: u64,
    /// Whether we guessed the tokens, because the provider did not say.
    #[serde(default)]
    pub usage_estimated: bool,
    /// What it cost.
    pub points_cost: u64,
    /// Whether it was given before to the same question.
    #[serde(default)]
    pub cached: bool,
    /// Which model answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the provider said about it (E05).
    #[serde(default)]
    pub raw_events: RawEvents,
    /// When it was over.
    pub ended_at: Timestamp,
    /// From the question to there.
    pub response_time_ms: u64,
    /// How many `token` events it was told in.
    pub tokens: u64,
    /// Whether `response` is only the beginning, because the answer is long and was read as part of a list.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "why", rename_all = "snake_case")]
pub enum Ending {
    /// It is an answer.
    Complete(Finish),
    /// It is none.
    Failed(Failure),
}

/// The last word of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    /// The model had said everything.
    Stop,
    /// It reached the wished length.
    Length,
    /// A filter of the provider cut it.
    ContentFilter,
    /// It reached the time an answer may take.
    Deadline,
    /// Somebody stopped it.
    Stopped,
    /// A reason of the provider's own.
    Other,
}

/// Why there is no answer, or only a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Failure {
    /// No model is configured.
    NotConfigured,
    /// The model is down, or does not take our request.
    Unavailable,
    /// The model is throttling us.
    RateLimited,
    /// It took too long.
    Timeout,
    /// It broke off.
    Interrupted,
    /// The provider may not answer this.
    Refused,
    /// The messages do not fit the model.
    ContextTooLong,
    /// The points were used up on the way.
    PointsExhausted,
    /// Whoever made the answer is gone.
    Abandoned,
}

/// What the provider said about an answer (E05, E12).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RawEvents {
    /// The model by the provider's name.
    pub model_version: Option<String>,
    /// The provider's own count, as it sent it.
    pub usage_metadata: Option<serde_json::Value>,
    /// Why it ended.
    pub finish_reason: Option<String>,
    /// Which of the configured providers.
    pub provider: Option<String>,
    /// Requests made until the answer began.
    pub attempts: u32,
    /// The provider's id of the answer.
    pub response_id: Option<String>,
    /// From the question to the answer's first piece.
    pub first_token_ms: Option<u64>,
}

/// One question and its answer.
#[derive(Clone)]
pub struct Exchange {
    /// What was asked.
    pub question: Question,
    /// How it ended; `None` while the answer is under way.
    pub outcome: Option<Outcome>,
}

impl Chat {
    /// A chat that begins with a message.
    pub fn begin(id: ChatId, user_id: UserId, message: &str, at: Timestamp) -> Self {
        Self { id, user_id, title: title(message), created_at: at, updated_at: at, active: true, last: 0, open: 0 }
    }
}

/// The first line of a message, as far as it fits (E13).
fn title(message: &str) -> String {
    let words: Vec<&str> = message.split_whitespace().collect();
    words.join(" ").chars().take(TITLE_CHARS).collect::<String>().trim_end().to_owned()
}

impl Question {
    /// Number of its `metadata` event in the chat; token n is the n-th after it.
    pub fn first_event(&self) -> u64 {
        self.number.saturating_sub(1) * EVENTS
    }
}

/// The exchange to which an event number belongs, and the number within it.
pub fn place(event: u64) -> (u64, u64) {
    (event / EVENTS + 1, event % EVENTS)
}

impl Exchange {
    /// Its state in a word.
    pub fn status(&self) -> &'static str {
        match self.outcome.as_ref().map(|outcome| outcome.ending) {
            None => "running",
            Some(Ending::Complete(Finish::Stopped)) => "stopped",
            Some(Ending::Complete(_)) => "done",
            Some(Ending::Failed(Failure::Interrupted | Failure::Abandoned)) => "interrupted",
            Some(Ending::Failed(_)) => "failed",
        }
    }
}

impl Finish {
    /// Its name, as clients see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ContentFilter => "content_filter",
            Self::Deadline => "deadline",
            Self::Stopped => "stopped",
            Self::Other => "other",
        }
    }
}

impl Failure {
    /// Whether the part that was delivered is paid for: not where a provider or we are the cause.
    pub fn is_paid(self) -> bool {
        self == Self::PointsExhausted
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Question({:?}, {})", self.id, self.number)
    }
}

impl fmt::Debug for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chat({:?}, {} exchanges)", self.id, self.last)
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Outcome({:?}, {} bytes, {} points)", self.ending, self.response.len(), self.points_cost)
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").field("question", &self.question).field("outcome", &self.outcome).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_fifty_characters_not_bytes() {
        assert_eq!(title("  What is\n 2+2? "), "What is 2+2?");
        assert_eq!(title(&"ä".repeat(60)), "ä".repeat(50));
        assert_eq!(title(&format!("{} b", "a".repeat(49))), "a".repeat(49));
    }

    #[test]
    fn event_numbers_name_their_exchange() {
        assert_eq!((place(0), place(10), place(1_000_000), place(2_000_007)), ((1, 0), (1, 10), (2, 0), (3, 7)));
    }

    #[test]
    fn an_ending_is_told_by_its_kind() {
        let json = serde_json::to_string(&Ending::Failed(Failure::PointsExhausted)).unwrap();
        assert_eq!(json, r#"{"kind":"failed","why":"points_exhausted"}"#);
        assert!(serde_json::from_str::<Ending>(r#"{"kind":"complete","why":"stopped"}"#).is_ok());
    }
}
