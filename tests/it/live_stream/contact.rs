//! Seed B: a contact's stream, over all their conversations.

use crate::support::backstage::said;
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BEN, BICI, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE, TAKEN,
    UMA,
};
use domain::ids::{ContactId, ConversationId};
use domain::phone::PhoneNumber;
use futures_util::future::join_all;
use serde_json::{Value, json};
use store::{Append, NewContact, now};

const STRANGER: &str = "+14155550999";

fn contents(history: &Value) -> Vec<&str> {
    history["messages"].as_array().unwrap().iter().map(|message| message["content"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn history_comes_when_it_is_asked_for_and_only_then() {
    let cloud = Cloud::silent().await;
    let mut loaded = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, None).await;
    let block = loaded.next().await.unwrap();
    assert_eq!((block.event.as_deref(), block.name(), block.id), (None, "conversation_history", Some(2)));
    let history = block.data;
    assert_eq!((&history["organizationId"], &history["contact_seq"]), (&json!(BICI), &json!(2)));
    assert_eq!((&history["leadId"], &history["phoneNumber"]), (&json!(SHARED_CONTACT), &json!(SHARED_PHONE)));
    let (first, second) = (&history["messages"][0], &history["messages"][1]);
    assert_eq!(
        (&first["sentBy"], &first["messageType"], &first["role"]),
        (&json!("user"), &json!("text"), &json!("user"))
    );
    assert_eq!((&second["sentBy"], &second["conversation_id"]), (&json!("agent"), &json!(BICI_LIVE)));

    let mut streams = vec![loaded];
    for query in ["", "load=false", "load=1", "load=TRUE"] {
        streams.push(cloud.contact_stream(SHARED_CONTACT, query, CLEO, None).await);
    }
    cloud.text(SHARED_PHONE, BICI_NUMBER, "live").await;
    for stream in &mut streams {
        let block = stream.next().await.unwrap();
        assert_eq!((block.event.as_deref(), block.name(), block.id), (None, "sms_received", Some(3)));
        // B12: the message is a text, and the client looks for these names.
        assert_eq!((&block.data["message"], &block.data["phoneNumber"]), (&json!("live"), &json!(SHARED_PHONE)));
        assert_eq!((&block.data["organizationId"], &block.data["contact_seq"]), (&json!(BICI), &json!(3)));
    }
}

#[tokio::test]
async fn history_is_the_latest_fifty_messages() {
    let cloud = Cloud::silent().await;
    let id = ConversationId::parse(BICI_LIVE).unwrap();
    let tenant = cloud.tenant(BICI).await;
    for half in 0..2 {
        let bodies = (0..30).map(|n| said(&format!("message {}", half * 30 + n))).collect();
        tenant.append(&id, Append::new(bodies, now())).await.unwrap();
    }
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, None).await;
    let block = stream.next().await.unwrap();
    let expected: Vec<String> = (10..60).map(|n| format!("message {n}")).collect();
    assert_eq!(contents(&block.data), expected);
    assert_eq!(block.id, Some(62));
}

#[tokio::test]
async fn a_lead_is_found_by_id_or_by_number_however_it_is_written() {
    let cloud = Cloud::silent().await;
    let new = NewContact {
        id: Some(ContactId::parse("lead_42").unwrap()),
        phone: PhoneNumber::from_provider("+14165550177").unwrap(),
        name: None,
        lead_status: None,
    };
    cloud.tenant(BICI).await.add_contact(new).await.unwrap().unwrap();
    cloud.text("+14165550177", BICI_NUMBER, "it is me").await;
    // A raw plus arrives as a blank (B05); BICI is in Canada.
    for (lead, query) in [
        ("lead_42", ""),
        ("lead_42", "phoneNumber=%2B14155550142"),
        ("unknown", "phoneNumber=+14165550177"),
        ("unknown", "phoneNumber=%2B14165550177"),
        ("unknown", "phoneNumber=14165550177"),
        ("unknown", "phoneNumber=(416)%20555-0177"),
        ("a%2Fb%20c", "phoneNumber=+14165550177"),
    ] {
        let query = format!("{query}&load=true&organizationId={BICI}");
        let mut stream = cloud.contact_stream(lead, &query, CLEO, None).await;
        let block = stream.next().await.unwrap();
        assert_eq!(
            (block.name(), &block.data["leadId"]),
            ("conversation_history", &json!("lead_42")),
            "{lead} {query}"
        );
        assert_eq!(contents(&block.data), ["it is me"]);
    }
}

#[tokio::test]
async fn the_stream_of_somebody_unknown_shows_their_first_message_ever() {
    let cloud = Cloud::silent().await;
    let mut loaded = cloud.contact_stream("new-lead", "load=true&phoneNumber=+14155550999", CLEO, None).await;
    let block = loaded.next().await.unwrap();
    assert_eq!((&block.data["messages"], &block.data["contact_seq"]), (&json!([]), &json!(0)));
    let mut live = cloud.contact_stream("new-lead", "phoneNumber=+14155550999", CLEO, None).await;
    cloud.text(STRANGER, BICI_NUMBER, "Hello, I am new").await;
    for stream in [&mut loaded, &mut live] {
        let block = stream.next().await.unwrap();
        assert_eq!((block.name(), &block.data["message"]), ("sms_received", &json!("Hello, I am new")));
        assert_eq!(block.data["contact_seq"], 1);
    }
}

#[tokio::test]
async fn a_reconnect_goes_on_by_the_contacts_numbers() {
    let cloud = Cloud::silent().await;
    for text in ["three", "four"] {
        cloud.text(SHARED_PHONE, BICI_NUMBER, text).await;
    }
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, Some(2)).await;
    for (text, seq) in [("three", 3), ("four", 4)] {
        let block = stream.next().await.unwrap();
        assert_eq!((&block.data["message"], block.id), (&json!(text), Some(seq)));
    }
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, Some(5)).await;
    assert_eq!(stream.next().await.unwrap().name(), "conversation_history", "a number beyond the log");
    let mut stream = cloud.contact_stream(SHARED_CONTACT, "since_seq=3", CLEO, None).await;
    assert_eq!(stream.next().await.unwrap().data["message"], "four");
}

