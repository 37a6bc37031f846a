//! A day of everything, and then: what the logs hold, and what they must not.

mod chats;

use crate::support::backstage::{said, taken_over_by};
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BEN, BICI_NUMBER, CLEO, Cloud, DAN, LIVE, PASSWORD, SHARED_PHONE, UMA,
};
use crate::support::eventually;
use crate::support::socket::Socket;
use crate::support::sse::Sse;
use crate::support::twilio::{INCOMING, Sms};
use reqwest::Method;
use serde_json::{Value, json};

const STRANGER: &str = "+14155550999";
const GRACE: &str = "grace.hopper@example.com";
/// A word in every text of this test.
const TEXT: &str = "xylophone";

/// What must not be in any log, each with what it is.
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, text: impl Into<String>) {
        let text = text.into();
        // Shorter ones would be found by chance.
        assert!(text.len() >= 6, "{what}: {text}");
        self.0.push((what, text));
    }

    fn assert_in_no_log(&self, cloud: &Cloud) {
        let (logs, errors) = (cloud.logs(), std::fs::read_to_string(cloud.data().join("stderr.txt")).unwrap());
        for (what, secret) in &self.0 {
            for text in [&logs, &errors] {
                let line = text.lines().find(|line| holds(line, secret));
                assert!(line.is_none(), "{what}, {secret}: {}", line.unwrap_or_default());
            }
        }
        assert!(!logs.contains("panicked"));
    }
}

async fn post(cloud: &Cloud, path: &str, body: &Value) -> Value {
    let response = cloud.anonymous(Method::POST, path).json(body).send().await.unwrap();
    response.json().await.unwrap_or_default()
}

/// Customers write, and Twilio's rivals too.
async fn messages(cloud: &Cloud, secrets: &mut Secrets) {
    for (from, to) in [(STRANGER, AURORA_NUMBER), (SHARED_PHONE, BICI_NUMBER), ("whatsapp:+14155550998", BICI_NUMBER)] {
        cloud.text(from, to, &format!("Where is my {TEXT}?")).await;
        cloud.text(from, to, "STOP").await;
        let digits = from.split_once('+').unwrap().1;
        secrets.add("a customer's number", &digits[1..]);
    }
    let picture = Sms {
        more: vec![("NumMedia", "1".to_owned()), ("MediaUrl0", "https://api.twilio.com/media/ME-42-43".to_owned())],
        ..Sms::new(STRANGER, AURORA_NUMBER, TEXT)
    };
    cloud.sms(&picture).await;
    cloud.sms(&picture).await;
    secrets.add("a medium's address", "ME-42-43");
    secrets.add("our own number", AURORA_NUMBER.trim_start_matches('+'));
    // Refused ones: nobody's number, tampered with, unreadable.
    cloud.sms(&Sms::new(STRANGER, "+14155550000", TEXT)).await;
    let form = Sms::new(STRANGER, AURORA_NUMBER, TEXT).form(cloud);
    let forged = cloud.signed(&format!("{INCOMING}?note={TEXT}"), form).header("x-note", TEXT);
    assert_eq!(forged.header("x-twilio-signature", "bm90IHR3aWxpbydz").send().await.unwrap().status(), 403);
    assert_eq!(cloud.signed(INCOMING, format!("Body={TEXT}")).send().await.unwrap().status(), 400);
    cloud.sms_status("SM00000000000000000000000000000002", BICI_NUMBER, SHARED_PHONE, "delivered").await;
    secrets.add("the account's token", &cloud.info.twilio.as_ref().unwrap().auth_token);
    secrets.add("a message's text", TEXT);
}

/// The AI answers, providers fail in every way there is, and a person takes over, writes and hands back.
async fn replies(cloud: &Cloud, secrets: &mut Secrets) {
    const CUSTOMER: &str = "+14155550994";
    // No more than the three attempts of a job get over, each with one repetition.
    for kind in ["fail", "garbage", "empty", "stop_after"] {
        cloud.fault("llm", json!({"kind": kind, "times": 1, "contains": "Who tunes"})).await;
    }
    for kind in ["fail", "drop_response", "rate_limit"] {
        cloud.fault("twilio", json!({"kind": kind, "times": 1, "number": CUSTOMER})).await;
    }
    cloud.text(CUSTOMER, BICI_NUMBER, &format!("Who tunes my {TEXT}?")).await;
    cloud.texted(CUSTOMER, 1).await;
    cloud
        .human_control("join", json!({"phoneNumber": CUSTOMER, "agentName": "Ludwiga", "handoffReason": TEXT}), CLEO)
        .await;
    cloud.human_control("send-message", json!({"phoneNumber": CUSTOMER, "message": "Marimbas too."}), CLEO).await;
    cloud.human_control("leave", json!({"phoneNumber": CUSTOMER, "summary": "Vibraphone sold"}), CLEO).await;
    cloud.fault("twilio", json!({"kind": "opted_out", "number": CUSTOMER})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, &format!("And my other {TEXT}?")).await;
    cloud.settled().await;
    secrets.add("a customer's number", "4155550994");
    secrets.add("a prompt", "You answer text messages");
    for word in ["Marimbas", "Vibraphone", "Ludwiga", "Who tunes", "No language model"] {
        secrets.add("words of an agent, a customer or the AI", word);
    }
    secrets.add("the model's key", cloud.secret("LLM_API_KEY").expose());
}

