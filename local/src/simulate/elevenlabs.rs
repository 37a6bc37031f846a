//! ElevenLabs' webhooks: one shows a shared secret, the other is signed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Call, Error, PostCall, Webhook};
use crate::elevenlabs::payload::{self, Audio, Conversation, Failure, Line, PhoneCall, Role};
use crate::elevenlabs::{INITIATION_PATH, POST_CALL_PATH, signature};
use crate::http::system;
use crate::info::Running;

/// What is said in a call of which nothing is given.
const TURNS: [(Role, &str); 4] = [
    (Role::Agent, "Hello, how can I help?"),
    (Role::User, "Is my bike ready?"),
    (Role::Agent, "It is. You can pick it up until six today."),
    (Role::User, "Thank you, I will come by."),
];

/// The smallest MP3 there is: an empty tag.
const SILENCE: &str = "SUQzBAAAAAAA";

#[derive(Serialize)]
struct Initiation<'a> {
    caller_id: &'a str,
    agent_id: &'a str,
    called_number: &'a str,
    call_sid: String,
}

/// What an initiation is answered with, as far as a terminal shows it.
#[derive(Deserialize)]
struct Initiated {
    dynamic_variables: Map<String, Value>,
}

/// The agent asks who is calling.
pub(super) fn initiation(cloud: &Running, call: &Call) -> Result<Webhook, Error> {
    let body = Initiation {
        caller_id: &call.from,
        agent_id: &cloud.elevenlabs.agent_id,
        called_number: &cloud.own_number(call.to.as_ref()),
        call_sid: format!("CA{}", system::uuid().simple()),
    };
    let secrets = cloud.elevenlabs.initiation_headers.iter();
    Ok(Webhook {
        route: INITIATION_PATH,
        content_type: "application/json",
        headers: secrets.map(|(name, value)| (name.clone(), value.expose().to_owned())).collect(),
        body: serde_json::to_string(&body)?,
    })
}

/// An answer to read: dynamic variables line by line, anything else as it is.
pub(super) fn readable(answer: &str) -> String {
    let Ok(Initiated { dynamic_variables }) = serde_json::from_str(answer) else { return answer.to_owned() };
    let line = |(name, value): (&String, &Value)| format!("\n  {name:<24} {value}");
    format!("dynamic variables:{}", dynamic_variables.iter().map(line).collect::<String>())
}

/// A call is over.
pub(super) fn post_call(cloud: &Running, call: &PostCall) -> Result<Webhook, Error> {
    let now = system::now_ms() / 1000;
    let agent_id = cloud.elevenlabs.agent_id.clone();
    let conversation_id = call.id.clone().unwrap_or_else(|| format!("conv_{}", system::uuid().simple()));
    let line = line(cloud, call);
    let body = if let Some(reason) = &call.failure {
        let failure = Failure::of(&line, &agent_id, &conversation_id, reason);
        serde_json::to_string(&payload::Webhook::failure(failure, now))?
    } else if call.audio {
        serde_json::to_string(&payload::Webhook::audio(Audio { agent_id, conversation_id, full_audio: SILENCE }, now))?
    } else {
        let lines = lines(&call.turns)?;
        let mut conversation =
            Conversation { agent_id, conversation_id, ..Conversation::of(line, now.saturating_sub(60)) };
        conversation.conversation_initiation_client_data.dynamic_variables = told(cloud, call);
        conversation.add_system_variables();
        conversation.say(&lines);
        serde_json::to_string(&payload::Webhook::transcription(conversation, now))?
    };
    let signature = signature::sign(&body, now, &cloud.elevenlabs.post_call_secret);
    Ok(Webhook {
        route: POST_CALL_PATH,
        content_type: "application/json",
        headers: vec![(signature::HEADER.to_owned(), signature)],
        body,
    })
}

fn line(cloud: &Running, call: &PostCall) -> PhoneCall {
    let id = system::uuid().simple();
    PhoneCall {
        kind: "twilio",
        // Only calls of ours can fail to begin.
        direction: if call.failure.is_some() { "outbound" } else { "inbound" },
        phone_number_id: "phnum_local".to_owned(),
        agent_number: cloud.own_number(call.to.as_ref()),
        external_number: call.from.clone(),
        call_result: "answered",
        call_sid: format!("CA{id}"),
        stream_sid: format!("MZ{id}"),
    }
}

