//! The samples in the order of the stories that they tell, with their placeholders filled in.

use super::Stage;
use crate::support::cloud::{ADA, CLEO, Cloud, UMA};
use domain::ids::{OrganizationId, UserId};
use providers::twilio::signature;
use reqwest::Method;
use serde_json::{Value, json};
use store::{Topic, now};

/// Samples of one function that tell a story on a cloud without demo data; all others are about the demo data.
const STORY: [&str; 2] = ["admin/", "auth/"];
/// Samples of one person's chats.
const CHATS: [&str; 3] = ["llm-stream/", "chat-sessions/", "chat/"];

const TOKEN: &str = "replace-with-a-token-from-POST-login";
const SETUP_TOKEN: &str = "replace-with-SETUP_TOKEN";
const INITIATION_SECRET: &str = "replace-with-ELEVENLABS_CONVERSATION_INITIATION_WEBHOOK_SECRET";
const AGENT: &str = "replace-with-ELEVENLABS_AGENT_ID";
const WEBHOOK: &str = "invented-webhook";
const INVITATION_SECRET: &str = "replace-with-the-secret-of-the-mail";
const INVITATION: &str = "invented-invitation";
const PERSON: &str = "invented-user";
const INTERACTION: &str = "invented-interaction";
const CODE: &str = "123456";
const CONNECTION: &str = "Sample0001AbCdE=";
/// When the events of `fanout/two-events` were written.
const WRITTEN: [&str; 2] = ["1795183201.0", "1795183202.0"];

#[tokio::test]
async fn the_samples_of_auth_and_admin_set_an_organization_up_and_run_it() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let mut stage = Stage::new(&cloud);
    stage.fill(SETUP_TOKEN, cloud.secret("SETUP_TOKEN").expose());
    stage.play("admin/setup", 201, "\"acme\"").await;
    let login = stage.play("auth/login", 200, "access_token").await;
    stage.fill(TOKEN, login.field("/access_token"));
    stage.play("auth/me", 200, "org:admin").await;
    stage.play("auth/update-me", 200, "\"fitness_level\":\"beginner\"").await;
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
    stage.play("admin/update-organization-ai", 200, "\"starting_points\":2000").await;
    stage.play("admin/grant-points", 200, "\"balance\":2500").await;

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
    stage.play("snapshots/usage", 200, "\"available\":").await;
    stage.play("snapshots/usage-organization", 200, "\"users\":").await;
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
    stage.play("websocket/chat-message", 200, "").await;
    let typing = socket.until("typing").await;
    stage.fill(INTERACTION, typing["session_id"].as_str().unwrap());
    let response = socket.until("response").await;
    assert_eq!((&response["message_type"], &response["finish"]), (&json!("fitness_plan"), &json!("stop")));
    stage.play("websocket/chat-resume", 200, "").await;
    assert_eq!(socket.until("response").await["message_id"], response["message_id"]);
    stage.play("websocket/chat-stop", 200, "").await;
    assert_eq!(socket.until("idle").await["session_id"], response["session_id"]);
    stage.play("websocket/unsubscribe", 200, "").await;
    socket.until("unsubscribed").await;
    socket.send(json!({"action": "subscribe", "inbox": true})).await;
    socket.until("subscribed").await;
    stage.play("fanout/hello", 200, "").await;
    // A chat of Cleo's over another connection.
    stage.play("fanout/chat-question", 200, "").await;
    assert_eq!(socket.until("message").await["message"], "Which brake pads fit a city bike?");
    stage.play("fanout/chat-answer", 200, "").await;
    assert_eq!(socket.until("response").await["message"], "Those with the shape of the old ones.");
    // Events from before a subscription to the inbox are none of its news.
    for written in WRITTEN {
        stage.fill(written, now().seconds().to_string());
    }
    stage.play("fanout/two-events", 200, "").await;
    let update = socket.until("conversation_updated").await;
    assert_eq!((&update["seq"], &update["preview"]), (&json!(2), &json!("It is. We are open until six.")));
    stage.play("websocket/disconnect", 200, "").await;
    stage.assert_complete(|name| ![&STORY[..], &CHATS].concat().iter().any(|function| name.starts_with(function)));
}

#[tokio::test]
async fn the_samples_of_chats_ask_come_back_and_look_up() {
    let cloud = Cloud::silent().await;
    let mut stage = Stage::new(&cloud);
    stage.play("llm-stream/health", 200, "interaction-streaming").await;
    stage.play("llm-stream/health-deep", 200, "\"configured\":true").await;
    stage.fill(TOKEN, cloud.token(UMA));
    let told = stage.play("llm-stream/stream-conversation", 200, "\"type\":\"complete\"").await;
    let metadata: Value = serde_json::from_str(event(&told.text, "data: ")).unwrap();
    assert_eq!((&metadata["type"], &metadata["is_new_interaction"]), (&json!("metadata"), &json!(true)));
    stage.fill(INTERACTION, metadata["interaction_id"].as_str().unwrap());
    let rest = stage.play("llm-stream/interaction", 200, "\"type\":\"complete\"").await;
    assert!(!rest.text.contains("\"metadata\"") && rest.text.contains("\nid: 1\n"), "{}", rest.text);
    stage.play("llm-stream/interaction-idle", 204, "").await;
    stage.play("llm-stream/stop-interaction", 200, "\"stopping\":false").await;
    let whole = stage.play("llm-stream/stream-conversation-json", 200, "points_cost").await;
    assert_eq!(whole.json()["is_new_interaction"], false);
    stage.play("llm-stream/stream-conversation-empty", 400, "message must not be empty").await;
    stage.play("llm-stream/stream-conversation-unknown", 404, "Interaction not found").await;
    stage.play("llm-stream/stream-simple", 200, "\"type\":\"complete\"").await;
    stage.play("llm-stream/chat", 200, "\"type\":\"finish\"").await;
    stage.play("llm-stream/chat-stream", 204, "").await;
    stage.play("llm-stream/stop-chat", 200, "\"stopping\":false").await;

    let listed = stage.play("chat-sessions/sessions", 200, "9wEYEhdu2a343WzH").await;
    assert_eq!(listed.json()["total"], 3);
    let session = stage.play("chat-sessions/session", 200, "What is 2+2?").await;
    assert_eq!(session.json()["messages"].as_array().unwrap().len(), 2);
    stage.play("chat-sessions/session-unknown", 404, "Session not found").await;
    stage.play("chat-sessions/search", 200, "\"field\":\"message\"").await;
    stage.play("chat-sessions/export", 200, "What is 2+2?").await;
    stage.play("chat-sessions/delete-session", 200, "Session deleted successfully").await;
    stage.play("chat-sessions/session", 404, "Session not found").await;

    // What the pipe brings of a chat that is not there.
    stage.play("chat/question", 200, "").await;
    stage.play("chat/question-again", 200, "").await;
    stage.assert_complete(|name| CHATS.iter().any(|function| name.starts_with(function)));
}

/// The rest of the first line that begins so.
fn event<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines().find_map(|line| line.strip_prefix(start)).unwrap()
}

/// The newest connection of a demo user, under the name that API Gateway gave it.
async fn connection_of(cloud: &Cloud, email: &str) -> String {
    let user = cloud.user(email);
    let tenant = cloud.store().await.tenant(&OrganizationId::parse(&user.organization_id).unwrap());
    let own = tenant.subscribers(&Topic::User(UserId::parse(&user.id).unwrap())).await.unwrap();
    let newest = own.into_iter().filter(|own| own.connection_id.as_str() != CONNECTION);
    newest.max_by_key(|own| own.connected_at).unwrap().connection_id.to_string()
}
