//! What ElevenLabs posts after a call (protocols.md 2.2), as the stand-in and the simulator make it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::http::system;

/// Seconds between two turns of a made-up call.
const TURN: u64 = 4;

/// The envelope.
#[derive(Serialize)]
pub(crate) struct Webhook<D> {
    #[serde(rename = "type")]
    kind: &'static str,
    event_timestamp: u64,
    data: D,
}

impl Webhook<Conversation> {
    /// A call that took place.
    pub(crate) fn transcription(data: Conversation, now: u64) -> Self {
        Self { kind: "post_call_transcription", event_timestamp: now, data }
    }
}

impl Webhook<Failure> {
    /// A call that did not.
    pub(crate) fn failure(data: Failure, now: u64) -> Self {
        Self { kind: "call_initiation_failure", event_timestamp: now, data }
    }
}

impl Webhook<Audio> {
    /// The sound of a call.
    pub(crate) fn audio(data: Audio, now: u64) -> Self {
        Self { kind: "post_call_audio", event_timestamp: now, data }
    }
}

/// A conversation.
#[derive(Serialize)]
pub(crate) struct Conversation {
    pub(crate) agent_id: String,
    pub(crate) agent_name: &'static str,
    pub(crate) conversation_id: String,
    pub(crate) status: &'static str,
    pub(crate) user_id: Option<String>,
    pub(crate) transcript: Vec<Turn>,
    pub(crate) metadata: Metadata,
    pub(crate) analysis: Option<Analysis>,
    pub(crate) conversation_initiation_client_data: ClientData,
    pub(crate) has_audio: bool,
    pub(crate) has_user_audio: bool,
    pub(crate) has_response_audio: bool,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Agent,
    User,
}

/// Something said.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) role: Role,
    pub(crate) text: String,
}

/// A turn of the transcript.
#[derive(Serialize)]
pub(crate) struct Turn {
    role: Role,
    message: String,
    tool_calls: [(); 0],
    tool_results: [(); 0],
    time_in_call_secs: u64,
    interrupted: bool,
    source_medium: &'static str,
}

/// About the call.
#[derive(Serialize)]
pub(crate) struct Metadata {
    start_time_unix_secs: u64,
    accepted_time_unix_secs: u64,
    call_duration_secs: u64,
    cost: u64,
    phone_call: PhoneCall,
    termination_reason: &'static str,
    error: Option<String>,
    main_language: &'static str,
    text_only: bool,
    conversation_initiation_source: &'static str,
}

/// The line.
#[derive(Clone, Serialize)]
pub(crate) struct PhoneCall {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) direction: &'static str,
    pub(crate) phone_number_id: String,
    pub(crate) agent_number: String,
    pub(crate) external_number: String,
    pub(crate) call_result: &'static str,
    pub(crate) call_sid: String,
    pub(crate) stream_sid: String,
}

/// What a model made of the call.
#[derive(Serialize)]
pub(crate) struct Analysis {
    evaluation_criteria_results: BTreeMap<&'static str, Criterion>,
    data_collection_results: BTreeMap<&'static str, Collected>,
    call_successful: &'static str,
    transcript_summary: String,
    call_summary_title: &'static str,
}

#[derive(Serialize)]
struct Criterion {
    criteria_id: &'static str,
    result: &'static str,
    rationale: &'static str,
}

#[derive(Serialize)]
struct Collected {
    data_collection_id: &'static str,
    value: Option<String>,
    rationale: &'static str,
}

/// What the agent was told.
#[derive(Serialize)]
pub(crate) struct ClientData {
    pub(crate) dynamic_variables: Map<String, Value>,
}

/// The sound of a call, in base64.
#[derive(Serialize)]
pub(crate) struct Audio {
    pub(crate) agent_id: String,
    pub(crate) conversation_id: String,
    pub(crate) full_audio: &'static str,
}

/// A call that nobody took.
#[derive(Serialize)]
pub(crate) struct Failure {
    agent_id: String,
    conversation_id: String,
    failure_reason: String,
    metadata: FailureMetadata,
}

#[derive(Serialize)]
struct FailureMetadata {
    #[serde(rename = "type")]
    kind: &'static str,
    body: BTreeMap<&'static str, String>,
}

