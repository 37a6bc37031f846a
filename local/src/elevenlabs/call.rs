//! A call as it is recorded.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::stand_ins::journal::Entry;

/// How far a call is, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Initiated,
    Done,
    Failed,
}

/// A call that was asked for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Call {
    pub(super) conversation_id: String,
    pub(super) call_sid: String,
    pub(super) agent_id: String,
    pub(super) agent_phone_number_id: String,
    pub(super) to: String,
    pub(super) user_id: Option<String>,
    /// What the agent was told. Their values are texts, numbers or booleans.
    pub(super) dynamic_variables: Map<String, Value>,
    pub(super) status: Status,
    /// When it was asked for, in seconds of Unix time.
    pub(super) started: u64,
    /// The same, to read.
    pub(super) at: String,
}

impl Entry for Call {
    fn key(&self) -> &str {
        &self.conversation_id
    }
}

impl Call {
    /// What a variable says, if it says anything.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.dynamic_variables.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }
}
