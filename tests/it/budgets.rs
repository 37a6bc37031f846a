//! What each thing costs, in requests: exact, so that a change that makes something dearer has to say so here. What follows
//! from an event off the request path has a budget of its own; the other clouds here do without it.

use crate::support::backstage::said;
use crate::support::cloud::{
    ADA, AURORA, BEN, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, DAN, LIVE, SHARED_CONTACT, SHARED_PHONE,
};
use crate::support::elevenlabs::{Call, STARTED};
use crate::support::socket::{Socket, events};
use crate::support::twilio::Sms;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Requests by table and operation, `EphemeralTable Query`.
type Costs = BTreeMap<String, u64>;

fn costs<const N: usize>(costs: [(&str, u64); N]) -> Costs {
    costs.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

async fn spent(cloud: &Cloud) -> Costs {
    let metrics = cloud.metrics().await;
    let mut all = Costs::new();
    for (table, operations) in metrics["dynamodb_by_table"].as_object().unwrap() {
        for (operation, count) in operations.as_object().unwrap() {
            all.insert(format!("{table} {operation}"), count.as_u64().unwrap());
        }
    }
    all
}

/// What was spent since then. One batch request that names both tables counts at both.
async fn spent_since(cloud: &Cloud, before: &Costs) -> Costs {
    let mut now = spent(cloud).await;
    for (name, count) in &mut now {
        *count -= before.get(name).unwrap_or(&0);
    }
    now.retain(|_, count| *count > 0);
    now
}

/// Sum of a metric over all that the fan-out has reported.
fn fanout_metric(cloud: &Cloud, name: &str) -> f64 {
    let log = std::fs::read_to_string(cloud.data().join("logs/fanout.jsonl")).unwrap();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| line[name].as_f64()).sum()
}

/// A connection that reads a conversation: its frames say when the fan-out has done its work.
async fn watcher(cloud: &Cloud, email: &str, conversation: &str) -> Socket {
    let mut socket = cloud.socket(email).await;
    socket.subscribe(conversation, None).await;
    socket.until("subscribed").await;
    // Served after the subscription has turned live.
    assert!(socket.drain().await.is_empty());
    socket
}

/// A cloud whose stream has nothing left to deliver: the greeting came last. The socket is to be kept.
async fn at_rest() -> (Cloud, Socket) {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(CLEO).await;
    assert!(socket.drain().await.is_empty());
    (cloud, socket)
}

/// Whose number, whose settings, the contact by number (two records), the timeline, the conversation.
const SMS_READS: u64 = 6;
/// For the readers of the conversation, of its contact and of the inbox.
const TOPICS: u64 = 3;

/// The count of the organization's webhooks, and the entry in its inbox.
const COUNTED: (&str, u64) = ("EphemeralTable UpdateItem", 1);
const KEPT: (&str, u64) = ("EphemeralTable PutItem", 1);

#[tokio::test]
async fn an_incoming_message_costs_six_reads_three_writes_and_three_topic_queries() {
    let cloud = Cloud::silent().await;
    let mut socket = watcher(&cloud, CLEO, BICI_LIVE).await;
    let before = spent(&cloud).await;
    let sms = Sms::new(SHARED_PHONE, BICI_NUMBER, "What does this cost?");
    assert_eq!(cloud.sms(&sms).await.status(), 200);
    socket.until("sms_received").await;
    let transaction = [("CoreTable TransactWriteItems", 1), ("EphemeralTable TransactWriteItems", 1)];
    let reads = [("CoreTable GetItem", SMS_READS), ("EphemeralTable Query", TOPICS)];
    let message = costs([reads[0], reads[1], transaction[0], transaction[1], COUNTED, KEPT]);
    assert_eq!(spent_since(&cloud, &before).await, message);

    // The second delivery is refused by its marker, which then tells where the first one went.
    let before = spent(&cloud).await;
    assert_eq!(cloud.sms(&sms).await.status(), 200);
    let reads = [("CoreTable GetItem", SMS_READS), ("EphemeralTable GetItem", 1)];
    let duplicate = costs([reads[0], reads[1], transaction[0], transaction[1], COUNTED, KEPT]);
    assert_eq!(spent_since(&cloud, &before).await, duplicate);
    assert!(socket.drain().await.is_empty());
}