impl Failure {
    /// Of a call on this line.
    pub(crate) fn of(line: &PhoneCall, agent_id: &str, conversation_id: &str, reason: &str) -> Self {
        let fields = [
            ("CallSid", line.call_sid.as_str()),
            ("CallStatus", reason),
            ("Direction", "outbound-api"),
            ("From", &line.agent_number),
            ("Caller", &line.agent_number),
            ("To", &line.external_number),
            ("Called", &line.external_number),
            ("CallDuration", "0"),
            ("Duration", "0"),
            ("ApiVersion", "2010-04-01"),
            ("CallbackSource", "call-progress-events"),
        ];
        Self {
            agent_id: agent_id.to_owned(),
            conversation_id: conversation_id.to_owned(),
            failure_reason: reason.to_owned(),
            metadata: FailureMetadata {
                kind: "twilio",
                body: fields.map(|(name, value)| (name, value.to_owned())).into(),
            },
        }
    }
}

impl Conversation {
    /// An empty one on this line, begun at `started`.
    pub(crate) fn of(line: PhoneCall, started: u64) -> Self {
        Self {
            agent_id: String::new(),
            agent_name: "Local agent",
            conversation_id: String::new(),
            status: "done",
            user_id: None,
            transcript: Vec::new(),
            metadata: Metadata {
                start_time_unix_secs: started,
                accepted_time_unix_secs: started,
                call_duration_secs: 0,
                cost: 0,
                phone_call: line,
                termination_reason: "Client disconnected: 1000",
                error: None,
                main_language: "en",
                text_only: false,
                conversation_initiation_source: "twilio",
            },
            analysis: None,
            conversation_initiation_client_data: ClientData { dynamic_variables: Map::new() },
            has_audio: false,
            has_user_audio: false,
            has_response_audio: false,
        }
    }

    /// Fills in what was said, and what a model would make of it.
    pub(crate) fn say(&mut self, lines: &[Line]) {
        let turn = |(line, at): (&Line, u64)| Turn {
            role: line.role,
            message: line.text.clone(),
            tool_calls: [],
            tool_results: [],
            time_in_call_secs: at * TURN,
            interrupted: false,
            source_medium: "audio",
        };
        self.transcript = lines.iter().zip(0..).map(turn).collect();
        self.metadata.call_duration_secs = TURN * self.transcript.len() as u64;
        let first = lines.iter().find(|line| line.role == Role::User).map(|line| line.text.as_str());
        let last = lines.iter().rfind(|line| line.role == Role::Agent).map(|line| line.text.as_str());
        let summary = match (first, last) {
            (Some(first), Some(last)) => format!("The customer said: {first} The agent answered: {last}"),
            (Some(first), None) => format!("The customer said: {first}"),
            (None, _) => "The customer said nothing.".to_owned(),
        };
        let helped =
            Criterion { criteria_id: "helped", result: "success", rationale: "Made up by the local stand-in." };
        let request = Collected {
            data_collection_id: "request",
            value: first.map(str::to_owned),
            rationale: "The customer's first words.",
        };
        self.analysis = Some(Analysis {
            evaluation_criteria_results: [("helped", helped)].into(),
            data_collection_results: [("request", request)].into(),
            call_successful: "success",
            transcript_summary: summary,
            call_summary_title: "Local call",
        });
    }

    /// Adds the variables that ElevenLabs echoes of itself.
    pub(crate) fn add_system_variables(&mut self) {
        let line = &self.metadata.phone_call;
        let (caller, called) = match line.direction {
            "outbound" => (&line.agent_number, &line.external_number),
            _ => (&line.external_number, &line.agent_number),
        };
        let variables = [
            ("system__caller_id", caller.clone()),
            ("system__called_number", called.clone()),
            ("system__call_sid", line.call_sid.clone()),
            ("system__conversation_id", self.conversation_id.clone()),
            ("system__time_utc", system::rfc3339(self.metadata.start_time_unix_secs * 1000)),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), Value::String(value)));
        self.conversation_initiation_client_data.dynamic_variables.extend(variables);
    }
}
