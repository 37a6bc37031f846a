//! Contacts: workers, leads.

use super::{patch, post};
use crate::support::cloud::{ADA, BICI_NUMBER, CLEO, Cloud, DAN, SHARED_CONTACT, SHARED_PHONE};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CONTACTS: &str = "/api/admin/contacts";

fn ids(listing: &Value) -> Vec<String> {
    let all = listing["contacts"].as_array().unwrap();
    all.iter().map(|contact| contact["contact_id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_contact_is_made_found_and_changed() {
    let cloud = Cloud::start().await;
    let new = json!({"id": "lead_42", "phone_number": "(416) 555-0177", "name": " Lee ", "lead_status": "New"});
    let (status, body) = post(&cloud, CONTACTS, CLEO, &new).await;
    assert_eq!(status, 201);
    let contact = &body["contact"];
    for name in ["contact_id", "worker_id", "lead_id"] {
        assert_eq!(contact[name], "lead_42");
    }
    assert_eq!((&contact["phone_number"], &contact["mobile_no"]), (&json!("+14165550177"), &json!("+14165550177")));
    assert_eq!((&contact["name"], &contact["lead_status"]), (&json!("Lee"), &json!("New")));

    let path = format!("{CONTACTS}/lead_42");
    let (status, body) = patch(&cloud, &path, CLEO, &json!({"lead_status": "Returning Customer"})).await;
    assert_eq!((status, &body["contact"]["name"]), (200, &json!("Lee")));
    let (_, body) = patch(&cloud, &path, CLEO, &json!({"name": ""})).await;
    assert_eq!(
        (&body["contact"]["name"], &body["contact"]["lead_status"]),
        (&json!(null), &json!("Returning Customer"))
    );
    for number in ["+14165550177", "%2B14165550177", "14165550177", "(416)%20555-0177"] {
        let found = cloud.json(&format!("{CONTACTS}?phone_number={number}"), CLEO).await;
        assert_eq!(ids(&found), ["lead_42"], "{number}");
    }
    let found = cloud.json(&format!("{CONTACTS}?phone_number=%2B14165550178"), CLEO).await;
    assert_eq!(found, json!({"success": true, "contacts": [], "next_cursor": null}));
    // Its messages find it by its number, whatever its id.
    cloud.text("+14165550177", BICI_NUMBER, "it is me").await;
    let listing = cloud.json("/api/conversations?limit=1", CLEO).await;
    assert_eq!(listing["conversations"][0]["worker_id"], "lead_42");
    // An agent keeps contacts too; one without an id gets that of the number.
    let (status, body) = post(&cloud, CONTACTS, DAN, &json!({"phone_number": "+14165550177"})).await;
    assert_eq!((status, &body["contact"]["contact_id"]), (201, &json!("worker_14165550177")));
}

#[tokio::test]
async fn an_id_and_a_number_have_one_contact_in_an_organization() {
    let cloud = Cloud::start().await;
    for new in [
        json!({"phone_number": SHARED_PHONE}),
        json!({"phone_number": SHARED_PHONE, "id": "another"}),
        json!({"phone_number": "+14165550177", "id": SHARED_CONTACT}),
    ] {
        let (status, body) = post(&cloud, CONTACTS, CLEO, &new).await;
        assert_eq!((status, &body["code"]), (409, &json!("conflict")), "{new}");
    }
    for new in [
        json!({}),
        json!({"phone_number": "nobody"}),
        json!({"phone_number": "+14165550177", "id": "a#b"}),
        json!({"phone_number": "+14165550177", "name": "a\nb"}),
        json!({"phone_number": "+14165550177", "lead_status": "x".repeat(101)}),
    ] {
        let (status, body) = post(&cloud, CONTACTS, CLEO, &new).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{new}");
    }
    for id in ["worker_919325590143", "nobody", "a%2Fb"] {
        let path = format!("{CONTACTS}/{id}");
        assert_eq!(cloud.get(&path, CLEO).send().await.unwrap().status(), 404, "{id}");
        assert_eq!(patch(&cloud, &path, CLEO, &json!({"name": "Mine"})).await.0, 404, "{id}");
    }
    assert_eq!(cloud.json(&format!("{CONTACTS}/worker_919325590143"), ADA).await["contact"]["name"], "Asha");
}

/// G28: whoever is added or renamed between two pages, a contact that was there is listed once.
#[tokio::test]
async fn pages_neither_skip_nor_repeat_when_contacts_are_added_between_them() {
    let cloud = Cloud::start().await;
    let add = async |n: u32| {
        let new = json!({"phone_number": format!("+1416555{n:04}")});
        assert_eq!(post(&cloud, CONTACTS, CLEO, &new).await.0, 201);
    };
    for n in 0..6 {
        add(1000 + n).await;
    }
    let there: BTreeSet<String> = ids(&cloud.json(CONTACTS, CLEO).await).into_iter().collect();
    assert_eq!(there.len(), 7);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    for page in 0.. {
        assert!(page < 6, "the pages do not end");
        let listing = cloud.json(&format!("{CONTACTS}?limit=3{cursor}"), CLEO).await;
        let ids = ids(&listing);
        assert!(ids.len() <= 3);
        add(2000 + page).await;
        for id in &ids {
            patch(&cloud, &format!("{CONTACTS}/{id}"), CLEO, &json!({"name": "Renamed"})).await;
        }
        seen.extend(ids);
        match listing["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), there);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=", "cursor=***", "phone_number="] {
        let response = cloud.get(&format!("{CONTACTS}?{query}"), CLEO).send().await.unwrap();
        assert_eq!(response.status(), 400, "{query}");
    }
}
