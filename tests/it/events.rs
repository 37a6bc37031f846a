//! Every sample event under `events/` is run through its function by the local Lambda Invoke API: once as it is, and
//! once with its placeholders filled in, so that it succeeds. A sample without an expectation fails the test.

use crate::support::cloud::{ADA, CLEO, Cloud};
use domain::ids::{OrganizationId, UserId};
use domain::secret::Secret;
use providers::elevenlabs::signature as elevenlabs_signature;
use providers::twilio::signature;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use store::{Topic, now};

/// Each sample, and the status of its answer as it is: with placeholders where a token or a signature belongs, on a
/// cloud with the demo data. A stream batch that is taken in full counts as 200.
const SAMPLES: &[(&str, u16)] = &[
    ("admin/add-contact", 401),
    ("admin/add-invitation", 401),
    ("admin/add-phone-number", 401),
    ("admin/get-contact", 401),
    ("admin/get-organization", 401),
    ("admin/list-contacts", 401),
    ("admin/list-invitations", 401),
    ("admin/list-phone-numbers", 401),
    ("admin/list-users", 401),
    ("admin/list-webhooks", 401),
    ("admin/remove-invitation", 401),
    ("admin/remove-phone-number", 401),
    ("admin/replay-webhook", 401),
    ("admin/set-voice-agent", 401),
    ("admin/setup", 401),
    ("admin/update-contact", 401),
    ("admin/update-organization", 401),
    ("admin/update-user", 401),
    ("auth/accept-invitation", 404),
    ("auth/auth-logout", 401),
    ("auth/login", 401),
    ("auth/logout", 401),
    ("auth/me", 401),
    ("auth/signin", 401),
    ("auth/signup", 200),
    ("auth/ticket", 401),
    ("auth/verify-email", 400),
    ("auth/verify-signin", 400),
    ("fanout/hello", 200),
    ("fanout/two-events", 200),
    ("human-control/heartbeat", 401),
    ("human-control/join", 401),
    ("human-control/leave", 401),
    ("human-control/outbound-call", 401),
    ("human-control/send-message", 401),
    ("human-control/status", 401),
    ("live-stream/contact", 401),
    ("live-stream/conversation", 401),
    ("live-stream/conversation-ended", 401),
    ("live-stream/conversation-resume", 401),
    ("replies/job", 200),
    ("replies/schedule", 200),
    ("snapshots/active-calls", 401),
    ("snapshots/config", 200),
    ("snapshots/conversation", 401),
    ("snapshots/conversation-since", 401),
    ("snapshots/conversations", 401),
    ("snapshots/health", 200),
    ("snapshots/openapi", 200),
    ("webhooks/elevenlabs-conversation-initiation", 403),
    ("webhooks/elevenlabs-post-call", 403),
    ("webhooks/elevenlabs-post-call-audio", 403),
    ("webhooks/elevenlabs-post-call-failure", 403),
    ("webhooks/twilio-sms-incoming", 403),
    ("webhooks/twilio-sms-incoming-bad-signature", 403),
    ("webhooks/twilio-sms-status", 403),
    ("websocket/connect-subprotocol", 401),
    ("websocket/connect-token", 401),
    ("websocket/disconnect", 200),
    // Connections that nobody made.
    ("websocket/ping", 410),
    ("websocket/subscribe", 410),
    ("websocket/unsubscribe", 410),
];

/// Samples of one function that tell a story on a cloud without demo data; all others are about the demo data.
const STORY: [&str; 2] = ["admin/", "auth/"];

const TOKEN: &str = "replace-with-a-token-from-POST-login";
const SETUP_TOKEN: &str = "replace-with-SETUP_TOKEN";
const SIGNATURE: &str = "replace-with-the-signature-of-url-and-body";
const TIMED_SIGNATURE: &str = "replace-with-the-signature-of-time-and-body";
const INITIATION_SECRET: &str = "replace-with-ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET";
const AGENT: &str = "replace-with-ELEVENLABS_AGENT_ID";
const WEBHOOK: &str = "invented-webhook";
const INVITATION_SECRET: &str = "replace-with-the-secret-of-the-mail";
const INVITATION: &str = "invented-invitation";
const PERSON: &str = "invented-user";
const CODE: &str = "123456";
const CONNECTION: &str = "Sample0001AbCdE=";
/// When the events of `fanout/two-events` were written.
const WRITTEN: [&str; 2] = ["1795183201.0", "1795183202.0"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../events")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(format!("{name}.json"))).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// All samples, as `<function>/<case>`.
fn all() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for function in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        for file in std::fs::read_dir(&function).unwrap().map(|entry| entry.unwrap().path()) {
            assert_eq!(file.extension().unwrap(), "json", "{}", file.display());
            let [function, case] = [function.file_name(), file.file_stem()].map(|name| name.unwrap().to_str().unwrap());
            names.insert(format!("{function}/{case}"));
        }
    }
    names
}