#[tokio::test]
async fn a_first_message_makes_contact_and_conversation_with_two_transactions() {
    let cloud = Cloud::silent().await;
    let mut inbox = cloud.socket(CLEO).await;
    inbox.send(json!({"action": "subscribe", "inbox": true})).await;
    inbox.until("subscribed").await;
    assert!(inbox.drain().await.is_empty());
    let before = spent(&cloud).await;
    cloud.text("+14155550167", BICI_NUMBER, "Hello?").await;
    inbox.until("conversation_updated").await;
    // No contact to read, and no conversation.
    let first = costs([
        ("CoreTable GetItem", 4),
        ("CoreTable TransactWriteItems", 2),
        ("EphemeralTable TransactWriteItems", 1),
        ("EphemeralTable Query", TOPICS),
        COUNTED,
        KEPT,
    ]);
    assert_eq!(spent_since(&cloud, &before).await, first);
}

#[tokio::test]
async fn what_an_agent_is_told_of_a_caller_costs_two_reads() {
    let (cloud, _socket) = at_rest().await;
    let agent = cloud.voice().agent_id;
    for (caller, called, reads) in [
        // Whose number, and whose agent where the number is nobody's; then the organization with its caller.
        (SHARED_PHONE, BICI_NUMBER, 2),
        ("+14155550167", BICI_NUMBER, 2),
        ("anonymous", BICI_NUMBER, 2),
        (SHARED_PHONE, "+14155550000", 2),
    ] {
        let before = spent(&cloud).await;
        cloud.told_of(caller, called).await;
        assert_eq!(spent_since(&cloud, &before).await, costs([("CoreTable BatchGetItem", reads)]), "{caller} {called}");
    }
    let before = spent(&cloud).await;
    let body = json!({"caller_id": SHARED_PHONE, "called_number": "+14155550000", "agent_id": format!("{agent}0")});
    assert_eq!(cloud.initiation(&body).send().await.unwrap().status(), 200);
    assert_eq!(spent_since(&cloud, &before).await, costs([("CoreTable BatchGetItem", 1)]), "a call of nobody's");
}

#[tokio::test]
async fn the_news_of_a_call_cost_a_transaction_for_every_thirty_turns() {
    let cloud = Cloud::silent().await;
    let mut socket = cloud.socket(CLEO).await;
    socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT})).await;
    socket.until("subscribed").await;
    assert!(socket.drain().await.is_empty());
    let told = async |socket: &mut Socket, count: usize| {
        let mut seen = 0;
        while seen < count {
            seen += events(&socket.next().await.unwrap()).len();
        }
    };
    for (turns, parts) in [(4, 1), (60, 3)] {
        let mut news = Call::new(&format!("conv_{turns}"), SHARED_PHONE, BICI_NUMBER).of_turns(turns).news();
        // Two calls of one second would have to agree on an id.
        news["data"]["metadata"]["start_time_unix_secs"] = (STARTED + turns as u64).into();
        let before = spent(&cloud).await;
        cloud.call_over(&news).await;
        told(&mut socket, turns + 2).await;
        let mut spent = spent_since(&cloud, &before).await;
        // How the stream cuts its batches is its own affair.
        spent.remove("EphemeralTable Query");
        let call = costs([
            // Whose number.
            ("CoreTable BatchGetItem", 1),
            // Whose settings, the call, the contact by number (two records), the timeline, the conversation; then both
            // heads for each part.
            ("CoreTable GetItem", 6 + 2 * parts),
            ("CoreTable TransactWriteItems", 1 + parts),
            ("EphemeralTable TransactWriteItems", 1 + parts),
            // Which conversation the call is.
            ("CoreTable PutItem", 1),
            // Whether it was done already, and that it is this worker's turn.
            ("EphemeralTable GetItem", 1),
            ("EphemeralTable PutItem", 1 + KEPT.1),
            // The count, and the verdict.
            ("EphemeralTable UpdateItem", 2),
        ]);
        assert_eq!(spent, call, "{turns} turns");
    }
}

