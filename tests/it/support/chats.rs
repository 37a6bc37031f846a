//! Chats with the model that a test makes for itself, at the repositories: nobody else asks or answers in them.

use super::cloud::Cloud;
use domain::chat::{Chat, Ending, Exchange, Finish, Outcome, Question, RawEvents, Reserve};
use domain::ids::{ChatId, ExchangeId, UserId};
use domain::user::{Profile, ProfileValue};
use store::{Asked, Asking, Ended, Maker, Tenant, now};

/// Points that people begin with here.
pub(crate) const STARTING_POINTS: u64 = 1000;
/// Points set aside for an answer.
pub(crate) const RESERVED: u64 = 10;
/// Far longer than any test: nobody but the test ends an answer.
const LEASE_SECONDS: i64 = 3600;

/// Somebody who asks.
pub(crate) struct Person {
    pub(crate) tenant: Tenant,
    pub(crate) id: UserId,
}

impl Person {
    /// One of the demo users.
    pub(crate) async fn of(cloud: &Cloud, email: &str) -> Self {
        let user = cloud.user(email);
        let tenant = cloud.tenant(&user.organization_id).await;
        Self::new(tenant, &user.id).await
    }

    /// Anybody, with their starting points.
    pub(crate) async fn new(tenant: Tenant, id: &str) -> Self {
        let id = UserId::parse(id).unwrap();
        tenant.balance(&id, STARTING_POINTS).await.unwrap();
        Self { tenant, id }
    }

    /// A chat as it is, or one that begins with this message.
    pub(crate) async fn chat_or_new(&self, id: &str, message: &str) -> Chat {
        let id = ChatId::parse(id).unwrap();
        let chat = self.tenant.any_chat(&id).await.unwrap();
        chat.unwrap_or_else(|| Chat::begin(id, self.id.clone(), message, now()))
    }

    /// The next question of a chat, to be answered by the test.
    pub(crate) fn asking<'a>(&self, chat: &Chat, message: &str) -> Asking<'a> {
        let question = Question {
            id: ExchangeId::parse(&identity::random::new_id()).unwrap(),
            chat_id: chat.id.clone(),
            organization_id: self.tenant.organization_id().clone(),
            user_id: self.id.clone(),
            number: chat.last + 1,
            message: message.to_owned(),
            message_type: "user_query".to_owned(),
            media: Vec::new(),
            profile: Profile::from([("age".to_owned(), ProfileValue::Whole(30))]),
            asked_at: now(),
            max_tokens: 5000,
            reserve: Reserve { points: RESERVED, tokens_per_point: 30, tight: false, month: None },
            origin: None,
            replaces: None,
        };
        Asking {
            chat: chat.clone(),
            question,
            maker: Some(Maker::Here("the test".to_owned(), LEASE_SECONDS)),
            outcome: None,
            key: None,
            beside_others: true,
            answers_at_once: 50,
            monthly_points: None,
        }
    }

    /// Asks in a chat; its answer is under way then.
    pub(crate) async fn ask(&self, chat: &str, message: &str) -> Question {
        let chat = self.chat_or_new(chat, message).await;
        let asking = self.asking(&chat, message);
        let asked = self.tenant.ask(&asking).await.unwrap();
        assert!(matches!(asked, Asked::Begun(_)), "{asked:?}");
        asking.question
    }

    /// Ends the answer to a question.
    pub(crate) async fn end(&self, question: &Question, outcome: Outcome) {
        let ended = self.tenant.end_exchange(question, outcome, None).await.unwrap();
        assert!(matches!(ended, Ended::Now(_)), "{ended:?}");
    }

    /// Asks and answers.
    pub(crate) async fn exchange(&self, chat: &str, message: &str, response: &str) -> Exchange {
        let question = self.ask(chat, message).await;
        let outcome = outcome(response, 5);
        self.end(&question, outcome.clone()).await;
        Exchange { question, outcome: Some(outcome) }
    }
}

/// A whole answer that costs so much.
pub(crate) fn outcome(response: &str, points_cost: u64) -> Outcome {
    Outcome {
        response: response.to_owned(),
        ending: Ending::Complete(Finish::Stop),
        tokens_used: 30 * points_cost,
        usage_estimated: false,
        points_cost,
        cached: false,
        model: Some("demo-1".to_owned()),
        raw_events: RawEvents { model_version: Some("demo-1".to_owned()), attempts: 1, ..RawEvents::default() },
        ended_at: now(),
        response_time_ms: 250,
        tokens: 1,
        cut: false,
    }
}
