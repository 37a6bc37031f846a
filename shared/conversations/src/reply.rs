//! The AI's turn: what follows from an event, off the request path (B26, G4).
//!
//! One turn at a time per conversation, because the queue gives one job of a conversation at a time. A turn answers all
//! that the customer wrote until it is committed: news that comes while the model thinks makes the turn begin again. A
//! person who takes over in between wins: the commit checks the epoch the turn began in.

use crate::briefing;
use crate::texting::{Delivered, Texting, organization};
use domain::contact::Timeline;
use domain::context::{ReplyBrief, Turn, TurnRole, reply_prompt};
use domain::conversation::{Conversation, Medium};
use domain::event::{Event, EventBody, Notice};
use domain::ids::ConversationId;
use domain::organization::Organization;
use providers::llm::{ChatMessage, ChatRequest, ChatRole, Llm, LlmError};
use providers::twilio::segments;
use std::time::{Duration, Instant};
use store::{Append, Appended, Limit, Refused, Store, StoreError, Tenant, now};

/// Events to look for the window in: messages and what happens between them.
pub(crate) const LOOK_BACK: i32 = 200;
/// Times a turn begins again for news before it answers what it has; the news get a turn of their own.
const MAX_RESTARTS: u32 = 3;
/// How long news make a turn begin again. With one more answer (25 s, `LLM_SECONDS`) and its
/// sending, a job stays within the function's minute.
const NEWS_FOR: Duration = Duration::from_secs(20);
/// Tokens of an answer.
const MAX_TOKENS: u32 = 400;
/// Segments of one text message; a longer answer goes out as several.
const MAX_SEGMENTS: u32 = 4;
/// How long a turn waits for another sender's message, in all and at once.
const WAITS: u32 = 40;
const WAIT: Duration = Duration::from_millis(100);
/// Answers to one contact, before we think that two machines are talking.
const LOOP_GUARD: Limit = Limit { what: "reply", max: 20, seconds: 600 };

/// What a turn works with.
#[derive(Clone)]
pub struct Replier {
    /// The log.
    pub store: Store,
    /// The model.
    pub llm: Llm,
    /// The way out.
    pub texting: Texting,
}

/// Why a follow-up is to be tried again.
#[derive(Debug, thiserror::Error)]
pub enum FollowUpError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// No model answered.
    #[error("the model did not answer: {0}")]
    Llm(#[from] LlmError),
    /// It took longer than the function may.
    #[error("it was not done in time")]
    OutOfTime,
}

impl Replier {
    /// Does what follows from an event: sends what is unsent, answers what is unanswered, keeps the briefing.
    pub async fn follow_up(&self, event: &Event) -> Result<(), FollowUpError> {
        let tenant = self.store.tenant(&event.organization_id);
        let organization = organization(&tenant).await?;
        let mut answered = self.answer_all(&tenant, &organization, &event.conversation_id).await;
        // Whoever had the contact's call kept the AI from their text messages too.
        if let EventBody::HumanControlEnded { answer_pending: true, .. } = event.body
            && event.state.medium != Medium::Sms
            && let Some(texts) = tenant.open_sms(&event.contact_id).await?
        {
            answered = answered.and(self.answer_all(&tenant, &organization, &texts.id).await);
        }
        briefing::refresh(&tenant, event, &self.llm).await?;
        answered
    }

    /// Tells operators, where the customer still waits, that nothing more is tried; the messages stay unanswered.
    pub async fn give_up(&self, event: &Event) -> Result<(), StoreError> {
        let (tenant, id) = (self.store.tenant(&event.organization_id), &event.conversation_id);
        let Some(conversation) = tenant.conversation(id).await? else { return Ok(()) };
        let waiting = |conversation: &Conversation, _: &Timeline| {
            if conversation.wants_reply() { Ok(()) } else { Err(Refused::Outdated) }
        };
        let text = "The AI could not answer; a person should";
        let append = Append::new(vec![notice(Notice::ReplyFailed, text)], now());
        let append = append.once("reply-failed", format!("{id}:{}", conversation.asked)).only_if(&waiting);
        tenant.append(id, append).await.map(|_| ())
    }

    async fn answer_all(
        &self,
        tenant: &Tenant,
        organization: &Organization,
        id: &ConversationId,
    ) -> Result<(), FollowUpError> {
        // An earlier attempt may have died between commit and sending.
        self.texting.deliver(tenant, organization, id).await?;
        let begun = Instant::now();
        for restart in 0..=MAX_RESTARTS {
            let Some(conversation) = tenant.conversation(id).await? else { break };
            if !conversation.wants_reply() {
                break;
            }
            let keep = restart == MAX_RESTARTS || begun.elapsed() > NEWS_FOR;
            let turn = Begun { conversation, keep };
            if self.turn(tenant, organization, &turn).await? {
                return self.deliver(tenant, organization, id).await;
            }
        }
        Ok(())
    }

