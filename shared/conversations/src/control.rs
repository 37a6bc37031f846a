//! People take over from the AI, write, and hand back (B17-B21, A19, G4).
//!
//! A control is a pair of events in the log. Who is in control follows from them, so that of many who join at once one
//! wins, and nothing of the AI comes after.

mod writing;

pub use writing::{Fate, Write, Written, write};

use crate::texting::{Texting, organization};
use domain::contact::Timeline;
use domain::conversation::{Control, Conversation, Medium, NewConversation, Status};
use domain::event::{ControlEnd, Event, EventBody};
use domain::ids::{ContactId, ConversationId, UserId};
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use store::{Append, Appended, Lease, Refused, Store, StoreError, Tenant, Thread, now};
use writing::human_message;

/// Customers' messages that the status shows.
const QUEUE: usize = 200;

/// Why something of a control cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody is in control already.
    #[error("the conversation is under human control")]
    UnderControl,
    /// Nobody is in control.
    #[error("the conversation is not under human control")]
    NotUnderControl,
    /// Somebody else is in control.
    #[error("another agent is in control")]
    OtherAgent,
    /// The conversation is over.
    #[error("the conversation has ended")]
    Ended,
    /// There is no such conversation.
    #[error("there is no such conversation")]
    Unknown,
    /// The contact asked for no more messages.
    #[error("the contact has opted out")]
    OptedOut,
    /// The organization has no number to send from.
    #[error("the organization has no number to send from")]
    NoNumber,
    /// The idempotency key stands for another message.
    #[error("the idempotency key was used for another message")]
    KeyReused,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<Refused> for ControlError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Ended => Self::Ended,
            Refused::UnderHumanControl => Self::UnderControl,
            Refused::NotUnderControl => Self::NotUnderControl,
            Refused::NotInControl | Refused::Outdated => Self::OtherAgent,
        }
    }
}

/// What is taken over.
#[derive(Clone, Debug)]
pub enum Target {
    /// The text-message conversation with a number, begun if there is none.
    Phone(PhoneNumber),
    /// A conversation.
    Conversation(ConversationId),
}

/// Who does it.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Who.
    pub id: UserId,
    /// Shown name.
    pub name: String,
}

/// A wish to take over.
#[derive(Clone)]
pub struct Join {
    /// What.
    pub target: Target,
    /// Who.
    pub agent: Agent,
    /// Why.
    pub reason: Option<String>,
    /// What the customer is told at once.
    pub message: Option<String>,
    /// How long the control lasts without a sign of life.
    pub lease_seconds: u32,
}

/// A wish to hand back.
#[derive(Clone)]
pub struct Leave {
    /// What.
    pub target: Target,
    /// Who.
    pub agent: UserId,
    /// What they leave behind.
    pub summary: Option<String>,
    /// What is to be done.
    pub next_steps: Vec<String>,
    /// Whether they call it a success.
    pub success: Option<bool>,
    /// Whether the AI answers what is unanswered.
    pub answer_pending: bool,
}

/// Who is in control of a contact's conversation.
#[derive(Debug)]
pub struct ControlStatus {
    /// The contact.
    pub contact_id: ContactId,
    /// The conversation that is going on.
    pub conversation: Option<Conversation>,
    /// Until when the control lasts without a sign of life.
    pub lease: Option<Lease>,
    /// Customers' messages that the agent has not answered.
    pub queue: Vec<Event>,
}

