//! WebSocket frames about events: one event is one frame; several of one conversation travel together, within the size
//! at which API Gateway counts a second message.

use domain::access::may_view;
use domain::broadcast::Broadcast;
use domain::conversation::{Medium, Status, Urgency};
use domain::event::{Actor, Event};
use domain::ids::{ContactId, ConversationId, OrganizationId, UserId};
use domain::message::Message;
use domain::time::Zone;
use domain::user::Principal;
use serde::Serialize;
use serde_json::value::RawValue;

/// The largest frame: API Gateway's, and its unit of price.
pub const MAX_FRAME: usize = 32 * 1024;

/// Room for what surrounds the events of a joint frame.
const ENVELOPE: usize = 256;

/// Characters of a message in the inbox.
const PREVIEW: usize = 140;

/// Several events in one frame.
#[derive(Serialize)]
struct Joint<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "organizationId")]
    organization_id: &'a OrganizationId,
    conversation_id: &'a ConversationId,
    events: &'a [Box<RawValue>],
}

/// Stands for an event too large for a frame: the client reads it from the snapshot.
#[derive(Serialize)]
struct Truncated<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "organizationId")]
    organization_id: &'a OrganizationId,
    conversation_id: &'a ConversationId,
    seq: u64,
    contact_seq: u64,
    truncated: bool,
}

/// A conversation in the inbox has changed.
#[derive(Serialize)]
struct ConversationUpdated<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "organizationId")]
    organization_id: &'a OrganizationId,
    conversation_id: &'a ConversationId,
    #[serde(rename = "leadId")]
    lead_id: &'a ContactId,
    seq: u64,
    contact_seq: u64,
    timestamp: String,
    event: &'static str,
    actor: Actor,
    status: Status,
    urgency: Urgency,
    medium: Medium,
    admin_id: Option<&'a UserId>,
    total_messages: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<String>,
}

/// The frames of a run of events of one conversation, in order.
pub fn of_events(events: &[Event]) -> serde_json::Result<Vec<Vec<u8>>> {
    let mut frames = Vec::new();
    let mut run: Vec<Box<RawValue>> = Vec::new();
    let mut size = ENVELOPE;
    for event in events {
        let frame = one(event)?;
        if size + frame.get().len() + 1 > MAX_FRAME {
            frames.extend(close(event, &mut run)?);
            size = ENVELOPE;
        }
        size += frame.get().len() + 1;
        run.push(frame);
    }
    if let Some(last) = events.last() {
        frames.extend(close(last, &mut run)?);
    }
    Ok(frames)
}

fn one(event: &Event) -> serde_json::Result<Box<RawValue>> {
    let broadcast = Broadcast::of(event);
    let whole = serde_json::value::to_raw_value(&broadcast)?;
    if whole.get().len() + ENVELOPE <= MAX_FRAME {
        return Ok(whole);
    }
    serde_json::value::to_raw_value(&Truncated {
        kind: broadcast.detail.name(),
        organization_id: &event.organization_id,
        conversation_id: &event.conversation_id,
        seq: event.seq,
        contact_seq: event.contact_seq,
        truncated: true,
    })
}

fn close(event: &Event, run: &mut Vec<Box<RawValue>>) -> serde_json::Result<Option<Vec<u8>>> {
    let frame = match run.as_slice() {
        [] => None,
        [single] => Some(single.get().as_bytes().to_vec()),
        events => Some(serde_json::to_vec(&Joint {
            kind: "events",
            organization_id: &event.organization_id,
            conversation_id: &event.conversation_id,
            events,
        })?),
    };
    run.clear();
    Ok(frame)
}

