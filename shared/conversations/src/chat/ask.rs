//! Asking: what is checked, kept and set aside before an answer is made.

use super::draft::Draft;
use super::fingerprint::Fingerprint;
use super::{Chats, Run, running};
use domain::chat::{Chat, Exchange, HISTORY, MESSAGE_CHARS, MediaFile, Question};
use domain::ids::{ChatId, ConnectionId, OrganizationId, UserId};
use domain::organization::Organization;
use domain::points::AiSettings;
use domain::user::Profile;
use providers::media::Image;
use std::time::Duration;
use store::{Asked, Known, Limit, RequestKey, StoreError, Tenant, now};

/// Times a question is tried again because its chat has changed meanwhile.
const ATTEMPTS: u32 = 20;
/// An organization may ask as much as so many people.
const PEOPLE: u32 = 20;
/// How long a question waits for an answer of the same chat that was told to stop.
const STOPPING: Duration = Duration::from_millis(100);

/// A question.
pub struct Ask<'a> {
    /// Of whom.
    pub organization_id: &'a OrganizationId,
    /// Who asks.
    pub user_id: &'a UserId,
    /// In which chat.
    pub place: Place<'a>,
    /// What.
    pub message: &'a str,
    /// Any word of the client's.
    pub message_type: &'a str,
    /// Pictures: as the client named them, and as they were read.
    pub media: Vec<(MediaFile, Image)>,
    /// The longest answer wished for, in tokens.
    pub max_tokens: Option<u32>,
    /// The request's idempotency key.
    pub key: Option<&'a str>,
    /// Whether an answer given before will do.
    pub cache: bool,
    /// Whether the answer takes the place of the chat's latest one.
    pub replaces: Replaces,
    /// Who makes the answer.
    pub by: By,
}

/// What of a chat an answer takes the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaces {
    /// Nothing: it is the next one.
    Nothing,
    /// The latest answer; its question is asked anew, or `message` where the chat has none.
    Answer,
    /// The latest question and its answer.
    Question,
}

