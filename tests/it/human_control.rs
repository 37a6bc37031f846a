//! People take over from the AI, write, call, and hand back (B17-B21, B27, A19-A21, G4).

mod calls;
mod delivery;
mod join;
mod leave;
mod limits;
mod placing;
mod send;
mod status;
mod takeover;

use crate::support::backstage::said;
use crate::support::cloud::Cloud;
use crate::support::eventually;
use crate::support::sse::{Block, Sse};
use domain::event::EventBody;
use domain::ids::ConversationId;
use serde_json::Value;
use store::Thread;

/// Somebody whom no organization knows.
const STRANGER: &str = "+14155550161";
/// Their id as a contact.
const STRANGERS_LEAD: &str = "worker_14155550161";
/// A second one.
const OTHER_STRANGER: &str = "+14155550162";
/// Aurora's contact with conversations of several kinds; the number, its national form, and the contact.
const ASHA: &str = "+919325590143";
const ASHA_NATIONAL: &str = "093255 90143";
const ASHAS_LEAD: &str = "worker_919325590143";

/// The kinds of a conversation's events, in order.
async fn kinds(cloud: &Cloud, organization: &str, conversation: &str) -> Vec<&'static str> {
    let thread = Thread::Conversation(ConversationId::parse(conversation).unwrap());
    let events = cloud.tenant(organization).await.events_after(&thread, 0, usize::MAX).await.unwrap();
    events.iter().map(|event| event.body.kind()).collect()
}

/// How many of them there are.
async fn count(cloud: &Cloud, organization: &str, conversation: &str, kind: &str) -> usize {
    kinds(cloud, organization, conversation).await.into_iter().filter(|one| *one == kind).count()
}

/// Waits until a conversation has so many events of a kind.
async fn until_count(cloud: &Cloud, organization: &str, conversation: &str, kind: &str, expected: usize) {
    eventually(kind, || async { (count(cloud, organization, conversation, kind).await >= expected).then_some(()) })
        .await;
    assert_eq!(count(cloud, organization, conversation, kind).await, expected, "{kind}");
}

/// The blocks until one of this name, which is the last.
async fn until(stream: &mut Sse, name: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    loop {
        let block = stream.next().await.unwrap_or_else(|| panic!("the stream ended before {name}"));
        let found = block.name() == name;
        blocks.push(block);
        if found {
            return blocks;
        }
    }
}

/// A conversation's text of this message, in its snapshot.
fn contents(snapshot: &Value) -> Vec<&str> {
    let messages = snapshot["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap()).collect()
}

/// Something that ends nothing and asks for nothing, to see what came before it.
fn fence() -> EventBody {
    said("fence")
}