/// What a function answered.
struct Answer {
    status: u64,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    fn field(&self, pointer: &str) -> String {
        self.json().pointer(pointer).and_then(Value::as_str).unwrap().to_owned()
    }
}

/// Invokes the sample's function.
async fn invoke(cloud: &Cloud, name: &str, payload: String) -> Answer {
    let (function, _) = name.split_once('/').unwrap();
    let url = format!("{}/2015-03-31/functions/{function}/invocations", cloud.info.aws_endpoint_url);
    let response = cloud.http.post(url).body(payload).send().await.unwrap();
    assert_eq!(response.status(), 200, "{name}");
    let error = response.headers().get("x-amz-function-error").cloned();
    let bytes = response.bytes().await.unwrap();
    assert!(error.is_none(), "{name} ended in {error:?}: {}", String::from_utf8_lossy(&bytes));
    // A streamed answer is its head in JSON, eight zero bytes, and the body.
    let head_end = bytes.iter().position(|byte| *byte == 0);
    let head: Value = serde_json::from_slice(&bytes[..head_end.unwrap_or(bytes.len())]).unwrap();
    let taken = head["batchItemFailures"].as_array().map(|failures| if failures.is_empty() { 200 } else { 500 });
    let body = head_end.map(|end| String::from_utf8_lossy(&bytes[end + 8..]).into_owned());
    Answer {
        status: head["statusCode"].as_u64().or(taken).unwrap_or_else(|| panic!("{name} answered {head}")),
        text: body.unwrap_or_else(|| head["body"].as_str().unwrap_or_default().to_owned()),
    }
}

#[test]
fn every_sample_has_an_expectation_and_every_expectation_a_sample() {
    let expected: BTreeSet<String> = SAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(all(), expected);
}

#[tokio::test]
async fn samples_are_answered_as_they_are() {
    let cloud = Cloud::silent().await;
    for (name, status) in SAMPLES {
        let answer = invoke(&cloud, name, read(name)).await;
        assert_eq!(answer.status, u64::from(*status), "{name}: {}", answer.text);
        if *status >= 400 && !name.starts_with("websocket/") {
            let body = answer.json();
            assert!(["detail", "error", "code", "hint"].iter().all(|field| body[field].is_string()), "{name}: {body}");
            let sent: Value = serde_json::from_str(&read(name)).unwrap();
            assert_eq!(body["request_id"], sent["requestContext"]["requestId"], "{name}");
        }
    }
}

/// Samples being run with their placeholders filled in.
struct Stage<'a> {
    cloud: &'a Cloud,
    fillings: BTreeMap<&'static str, String>,
    played: BTreeSet<String>,
}

impl<'a> Stage<'a> {
    fn new(cloud: &'a Cloud) -> Self {
        Self { cloud, fillings: BTreeMap::new(), played: BTreeSet::new() }
    }

    fn fill(&mut self, placeholder: &'static str, value: impl Into<String>) {
        self.fillings.insert(placeholder, value.into());
    }

    async fn play(&mut self, name: &str, status: u64, says: &str) -> Answer {
        let mut payload = read(name);
        for (placeholder, value) in &self.fillings {
            payload = payload.replace(placeholder, value);
        }
        let payload = payload.replace(SIGNATURE, &self.signature(&payload));
        let payload = payload.replace(TIMED_SIGNATURE, &self.timed_signature(&payload));
        let answer = invoke(self.cloud, name, payload).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
        assert!(answer.text.contains(says), "{name} does not say {says}: {}", answer.text);
        self.played.insert(name.to_owned());
        answer
    }

    /// Twilio's signature of the event's form, for the URL that the functions believe to be theirs.
    fn signature(&self, payload: &str) -> String {
        let event: Value = serde_json::from_str(payload).unwrap();
        let (Some(twilio), Some(path), Some(body)) =
            (&self.cloud.info.twilio, event["path"].as_str(), event["body"].as_str())
        else {
            return String::new();
        };
        let url = format!("{}{path}", self.cloud.info.public_base_url);
        signature::sign(&url, body.as_bytes(), &Secret::new(&twilio.auth_token))
    }

    /// ElevenLabs' signature of the event's body, as of now.
    fn timed_signature(&self, payload: &str) -> String {
        let event: Value = serde_json::from_str(payload).unwrap();
        let Some(body) = event["body"].as_str() else { return String::new() };
        let secret = self.cloud.secret("ELEVENLABS_POST_CALL_WEBHOOK_SECRET");
        elevenlabs_signature::sign(body.as_bytes(), &secret, now())
    }

