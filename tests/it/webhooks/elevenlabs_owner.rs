//! Whose call it was.

use super::{STRANGER, STRANGERS_CONVERSATION, conversations};
use crate::support::cloud::{ADA, AURORA, AURORA_NUMBER, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_PHONE};
use crate::support::elevenlabs::{Call, own_agent};
use domain::secret::Secret;
use reqwest::Method;
use serde_json::{Value, json};

/// Calls of the stranger that Aurora and BICI have.
async fn calls(cloud: &Cloud) -> (usize, usize) {
    let of = async |email| conversations(cloud, STRANGERS_CONVERSATION, email).await.len();
    (of(ADA).await, of(CLEO).await)
}

/// News of a call without a number of ours.
fn unnumbered(id: &str) -> Value {
    let mut news = Call::new(id, STRANGER, "").of_turns(1).news();
    news["data"]["metadata"]["phone_call"]["agent_number"] = json!(null);
    news
}

fn naming(mut news: Value, organization: &str) -> Value {
    news["data"]["conversation_initiation_client_data"]["dynamic_variables"] = json!({"organization_id": organization});
    news
}

#[tokio::test]
async fn the_number_decides_then_the_agent_then_what_we_told_the_agent() {
    let cloud = Cloud::start().await;
    cloud.call_over(&Call::new("conv_1", STRANGER, BICI_NUMBER).of_turns(1).news()).await;
    assert_eq!(calls(&cloud).await, (0, 1));
    // A variable says otherwise: it only counts where nothing else tells.
    cloud.call_over(&naming(Call::new("conv_2", STRANGER, BICI_NUMBER).of_turns(1).news(), AURORA)).await;
    assert_eq!(calls(&cloud).await, (0, 2));
    cloud.call_over(&naming(unnumbered("conv_3"), BICI)).await;
    assert_eq!(calls(&cloud).await, (0, 3));
    // The stack's agent without anything else speaks for the first organization.
    let mut news = unnumbered("conv_4");
    news["data"]["agent_id"] = cloud.voice().agent_id.into();
    cloud.call_over(&news).await;
    assert_eq!(calls(&cloud).await, (1, 3));
    // Nobody's call is no call; what is not kept anyway is nobody's failure.
    assert_eq!(cloud.post_call(&unnumbered("conv_5")).await.status(), 404);
    assert_eq!(cloud.post_call(&naming(unnumbered("conv_5"), "nobody")).await.status(), 404);
    for kind in ["post_call_audio", "something_new"] {
        let news = json!({"type": kind, "data": {"conversation_id": "conv_6", "agent_id": "agent_of_nobody"}});
        assert_eq!(cloud.post_call(&news).await.status(), 200, "{kind}");
    }
    assert_eq!(calls(&cloud).await, (1, 3));
}

#[tokio::test]
async fn an_organization_with_an_agent_of_its_own_is_signed_for_by_that_agent_only() {
    let cloud = Cloud::start().await;
    let path = "/api/admin/organization";
    let set = cloud.request(Method::PATCH, path, CLEO).json(&own_agent("agent_bici")).send().await.unwrap();
    assert_eq!(set.status(), 200);
    let own = Secret::new("wsec_own_post_call");
    let by_own = async |news: &Value| cloud.signed_by(&own, news.to_string()).send().await.unwrap().status().as_u16();
    let mut news = unnumbered("conv_1");
    news["data"]["agent_id"] = "agent_bici".into();
    let numbered = Call::new("conv_2", STRANGER, BICI_NUMBER).of_turns(1).news();
    for news in [&news, &numbered] {
        assert_eq!(cloud.post_call(news).await.status(), 403, "the stack's secret");
        assert_eq!(by_own(news).await, 200);
    }
    assert_eq!(calls(&cloud).await, (0, 2));
    // It signs for nobody else, whatever it says.
    for foreign in [
        Call::new("conv_3", STRANGER, AURORA_NUMBER).of_turns(1).news(),
        naming(unnumbered("conv_3"), AURORA),
        unnumbered("conv_3"),
    ] {
        assert_eq!(by_own(&foreign).await, 403);
    }
    // Its agent's name does not open another organization's number.
    let mut mixed = Call::new("conv_3", STRANGER, AURORA_NUMBER).of_turns(1).news();
    mixed["data"]["agent_id"] = "agent_bici".into();
    assert_eq!(by_own(&mixed).await, 403);
    assert_eq!(calls(&cloud).await, (0, 2));
}

#[tokio::test]
async fn a_variable_names_a_conversation_only_for_its_own_customer() {
    let cloud = Cloud::start().await;
    let theirs = Call::new("conv_1", SHARED_PHONE, BICI_NUMBER).of_turns(2).news();
    cloud.call_over(&theirs).await;
    let found = conversations(&cloud, "conv_14155550142_20261120", CLEO).await;
    let id = found[0]["conversation_id"].as_str().unwrap();
    for (number, named) in [id, BICI_LIVE, "conv_of_nobody", "#"].into_iter().enumerate() {
        let mut news = Call::new(&format!("conv_other_{number}"), STRANGER, BICI_NUMBER).of_turns(2).news();
        news["data"]["conversation_initiation_client_data"]["dynamic_variables"] =
            json!({"switchboard_conversation_id": named});
        cloud.call_over(&news).await;
        assert_eq!(calls(&cloud).await, (0, number + 1), "{named}");
    }
    assert_eq!(cloud.snapshot(id, CLEO).await["total_messages"], 2);
    assert_eq!(cloud.snapshot(BICI_LIVE, CLEO).await["total_messages"], 2);
}