/// Takes over. Of many at once one succeeds.
pub async fn join(tenant: &Tenant, texting: &Texting, join: Join) -> Result<(Conversation, usize), ControlError> {
    let organization = organization(tenant).await?;
    let at = now();
    let mut bodies = vec![EventBody::HumanControlStarted {
        agent_id: join.agent.id.clone(),
        agent_name: join.agent.name.clone(),
        reason: join.reason,
        lease_seconds: join.lease_seconds,
    }];
    let found = find(tenant, &join.target).await?;
    if let Some(text) = join.message {
        let from = texting.number_for(found.conversation.as_ref(), &organization).ok_or(ControlError::NoNumber)?;
        if found.opted_out {
            return Err(ControlError::OptedOut);
        }
        bodies.push(human_message(text, &join.agent, from));
    }
    let free = |conversation: &Conversation, timeline: &Timeline| {
        nobody(conversation)?;
        // By number, the whole contact is meant: whoever is in control of their call, is (B17).
        let call = matches!(join.target, Target::Phone(_)) && timeline.taken_over.is_some();
        if call { Err(Refused::UnderHumanControl) } else { Ok(()) }
    };
    let append = Append::new(bodies, at).only_if(&free);
    let appended = match (&join.target, found.conversation) {
        (Target::Conversation(id), _) => tenant.append(id, append).await?.ok_or(ControlError::Unknown)?,
        (Target::Phone(phone), _) => {
            let contact = tenant.contact_or_new(phone).await?;
            let new = NewConversation::usual(contact.id, phone.clone(), Medium::Sms, at);
            tenant.append_sms(new, append).await?
        }
    };
    let conversation = match appended {
        Appended::New { conversation, .. } => conversation,
        Appended::Refused(refused) => return Err(refused.into()),
        Appended::Duplicate { .. } => return Err(ControlError::UnderControl),
    };
    texting.deliver(tenant, &organization, &conversation.id).await?;
    let waiting = queue(tenant, &conversation, conversation.answered).await?.len();
    Ok((*conversation, waiting))
}

/// Hands back to the AI.
pub async fn leave(tenant: &Tenant, leave: Leave) -> Result<(Conversation, Control), ControlError> {
    let conversation = taken_over(tenant, &leave.target).await?;
    let Some(control) = conversation.control.clone() else { return Err(ControlError::NotUnderControl) };
    let body = EventBody::HumanControlEnded {
        agent_id: leave.agent.clone(),
        ended_by: ControlEnd::Left,
        summary: leave.summary,
        next_steps: leave.next_steps,
        handoff_success: leave.success,
        answer_pending: leave.answer_pending,
    };
    let mine = |conversation: &Conversation, _: &Timeline| in_control(conversation, &leave.agent);
    let append = Append::new(vec![body], now()).only_if(&mine);
    match tenant.append(&conversation.id, append).await? {
        Some(Appended::New { conversation, .. }) => Ok((*conversation, control)),
        Some(Appended::Refused(refused)) => Err(refused.into()),
        Some(Appended::Duplicate { .. }) | None => Err(ControlError::NotUnderControl),
    }
}

/// Takes a sign of life of the agent in control; says until when the control now lasts.
pub async fn heartbeat(tenant: &Tenant, target: &Target, agent: &UserId) -> Result<Timestamp, ControlError> {
    let conversation = taken_over(tenant, target).await?;
    in_control(&conversation, agent)?;
    alive(tenant, &conversation.id, agent).await?.ok_or(ControlError::NotUnderControl)
}

async fn alive(tenant: &Tenant, id: &ConversationId, agent: &UserId) -> Result<Option<Timestamp>, StoreError> {
    let Some(lease) = tenant.lease(id).await?.filter(|lease| lease.agent_id == *agent) else { return Ok(None) };
    let at = now();
    let extended = tenant.extend_lease(&lease, at).await?;
    Ok(extended.then(|| at.plus_seconds(i64::from(lease.lease_seconds))))
}

/// Who is in control of the conversation with a number. `None` when the organization does not know the number.
pub async fn status(tenant: &Tenant, phone: &PhoneNumber) -> Result<Option<ControlStatus>, StoreError> {
    let Some(contact) = tenant.contact_by_phone(phone).await? else { return Ok(None) };
    let timeline = tenant.timeline(&contact.id).await?;
    let conversation = match timeline.taken_over.or(timeline.open_sms) {
        Some(id) => tenant.conversation(&id).await?,
        None => None,
    };
    let (mut lease, mut waiting) = (None, Vec::new());
    if let Some(conversation) = conversation.as_ref().filter(|conversation| conversation.control.is_some()) {
        lease = tenant.lease(&conversation.id).await?;
        waiting = queue(tenant, conversation, conversation.answered).await?;
    }
    Ok(Some(ControlStatus { contact_id: contact.id, conversation, lease, queue: waiting }))
}

