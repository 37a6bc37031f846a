//! What came in and what became of it, for the organization's admins, and working on it again.

use super::{STRANGER, STRANGERS_CONVERSATION, conversations, strangers, taken};
use crate::support::cloud::{ADA, AURORA_NUMBER, BICI, BICI_NUMBER, CLEO, Cloud, DAN, UMA};
use crate::support::elevenlabs::{Call, POST_CALL};
use crate::support::twilio::{INCOMING, Sms};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::{Verdict, Webhook, WebhookKind, now};

const INBOX: &str = "/api/admin/webhooks";
/// A message that we never sent.
const UNKNOWN: &str = "SM00112233445566770011223344556677";

async fn inbox(cloud: &Cloud, email: &str) -> Vec<Value> {
    let listing = cloud.json(&format!("{INBOX}?limit=100"), email).await;
    listing["webhooks"].as_array().unwrap().clone()
}

async fn replay(cloud: &Cloud, id: &str, email: &str) -> (u16, Value) {
    let response = cloud.request(Method::POST, &format!("{INBOX}/{id}/replay"), email).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

fn id(entry: &Value) -> &str {
    entry["id"].as_str().unwrap()
}

/// A text message that the AI does not answer, so that nothing more comes of it.
fn quiet<'a>(to: &'a str, body: &str) -> Sms<'a> {
    Sms { more: vec![("OptOutType", "STOP".to_owned())], ..Sms::new(STRANGER, to, body) }
}

/// Puts an entry into BICI's inbox as a worker that died, or failed, left it.
async fn left_behind(cloud: &Cloud, verdict: Verdict, kind: WebhookKind, body: &[u8]) -> String {
    let id = identity::random::new_ordered_id(now());
    let webhook = Webhook {
        id: id.clone(),
        kind,
        at: now(),
        verdict,
        reason: (verdict == Verdict::Failed).then(|| "the store failed".to_owned()),
        provider_id: None,
        size: body.len(),
        replays: 0,
    };
    cloud.tenant(BICI).await.keep_webhook(&webhook, body).await.unwrap();
    id
}

