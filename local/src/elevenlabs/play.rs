//! The course of a call: it takes a moment, somebody answers or not, and the webhook tells of it.

use serde_json::Value;

use super::call::{Call, Status};
use super::payload::{Conversation, Failure, Line, PhoneCall, Role, Webhook};
use super::{Account, ElevenLabs, signature};
use crate::http::system;
use crate::stand_ins::callbacks::Callback;

/// How a call ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered,
    Busy,
}

/// Whether we hear of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    Sent,
    Kept,
}

/// Lets the call happen.
pub(super) async fn play(elevenlabs: ElevenLabs, mut call: Call, end: End, report: Report) {
    tokio::time::sleep(elevenlabs.call).await;
    call.status = match end {
        End::Answered => Status::Done,
        End::Busy => Status::Failed,
    };
    elevenlabs.calls.update(&call.conversation_id, |known| known.status = call.status);
    if report == Report::Kept {
        return;
    }
    let account = &elevenlabs.account;
    let now = system::now_ms() / 1000;
    let body = match end {
        End::Answered => serde_json::to_string(&Webhook::transcription(conversation(account, &call), now)),
        End::Busy => serde_json::to_string(&Webhook::failure(failure(account, &call), now)),
    };
    let Ok(body) = body else { return };
    let callback = Callback {
        url: account.post_call_url.clone(),
        local_url: None,
        content_type: "application/json",
        proof: (signature::HEADER, signature::sign(&body, now, &account.post_call_secret)),
        body,
    };
    callback.deliver(&elevenlabs.client, "elevenlabs").await;
}

fn line(account: &Account, call: &Call) -> PhoneCall {
    PhoneCall {
        kind: "twilio",
        direction: "outbound",
        phone_number_id: call.agent_phone_number_id.clone(),
        agent_number: account.number_of(call.variable("organization_id")),
        external_number: call.to.clone(),
        call_result: match call.status {
            Status::Failed => "busy",
            Status::Initiated | Status::Done => "answered",
        },
        stream_sid: call.call_sid.replacen("CA", "MZ", 1),
        call_sid: call.call_sid.clone(),
    }
}

/// The conversation, as the API and the webhook show it.
pub(super) fn conversation(account: &Account, call: &Call) -> Conversation {
    let mut conversation = Conversation {
        agent_id: call.agent_id.clone(),
        conversation_id: call.conversation_id.clone(),
        user_id: call.user_id.clone(),
        ..Conversation::of(line(account, call), call.started)
    };
    conversation.conversation_initiation_client_data.dynamic_variables = call.dynamic_variables.clone();
    conversation.add_system_variables();
    match call.status {
        Status::Initiated => conversation.status = "in-progress",
        Status::Done => conversation.say(&lines(call)),
        Status::Failed => conversation.status = "failed",
    }
    conversation
}

/// Four turns that name what the agent was told.
fn lines(call: &Call) -> Vec<Line> {
    let organization = call.variable("organization_name").unwrap_or("Switchboard");
    let name = call.variable("customer_name").map(|name| format!(" {name}")).unwrap_or_default();
    let known = call.dynamic_variables.get("has_conversation_history").and_then(Value::as_str) == Some("true");
    let reason = if known { "I am calling about your last message to us." } else { "I am calling to say hello." };
    let say = |role, text: String| Line { role, text };
    vec![
        say(Role::Agent, format!("Hello{name}, this is {organization}. {reason} Is now a good time?")),
        say(Role::User, "Yes, thank you. May I come by tomorrow at ten?".to_owned()),
        say(Role::Agent, "Tomorrow at ten is fine. We look forward to seeing you.".to_owned()),
        say(Role::User, "Great, see you then.".to_owned()),
    ]
}

fn failure(account: &Account, call: &Call) -> Failure {
    Failure::of(&line(account, call), &call.agent_id, &call.conversation_id, "busy")
}