/// What the initiation would have told the agent: enough to find the organization again.
fn told(cloud: &Running, call: &PostCall) -> Map<String, Value> {
    let number = cloud.own_number(call.to.as_ref());
    let owner = cloud.organizations.iter().find(|organization| organization.phone_number == number);
    let variables = owner.map(|owner| [("organization_id", &owner.id), ("organization_name", &owner.name)]);
    variables.into_iter().flatten().map(|(name, value)| (name.to_owned(), Value::String(value.clone()))).collect()
}

fn lines(turns: &[String]) -> Result<Vec<Line>, Error> {
    if turns.is_empty() {
        return Ok(TURNS.map(|(role, text)| Line { role, text: text.to_owned() }).into());
    }
    let line = |turn: &String| {
        let (who, text) = turn.split_once(':').ok_or(Error::Turn)?;
        let role = match who.trim().to_ascii_lowercase().as_str() {
            "customer" | "user" => Role::User,
            "agent" | "ai" | "assistant" => Role::Agent,
            _ => return Err(Error::Turn),
        };
        Ok(Line { role, text: text.trim().to_owned() })
    };
    turns.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use serde_json::json;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        call: PostCall,
    }

    fn cloud() -> Running {
        serde_json::from_value(json!({
            "base_url": "http://localhost:1", "public_base_url": "https://hooks.example", "websocket_url": "ws://x",
            "organizations": [
                {"id": "a", "name": "A", "phone_number": "+1"}, {"id": "b", "name": "B", "phone_number": "+2"},
            ],
            "twilio": {"account_sid": "AC1", "auth_token": "t"},
            "elevenlabs": {
                "initiation_headers": {"X-Webhook-Secret": "whsec"}, "post_call_secret": "wsec", "agent_id": "agent_1",
            },
        }))
        .unwrap()
    }

    fn body(arguments: &[&str]) -> Value {
        let command = Command::try_parse_from([&["x"], arguments].concat()).unwrap();
        let webhook = post_call(&cloud(), &command.call).unwrap();
        let (name, value) = &webhook.headers[0];
        let seconds = value.split(['=', ',']).nth(1).unwrap().parse().unwrap();
        let signature = signature::sign(&webhook.body, seconds, &cloud().elevenlabs.post_call_secret);
        assert_eq!((name.as_str(), value), ("elevenlabs-signature", &signature));
        serde_json::from_str(&webhook.body).unwrap()
    }

    #[test]
    fn a_post_call_tells_of_the_organization_and_what_was_said() {
        let data = &body(&["--to", "+2", "--id", "conv_1", "--turn", "customer: Hi", "--turn", "Agent: Hello"])["data"];
        assert_eq!(
            (&data["conversation_id"], &data["metadata"]["phone_call"]["agent_number"]),
            (&json!("conv_1"), &json!("+2"))
        );
        let variables = &data["conversation_initiation_client_data"]["dynamic_variables"];
        assert_eq!(variables["organization_id"], "b");
        assert_eq!((&data["transcript"][0]["role"], &data["transcript"][0]["message"]), (&json!("user"), &json!("Hi")));
        assert_eq!(data["analysis"]["transcript_summary"], "The customer said: Hi The agent answered: Hello");
    }

    #[test]
    fn the_other_kinds_and_a_turn_of_nobody() {
        assert_eq!(body(&["--failure", "busy"])["data"]["failure_reason"], "busy");
        assert_eq!(body(&["--audio"])["type"], "post_call_audio");
        let command = Command::try_parse_from(["x", "--turn", "hello"]).unwrap();
        assert!(matches!(post_call(&cloud(), &command.call), Err(Error::Turn)));
        assert!(Command::try_parse_from(["x", "--audio", "--failure", "busy"]).is_err());
    }

    #[test]
    fn variables_are_shown_line_by_line() {
        let shown = readable(r#"{"type":"x","dynamic_variables":{"customer_name":"Ann"}}"#);
        assert_eq!(shown, "dynamic variables:\n  customer_name            \"Ann\"");
        assert_eq!(readable("<Response/>"), "<Response/>");
    }
}
