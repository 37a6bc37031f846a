//! What is made of a question before it is kept: the model's request, the points it needs, an answer given before.

use super::ask::{Ask, AskError, By, Replaces, Setting};
use super::fingerprint::Fingerprint;
use super::view::words;
use super::{Chats, Run};
use crate::reply::chat;
use domain::chat::{Brief, Chat, Ending, Exchange, Finish, Outcome, Question, RawEvents, Reserve, prompt};
use domain::ids::{ExchangeId, UserId};
use domain::points::{AiSettings, price};
use domain::time::Timestamp;
use providers::llm::{ChatMessage, ChatRequest, ChatRole, Part};
use providers::media::Image;
use store::{Asking, CachedAnswer, Maker, RequestKey, StoreError, Tenant, now};

/// Which answers may be given again: raised when the rules that the model is given change.
const CACHE_VERSION: &str = "1";

/// An answer that is not even so long is not begun: its question would be read for nothing.
const LEAST_TOKENS: u64 = 40;

/// A question with all that is kept with it.
pub(super) struct Draft {
    chat: Chat,
    ai: AiSettings,
    question: Question,
    outcome: Option<Outcome>,
    request: ChatRequest,
    digest: Option<String>,
}

/// What a question's answer is made with.
pub(super) struct ToMake {
    owner: String,
    request: ChatRequest,
    digest: Option<String>,
}

impl Draft {
    pub(super) async fn make(
        chats: &Chats,
        tenant: &Tenant,
        ask: &Ask<'_>,
        setting: Setting,
    ) -> Result<Self, AskError> {
        let Setting { organization_name, ai, profile, chat, history } = setting;
        let asked_at = now();
        let again = history.last().filter(|_| ask.replaces != Replaces::Nothing);
        let message = match again.filter(|_| ask.replaces == Replaces::Answer) {
            Some(again) => again.question.message.clone(),
            None => ask.message.trim().to_owned(),
        };
        if message.is_empty() {
            return Err(AskError::Empty);
        }
        let id = ExchangeId::parse(&identity::random::new_ordered_id(asked_at));
        let mut question = Question {
            id: id.map_err(|_| StoreError::corrupt("an id of ours"))?,
            chat_id: chat.id.clone(),
            organization_id: ask.organization_id.clone(),
            user_id: ask.user_id.clone(),
            number: chat.last + 1,
            message,
            message_type: ask.message_type.to_owned(),
            media: ask.media.iter().map(|(file, _)| file.clone()).collect(),
            profile,
            asked_at,
            max_tokens: ai.clamp_tokens(ask.max_tokens),
            reserve: Reserve { points: 0, tokens_per_point: ai.tokens_per_point, tight: false, month: None },
            origin: match &ask.by {
                By::Caller => None,
                By::Queue(connection) => Some(connection.clone()),
            },
            replaces: again.map(|again| again.question.number),
        };
        let images = ask.media.iter().map(|(_, image)| image.clone()).collect();
        let (request, digest) = request(chats, &organization_name, &ai, &question, &history, images);
        let cached = match digest.as_ref().filter(|_| ask.cache) {
            Some(digest) => tenant.cached_answer(digest).await?,
            None => None,
        };
        if cached.is_none() {
            question.reserve = reserve(tenant, &question.user_id, &ai, asked_at, &request).await?;
        }
        let outcome = cached.map(|answer| from_cache(answer, asked_at));
        Ok(Self { chat, ai, question, outcome, request, digest })
    }

    /// What is kept, and what the answer is made with where the caller is to make it.
    pub(super) fn split<'a>(
        self,
        ask: &Ask<'_>,
        key: RequestKey<'a>,
        lease_seconds: i64,
    ) -> (Asking<'a>, Option<ToMake>) {
        let Self { chat, ai, question, outcome, request, digest } = self;
        let to_make = (outcome.is_none() && ask.by == By::Caller).then(|| ToMake {
            owner: identity::random::new_id(),
            request,
            digest,
        });
        let maker = match (&outcome, &to_make) {
            (Some(_), _) => None,
            (None, Some(make)) => Some(Maker::Here(make.owner.clone(), lease_seconds)),
            (None, None) => Some(Maker::Queue),
        };
        let asking = Asking {
            chat,
            question,
            maker,
            outcome,
            key: (!key.key.is_empty()).then_some(key),
            beside_others: ask.by != By::Caller,
            answers_at_once: ai.answers_at_once,
            monthly_points: ai.monthly_points,
        };
        (asking, to_make)
    }
}

