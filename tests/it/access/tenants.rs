//! One customer of two organizations: the same number, and nothing in common (G8).

use crate::support::backstage::ended;
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BEN, BICI, BICI_NUMBER, CLEO, Cloud, DAN, SHARED_CONTACT, SHARED_PHONE, TAKEN,
};
use crate::support::socket::events;
use domain::ids::ContactId;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const OF: [(&str, &str, &str, &str); 2] =
    [(ADA, AURORA, AURORA_NUMBER, "Jordan"), (CLEO, BICI, BICI_NUMBER, "Jordan Lee")];

async fn ids(cloud: &Cloud, email: &str) -> BTreeSet<String> {
    let listing = cloud.json("/api/conversations?limit=100", email).await;
    let all = listing["conversations"].as_array().unwrap();
    all.iter().map(|one| one["conversation_id"].as_str().unwrap().to_owned()).collect()
}

fn contents(messages: &Value) -> Vec<&str> {
    messages.as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn messages_of_a_shared_customer_stay_with_the_organization_they_were_sent_to() {
    let cloud = Cloud::silent().await;
    let mut streams = Vec::new();
    for (email, ..) in OF {
        streams.push(cloud.contact_stream(SHARED_CONTACT, "", email, None).await);
    }
    for n in 0..3 {
        for (_, organization, number, _) in OF {
            cloud.text(SHARED_PHONE, number, &format!("{organization} {n}")).await;
        }
    }
    for ((email, organization, ..), mut stream) in OF.into_iter().zip(streams) {
        let own: Vec<String> = (0..3).map(|n| format!("{organization} {n}")).collect();
        let mut conversation = String::new();
        for text in &own {
            let block = stream.next().await.unwrap();
            assert_eq!((&block.data["message"], &block.data["organizationId"]), (&json!(text), &json!(organization)));
            conversation = block.data["conversation_id"].as_str().unwrap().to_owned();
        }
        let snapshot = cloud.snapshot(&conversation, email).await;
        assert_eq!(contents(&snapshot["messages"]).into_iter().rev().take(3).rev().collect::<Vec<_>>(), own);
        let mut history = cloud.contact_stream(SHARED_CONTACT, "load=true", email, None).await;
        let history = history.next().await.unwrap().data;
        let foreign = if organization == AURORA { BICI } else { AURORA };
        assert!(!history.to_string().contains(foreign), "{history}");
        assert_eq!(contents(&history["messages"]).into_iter().rev().take(3).rev().collect::<Vec<_>>(), own);
    }
    let (aurora, bici) = (ids(&cloud, ADA).await, ids(&cloud, CLEO).await);
    assert!(aurora.is_disjoint(&bici), "{aurora:?} {bici:?}");
    for (email, foreign) in [(ADA, &bici), (CLEO, &aurora)] {
        for id in foreign {
            let response = cloud.get(&format!("/api/conversation/{id}"), email).send().await.unwrap();
            assert_eq!(response.status(), 403, "{id} as {email}");
        }
    }
}

#[tokio::test]
async fn a_first_message_to_both_at_once_makes_two_conversations_with_ids_of_their_own() {
    let cloud = Cloud::silent().await;
    let text = |number| cloud.text("+14155550999", number, "hello");
    tokio::join!(text(AURORA_NUMBER), text(BICI_NUMBER));
    let new =
        |ids: BTreeSet<String>| ids.into_iter().filter(|id| id.starts_with("conv_14155550999_")).collect::<Vec<_>>();
    let (aurora, bici) = (new(ids(&cloud, ADA).await), new(ids(&cloud, CLEO).await));
    assert_eq!((aurora.len(), bici.len()), (1, 1));
    assert_ne!(aurora, bici);
}

#[tokio::test]
async fn a_shared_customers_record_and_wish_are_each_organizations_own() {
    let cloud = Cloud::silent().await;
    let path = format!("/api/admin/contacts/{SHARED_CONTACT}");
    let name = async |email| cloud.json(&path, email).await["contact"]["name"].take();
    for (email, .., shown) in OF {
        assert_eq!(name(email).await, shown);
    }
    let response = cloud.request(Method::PATCH, &path, CLEO).json(&json!({"name": "J. Lee"})).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!((name(ADA).await, name(CLEO).await), (json!("Jordan"), json!("J. Lee")));

    cloud.text(SHARED_PHONE, BICI_NUMBER, "STOP").await;
    let contact = ContactId::parse(SHARED_CONTACT).unwrap();
    for (organization, opted_out) in [(AURORA, false), (BICI, true)] {
        let timeline = cloud.tenant(organization).await.timeline(&contact).await.unwrap();
        assert_eq!(timeline.opted_out, opted_out, "{organization}");
    }
}

/// A19 holds after the end: whoever took a conversation over is the only one to see it, on every route.
#[tokio::test]
async fn a_conversation_that_ended_in_an_admins_hands_stays_theirs() {
    let cloud = Cloud::silent().await;
    cloud.append(AURORA, TAKEN, ended()).await;
    for email in [BEN, DAN] {
        for path in [format!("/api/conversation/{TAKEN}"), format!("/api/conversation/{TAKEN}/stream")] {
            let response = cloud.get(&path, email).send().await.unwrap();
            assert_eq!(response.status(), 403, "{path} as {email}");
        }
        assert!(!ids(&cloud, email).await.contains(TAKEN), "{email}");
    }
    assert!(ids(&cloud, ADA).await.contains(TAKEN));
    let mut stream = cloud.stream(TAKEN, ADA, None).await;
    assert_eq!(stream.next().await.unwrap().name(), "initial");
    assert_eq!(stream.next().await.unwrap().name(), "ended");
    assert!(stream.next().await.is_none());
}

/// A contact may have a conversation that Ada took over beside others: those a colleague may catch up on, that one not.
#[tokio::test]
async fn catching_up_on_a_contact_leaves_out_what_another_admin_took_over() {
    let cloud = Cloud::silent().await;
    for (email, expected) in [(ADA, 7), (BEN, 4)] {
        let mut socket = cloud.socket(email).await;
        socket.send(json!({"action": "subscribe", "lead_id": SHARED_CONTACT, "after_seq": 0})).await;
        let mut seen = Vec::new();
        loop {
            let frame = socket.next().await.unwrap();
            if frame["type"] == "subscribed" {
                assert_eq!(frame["seq"], 7);
                break;
            }
            seen.extend(events(&frame));
        }
        assert_eq!(seen.len(), expected, "{email}");
        assert_eq!(seen.iter().any(|event| event["conversation_id"] == TAKEN), email == ADA);
    }
}