/// People sign in, up and out, rightly and wrongly.
async fn people(cloud: &Cloud, secrets: &mut Secrets) {
    let session = post(cloud, "/login", &json!({"email": ADA, "password": PASSWORD})).await;
    secrets.add("a token", session["access_token"].as_str().unwrap());
    secrets.add("a CSRF token", session["csrf_token"].as_str().unwrap());
    post(cloud, "/login", &json!({"email": ADA, "password": "a wrong password"})).await;
    post(cloud, "/login", &json!({"email": GRACE, "password": "a wrong password"})).await;
    post(cloud, "/login", &json!({"email": "no address at all", "password": 7})).await;
    post(cloud, "/auth/signup", &json!({"email": GRACE, "password": "her own password", "first_name": "Gracious"}))
        .await;
    let code = cloud.code_for(GRACE).await;
    post(cloud, "/auth/verify-email", &json!({"email": GRACE, "code": "000000"})).await;
    let session = post(cloud, "/auth/verify-email", &json!({"email": GRACE, "code": code})).await;
    let token = session["access_token"].as_str().unwrap();
    secrets.add("a code", code);
    secrets.add("a new person's token", token);
    post(cloud, "/auth/signup", &json!({"email": UMA, "password": "her own password"})).await;
    cloud.anonymous(Method::POST, "/logout").bearer_auth(token).send().await.unwrap();
    let invite = json!({"email": "alan.turing@example.com", "role": "agent"});
    cloud.request(Method::POST, "/api/admin/invitations", ADA).json(&invite).send().await.unwrap();
    let mail = cloud.mail_to("alan.turing@example.com").await;
    let (_, secret) = mail["text"].as_str().unwrap().split_once("secret=").unwrap();
    secrets.add("an invitation's secret", secret.split_whitespace().next().unwrap());
    let change = json!({"twilio": {"account_sid": format!("AC{:032x}", 7), "auth_token": "organizations-own-token"}});
    cloud.request(Method::PATCH, "/api/admin/organization", CLEO).json(&change).send().await.unwrap();
    secrets.add("an organization's token", "organizations-own-token");
    let contact = json!({"phone_number": "+14155550997", "name": "Ignatius"});
    cloud.request(Method::POST, "/api/admin/contacts", ADA).json(&contact).send().await.unwrap();
    secrets.add("a contact's number", "4155550997");
    for word in [PASSWORD, "wrong password", "her own password", "no address at all", "Ignatius", "Gracious"] {
        secrets.add("what somebody typed", word);
    }
    for word in ["aurora.example", "bici.example", "grace.hopper", "alan.turing", "example.com"] {
        secrets.add("an address", word);
    }
}

/// Viewers come by header, ticket and query, lose their access, and ask for what is not there.
async fn viewers(cloud: &Cloud, secrets: &mut Secrets) {
    let body = json!({"conversation_id": LIVE});
    let asked = cloud.request(Method::POST, "/api/stream/ticket", ADA).json(&body).send().await.unwrap();
    let ticket = asked.json::<Value>().await.unwrap()["ticket"].as_str().unwrap().to_owned();
    let path = format!("/api/conversation/{LIVE}/stream?ticket={ticket}");
    let mut stream = Sse::open(cloud.anonymous(Method::GET, &path)).await;
    stream.until("initial").await;
    let again = cloud.anonymous(Method::GET, &path).send().await.unwrap();
    assert_eq!(again.status(), 401);
    let query = format!("load=true&phoneNumber={SHARED_PHONE}&organizationId=bici-demo&note={TEXT}");
    let mut contact = cloud.contact_stream("somebody", &query, CLEO, None).await;
    contact.until("conversation_history").await;
    let url = &cloud.info.websocket_url;
    let mut socket = Socket::connect(&format!("{url}?token={}", cloud.token(DAN))).await.unwrap();
    socket.until("connected").await;
    socket.subscribe(LIVE, Some(0)).await;
    socket.until("subscribed").await;
    socket.send(json!({"action": TEXT, "email": DAN, "number": STRANGER})).await;
    socket.until("error").await;
    assert_eq!(Socket::connect(&format!("{url}?token={TEXT}.{TEXT}.{TEXT}")).await.err(), Some(401));
    cloud.append(AURORA, LIVE, said(&format!("The {TEXT} burns"))).await;
    cloud.append(AURORA, LIVE, taken_over_by("admin_ada")).await;
    socket.until("error").await;
    for path in [
        format!("/api/conversation/{LIVE}"),
        format!("/api/conversation/conv_{TEXT}?token={}", cloud.token(BEN)),
        format!("/api/conversations?cursor={TEXT}"),
        format!("/api/conversations?status={TEXT}"),
        format!("/api/stream/conversation/{SHARED_PHONE}?phoneNumber={TEXT}"),
        format!("/api/admin/contacts?phone_number={STRANGER}"),
        format!("/api/admin/phone-numbers/{STRANGER}"),
        format!("/nowhere/{TEXT}?email={BEN}"),
        format!("/api/conversation/%FF%00{TEXT}"),
    ] {
        cloud.get(&path, BEN).send().await.unwrap();
    }
    let broken = cloud.request(Method::POST, "/login", ADA).header("content-type", "application/json");
    broken.body(format!("{{\"email\": \"{TEXT}")).send().await.unwrap();
    secrets.add("a ticket", ticket);
    for email in [ADA, BEN, CLEO, DAN] {
        secrets.add("a demo token", cloud.token(email));
        let claims = cloud.token(email).split('.').nth(1).unwrap();
        secrets.add("a token's claims", claims);
    }
    for query in ["load=true", "phoneNumber", "organizationId=", "ticket=", "token=", "?email"] {
        secrets.add("a query string", query);
    }
    secrets.add("the digits in a conversation's id", "919325590143");
}