impl ToMake {
    pub(super) fn run(self, chats: &Chats, tenant: &Tenant, question: &Question) -> Run {
        let Self { owner, request, digest } = self;
        Run { chats: chats.clone(), tenant: tenant.clone(), question: question.clone(), request, owner, digest }
    }
}

/// What the model is given, and the digest under which its answer may be given again: there is none where anything
/// personal is in it, be it only what was said before (C12).
pub(super) fn request(
    chats: &Chats,
    organization_name: &str,
    ai: &AiSettings,
    question: &Question,
    history: &[Exchange],
    images: Vec<Image>,
) -> (ChatRequest, Option<String>) {
    let brief = Brief {
        organization_name,
        instructions: ai.instructions.as_deref(),
        profile: &question.profile,
        history,
        message: &question.message,
        replaces: question.replaces,
        history_chars: chats.pace.history_chars,
    };
    let mut request = ChatRequest { temperature: None, ..chat(prompt(&brief), question.max_tokens) };
    let personal = !question.profile.is_empty() || question.number > 1 || !question.media.is_empty();
    let digest = (ai.cache && !personal).then(|| digest(chats, &request));
    if let Some(last) = request.messages.pop() {
        request.messages.push(last.showing(images));
    }
    (request, digest)
}

/// A digest of all that the model is given, and of which models there are.
fn digest(chats: &Chats, request: &ChatRequest) -> String {
    let mut digest = Fingerprint::new();
    digest.add(CACHE_VERSION);
    for (provider, model) in chats.llm.models() {
        digest.add(provider);
        digest.add(model);
    }
    digest.add(&request.max_tokens.to_string());
    for message in &request.messages {
        digest.add(match message.role {
            ChatRole::System => "system",
            ChatRole::User => "user",
            ChatRole::Assistant => "assistant",
        });
        texts(message).for_each(|text| digest.add(text));
    }
    digest.finish()
}

fn texts(message: &ChatMessage) -> impl Iterator<Item = &str> {
    message.content.iter().filter_map(|part| match part {
        Part::Text(text) => Some(text.as_str()),
        Part::Image(_) => None,
    })
}

/// The points to set aside: what question and longest answer may cost, or what there is.
async fn reserve(
    tenant: &Tenant,
    user: &UserId,
    ai: &AiSettings,
    at: Timestamp,
    request: &ChatRequest,
) -> Result<Reserve, AskError> {
    let balance = tenant.balance(user, ai.starting_points).await?;
    let month = ai.monthly_points.map(|limit| (at.month(), limit));
    let left = match &month {
        Some((month, limit)) => limit.saturating_sub(tenant.points_of_month(month).await?),
        None => u64::MAX,
    };
    let asked = request.estimated_tokens();
    let need = price(asked + u64::from(request.max_tokens), ai.tokens_per_point);
    let points = need.min(balance.available).min(left);
    let least = u64::from(request.max_tokens).min(LEAST_TOKENS);
    if points < price(asked + least, ai.tokens_per_point) {
        return Err(AskError::NoPoints);
    }
    let month = month.map(|(month, _)| month);
    Ok(Reserve { points, tokens_per_point: ai.tokens_per_point, tight: points < need, month })
}

fn from_cache(answer: CachedAnswer, at: Timestamp) -> Outcome {
    Outcome {
        tokens: u64::try_from(words(&answer.response).count()).unwrap_or(u64::MAX),
        response: answer.response,
        ending: Ending::Complete(Finish::Stop),
        tokens_used: 0,
        usage_estimated: false,
        points_cost: 0,
        cached: true,
        raw_events: RawEvents { model_version: answer.model.clone(), ..RawEvents::default() },
        model: answer.model,
        ended_at: at,
        response_time_ms: 0,
        cut: false,
    }
}