    /// Sends what the turn recorded. A person's message that is on its way at this moment goes first; what cannot be sent
    /// now is the sweep's.
    async fn deliver(
        &self,
        tenant: &Tenant,
        organization: &Organization,
        id: &ConversationId,
    ) -> Result<(), FollowUpError> {
        for _ in 0..WAITS {
            match self.texting.deliver(tenant, organization, id).await? {
                Delivered::All | Delivered::Later => return Ok(()),
                Delivered::Held => tokio::time::sleep(WAIT).await,
            }
        }
        Ok(())
    }

    /// One attempt at an answer. False when it came too late and is to begin again.
    async fn turn(&self, tenant: &Tenant, organization: &Organization, turn: &Begun) -> Result<bool, FollowUpError> {
        let conversation = &turn.conversation;
        if !self.llm.is_configured() {
            let text = "No language model is configured: messages wait for a person";
            return Ok(turn.commit(tenant, vec![notice(Notice::LlmNotConfigured, text)]).await?);
        }
        let who = format!("{}#{}", organization.id, conversation.contact_id);
        if self.store.exceeded(&LOOP_GUARD, &who).await?.is_some() {
            let text = "Too many answers in a short time: the AI pauses until the next message";
            return Ok(turn.commit(tenant, vec![notice(Notice::RepliesPaused, text)]).await?);
        }
        if !may_answer(&tenant.timeline(&conversation.contact_id).await?) {
            tracing::info!("the contact has opted out, or a person has their call: no answer");
            return Ok(true);
        }
        let Some(from) = self.texting.number_for(Some(conversation), organization) else {
            tracing::error!("the organization has no number to answer from");
            return Ok(true);
        };
        let answer = self.ask(tenant, organization, conversation).await?;
        let parts = segments::split(&answer, MAX_SEGMENTS);
        let sent = parts.into_iter().map(|text| EventBody::SmsSent {
            text,
            from: from.clone(),
            provider_id: None,
            answers: conversation.asked,
        });
        Ok(turn.commit(tenant, sent.collect()).await?)
    }

    async fn ask(
        &self,
        tenant: &Tenant,
        organization: &Organization,
        conversation: &Conversation,
    ) -> Result<String, FollowUpError> {
        let events = tenant.latest_of_contact(&conversation.contact_id, LOOK_BACK).await?;
        let (_, caller) = tenant.caller(Some(&conversation.phone)).await?;
        let caller = caller.map(|(_, caller)| caller).unwrap_or_default();
        let brief = ReplyBrief {
            organization_name: &organization.name,
            instructions: organization.instructions.as_deref(),
            customer_name: caller.name.as_deref(),
            summary: &caller.briefing.summary,
            now: now(),
        };
        let request = chat(reply_prompt(&brief, &events), MAX_TOKENS);
        let completion = self.llm.complete(&request).await?;
        let text = completion.text.trim();
        // A model that says nothing has not answered.
        if text.is_empty() { Err(LlmError::Refused.into()) } else { Ok(text.to_owned()) }
    }
}

/// A turn, and the state it began on.
struct Begun {
    conversation: Conversation,
    /// Whether news since then leave it valid.
    keep: bool,
}

impl Begun {
    /// Appends the turn's events, if nobody took over and, usually, nothing new came. False when it came too late.
    async fn commit(&self, tenant: &Tenant, bodies: Vec<EventBody>) -> Result<bool, StoreError> {
        let guard = |now: &Conversation, timeline: &Timeline| {
            let same = now.epoch == self.conversation.epoch && now.wants_reply() && may_answer(timeline);
            let news = now.asked != self.conversation.asked && !self.keep;
            if same && !news && now.answered < self.conversation.asked { Ok(()) } else { Err(Refused::Outdated) }
        };
        let append = Append::new(bodies, now()).only_if(&guard);
        match tenant.append(&self.conversation.id, append).await? {
            Some(Appended::New { .. }) => Ok(true),
            Some(Appended::Duplicate { .. } | Appended::Refused(_)) => Ok(false),
            None => Ok(true),
        }
    }
}

/// Whether the AI may write to a contact at all: not when they asked for no messages, nor while a person has any of their
/// conversations, be it a call.
fn may_answer(timeline: &Timeline) -> bool {
    !timeline.opted_out && timeline.taken_over.is_none()
}

fn notice(notice: Notice, text: &str) -> EventBody {
    EventBody::System { notice, text: text.to_owned() }
}

/// A prompt as the provider layer takes it.
pub(crate) fn chat(turns: Vec<Turn>, max_tokens: u32) -> ChatRequest {
    let message = |turn: Turn| {
        let role = match turn.role {
            TurnRole::System => ChatRole::System,
            TurnRole::User => ChatRole::User,
            TurnRole::Assistant => ChatRole::Assistant,
        };
        ChatMessage::text(role, turn.text)
    };
    ChatRequest { messages: turns.into_iter().map(message).collect(), max_tokens, temperature: Some(0.3) }
}
