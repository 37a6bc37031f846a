//! The seeds' own client programs (`tests/clients`), run as they are printed against a cloud, with messages meanwhile.

use crate::support::clients::{Client, node, python, recipe};
use crate::support::cloud::{
    ADA, AURORA, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, LIVE, PASSWORD, SHARED_CONTACT, SHARED_PHONE,
};
use domain::event::{Direction, EventBody, Speaker};
use domain::ids::{CallId, ConversationId, OrganizationId, UserId};
use serde_json::{Value, json};
use store::{Append, Appended, now};

/// The address in seed A's recipes.
const PRINTED: &str = "http://localhost:5000";

/// Seed A's browser monitor, with nothing but the cookie of a sign-in (U5): history, new messages, the end.
#[tokio::test]
async fn seed_as_monitor_shows_a_conversation_until_it_ends() {
    let cloud = Cloud::silent().await;
    let base_url = cloud.info.base_url.as_str();
    let mut client = Client::spawn(node().await.args(["seed-a/run-monitor.js", base_url, ADA, PASSWORD]));

    let shown = client.json().await;
    assert_eq!(shown[0], "Initial conversation:");
    assert_eq!(shown[1]["conversation_id"], LIVE);
    assert_eq!(shown[1]["messages"][0]["content"], "There is smoke in the machine hall.");
    assert_eq!(shown[1]["total_messages"], 4);

    cloud.happens(AURORA, LIVE, said("They are outside now.")).await;
    let shown = client.json().await;
    assert_eq!(shown[0], "New messages:");
    assert_eq!(contents(&shown[1]), ["They are outside now."]);

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    assert_eq!(client.json().await, json!(["Conversation ended"]));
    // It closes its EventSource on `ended`; otherwise it would reconnect and never end.
    client.finished().await;
}

/// Seed A's Python client: `json.loads` of every `data:` line (A26), and A24's command line around it.
#[tokio::test]
async fn seed_as_python_client_reads_every_line_until_the_end() {
    let cloud = Cloud::silent().await;
    let arguments = ["seed-a/test_conversation_stream.py", cloud.token(ADA), LIVE, &cloud.info.base_url];
    let mut client = Client::spawn(python().await.args(arguments));

    let initial = client.json().await;
    assert_eq!((&initial["conversation_id"], &initial["total_messages"]), (&json!(LIVE), &json!(4)));

    // What is not ASCII reaches it whole.
    cloud.happens(AURORA, LIVE, said("Sie sind draußen 👍")).await;
    let new = client.json_with("messages").await;
    assert_eq!(contents(&new["messages"]), ["Sie sind draußen 👍"]);
    assert_eq!(new["total_messages"], 5);

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    let ended = client.json_with("message").await;
    assert_eq!(ended, json!({"message": "Conversation has ended", "conversation_id": LIVE}));
    client.finished().await;
}

/// Seed A's curl recipes (A25).
#[tokio::test]
async fn seed_as_curl_recipes_work() {
    let cloud = Cloud::silent().await;
    let mut snapshot = Client::spawn(&mut recipe("seed-a/snapshot.curl", PRINTED, &cloud, ADA));
    let answer = snapshot.json().await;
    assert_eq!((&answer["success"], &answer["conversation"]["conversation_id"]), (&json!(true), &json!(LIVE)));
    snapshot.finished().await;

    let mut stream = Client::spawn(&mut recipe("seed-a/stream.curl", PRINTED, &cloud, ADA));
    stream.until("event: initial").await;
    let data = stream.line().await;
    let initial: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(initial, answer["conversation"]);

    cloud.happens(AURORA, LIVE, said("They are outside now.")).await;
    stream.until("event: new_messages").await;
    assert!(stream.line().await.contains("They are outside now."));

    cloud.happens(AURORA, LIVE, EventBody::ConversationEnded { reason: "resolved".to_owned() }).await;
    stream.until("event: ended").await;
    stream.until("").await;
    stream.finished().await;
}

/// Seed B's page, and the first steps of its API test (B32): connect, send a text message by webhook, see it. The page
/// drops what is not of its organization (B03), and its URL has the phone number's `+` as it is (B05).
#[tokio::test]
async fn seed_bs_page_shows_the_history_a_text_message_a_call_and_a_takeover() {
    let cloud = Cloud::silent().await;
    let known = cloud.snapshot(BICI_LIVE, CLEO).await;
    // A lead that the page knows by another id is found by the number.
    for lead in [SHARED_CONTACT, "lead_42"] {
        let base_url = cloud.info.base_url.as_str();
        let arguments = ["seed-b/run-stream.js", base_url, CLEO, PASSWORD, lead, SHARED_PHONE, BICI];
        let mut client = Client::spawn(node().await.args(arguments));

        let history = client.json().await;
        assert_eq!(history[0], "setConversationHistory");
        assert!(contents(&history[1]).starts_with(&contents(&known["messages"])), "{history}");

        cloud.text(SHARED_PHONE, BICI_NUMBER, "Is it ready?").await;
        assert_eq!(client.json().await, json!(["addMessage", "Is it ready?"]));

        let call_id = CallId::parse("call_14155550142_20251003_121500").unwrap();
        cloud.happens(BICI, BICI_LIVE, EventBody::CallInitiated { call_id, direction: Direction::Inbound }).await;
        assert_eq!(client.json().await, json!(["setCallActive", true]));

        let agent_id = UserId::parse(&cloud.user(CLEO).id).unwrap();
        let takeover = EventBody::HumanControlStarted {
            agent_id,
            agent_name: "Cleo".to_owned(),
            reason: None,
            lease_seconds: 7200,
        };
        cloud.happens(BICI, BICI_LIVE, takeover).await;
        assert_eq!(client.json().await, json!(["setHumanControlActive", true]));
    }
}

fn said(text: &str) -> EventBody {
    EventBody::Message { role: Speaker::Customer, text: text.to_owned(), sources: String::new() }
}

/// The texts of a list of messages.
fn contents(messages: &Value) -> Vec<&str> {
    messages.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

impl Cloud {
    /// Appends what no route does yet.
    async fn happens(&self, organization: &str, conversation: &str, body: EventBody) {
        let store = self.store().await;
        let tenant = store.tenant(&OrganizationId::parse(organization).unwrap());
        let id = ConversationId::parse(conversation).unwrap();
        let appended = tenant.append(&id, Append::new(vec![body], now())).await.unwrap();
        assert!(matches!(appended, Some(Appended::New { .. })), "{appended:?}");
    }
}