#[tokio::test]
async fn what_may_not_be_streamed_is_refused() {
    let cloud = Cloud::silent().await;
    for (lead, query, email, status, code) in [
        (SHARED_CONTACT, "organizationId=aurora-demo", CLEO, 403, "other_organization"),
        (SHARED_CONTACT, "organizationId=", CLEO, 403, "other_organization"),
        (SHARED_CONTACT, "", UMA, 403, "forbidden"),
        ("worker_919325590143", "", CLEO, 404, "not_found"),
        ("nobody", "load=true", CLEO, 404, "not_found"),
        ("nobody", "phoneNumber=", CLEO, 400, "invalid_request"),
        ("nobody", "phoneNumber=%2B1", CLEO, 400, "invalid_request"),
        (SHARED_CONTACT, "since_seq=x", CLEO, 400, "invalid_request"),
    ] {
        let response = cloud.get(&format!("/api/stream/conversation/{lead}?{query}"), email).send().await.unwrap();
        let found = response.status();
        let body: Value = response.json().await.unwrap();
        assert_eq!((found.as_u16(), &body["code"]), (status, &json!(code)), "{lead}?{query} as {email}");
    }
}

/// A19 on a contact who has a conversation that Ada took over, and others that nobody did.
#[tokio::test]
async fn nothing_of_a_conversation_that_another_admin_took_over_is_in_the_contacts_stream() {
    let cloud = Cloud::silent().await;
    let secret = "The hoist is stuck with a load on it.";
    let mut ada = cloud.contact_stream(SHARED_CONTACT, "load=true", ADA, None).await;
    assert!(contents(&ada.next().await.unwrap().data).contains(&secret));
    let mut ben = cloud.contact_stream(SHARED_CONTACT, "load=true", BEN, None).await;
    let seen = ben.next().await.unwrap();
    assert_eq!(seen.id, Some(7));
    assert_eq!(contents(&seen.data).len(), 2);
    assert!(!contents(&seen.data).contains(&secret));

    // Both conversations go on in one look: the taken one, then a text to the open one.
    let tenant = cloud.tenant(AURORA).await;
    let taken = ConversationId::parse(TAKEN).unwrap();
    tenant.append(&taken, Append::new(vec![said("for Ada only")], now())).await.unwrap();
    cloud.text(SHARED_PHONE, AURORA_NUMBER, "for everybody").await;
    let mut resumed = cloud.contact_stream(SHARED_CONTACT, "", BEN, Some(7)).await;
    let block = resumed.next().await.unwrap();
    assert_eq!((&block.data["message"], block.id), (&json!("for everybody"), Some(9)));
    for (text, seq) in [("for Ada only", 8), ("for everybody", 9)] {
        let block = ada.next().await.unwrap();
        assert_eq!((&block.data["message"], block.id), (&json!(text), Some(seq)));
    }
}

#[tokio::test]
async fn many_viewers_see_the_same_at_once() {
    let cloud = Cloud::silent().await;
    let contacts = join_all((0..5).map(|_| cloud.contact_stream(SHARED_CONTACT, "", CLEO, None))).await;
    let conversations = join_all((0..5).map(|_| cloud.stream(BICI_LIVE, CLEO, Some(2)))).await;
    let texts = ["one", "two", "three"];
    for text in texts {
        cloud.text(SHARED_PHONE, BICI_NUMBER, text).await;
    }
    for mut stream in contacts {
        for text in texts {
            assert_eq!(stream.next().await.unwrap().data["message"], text);
        }
    }
    for mut stream in conversations {
        let mut seen = Vec::new();
        while seen.len() < texts.len() {
            seen.extend(stream.next().await.unwrap().seqs());
        }
        assert_eq!(seen, [3, 4, 5]);
    }
}