/// The inbox's frame about a conversation's latest event. Whoever may not read the conversation learns that it changed
/// hands, not what was said.
pub fn inbox(event: &Event, viewer: &Principal) -> serde_json::Result<Vec<u8>> {
    let readable = may_view(viewer, &event.organization_id, event.state.admin_id.as_ref()).is_ok();
    let text = Message::of(event, &Zone::utc()).filter(|_| readable).map(|message| message.content);
    serde_json::to_vec(&ConversationUpdated {
        kind: "conversation_updated",
        organization_id: &event.organization_id,
        conversation_id: &event.conversation_id,
        lead_id: &event.contact_id,
        seq: event.seq,
        contact_seq: event.contact_seq,
        timestamp: event.at.iso(),
        event: event.body.kind(),
        actor: event.body.actor(),
        status: event.state.status,
        urgency: event.state.urgency,
        medium: event.state.medium,
        admin_id: event.state.admin_id.as_ref(),
        total_messages: event.state.messages,
        preview: text.map(|text| text.chars().take(PREVIEW).collect()),
    })
}

/// Tells a reader that somebody else took the conversation over, and that nothing more of it will come.
pub fn access_ended(event: &Event) -> serde_json::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct AccessEnded<'a> {
        #[serde(rename = "type")]
        kind: &'static str,
        code: &'static str,
        message: &'static str,
        #[serde(rename = "organizationId")]
        organization_id: &'a OrganizationId,
        conversation_id: &'a ConversationId,
        seq: u64,
    }
    serde_json::to_vec(&AccessEnded {
        kind: "error",
        code: "taken_over",
        message: "Another admin has taken over this conversation",
        organization_id: &event.organization_id,
        conversation_id: &event.conversation_id,
        seq: event.seq,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::conversation::{Conversation, NewConversation};
    use domain::event::{EventBody, Speaker};
    use domain::phone::PhoneNumber;
    use domain::time::Timestamp;
    use proptest::prelude::*;

    fn events(texts: Vec<String>) -> Vec<Event> {
        let at = Timestamp::from_millis(1_759_472_884_000);
        let new = NewConversation {
            contact_id: ContactId::parse("worker_1").unwrap(),
            phone: PhoneNumber::from_provider("+14155550100").unwrap(),
            medium: Medium::Sms,
            urgency: Urgency::Medium,
            started_at: at,
        };
        let id = ConversationId::parse("conv_1").unwrap();
        let mut conversation = Conversation::begin(id, None, OrganizationId::parse("org").unwrap(), new);
        let body = |text| EventBody::Message { role: Speaker::Customer, text, sources: String::new() };
        texts.into_iter().zip(1..).map(|(text, seq)| conversation.apply(body(text), at, seq)).collect()
    }

    fn numbers(frame: &[u8]) -> Vec<u64> {
        let frame: serde_json::Value = serde_json::from_slice(frame).unwrap();
        match frame["events"].as_array() {
            Some(events) => events.iter().map(|event| event["seq"].as_u64().unwrap()).collect(),
            None => vec![frame["seq"].as_u64().unwrap()],
        }
    }

    #[test]
    fn one_event_is_a_plain_frame_and_a_huge_one_is_slimmed() {
        let frames = of_events(&events(vec!["hello".into()])).unwrap();
        let frame: serde_json::Value = serde_json::from_slice(&frames[0]).unwrap();
        assert_eq!((frame["type"].as_str(), frame["message"].as_str()), (Some("message"), Some("hello")));
        let frames = of_events(&events(vec!["x".repeat(40_000)])).unwrap();
        let frame: serde_json::Value = serde_json::from_slice(&frames[0]).unwrap();
        assert_eq!((frame["truncated"].as_bool(), frame["seq"].as_u64()), (Some(true), Some(1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn frames_hold_every_event_once_in_order_and_fit(sizes in proptest::collection::vec(0_usize..40_000, 0..30)) {
            let events = events(sizes.iter().map(|size| "é".repeat(size / 2)).collect());
            let frames = of_events(&events).unwrap();
            prop_assert!(frames.iter().all(|frame| frame.len() <= MAX_FRAME));
            let seen: Vec<u64> = frames.iter().flat_map(|frame| numbers(frame)).collect();
            prop_assert_eq!(seen, (1..=sizes.len() as u64).collect::<Vec<_>>());
        }
    }
}