#[tokio::test]
async fn what_follows_from_a_message_that_wants_no_answer_costs_six_reads_and_the_briefing() {
    let cloud = Cloud::start().await;
    let mut socket = watcher(&cloud, CLEO, BICI_LIVE).await;
    let done = cloud.followed_up().await;
    let before = spent(&cloud).await;
    cloud.text(SHARED_PHONE, BICI_NUMBER, "HELP").await;
    socket.until("sms_received").await;
    cloud.follow_ups(done + 1).await;
    let message = costs([
        // The message's own; then the organization, the conversation, the timeline.
        ("CoreTable GetItem", SMS_READS + 3),
        // What is unsent, and the latest of the contact.
        ("CoreTable Query", 2),
        // The briefing as it was, and as it is.
        ("CoreTable BatchGetItem", 1),
        ("CoreTable UpdateItem", 1),
        ("CoreTable TransactWriteItems", 1),
        ("EphemeralTable TransactWriteItems", 1),
        ("EphemeralTable Query", TOPICS),
        COUNTED,
        KEPT,
    ]);
    assert_eq!(spent_since(&cloud, &before).await, message);
}

#[tokio::test]
async fn a_snapshot_costs_three_requests_and_one_that_has_not_changed_two() {
    let (cloud, _socket) = at_rest().await;
    let before = spent(&cloud).await;
    let path = format!("/api/conversation/{LIVE}");
    let answer = cloud.get(&path, ADA).send().await.unwrap();
    let etag = answer.headers()["etag"].clone();
    // The token's standing; the conversation with its messages; the organization's time zone.
    let token = [("CoreTable BatchGetItem", 1), ("EphemeralTable BatchGetItem", 1)];
    let whole = costs([token[0], token[1], ("CoreTable Query", 1), ("CoreTable GetItem", 1)]);
    assert_eq!(spent_since(&cloud, &before).await, whole);

    let before = spent(&cloud).await;
    let answer = cloud.get(&path, ADA).header("if-none-match", etag).send().await.unwrap();
    assert_eq!(answer.status(), 304);
    assert_eq!(spent_since(&cloud, &before).await, costs([token[0], token[1], ("CoreTable GetItem", 1)]));
}

#[tokio::test]
async fn a_page_of_conversations_costs_the_same_for_one_as_for_many() {
    let (cloud, _socket) = at_rest().await;
    let before = spent(&cloud).await;
    cloud.json("/api/conversations", ADA).await;
    // The token's standing and the conversations themselves; the live and the ended ones; the time zone.
    let page = costs([
        ("CoreTable BatchGetItem", 2),
        ("EphemeralTable BatchGetItem", 1),
        ("CoreTable Query", 2),
        ("CoreTable GetItem", 1),
    ]);
    assert_eq!(spent_since(&cloud, &before).await, page);
}

/// Time between two looks of the streams in this test; a second in production.
const LOOK: Duration = Duration::from_millis(100);

#[tokio::test]
async fn an_idle_stream_costs_one_read_for_each_look_and_nothing_else() {
    let look = format!("STREAM_POLL_INTERVAL_MS={}", LOOK.as_millis());
    let cloud = Cloud::silent_with(&["--env", &look, "--env", "STREAM_HEARTBEAT_SECONDS=0.5"]).await;
    let mut streams =
        [cloud.stream(LIVE, ADA, None).await, cloud.contact_stream("worker_919325590143", "", BEN, None).await];
    for stream in &mut streams {
        // Heartbeats are the server's own ticks: both streams are at rest by now.
        stream.until("heartbeat").await;
    }
    let (before, start) = (spent(&cloud).await, Instant::now());
    for stream in &mut streams {
        for _ in 0..4 {
            assert_eq!(stream.next().await.unwrap().name(), "heartbeat");
        }
    }
    let mut idle = spent_since(&cloud, &before).await;
    let looks = idle["CoreTable BatchGetItem"];
    let at_most = 2 * (1 + (start.elapsed().as_millis() / LOOK.as_millis()) as u64);
    assert!((4..=at_most).contains(&looks), "{looks} looks, at most {at_most}");
    // The same request asks for the head, the person and the token.
    assert!(idle["EphemeralTable BatchGetItem"].abs_diff(looks) <= 1);
    idle.retain(|name, _| !name.ends_with("BatchGetItem"));
    assert_eq!(idle, Costs::new());
}

