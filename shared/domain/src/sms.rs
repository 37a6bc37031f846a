//! Rules of text messages that hold for any provider: opt-out words and delivery states.

use serde::{Deserialize, Serialize};

/// What a customer's keyword asks for. The carrier side answers by itself: no reply of ours, by AI or otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptOut {
    /// No more messages, please.
    Stop,
    /// Messages are welcome again.
    Start,
    /// Who are you?
    Help,
}

/// Reads a whole message as a keyword; "STOP PLEASE" is none (protocols.md 1.8).
pub fn opt_out_keyword(text: &str) -> Option<OptOut> {
    match text.trim().to_ascii_uppercase().as_str() {
        "STOP" | "STOPALL" | "UNSUBSCRIBE" | "CANCEL" | "END" | "QUIT" | "OPTOUT" | "REVOKE" => Some(OptOut::Stop),
        "START" | "YES" | "UNSTOP" => Some(OptOut::Start),
        "HELP" | "INFO" => Some(OptOut::Help),
        _ => None,
    }
}

/// Delivery state of a message, with the provider's names (protocols.md 1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageStatus {
    /// Taken by a messaging service.
    Accepted,
    /// Waits for its time.
    Scheduled,
    /// Waits for a sender.
    Queued,
    /// Being handed to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// The phone has it.
    Delivered,
    /// The carrier could not deliver it.
    Undelivered,
    /// It was never sent.
    Failed,
    /// Withdrawn before its time.
    Canceled,
    /// Some parts arrived.
    PartiallyDelivered,
    /// The person has read it.
    Read,
    /// Incoming, in parts.
    Receiving,
    /// Incoming, complete.
    Received,
}

impl MessageStatus {
    /// How far along this is. Callbacks arrive in any order, so only a higher rank replaces a state.
    pub fn rank(self) -> u8 {
        match self {
            Self::Accepted | Self::Scheduled | Self::Receiving => 0,
            Self::Queued => 1,
            Self::Sending => 2,
            Self::Sent => 3,
            Self::Delivered
            | Self::Undelivered
            | Self::Failed
            | Self::Canceled
            | Self::PartiallyDelivered
            | Self::Received => 4,
            Self::Read => 5,
        }
    }

    /// The provider's spelling.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Scheduled => "scheduled",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::PartiallyDelivered => "partially_delivered",
            Self::Read => "read",
            Self::Receiving => "receiving",
            Self::Received => "received",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_message_is_a_keyword() {
        assert_eq!(opt_out_keyword(" stop \n"), Some(OptOut::Stop));
        assert_eq!(opt_out_keyword("Unstop"), Some(OptOut::Start));
        assert_eq!(opt_out_keyword("info"), Some(OptOut::Help));
        assert_eq!(opt_out_keyword("STOP PLEASE"), None);
        assert_eq!(opt_out_keyword(""), None);
    }

    #[test]
    fn final_states_are_never_replaced_by_earlier_ones() {
        let order = ["queued", "sending", "sent", "delivered", "read"];
        let ranks: Vec<u8> = order
            .iter()
            .map(|name| serde_json::from_str::<MessageStatus>(&format!("\"{name}\"")).unwrap())
            .map(MessageStatus::rank)
            .collect();
        assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
