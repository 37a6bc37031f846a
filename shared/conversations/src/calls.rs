//! Phone calls: what the voice agent is told before, what is kept after, and calls of ours (B22, B23, B27).

use crate::control;
use domain::conversation::{Conversation, Medium, NewConversation};
use domain::event::{CallReport, Direction, EventBody};
use domain::ids::{CallId, ConversationId};
use domain::phone::PhoneNumber;
use domain::time::Timestamp;
use providers::elevenlabs::client::{CallError, CallPlaced, ElevenLabsAccount, ElevenLabsClient, OutboundCall};
use providers::elevenlabs::webhook::{Call, Failure};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Append, Appended, MAX_EVENTS, Marker, StoreError, Tenant, now};

/// The dynamic variable by which a call of ours comes back to its conversation.
pub const CONVERSATION_VARIABLE: &str = "switchboard_conversation_id";
/// Longest turn that is kept.
const TURN_CHARS: usize = 8000;
/// Most bytes of what was collected, and of what was judged: an event is an item of 400 KB at most.
const RESULT_BYTES: usize = 64 * 1024;
/// How long nobody else may call a contact after a call was placed.
const DIAL_LOCK_SECONDS: i64 = 30;
const DIAL: &str = "dial";
/// How long one worker may write down a call before another one does it beside it. Nobody gives the lock back: what was
/// done needs none, and what failed may wait.
const NEWS_LOCK_SECONDS: i64 = 4;
const NEWS: &str = "call-news";
/// How long the others wait before they look whether it is their turn, ever longer, because looking costs the table too; in
/// all half of what a function has.
const NEWS_LOOKS_MS: [u64; 6] = [100, 200, 400, 800, 1600, 1600];

/// What became of the news of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Recorded {
    /// They are in the log now.
    New(ConversationId),
    /// They were there already.
    Duplicate(ConversationId),
}

/// Puts a call's transcript, summary and outcome into the log, exactly once.
///
/// A long transcript takes several transactions. Each has a marker of its own, and whoever delivers the news goes through
/// all of them: what one worker left undone the next one finishes, and of many at once each part is written by one. That
/// they take turns only saves them the transactions that they would lose.
pub async fn process_call_transcript(tenant: &Tenant, call: Call, at: Timestamp) -> Result<Recorded, StoreError> {
    let started_at = call.started_at.unwrap_or(at);
    let provider_id = call.conversation_id.clone();
    let news = News {
        provider_id: &provider_id,
        variables: &call.dynamic_variables,
        customer: call.customer.as_ref(),
        direction: call.direction.unwrap_or(Direction::Inbound),
        started_at,
    };
    let (id, call_id, begun) = news.conversation(tenant).await?;
    let entries = entries(call, call_id, started_at);
    let written = write(tenant, &id, &provider_id, &entries).await?;
    Ok(if begun || written { Recorded::New(id) } else { Recorded::Duplicate(id) })
}

/// Appends what is not there yet. True when something was not.
async fn write(
    tenant: &Tenant,
    id: &ConversationId,
    provider_id: &str,
    entries: &[(Timestamp, EventBody)],
) -> Result<bool, StoreError> {
    let parts = entries.chunks(MAX_EVENTS);
    let last = parts.len().saturating_sub(1);
    // The end has one name, however many parts are before it: news that come again, shorter or longer, are no news.
    let marker = |part: usize| {
        let part = if part == last { "end".to_owned() } else { part.to_string() };
        Marker { source: "elevenlabs", id: format!("{provider_id}:{part}") }
    };
    if is_done(tenant, provider_id, &marker(last)).await? {
        return Ok(false);
    }
    let mut new = false;
    for (number, part) in parts.enumerate() {
        let append = Append { marker: Some(marker(number)), ..Append::timed(part.to_vec()) };
        new |= matches!(tenant.append(id, append).await?, Some(Appended::New { .. }));
    }
    Ok(new)
}