/// In which chat a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// In a new one.
    New,
    /// In a new one, which gets this id.
    Fresh(&'a ChatId),
    /// In this one.
    Existing(&'a ChatId),
    /// In this one, which begins if there is none.
    Either(&'a ChatId),
}

/// Who makes an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The caller.
    Caller,
    /// Whoever gets it from the chat queue. The question came over this connection.
    Queue(ConnectionId),
}

/// Why a question is not asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is nothing to answer.
    #[error("the message is empty")]
    Empty,
    /// The message is too long.
    #[error("the message is too long")]
    TooLong,
    /// There is no such chat of this person.
    #[error("there is no such chat")]
    NotFound,
    /// Another answer of the chat is under way.
    #[error("another answer is under way")]
    Busy,
    /// The points do not suffice.
    #[error("the points are used up")]
    NoPoints,
    /// The person has as many answers under way as they may.
    #[error("too many answers are under way")]
    TooMany,
    /// So many questions in so short a time; seconds until there may be more.
    #[error("too many questions")]
    RateLimited(u32),
    /// The idempotency key was used for another request.
    #[error("the key stands for another request")]
    KeyTaken,
    /// There is no model.
    #[error("no language model is configured")]
    NotConfigured,
    /// No model can look at pictures.
    #[error("no language model can look at pictures")]
    NoVision,
    /// The tables.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// A question that is kept.
pub struct Begun {
    /// It, and its answer when that is over.
    pub exchange: Exchange,
    /// Whether its chat began with it.
    pub is_new_chat: bool,
    /// Whether it was kept before, when the same request came under the same key.
    pub is_repeat: bool,
    /// The answer to be made, where the caller is to make it; else somebody does, or did.
    pub run: Option<Run>,
}

/// What a question is asked with.
pub(super) struct Setting {
    pub(super) organization_name: String,
    pub(super) ai: AiSettings,
    pub(super) profile: Profile,
    pub(super) chat: Chat,
    pub(super) history: Vec<Exchange>,
}

impl Chats {
    /// Keeps a question and sets its points aside. A request that was made before under the same key gives its exchange.
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Begun, AskError> {
        self.check(&ask)?;
        let tenant = self.store.tenant(ask.organization_id);
        let request = request_digest(&ask);
        if let Some(key) = ask.key
            && let Some(known) = tenant.known(ask.user_id, key).await?
        {
            return begun_before(&tenant, &known, &request).await;
        }
        self.count(&ask).await?;
        // Made once: a chat of a new id is that in every attempt.
        let new_id = ChatId::parse(&identity::random::new_id()).map_err(|_| StoreError::corrupt("an id of ours"))?;
        for _ in 0..ATTEMPTS {
            let setting = Box::pin(self.setting(&tenant, &ask, &new_id)).await?;
            let draft = Draft::make(self, &tenant, &ask, setting).await?;
            let (asking, to_make) = {
                let key = RequestKey { key: ask.key.unwrap_or_default(), request: &request };
                draft.split(&ask, key, self.pace.lease_seconds)
            };
            match tenant.ask(&asking).await? {
                Asked::Begun(_) => {
                    let is_new_chat = asking.chat.last == 0;
                    let exchange = Exchange { question: asking.question, outcome: asking.outcome };
                    let run = to_make.map(|make| make.run(self, &tenant, &exchange.question));
                    return Ok(Begun { exchange, is_new_chat, is_repeat: false, run });
                }
                Asked::Known(known) => return begun_before(&tenant, &known, &request).await,
                Asked::Busy if self.is_stopping(&tenant, &asking.question).await? => {
                    tokio::time::sleep(STOPPING).await;
                }
                // What was read has changed: with what there is now there may be another answer to this.
                Asked::Moved | Asked::NoPointsOfMonth | Asked::NoPoints => {}
                Asked::Busy => return Err(AskError::Busy),
                Asked::TooMany => return Err(AskError::TooMany),
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn count(&self, ask: &Ask<'_>) -> Result<(), AskError> {
        let own = Limit { what: "questions-user", max: self.questions_per_minute, seconds: 60 };
        let all = Limit { what: "questions-org", max: own.max.saturating_mul(PEOPLE), seconds: 60 };
        let who = format!("{}#{}", ask.organization_id, ask.user_id);
        for (limit, who) in [(own, who.as_str()), (all, ask.organization_id.as_str())] {
            if let Some(seconds) = self.store.exceeded(&limit, who).await? {
                return Err(AskError::RateLimited(seconds));
            }
        }
        Ok(())
    }

    /// What can be said of a question without looking anything up; asking says it too.
    pub fn check(&self, ask: &Ask<'_>) -> Result<(), AskError> {
        if ask.message.trim().is_empty() && ask.replaces != Replaces::Answer {
            return Err(AskError::Empty);
        }
        if ask.message.trim().chars().count() > MESSAGE_CHARS {
            return Err(AskError::TooLong);
        }
        if !self.llm.is_configured() {
            return Err(AskError::NotConfigured);
        }
        if !ask.media.is_empty() && !self.llm.has_vision() {
            return Err(AskError::NoVision);
        }
        Ok(())
    }

    async fn setting(&self, tenant: &Tenant, ask: &Ask<'_>, new_id: &ChatId) -> Result<Setting, AskError> {
        let id = match ask.place {
            Place::New | Place::Fresh(_) => None,
            Place::Existing(id) | Place::Either(id) => Some(id),
        };
        let chat = async {
            match id {
                Some(id) => tenant.any_chat(id).await,
                None => Ok(None),
            }
        };
        let history = async {
            match id {
                Some(id) => tenant.exchanges(id, None, HISTORY).await,
                None => Ok(Vec::new()),
            }
        };
        let (organization, user, chat, history) =
            tokio::try_join!(tenant.organization(), tenant.user(ask.user_id), chat, history)?;
        let begin = |id: &ChatId| Chat::begin(id.clone(), ask.user_id.clone(), ask.message, now());
        let chat = match (chat, ask.place) {
            (Some(chat), _) if chat.active && chat.user_id == *ask.user_id => chat,
            (None, Place::New) => begin(new_id),
            (None, Place::Either(id) | Place::Fresh(id)) => begin(id),
            _ => return Err(AskError::NotFound),
        };
        let (organization_name, ai) = organization.map(|Organization { name, ai, .. }| (name, ai)).unwrap_or_default();
        Ok(Setting { organization_name, ai, profile: user.map(|user| user.profile).unwrap_or_default(), chat, history })
    }

    /// Whether the answer in a question's way is about to end.
    async fn is_stopping(&self, tenant: &Tenant, question: &Question) -> Result<bool, StoreError> {
        let Some(chat) = tenant.any_chat(&question.chat_id).await? else { return Ok(false) };
        let Some(exchange) = running(tenant, &chat).await? else { return Ok(true) };
        let run = tenant.run(&exchange.question.id).await?;
        if run.as_ref().is_some_and(|run| run.is_abandoned(now())) {
            super::abandon(tenant, &exchange.question).await?;
            return Ok(true);
        }
        Ok(run.is_none_or(|run| run.stop || run.over))
    }
}

async fn begun_before(tenant: &Tenant, known: &Known, request: &str) -> Result<Begun, AskError> {
    if known.request != request {
        return Err(AskError::KeyTaken);
    }
    let exchange = tenant.exchange(&known.chat_id, known.number).await?;
    let exchange = exchange.ok_or_else(|| StoreError::corrupt("a known request without its exchange"))?;
    Ok(Begun { exchange, is_new_chat: known.number == 1, is_repeat: true, run: None })
}

/// What tells two requests apart.
fn request_digest(ask: &Ask<'_>) -> String {
    let mut digest = Fingerprint::new();
    match ask.place {
        Place::New | Place::Fresh(_) => digest.add("new"),
        Place::Existing(id) | Place::Either(id) => digest.add(id.as_str()),
    }
    digest.add(ask.message.trim());
    digest.add(match ask.replaces {
        Replaces::Nothing => "",
        Replaces::Answer => "answer",
        Replaces::Question => "question",
    });
    digest.add(&ask.max_tokens.map(|tokens| tokens.to_string()).unwrap_or_default());
    for (file, _) in &ask.media {
        digest.add(&file.id);
        digest.add(file.url.as_deref().unwrap_or_default());
    }
    digest.finish()
}