#[tokio::test]
async fn every_webhook_is_there_with_its_verdict_and_nothing_of_its_content() {
    let cloud = Cloud::start().await;
    let sms = quiet(BICI_NUMBER, "the secret word is xylophone");
    taken(&cloud, &sms).await;
    taken(&cloud, &sms).await;
    assert_eq!(cloud.sms_status(UNKNOWN, BICI_NUMBER, STRANGER, "delivered").await.status(), 200);
    let mut call = Call::new("conv_inbox", STRANGER, BICI_NUMBER).of_turns(1);
    call.turns[0].1 = "the other word is xylophone too".to_owned();
    cloud.call_over(&call.news()).await;
    let broken = cloud.signed(INCOMING, format!("To=%2B{}", &BICI_NUMBER[1..])).send().await.unwrap();
    assert_eq!(broken.status(), 400);
    let form = sms.form(&cloud);
    let unsigned =
        cloud.anonymous(Method::POST, &format!("{INCOMING}?key=hidden")).body(form.clone()).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let unsigned = cloud.anonymous(Method::POST, POST_CALL).body(call.news().to_string()).send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
    let body = json!({"called_number": BICI_NUMBER, "caller_id": STRANGER}).to_string();
    let unproved =
        cloud.anonymous(Method::POST, crate::support::elevenlabs::INITIATION).body(body).send().await.unwrap();
    assert_eq!(unproved.status(), 403);

    let entries = inbox(&cloud, CLEO).await;
    let seen: Vec<_> = entries
        .iter()
        .rev()
        .map(|entry| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default();
            (text("kind"), text("verdict"), text("provider_id"), entry["replayable"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("twilio-sms-incoming", "accepted", &*sms.sid, true),
            ("twilio-sms-incoming", "duplicate", &*sms.sid, true),
            ("twilio-sms-status", "accepted", UNKNOWN, true),
            ("elevenlabs-post-call", "accepted", "conv_inbox", true),
            ("twilio-sms-incoming", "failed", "", true),
            ("twilio-sms-incoming", "refused", "", false),
            ("elevenlabs-post-call", "refused", "", false),
            ("elevenlabs-conversation-initiation", "refused", "", false),
        ]
    );
    // A refusal says which URL the signature should have been made for, and no query string.
    let reason = |place: usize| entries[entries.len() - 1 - place]["reason"].as_str().unwrap_or_default();
    let url = format!("{}{INCOMING}", cloud.info.public_base_url);
    assert!(reason(5).contains(&url) && !reason(5).contains("hidden"), "{}", reason(5));
    assert!(reason(6).contains("missing"), "{}", reason(6));
    assert!(!reason(4).is_empty());
    let voice = cloud.voice();
    let token = cloud.info.twilio.as_ref().unwrap().auth_token.clone();
    let shown = serde_json::to_string(&entries).unwrap();
    for hidden in
        ["xylophone", "4155550999", "4165550120", voice.post_call_secret.expose(), voice.initiation_secret(), &token]
    {
        assert!(!shown.contains(hidden), "{hidden}");
    }
    assert!(inbox(&cloud, ADA).await.is_empty());

    // Page by page, each once.
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = cloud.json(&format!("{INBOX}?limit=3{cursor}"), CLEO).await;
        assert!(page["webhooks"].as_array().unwrap().len() <= 3);
        paged.extend(page["webhooks"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, entries);
    for query in ["limit=0", "limit=101", "cursor=", "cursor=***"] {
        assert_eq!(cloud.get(&format!("{INBOX}?{query}"), CLEO).send().await.unwrap().status(), 400, "{query}");
    }
}

#[tokio::test]
async fn a_replay_does_what_was_not_done_and_changes_nothing_else() {
    let cloud = Cloud::start().await;
    let sms = quiet(BICI_NUMBER, "once");
    taken(&cloud, &sms).await;
    let news = Call::new("conv_once", "+14155550998", BICI_NUMBER).of_turns(2).news();
    cloud.call_over(&news).await;
    let calls = async || conversations(&cloud, "conv_14155550998_", CLEO).await;
    let before = calls().await;
    for entry in inbox(&cloud, CLEO).await {
        for _ in 0..2 {
            let (status, body) = replay(&cloud, id(&entry), CLEO).await;
            assert_eq!((status, &body["verdict"], &body["success"]), (200, &json!("duplicate"), &json!(true)));
        }
    }
    assert_eq!(calls().await, before);
    let said =
        strangers(&cloud, CLEO).await["messages"].as_array().unwrap().iter().filter(|m| m["role"] == "user").count();
    assert_eq!(said, 1);
    for entry in inbox(&cloud, CLEO).await {
        assert_eq!((&entry["verdict"], &entry["replays"]), (&json!("accepted"), &json!(2)));
    }

    // What a worker left behind is done now, once.
    for (number, verdict) in [Verdict::Received, Verdict::Failed].into_iter().enumerate() {
        let phone = format!("+1415555090{number}");
        let news = Call::new(&format!("conv_left_{number}"), &phone, BICI_NUMBER).of_turns(40).news().to_string();
        let left = left_behind(&cloud, verdict, WebhookKind::ElevenlabsPostCall, news.as_bytes()).await;
        for verdict in ["accepted", "duplicate"] {
            assert_eq!(replay(&cloud, &left, CLEO).await.1["verdict"], verdict);
            let found = conversations(&cloud, &format!("conv_1415555090{number}_"), CLEO).await;
            assert_eq!((found.len(), &found[0]["total_messages"]), (1, &json!(40)));
        }
    }
    let sms = Sms::new("+14155550903", BICI_NUMBER, "left behind");
    let left =
        left_behind(&cloud, Verdict::Received, WebhookKind::TwilioSmsIncoming, sms.form(&cloud).as_bytes()).await;
    assert_eq!(replay(&cloud, &left, CLEO).await.1["verdict"], "accepted");
    assert_eq!(conversations(&cloud, "conv_14155550903_", CLEO).await.len(), 1);
    // What cannot be read does not get better.
    let left = left_behind(&cloud, Verdict::Failed, WebhookKind::ElevenlabsPostCall, b"nonsense").await;
    let (status, body) = replay(&cloud, &left, CLEO).await;
    assert_eq!((status, &body["verdict"], &body["success"]), (200, &json!("failed"), &json!(false)));
    assert!(!body["reason"].as_str().unwrap().is_empty());
}

#[tokio::test]
async fn the_inbox_is_its_admins_alone() {
    let cloud = Cloud::start().await;
    taken(&cloud, &quiet(BICI_NUMBER, "hello")).await;
    let entries = inbox(&cloud, CLEO).await;
    let theirs = id(&entries[0]);
    assert_eq!(replay(&cloud, theirs, ADA).await.0, 404, "another organization's");
    for unknown in ["0", "nothing", "01JZZZZZZZZZZZZZZZZZZZZZZZ", "P%230", "a%2Fb", "..%2f", "%23"] {
        assert_eq!(replay(&cloud, unknown, CLEO).await.0, 404, "{unknown}");
    }
    for email in [DAN, UMA] {
        assert_eq!(cloud.get(INBOX, email).send().await.unwrap().status(), 403, "{email}");
        assert_eq!(replay(&cloud, theirs, email).await.0, 403, "{email}");
    }
    assert_eq!(cloud.anonymous(Method::GET, INBOX).send().await.unwrap().status(), 401);
    let path = format!("{INBOX}/{theirs}/replay");
    assert_eq!(cloud.anonymous(Method::POST, &path).send().await.unwrap().status(), 401);
    assert_eq!(inbox(&cloud, CLEO).await, entries, "nothing was replayed");

    // What was refused was proved by nobody: there is nothing to work on.
    let form = Sms::new(STRANGER, AURORA_NUMBER, "forged").form(&cloud);
    assert_eq!(cloud.anonymous(Method::POST, INCOMING).body(form).send().await.unwrap().status(), 403);
    let refused = inbox(&cloud, ADA).await;
    let (status, body) = replay(&cloud, id(&refused[0]), ADA).await;
    assert_eq!((status, &body["code"]), (409, &json!("conflict")));
    assert_eq!(inbox(&cloud, ADA).await, refused);
    assert!(conversations(&cloud, STRANGERS_CONVERSATION, ADA).await.is_empty());
}

#[tokio::test]
async fn bodies_larger_than_an_item_survive_and_refusals_cannot_fill_the_inbox() {
    let cloud = Cloud::start().await;
    let mut call = Call::new("conv_large", STRANGER, BICI_NUMBER).of_turns(120);
    for (_, text) in &mut call.turns {
        text.push_str(&" and so on ".repeat(800));
    }
    let news = call.news().to_string();
    assert!(news.len() > 1_000_000);
    let left = left_behind(&cloud, Verdict::Received, WebhookKind::ElevenlabsPostCall, news.as_bytes()).await;
    assert_eq!(cloud.tenant(BICI).await.webhook(&left).await.unwrap().unwrap().1, news.as_bytes());
    assert_eq!(replay(&cloud, &left, CLEO).await.1["verdict"], "accepted");
    let found = conversations(&cloud, STRANGERS_CONVERSATION, CLEO).await;
    assert_eq!(found[0]["total_messages"], 120);
    cloud.call_over(&call.news()).await;
    let entries = inbox(&cloud, CLEO).await;
    assert_eq!((&entries[0]["verdict"], &entries[0]["size"]), (&json!("duplicate"), &json!(news.len())));
    assert_eq!(entries.len(), 2, "pieces are no entries");

    let form = Sms::new(STRANGER, BICI_NUMBER, "forged").form(&cloud);
    let forge = || cloud.anonymous(Method::POST, INCOMING).body(form.clone()).send();
    let answers = join_all((0..65).map(|_| forge())).await;
    let statuses: BTreeSet<u16> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
    assert_eq!(statuses, [403].into());
    // Thirty a minute; a new minute may have begun in between.
    let noted = inbox(&cloud, CLEO).await.len() - entries.len();
    assert!((30..=60).contains(&noted), "{noted}");
}
