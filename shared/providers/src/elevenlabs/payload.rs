//! The JSON of ElevenLabs' webhooks, every part of which may be absent, null or of another type.

use super::is_id;
use super::webhook::PayloadError;
use crate::lenient;
use domain::event::Direction;
use domain::phone::PhoneNumber;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The longest text we keep of a field that is a name or a reason, in bytes.
const MAX_WORD: usize = 500;

/// A short text: a name, a state, a reason. Blank counts as absent.
#[derive(Default)]
pub(super) struct Word(pub(super) Option<String>);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = lenient::scalar(&Value::deserialize(deserializer)?);
        Ok(Self(text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty() && text.len() <= MAX_WORD)))
    }
}

impl Word {
    /// As an id that becomes part of keys.
    pub(super) fn id(self) -> Option<String> {
        self.0.filter(|text| is_id(text))
    }

    /// As an id without which the whole is of no use.
    pub(super) fn required_id(self, name: &'static str) -> Result<String, PayloadError> {
        let text = self.0.ok_or(PayloadError::Missing(name))?;
        if is_id(&text) { Ok(text) } else { Err(PayloadError::Invalid(name)) }
    }

    /// As a phone number.
    pub(super) fn phone(self) -> Option<PhoneNumber> {
        PhoneNumber::from_provider(&self.0?).ok()
    }

    /// As the way a call went.
    pub(super) fn direction(&self) -> Option<Direction> {
        match self.0.as_deref()? {
            "inbound" => Some(Direction::Inbound),
            "outbound" => Some(Direction::Outbound),
            _ => None,
        }
    }
}

/// What every post-call webhook is.
#[derive(Deserialize)]
pub(super) struct Envelope {
    #[serde(default, rename = "type")]
    pub(super) kind: Word,
    #[serde(default, deserialize_with = "lenient::whole")]
    pub(super) event_timestamp: Option<u64>,
    #[serde(default, deserialize_with = "lenient::part")]
    pub(super) data: Data,
}

/// The parts of all types in one.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Data {
    pub(super) conversation_id: Word,
    pub(super) agent_id: Word,
    pub(super) status: Word,
    pub(super) user_id: Word,
    pub(super) failure_reason: Word,
    #[serde(deserialize_with = "lenient::list")]
    pub(super) transcript: Vec<TurnData>,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) metadata: Metadata,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) analysis: Analysis,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) conversation_initiation_client_data: ClientData,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct TurnData {
    pub(super) role: Word,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) message: Option<String>,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) time_in_call_secs: Option<f64>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Metadata {
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) start_time_unix_secs: Option<u64>,
    #[serde(deserialize_with = "lenient::whole")]
    pub(super) call_duration_secs: Option<u64>,
    pub(super) termination_reason: Word,
    pub(super) main_language: Word,
    pub(super) error: ErrorData,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) phone_call: PhoneCall,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) sms: Sms,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) body: FailureBody,
}

/// `{code, reason}`, or a text.
#[derive(Default)]
pub(super) struct ErrorData(pub(super) Option<String>);

impl<'de> Deserialize<'de> for ErrorData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = ["reason", "message", "code"].iter().find_map(|name| value.get(name).and_then(lenient::scalar));
        let text = text.or_else(|| lenient::scalar(&value));
        Ok(Self(text.filter(|text| !text.trim().is_empty() && text.len() <= MAX_WORD)))
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct PhoneCall {
    pub(super) direction: Word,
    pub(super) agent_number: Word,
    pub(super) external_number: Word,
    pub(super) call_sid: Word,
    pub(super) call_result: Word,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Sms {
    pub(super) direction: Word,
    pub(super) agent_phone_number: Word,
    pub(super) sms_user_phone_number: Word,
}

/// What Twilio (`From`, `To`, `CallSid`) or a SIP trunk (`from_number`, `to_number`, `call_sid`) says of a failed call.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct FailureBody {
    #[serde(rename = "From")]
    pub(super) from: Word,
    #[serde(rename = "To")]
    pub(super) to: Word,
    #[serde(rename = "CallSid")]
    pub(super) sid: Word,
    pub(super) from_number: Word,
    pub(super) to_number: Word,
    pub(super) call_sid: Word,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Analysis {
    pub(super) call_successful: Word,
    #[serde(deserialize_with = "lenient::part")]
    pub(super) transcript_summary: Option<String>,
    pub(super) call_summary_title: Word,
    evaluation_criteria_results: Results,
    evaluation_criteria_results_list: Results,
    data_collection_results: Results,
    data_collection_results_list: Results,
}

impl Analysis {
    /// What was found out; what was not is null there and left out here.
    pub(super) fn collected(&mut self) -> BTreeMap<String, Value> {
        let mut all = self.data_collection_results_list.take("value");
        all.extend(self.data_collection_results.take("value"));
        all
    }

    pub(super) fn criteria(&mut self) -> BTreeMap<String, String> {
        let mut all = self.evaluation_criteria_results_list.take("result");
        all.extend(self.evaluation_criteria_results.take("result"));
        all.into_iter().filter_map(|(id, result)| Some((id, lenient::scalar(&result)?))).collect()
    }
}

/// Results by their id: a map, or a list of objects that name it.
#[derive(Deserialize, Default)]
#[serde(transparent)]
struct Results(Value);

impl Results {
    fn take(&mut self, part: &str) -> BTreeMap<String, Value> {
        let rows: Vec<(Option<String>, Value)> = match std::mem::take(&mut self.0) {
            Value::Object(rows) => rows.into_iter().map(|(id, row)| (Some(id), row)).collect(),
            Value::Array(rows) => rows.into_iter().map(|row| (id_of(&row), row)).collect(),
            _ => Vec::new(),
        };
        let result = |(id, mut row): (Option<String>, Value)| {
            let value = row.get_mut(part).map(Value::take).filter(|value| !value.is_null())?;
            Some((id?, value))
        };
        rows.into_iter().filter_map(result).collect()
    }
}

fn id_of(row: &Value) -> Option<String> {
    let ids = ["data_collection_id", "criteria_id", "id"];
    ids.iter().find_map(|name| row.get(name)?.as_str().map(str::to_owned))
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct ClientData {
    #[serde(deserialize_with = "lenient::part")]
    dynamic_variables: Map<String, Value>,
}

impl ClientData {
    /// The variables that are text, numbers or truth values.
    pub(super) fn variables(self) -> BTreeMap<String, String> {
        let text = |(name, value): (String, Value)| Some((name, lenient::scalar(&value)?));
        self.dynamic_variables.into_iter().filter_map(text).collect()
    }
}

/// `conversation_initiation` as it comes in.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Initiation {
    pub(super) caller_id: Word,
    pub(super) agent_id: Word,
    pub(super) called_number: Word,
    pub(super) call_sid: Word,
}