#[tokio::test]
async fn a_stream_reads_the_log_once_for_news_and_not_again() {
    let cloud = Cloud::silent_with(&["--env", "STREAM_POLL_INTERVAL_MS=100"]).await;
    let mut stream = cloud.stream(LIVE, ADA, None).await;
    stream.until("initial").await;
    let before = spent(&cloud).await;
    for text in ["one", "two", "three"] {
        cloud.append(AURORA, LIVE, said(text)).await;
        stream.until("new_messages").await;
    }
    assert_eq!(spent_since(&cloud, &before).await["CoreTable Query"], 3);
}

#[tokio::test]
async fn a_message_to_many_sockets_is_one_post_each_and_three_queries_in_all() {
    const WATCHERS: usize = 12;
    let cloud = Cloud::silent().await;
    let mut sockets = Vec::new();
    for number in 0..WATCHERS {
        sockets.push(watcher(&cloud, [ADA, BEN, DAN][number % 3], LIVE).await);
    }
    for messages in [1, 5] {
        let (before, posts) = (spent(&cloud).await, fanout_metric(&cloud, "Posts"));
        let bodies = (0..messages).map(|_| said("for everybody")).collect();
        let id = domain::ids::ConversationId::parse(LIVE).unwrap();
        let append = store::Append::new(bodies, store::now());
        cloud.tenant(AURORA).await.append(&id, append).await.unwrap().unwrap();
        for socket in &mut sockets {
            // What is appended together travels together.
            assert_eq!(events(&socket.next().await.unwrap()).len(), messages);
        }
        // Its line is written when the batch is done.
        crate::support::eventually("the report of the batch", || async {
            (fanout_metric(&cloud, "Posts") >= posts + WATCHERS as f64).then_some(())
        })
        .await;
        assert_eq!(fanout_metric(&cloud, "Posts"), posts + WATCHERS as f64, "{messages} messages");
        let mut told = spent_since(&cloud, &before).await;
        told.retain(|name, _| name.starts_with("Ephemeral"));
        assert_eq!(told, costs([("EphemeralTable Query", TOPICS)]));
    }
    assert_eq!(fanout_metric(&cloud, "Repeats"), 0.0);
}

#[tokio::test]
async fn joining_by_socket_costs_a_fixed_number_of_requests() {
    let (cloud, _socket) = at_rest().await;
    let before = spent(&cloud).await;
    let mut socket = cloud.socket(ADA).await;
    assert!(socket.drain().await.is_empty());
    let both = ["CoreTable", "EphemeralTable"].map(|table| format!("{table} BatchGetItem"));
    let connecting = spent_since(&cloud, &before).await;
    // Once at the handshake, once for the ping.
    assert!(both.iter().all(|name| connecting[name] == 2), "{connecting:?}");
    // The connection, the person's own topic; then word for the fan-out.
    assert_eq!((connecting["EphemeralTable PutItem"], connecting["CoreTable PutItem"]), (2, 1));
    // The greeting is claimed and noted as sent.
    assert_eq!(connecting["EphemeralTable UpdateItem"], 2);

    let before = spent(&cloud).await;
    socket.subscribe(LIVE, None).await;
    socket.until("subscribed").await;
    // The answer is posted before the subscription turns live; the next frame is served after that.
    assert!(socket.drain().await.is_empty());
    let subscribing = costs([
        ("CoreTable BatchGetItem", 2),
        ("EphemeralTable BatchGetItem", 2),
        // The connection, for either frame, and whether it still stands.
        ("EphemeralTable GetItem", 3),
        // The conversation's head, and what is missing of its log.
        ("CoreTable GetItem", 1),
        ("CoreTable Query", 1),
        // The topic at the connection, the subscription, live.
        ("EphemeralTable UpdateItem", 2),
        ("EphemeralTable PutItem", 1),
    ]);
    assert_eq!(spent_since(&cloud, &before).await, subscribing);
}
