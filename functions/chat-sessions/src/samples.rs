//! A chat and its exchanges for unit tests.

use domain::chat::{Chat, Ending, Exchange, Finish, Outcome, Question, RawEvents, Reserve};
use domain::ids::{ChatId, ExchangeId, OrganizationId, UserId};
use domain::time::Timestamp;
use domain::user::{Profile, ProfileValue};

/// 2024-01-01T00:00:00Z.
const BEGUN: i64 = 1_704_067_200;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(BEGUN * 1000).plus_seconds(i64::try_from(seconds).unwrap())
}

/// A chat of so many exchanges, one a second.
pub(crate) fn chat(exchanges: u64) -> Chat {
    let chat = Chat::begin(ChatId::parse("c1").unwrap(), UserId::parse("ada").unwrap(), "What is 2+2?", at(0));
    Chat { updated_at: at(exchanges), last: exchanges, ..chat }
}

/// One exchange of it; without an answer it is not over.
pub(crate) fn exchange(number: u64, message: &str, answer: Option<&str>) -> Exchange {
    let question = Question {
        id: ExchangeId::parse(&format!("m{number}")).unwrap(),
        chat_id: ChatId::parse("c1").unwrap(),
        organization_id: OrganizationId::parse("acme").unwrap(),
        user_id: UserId::parse("ada").unwrap(),
        number,
        message: message.to_owned(),
        message_type: "user_query".to_owned(),
        media: Vec::new(),
        profile: Profile::from([("age".to_owned(), ProfileValue::Whole(30))]),
        asked_at: at(number),
        max_tokens: 5000,
        reserve: Reserve { points: 10, tokens_per_point: 30, tight: false, month: None },
        origin: None,
        replaces: None,
    };
    let outcome = answer.map(|text| Outcome {
        response: text.to_owned(),
        ending: Ending::Complete(Finish::Stop),
        tokens_used: 150,
        usage_estimated: false,
        points_cost: 5,
        cached: false,
        model: Some("demo-1".to_owned()),
        raw_events: RawEvents {
            model_version: Some("demo-1".to_owned()),
            finish_reason: Some("stop".to_owned()),
            attempts: 1,
            ..RawEvents::default()
        },
        ended_at: at(number + 1),
        response_time_ms: 250,
        tokens: 1,
        cut: false,
    });
    Exchange { question, outcome }
}