/// Whether somebody else has written it all down. Waits for who is at it, but not for who died over it.
async fn is_done(tenant: &Tenant, provider_id: &str, end: &Marker) -> Result<bool, StoreError> {
    for pause in NEWS_LOOKS_MS {
        if tenant.is_marked(end).await? {
            return Ok(true);
        }
        if tenant.lock(NEWS, provider_id, NEWS_LOCK_SECONDS).await? {
            return Ok(false);
        }
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    Ok(false)
}

/// Notes that a call was not answered, exactly once.
pub async fn process_call_failure(tenant: &Tenant, failure: Failure, at: Timestamp) -> Result<Recorded, StoreError> {
    let provider_id = &failure.conversation_id;
    let news = News {
        provider_id,
        variables: &failure.dynamic_variables,
        customer: failure.customer.as_ref(),
        direction: Direction::Outbound,
        started_at: at,
    };
    let (id, call_id, _) = news.conversation(tenant).await?;
    let outcome = failure.reason.replace('-', "_");
    let body = EventBody::CallEnded { call_id, outcome, duration_seconds: Some(0), report: None };
    let append = Append::new(vec![body], at).once("elevenlabs", format!("{provider_id}:failure"));
    match tenant.append(&id, append).await? {
        Some(Appended::New { .. }) => Ok(Recorded::New(id)),
        _ => Ok(Recorded::Duplicate(id)),
    }
}

/// Callers without a number share one contact, whose past no agent is ever told.
fn customer(phone: Option<&PhoneNumber>) -> Result<PhoneNumber, StoreError> {
    match phone {
        Some(phone) => Ok(phone.clone()),
        None => PhoneNumber::from_provider("anonymous").map_err(|_| StoreError::corrupt("a contact without a number")),
    }
}

fn call_id_of(conversation: &Conversation) -> Result<CallId, StoreError> {
    match &conversation.call_id {
        Some(call_id) => Ok(call_id.clone()),
        None => Err(StoreError::corrupt("a call in a conversation that is none")),
    }
}

/// What any news of a call say of which call it is.
struct News<'a> {
    provider_id: &'a str,
    variables: &'a BTreeMap<String, String>,
    customer: Option<&'a PhoneNumber>,
    direction: Direction,
    started_at: Timestamp,
}

impl News<'_> {
    /// The call's conversation, begun if we do not know it, and whether it was.
    async fn conversation(&self, tenant: &Tenant) -> Result<(ConversationId, CallId, bool), StoreError> {
        match self.known(tenant).await? {
            Some(conversation) => {
                let call_id = call_id_of(&conversation)?;
                Ok((conversation.id, call_id, false))
            }
            None => self.begin(tenant).await,
        }
    }

    /// The conversation of a call we know: linked by the provider's id, or named by our own variable. Who calls from a web
    /// page sets variables at will, so a name counts only for a call with that very customer.
    async fn known(&self, tenant: &Tenant) -> Result<Option<Conversation>, StoreError> {
        if let Some(id) = tenant.conversation_of_call(self.provider_id).await? {
            return tenant.conversation(&id).await;
        }
        let named = self.variables.get(CONVERSATION_VARIABLE).and_then(|id| ConversationId::parse(id).ok());
        let Some(id) = named else { return Ok(None) };
        let named = tenant.conversation(&id).await?;
        Ok(named.filter(|known| known.call_id.is_some() && self.customer == Some(&known.phone)))
    }

    async fn begin(&self, tenant: &Tenant) -> Result<(ConversationId, CallId, bool), StoreError> {
        let phone = customer(self.customer)?;
        let contact = tenant.contact_or_new(&phone).await?;
        let new = NewConversation::usual(contact.id, phone, Medium::Voice, self.started_at);
        let opened = tenant.open_call(new, self.direction, Some(self.provider_id)).await?;
        let (id, begun) = match opened {
            Appended::New { conversation, .. } => (conversation.id, true),
            Appended::Duplicate { conversation_id, .. } => (conversation_id, false),
            Appended::Refused(_) => return Err(StoreError::Conflict),
        };
        tenant.link_call(self.provider_id, &id).await?;
        let conversation = tenant.conversation(&id).await?.ok_or(StoreError::Conflict)?;
        let call_id = call_id_of(&conversation)?;
        Ok((id, call_id, begun))
    }
}

fn entries(call: Call, call_id: CallId, started_at: Timestamp) -> Vec<(Timestamp, EventBody)> {
    let outcome = outcome(&call);
    let ended_at = started_at.plus_seconds(i64::from(call.duration_seconds.unwrap_or(0)));
    let mut entries: Vec<(Timestamp, EventBody)> = call
        .turns
        .into_iter()
        .map(|turn| {
            let text = turn.text.chars().take(TURN_CHARS).collect();
            (
                said_at(started_at, turn.at_seconds),
                EventBody::Message { role: turn.speaker, text, sources: String::new() },
            )
        })
        .collect();
    let report = CallReport {
        summary: call.summary.map(|text| text.chars().take(TURN_CHARS).collect()),
        title: call.title,
        successful: call.successful,
        termination_reason: call.error.or(call.termination_reason),
        language: call.language,
        collected: fitting(call.collected, |value| value.to_string().len()),
        criteria: fitting(call.criteria, String::len),
    };
    let report = (report != CallReport::default()).then(|| Box::new(report));
    let ended = EventBody::CallEnded { call_id, outcome, duration_seconds: call.duration_seconds, report };
    entries.push((ended_at, ended));
    entries
}