    /// Nothing may be left out of the stories.
    fn assert_complete(&self, ours: impl Fn(&str) -> bool) {
        let wanted: BTreeSet<String> = all().into_iter().filter(|name| ours(name)).collect();
        assert_eq!(self.played, wanted);
    }
}

#[tokio::test]
async fn the_samples_of_auth_and_admin_set_an_organization_up_and_run_it() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let mut stage = Stage::new(&cloud);
    stage.fill(SETUP_TOKEN, cloud.secret("SETUP_TOKEN").expose());
    stage.play("admin/setup", 201, "\"acme\"").await;
    let login = stage.play("auth/login", 200, "access_token").await;
    stage.fill(TOKEN, login.field("/access_token"));
    stage.play("auth/me", 200, "org:admin").await;
    stage.play("auth/ticket", 200, "\"expires_in\":60").await;

    stage.play("auth/signup", 200, "uma@example.com").await;
    stage.fill(CODE, cloud.code_for("uma@example.com").await);
    stage.play("auth/verify-email", 200, "access_token").await;
    stage.play("auth/signin", 200, "\"requires_code\":true").await;
    stage.fill(CODE, cloud.code_for("uma@example.com").await);
    let uma = stage.play("auth/verify-signin", 200, "access_token").await;

    stage.play("admin/get-organization", 200, "America/New_York").await;
    stage.play("admin/add-phone-number", 201, "+14155550101").await;
    stage.play("admin/list-phone-numbers", 200, "+14155550101").await;
    stage.play("admin/remove-phone-number", 200, "true").await;
    stage.play("admin/add-contact", 201, "Returning Customer").await;
    stage.play("admin/get-contact", 200, "worker_14155550123").await;
    stage.play("admin/update-contact", 200, "\"New\"").await;
    stage.play("admin/list-contacts", 200, "worker_14155550123").await;
    stage.fill(PERSON, uma.field("/user/id"));
    stage.play("admin/update-user", 200, "\"agent\"").await;
    stage.play("admin/list-users", 200, "uma@example.com").await;

    let made = stage.play("admin/add-invitation", 201, "grace@example.com").await;
    stage.fill(INVITATION, made.field("/invitation/id"));
    stage.play("admin/list-invitations", 200, "grace@example.com").await;
    stage.play("admin/remove-invitation", 200, "true").await;
    let made = stage.play("admin/add-invitation", 201, "grace@example.com").await;
    stage.fill(INVITATION, made.field("/invitation/id"));
    let mail = cloud.mail_to("grace@example.com").await;
    let (_, secret) = mail["text"].as_str().unwrap().split_once("secret=").unwrap();
    stage.fill(INVITATION_SECRET, secret.split_whitespace().next().unwrap());
    stage.play("auth/accept-invitation", 200, "access_token").await;

    stage.fill(WEBHOOK, text_acme(&cloud).await);
    stage.play("admin/list-webhooks", 200, "\"twilio-sms-incoming\"").await;
    stage.play("admin/replay-webhook", 200, "\"duplicate\"").await;
    let told = stage.play("admin/set-voice-agent", 200, "agent_invented").await;
    assert!(!told.text.contains("an-invented"), "secrets are not shown: {}", told.text);

    stage.play("auth/logout", 200, "Signed out").await;
    let again = stage.play("auth/login", 200, "access_token").await;
    stage.fill(TOKEN, again.field("/access_token"));
    stage.play("admin/update-organization", 200, "Europe/Berlin").await;
    stage.play("auth/auth-logout", 200, "Signed out").await;
    stage.assert_complete(|name| STORY.iter().any(|function| name.starts_with(function)));
}

/// A customer of Acme writes; gives the webhook's id in Acme's inbox.
async fn text_acme(cloud: &Cloud) -> String {
    const PATH: &str = "/api/webhooks/twilio/sms/incoming";
    let form = "MessageSid=SM1&AccountSid=AC1&From=%2B14155550123&To=%2B14155550100&Body=Hi";
    let url = format!("{}{PATH}", cloud.info.public_base_url);
    let signed = signature::sign(&url, form.as_bytes(), &cloud.secret("TWILIO_AUTH_TOKEN"));
    let request = cloud.anonymous(Method::POST, PATH).header("x-twilio-signature", signed);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    assert_eq!(request.send().await.unwrap().status(), 200);
    cloud.tenant("acme").await.webhooks(None, 1).await.unwrap().webhooks[0].id.clone()
}