/// Whether a person is in control of the conversation with a number.
pub async fn is_under_human_control(tenant: &Tenant, phone: &PhoneNumber) -> Result<bool, StoreError> {
    let Some(contact) = tenant.contact_by_phone(phone).await? else { return Ok(false) };
    Ok(tenant.timeline(&contact.id).await?.taken_over.is_some())
}

/// Ends the controls of people who are gone, of all organizations; the AI answers what is unanswered.
pub async fn end_abandoned(store: &Store) -> Result<usize, StoreError> {
    let mut ended = 0;
    for lease in store.leases_over(now(), 100).await? {
        let body = EventBody::HumanControlEnded {
            agent_id: lease.agent_id.clone(),
            ended_by: ControlEnd::TimedOut,
            summary: None,
            next_steps: Vec::new(),
            handoff_success: None,
            answer_pending: true,
        };
        let theirs = |conversation: &Conversation, _: &Timeline| in_control(conversation, &lease.agent_id);
        let append = Append::new(vec![body], now()).only_if(&theirs);
        let appended = store.tenant(&lease.organization_id).append(&lease.conversation_id, append).await?;
        ended += usize::from(matches!(appended, Some(Appended::New { .. })));
    }
    Ok(ended)
}

struct Found {
    conversation: Option<Conversation>,
    opted_out: bool,
}

async fn find(tenant: &Tenant, target: &Target) -> Result<Found, StoreError> {
    match target {
        Target::Conversation(id) => {
            let conversation = tenant.conversation(id).await?;
            let opted_out = match &conversation {
                Some(conversation) => tenant.timeline(&conversation.contact_id).await?.opted_out,
                None => false,
            };
            Ok(Found { conversation, opted_out })
        }
        Target::Phone(phone) => {
            let Some(contact) = tenant.contact_by_phone(phone).await? else {
                return Ok(Found { conversation: None, opted_out: false });
            };
            let timeline = tenant.timeline(&contact.id).await?;
            let conversation = match timeline.taken_over.or(timeline.open_sms) {
                Some(id) => tenant.conversation(&id).await?.filter(|found| found.status() != Status::Ended),
                None => None,
            };
            Ok(Found { conversation, opted_out: timeline.opted_out })
        }
    }
}

async fn taken_over(tenant: &Tenant, target: &Target) -> Result<Conversation, ControlError> {
    let found = find(tenant, target).await?.conversation;
    match target {
        Target::Conversation(_) => found.ok_or(ControlError::Unknown),
        Target::Phone(_) => found.ok_or(ControlError::NotUnderControl),
    }
}

async fn queue(tenant: &Tenant, conversation: &Conversation, after: u64) -> Result<Vec<Event>, StoreError> {
    let thread = Thread::Conversation(conversation.id.clone());
    let events = tenant.events_after(&thread, after, QUEUE).await?;
    Ok(events.into_iter().filter(|event| matches!(event.body, EventBody::SmsReceived { .. })).collect())
}

fn nobody(conversation: &Conversation) -> Result<(), Refused> {
    match conversation.status() {
        Status::Ended => Err(Refused::Ended),
        Status::TakenOver => Err(Refused::UnderHumanControl),
        Status::Active => Ok(()),
    }
}

fn in_control(conversation: &Conversation, agent: &UserId) -> Result<(), Refused> {
    match &conversation.control {
        None => Err(Refused::NotUnderControl),
        Some(control) if control.agent_id == *agent => Ok(()),
        Some(_) => Err(Refused::NotInControl),
    }
}
