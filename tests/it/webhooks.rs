//! What Twilio and ElevenLabs tell us: refused unless it is theirs, recorded once, answered at once.

mod elevenlabs;
mod elevenlabs_owner;
mod elevenlabs_refused;
mod elevenlabs_storm;
mod inbox;
mod incoming;
mod initiation;
mod limits;
mod refused;
mod status;

use crate::support::cloud::Cloud;
use crate::support::twilio::Sms;
use reqwest::Response;
use serde_json::Value;

/// A customer whom nobody knows yet, the id of the contact they become, and the start of their conversation's id.
const STRANGER: &str = "+14155550999";
const STRANGERS_CONTACT: &str = "worker_14155550999";
const STRANGERS_CONVERSATION: &str = "conv_14155550999_";

/// Delivers a message that must be taken.
async fn taken(cloud: &Cloud, sms: &Sms<'_>) {
    assert_eq!(cloud.sms(sms).await.status(), 200);
}

/// The answer that sends the customer nothing.
async fn is_empty_twiml(response: Response) {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/xml");
    assert_eq!(response.text().await.unwrap(), "<Response><!-- SMS processed --></Response>");
}

/// The conversations of the caller's organization whose id starts like this, newest first.
async fn conversations(cloud: &Cloud, start: &str, email: &str) -> Vec<Value> {
    let listing = cloud.json("/api/conversations?limit=100", email).await;
    let all = listing["conversations"].as_array().unwrap();
    all.iter().filter(|one| one["conversation_id"].as_str().unwrap().starts_with(start)).cloned().collect()
}

/// The snapshot of the stranger's one conversation.
async fn strangers(cloud: &Cloud, email: &str) -> Value {
    let found = conversations(cloud, STRANGERS_CONVERSATION, email).await;
    assert_eq!(found.len(), 1, "conversations of the stranger");
    cloud.snapshot(found[0]["conversation_id"].as_str().unwrap(), email).await
}