#[tokio::test]
async fn the_other_samples_work_on_the_demo_data() {
    // The invocation of a stream returns when the stream ends.
    let cloud = Cloud::silent_with(&["--env", "STREAM_LEASE_SECONDS=1"]).await;
    let mut stage = Stage::new(&cloud);
    stage.fill(TOKEN, cloud.token(ADA));
    stage.play("snapshots/conversation", 200, "\"total_messages\":4").await;
    let since = stage.play("snapshots/conversation-since", 200, "\"total_messages\":4").await;
    assert!(since.json()["conversation"]["messages"].as_array().unwrap().iter().all(|m| m["seq"].as_u64() > Some(3)));
    stage.play("snapshots/conversations", 200, "\"ENDED\"").await;
    stage.play("snapshots/active-calls", 200, "\"ACTIVE\"").await;
    stage.play("snapshots/health", 200, "healthy").await;
    stage.play("snapshots/config", 200, "websocket_url").await;
    stage.play("snapshots/openapi", 200, "\"openapi\":\"3.1.0\"").await;
    stage.play("live-stream/conversation", 200, "event: initial\ndata: {").await;
    stage.play("live-stream/conversation-ended", 200, "event: ended\ndata: {").await;
    stage.play("live-stream/conversation-resume", 204, "").await;

    stage.fill(TOKEN, cloud.token(CLEO));
    stage.play("human-control/status", 200, "\"isUnderHumanControl\":false").await;
    stage.play("human-control/join", 200, "\"agentName\":\"Cleo\"").await;
    stage.play("human-control/heartbeat", 200, "expiresAt").await;
    stage.play("human-control/send-message", 200, "\"delivery\":\"sent\"").await;
    stage.play("human-control/leave", 200, "durationSeconds").await;
    stage.play("human-control/outbound-call", 200, "providerConversationId").await;
    stage.play("replies/job", 200, "").await;
    stage.play("replies/schedule", 200, "").await;

    stage.fill(INITIATION_SECRET, cloud.secret("ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET").expose());
    stage.fill(AGENT, cloud.secret("ELEVENLABS_AGENT_ID").expose());
    let told = stage.play("webhooks/elevenlabs-conversation-initiation", 200, "Jordan Lee").await;
    assert_eq!(told.json()["dynamic_variables"].as_object().unwrap().len(), 9, "{}", told.text);
    stage.play("webhooks/elevenlabs-post-call", 200, "true").await;
    stage.play("webhooks/elevenlabs-post-call-audio", 200, "true").await;
    stage.play("webhooks/elevenlabs-post-call-failure", 200, "true").await;
    stage.play("webhooks/twilio-sms-incoming", 200, "<Response>").await;
    stage.play("live-stream/contact", 200, "Is my bike ready?").await;
    stage.play("webhooks/twilio-sms-status", 200, "<Response>").await;
    stage.play("webhooks/twilio-sms-incoming-bad-signature", 403, "invalid_signature").await;

    stage.play("websocket/connect-token", 200, "").await;
    stage.play("websocket/connect-subprotocol", 200, "").await;
    // The rest needs a connection that stands: frames go to it by `@connections`.
    let mut socket = cloud.socket(CLEO).await;
    stage.fill(CONNECTION, connection_of(&cloud, CLEO).await);
    stage.play("websocket/subscribe", 200, "").await;
    assert_eq!(socket.until("subscribed").await["conversation_id"], "conv_14155550142_20251003_120000");
    stage.play("websocket/ping", 200, "").await;
    assert_eq!(socket.until("pong").await, json!({"type": "pong"}));
    stage.play("websocket/unsubscribe", 200, "").await;
    socket.until("unsubscribed").await;
    socket.send(json!({"action": "subscribe", "inbox": true})).await;
    socket.until("subscribed").await;
    stage.play("fanout/hello", 200, "").await;
    // Events from before a subscription to the inbox are none of its news.
    for written in WRITTEN {
        stage.fill(written, now().seconds().to_string());
    }
    stage.play("fanout/two-events", 200, "").await;
    let update = socket.until("conversation_updated").await;
    assert_eq!((&update["seq"], &update["preview"]), (&json!(2), &json!("It is. We are open until six.")));
    stage.play("websocket/disconnect", 200, "").await;
    stage.assert_complete(|name| !STORY.iter().any(|function| name.starts_with(function)));
}

/// The newest connection of a demo user, under the name that API Gateway gave it.
async fn connection_of(cloud: &Cloud, email: &str) -> String {
    let user = cloud.user(email);
    let tenant = cloud.store().await.tenant(&OrganizationId::parse(&user.organization_id).unwrap());
    let own = tenant.subscribers(&Topic::User(UserId::parse(&user.id).unwrap())).await.unwrap();
    let newest = own.into_iter().filter(|own| own.connection_id.as_str() != CONNECTION);
    newest.max_by_key(|own| own.connected_at).unwrap().connection_id.to_string()
}