/// As many results as fit into an event.
fn fitting<T>(results: BTreeMap<String, T>, size: impl Fn(&T) -> usize) -> BTreeMap<String, T> {
    let mut room = RESULT_BYTES;
    let fits = |(name, result): &(String, T)| match room.checked_sub(name.len() + size(result)) {
        Some(left) => {
            room = left;
            true
        }
        None => false,
    };
    results.into_iter().filter(fits).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to a day")]
fn said_at(started_at: Timestamp, seconds: f64) -> Timestamp {
    let millis = (seconds.clamp(0.0, 86_400.0) * 1000.0) as i64;
    Timestamp::from_millis(started_at.millis().saturating_add(millis))
}

fn outcome(call: &Call) -> String {
    match call.call_result.as_deref() {
        Some(result) if result != "answered" => result.to_owned(),
        _ if call.error.is_some() || call.status.as_deref() == Some("failed") => "failed".to_owned(),
        _ => "completed".to_owned(),
    }
}

/// A call we want to place.
#[derive(Clone)]
pub struct Dial {
    /// To whom.
    pub to: PhoneNumber,
    /// What the agent is told beside the contact's own variables.
    pub variables: BTreeMap<String, String>,
}

/// A call that was placed.
#[derive(Debug)]
pub struct Dialled {
    /// The conversation it is.
    pub conversation: Conversation,
    /// Its ids at the provider.
    pub placed: CallPlaced,
}

/// Why a call was not placed.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// A person is in control of the conversation with this contact.
    #[error("the contact is under human control")]
    UnderHumanControl,
    /// A call to this contact is being placed.
    #[error("a call to this contact is being placed")]
    Busy,
    /// The provider refuses it.
    #[error("the call was refused")]
    Refused {
        /// The conversation that shows the failure.
        conversation: Box<Conversation>,
        /// The provider's words, without numbers.
        reason: String,
    },
    /// The provider did not place it.
    #[error("the call was not placed")]
    NotPlaced {
        /// The conversation that shows the failure.
        conversation: Box<Conversation>,
        /// Whether a later attempt may succeed: it is not our credentials.
        retryable: bool,
    },
    /// Whether the provider placed it is not known; the news after the call will tell.
    #[error("whether the call was placed is not known")]
    Unknown {
        /// The conversation it is, if it was placed.
        conversation: Box<Conversation>,
    },
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// Calls a contact. The call is in the log before the provider is asked, so that none is ever unknown to us.
pub async fn dial(
    tenant: &Tenant,
    client: &ElevenLabsClient,
    account: &ElevenLabsAccount,
    dial: Dial,
) -> Result<Dialled, DialError> {
    if control::is_under_human_control(tenant, &dial.to).await? {
        return Err(DialError::UnderHumanControl);
    }
    let contact = tenant.contact_or_new(&dial.to).await?;
    if !tenant.lock(DIAL, contact.id.as_str(), DIAL_LOCK_SECONDS).await? {
        return Err(DialError::Busy);
    }
    let new = NewConversation::usual(contact.id.clone(), dial.to.clone(), Medium::Voice, now());
    let conversation = match tenant.open_call(new, Direction::Outbound, None).await? {
        Appended::New { conversation, .. } => *conversation,
        Appended::Duplicate { .. } | Appended::Refused(_) => return Err(StoreError::Conflict.into()),
    };
    let mut variables = dial.variables;
    variables.insert(CONVERSATION_VARIABLE.to_owned(), conversation.id.to_string());
    let call = OutboundCall { to: &dial.to, user_id: Some(contact.id.as_str()), dynamic_variables: &variables };
    match client.call(account, &call).await {
        Ok(placed) => {
            if let Some(id) = &placed.conversation_id {
                tenant.link_call(id, &conversation.id).await?;
            }
            Ok(Dialled { conversation, placed })
        }
        Err(error) => Err(failed(tenant, conversation, error).await?),
    }
}

async fn failed(tenant: &Tenant, conversation: Conversation, error: CallError) -> Result<DialError, StoreError> {
    let conversation = Box::new(conversation);
    tracing::warn!(conversation = conversation.id.log_id(), error = %error, "a call was not placed");
    let (reason, retryable) = match error {
        // It may be ringing: nobody else dials until the lock ends by itself.
        CallError::Unknown(_) => return Ok(DialError::Unknown { conversation }),
        CallError::Refused { reason } => (Some(reason), false),
        CallError::NotPlaced(cause) => (None, cause.retryable()),
    };
    let report = CallReport { termination_reason: reason.clone(), ..CallReport::default() };
    let ended = EventBody::CallEnded {
        call_id: call_id_of(&conversation)?,
        outcome: "failed".to_owned(),
        duration_seconds: Some(0),
        report: reason.is_some().then(|| Box::new(report)),
    };
    tenant.append(&conversation.id, Append::new(vec![ended], now())).await?;
    tenant.unlock(DIAL, conversation.contact_id.as_str()).await?;
    Ok(match reason {
        Some(reason) => DialError::Refused { conversation, reason },
        None => DialError::NotPlaced { conversation, retryable },
    })
}
