//! The agent in control writes to the customer (B19, A40).

use super::{Agent, ControlError, QUEUE, Target, alive, in_control, taken_over};
use crate::texting::{Delivered, Texting, organization};
use domain::contact::Timeline;
use domain::conversation::Conversation;
use domain::event::{Event, EventBody};
use domain::ids::{ConversationId, UserId};
use domain::organization::Organization;
use domain::phone::PhoneNumber;
use domain::sms::MessageStatus;
use std::time::Duration;
use store::{Append, Appended, StoreError, Tenant, Thread, now};

/// How often and after which time we look whether another sender is done with a message.
const LOOKS: u32 = 6;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A message of an agent.
#[derive(Clone)]
pub struct Write {
    /// Where.
    pub target: Target,
    /// Who.
    pub agent: UserId,
    /// Under which name, if not the one they joined under.
    pub agent_name: Option<String>,
    /// What.
    pub text: String,
    /// The request's idempotency key.
    pub key: Option<String>,
}

/// A message of an agent in the log.
#[derive(Debug)]
pub struct Written {
    /// Where.
    pub conversation_id: ConversationId,
    /// Which event.
    pub seq: u64,
    /// Whether it was there already.
    pub duplicate: bool,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an agent's message, as far as it is known when they are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Twilio has it.
    Sent,
    /// It will be tried again.
    Pending,
    /// Twilio will never take it.
    Failed,
}

/// Writes to the customer as the agent in control: into the log first, then out.
pub async fn write(tenant: &Tenant, texting: &Texting, write: Write) -> Result<Written, ControlError> {
    let organization = organization(tenant).await?;
    let conversation = taken_over(tenant, &write.target).await?;
    in_control(&conversation, &write.agent)?;
    let joined_as = conversation.control.as_ref().map(|control| control.agent_name.clone());
    let name = write.agent_name.or(joined_as).unwrap_or_default();
    let agent = Agent { id: write.agent, name };
    if tenant.timeline(&conversation.contact_id).await?.opted_out {
        return Err(ControlError::OptedOut);
    }
    let from = texting.number_for(Some(&conversation), &organization).ok_or(ControlError::NoNumber)?;
    let mine = |conversation: &Conversation, _: &Timeline| in_control(conversation, &agent.id);
    let append = Append::new(vec![human_message(write.text.clone(), &agent, from)], now()).only_if(&mine);
    let append = match write.key {
        Some(key) => append.once("send-message", format!("{}:{key}", agent.id)),
        None => append,
    };
    let (conversation_id, seq, duplicate) = match tenant.append(&conversation.id, append).await? {
        Some(Appended::New { conversation, events }) => {
            (conversation.id, events.first().map_or(0, |event| event.seq), false)
        }
        Some(Appended::Duplicate { conversation_id, seq }) => {
            let same =
                conversation_id == conversation.id && text_of(tenant, &conversation_id, seq).await? == write.text;
            if !same {
                return Err(ControlError::KeyReused);
            }
            (conversation_id, seq, true)
        }
        Some(Appended::Refused(refused)) => return Err(refused.into()),
        None => return Err(ControlError::Unknown),
    };
    let fate = match deliver(tenant, texting, &organization, &conversation_id).await? {
        Delivered::All if has_failed(tenant, &conversation_id, seq).await? => Fate::Failed,
        Delivered::All => Fate::Sent,
        Delivered::Held | Delivered::Later => Fate::Pending,
    };
    alive(tenant, &conversation_id, &agent.id).await?;
    Ok(Written { conversation_id, seq, duplicate, fate })
}

/// The words of an agent's message in the log.
async fn text_of(tenant: &Tenant, id: &ConversationId, seq: u64) -> Result<String, StoreError> {
    let thread = Thread::Conversation(id.clone());
    let events = tenant.events_after(&thread, seq.saturating_sub(1), 1).await?;
    let text = events.into_iter().find_map(|event| match event.body {
        EventBody::HumanMessageSent { text, .. } => Some(text),
        _ => None,
    });
    Ok(text.unwrap_or_default())
}

/// Sends what there is to send. What follows from an event may have claimed it just before us, and is about to be done
/// with it: a moment is given to that.
async fn deliver(
    tenant: &Tenant,
    texting: &Texting,
    organization: &Organization,
    id: &ConversationId,
) -> Result<Delivered, StoreError> {
    for _ in 0..LOOKS {
        match texting.deliver(tenant, organization, id).await? {
            Delivered::Held => tokio::time::sleep(BETWEEN_LOOKS).await,
            done => return Ok(done),
        }
    }
    Ok(Delivered::Held)
}

/// Whether the log says by now that a message will never arrive.
async fn has_failed(tenant: &Tenant, id: &ConversationId, seq: u64) -> Result<bool, StoreError> {
    let after = tenant.events_after(&Thread::Conversation(id.clone()), seq, QUEUE).await?;
    let failed = |event: &Event| matches!(event.body, EventBody::SmsStatus { message_seq, status: MessageStatus::Failed, .. } if message_seq == seq);
    Ok(after.iter().any(failed))
}

/// The event of an agent's message.
pub(super) fn human_message(text: String, agent: &Agent, from: PhoneNumber) -> EventBody {
    EventBody::HumanMessageSent {
        text,
        agent_id: agent.id.clone(),
        agent_name: agent.name.clone(),
        from: Some(from),
        provider_id: None,
    }
}