#[tokio::test]
async fn logs_tell_what_happened_and_nothing_of_what_was_said_or_by_whom() {
    let cloud = Cloud::with(&["--env", "LOG_LEVEL=debug"]).await;
    let mut secrets = Secrets(Vec::new());
    messages(&cloud, &mut secrets).await;
    people(&cloud, &mut secrets).await;
    viewers(&cloud, &mut secrets).await;
    secrets.add("the signing secret", cloud.secret("JWT_SECRET").expose());

    // Every kind of request is in the logs, with what operators need.
    let wanted = [
        ("POST", "/api/webhooks/twilio/sms/incoming", 200),
        ("POST", "/api/webhooks/twilio/sms/incoming", 403),
        ("POST", "/api/webhooks/twilio/sms/status", 200),
        ("POST", "/login", 401),
        ("POST", "/auth/verify-email", 400),
        ("GET", "/api/conversation/{conversation_id}/stream", 200),
        ("GET", "/api/conversation/{conversation_id}/stream", 401),
        ("GET", "/api/stream/conversation/{lead_id}", 200),
        ("GET", "/api/conversation/{conversation_id}", 403),
        ("GET", "/api/conversations", 400),
    ];
    let logs = eventually("the requests in the logs", || async {
        let logs = cloud.logs();
        wanted.iter().all(|row| logs.lines().any(|line| is_about(line, *row))).then_some(logs)
    })
    .await;
    let lines: Vec<Value> = logs.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.iter().any(|line| line["span"]["route"] == "$default"), "frames of the WebSocket");
    assert!(lines.iter().any(|line| line["span"]["organization"] == AURORA), "organizations");

    secrets.assert_in_no_log(&cloud);
}

#[tokio::test]
async fn logs_of_replies_tell_nothing_of_prompts_answers_and_agents_words() {
    let knobs = ["--time-scale", "120", "--env", "LOG_LEVEL=debug", "--env", "SMS_PATIENCE_SECONDS=1"];
    let cloud = Cloud::with(&knobs).await;
    let mut secrets = Secrets(Vec::new());
    replies(&cloud, &mut secrets).await;
    let logs = cloud.logs();
    for line in ["a follow-up failed", "followed up", "a message was not sent", "an agent wrote", "taken over"] {
        assert!(logs.contains(line), "{line}");
    }
    secrets.assert_in_no_log(&cloud);
}

/// Whether a line says it, in any case of letters. Six digits stand in many a time by chance, so a code counts as a word.
fn holds(line: &str, secret: &str) -> bool {
    let (line, secret) = (line.to_lowercase(), secret.to_lowercase());
    if secret.len() > 6 || secret.bytes().any(|byte| !byte.is_ascii_digit()) {
        return line.contains(&secret);
    }
    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').any(|word| word == secret)
}

/// Whether a line is the answer to such a request, with its id and its time.
fn is_about(line: &str, (method, route, status): (&str, &str, u16)) -> bool {
    let Ok(line) = serde_json::from_str::<Value>(line) else { return false };
    let span = &line["span"];
    line["message"] == "answered"
        && (&span["method"], &span["route"], &line["status"]) == (&json!(method), &json!(route), &json!(status))
        && span["request_id"].as_str().is_some_and(|id| id.len() == 36)
        && line["duration_ms"].is_number()
}
