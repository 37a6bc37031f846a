//! Settings and numbers.

use super::{delete, patch, post};
use crate::support::cloud::{ADA, AURORA_NUMBER, BICI, BICI_NUMBER, CLEO, Cloud, SHARED_PHONE};
use crate::support::twilio::Sms;
use futures_util::future::join_all;
use serde_json::{Value, json};

const SETTINGS: &str = "/api/admin/organization";
const NUMBERS: &str = "/api/admin/phone-numbers";

#[tokio::test]
async fn settings_change_one_by_one_and_secrets_are_never_told() {
    let cloud = Cloud::start().await;
    let mut expected = cloud.json(SETTINGS, CLEO).await["organization"].take();
    assert_eq!((&expected["id"], &expected["twilio"], &expected["region"]), (&json!(BICI), &json!(null), &json!("CA")));
    let secret = "0123456789abcdef0123456789abcdef";
    let account = format!("AC{:032x}", 7);
    for (change, name, value) in [
        (json!({"name": " Bikes "}), "name", json!("Bikes")),
        (json!({"timezone": "Asia/Tokyo"}), "timezone", json!("Asia/Tokyo")),
        (json!({"region": "US"}), "region", json!("US")),
        (json!({"region": null}), "region", json!(null)),
        (json!({"open_sign_up": false}), "open_sign_up", json!(false)),
        (json!({"sign_in_code_required": true}), "sign_in_code_required", json!(true)),
        (
            json!({"twilio": {"account_sid": account, "auth_token": secret}}),
            "twilio",
            json!({"account_sid": account, "auth_token_set": true}),
        ),
        (json!({}), "name", json!("Bikes")),
        (json!({"id": "other", "phone_numbers": [], "created_at": "x"}), "name", json!("Bikes")),
    ] {
        expected[name] = value;
        let (status, body) = patch(&cloud, SETTINGS, CLEO, &change).await;
        assert_eq!((status, &body["organization"]), (200, &expected), "{change}");
        assert!(!body.to_string().contains(secret));
        assert_eq!(cloud.json(SETTINGS, CLEO).await["organization"], expected);
    }
    // What is set is in force: Tokyo's time, and its own account's signatures.
    let path = format!("/api/conversation/{}", crate::support::cloud::BICI_LIVE);
    let snapshot = cloud.json(&path, CLEO).await;
    assert!(snapshot["conversation"]["timestamp"].as_str().unwrap().ends_with("+09:00"));
    assert_eq!(cloud.sms(&Sms::new(SHARED_PHONE, BICI_NUMBER, "hi")).await.status(), 403);
    expected["twilio"] = json!(null);
    let (_, body) = patch(&cloud, SETTINGS, CLEO, &json!({"twilio": null})).await;
    assert_eq!(body["organization"], expected);
    assert_eq!(cloud.sms(&Sms::new(SHARED_PHONE, BICI_NUMBER, "hi")).await.status(), 200);
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_whole() {
    let cloud = Cloud::start().await;
    let before = cloud.json(SETTINGS, CLEO).await;
    let account = |sid: &str, token: &str| json!({"twilio": {"account_sid": sid, "auth_token": token}});
    let sid = format!("AC{:032x}", 7);
    for change in [
        json!({"name": ""}),
        json!({"name": "x".repeat(201)}),
        json!({"name": "a\nb"}),
        json!({"timezone": "Mars/Olympus", "name": "Good"}),
        json!({"region": "ZZZ"}),
        json!({"open_sign_up": "yes"}),
        account("AC7", "secret"),
        account(&sid, ""),
        account(&sid, "se cret"),
        json!({"twilio": {"account_sid": sid}}),
    ] {
        let (status, body) = patch(&cloud, SETTINGS, CLEO, &change).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{change}");
        assert!(!body.to_string().contains("secret"), "{body}");
    }
    assert_eq!(cloud.json(SETTINGS, CLEO).await, before);
}

#[tokio::test]
async fn a_number_belongs_to_one_organization_at_a_time() {
    let cloud = Cloud::start().await;
    let add = async |email: &str, number: &str| post(&cloud, NUMBERS, email, &json!({"number": number})).await;
    let numbers = async |email: &str| cloud.json(NUMBERS, email).await["phone_numbers"].take();
    assert_eq!(numbers(ADA).await, json!([AURORA_NUMBER]));
    for email in [ADA, CLEO] {
        let (status, body) = add(email, BICI_NUMBER).await;
        assert_eq!((status, &body["code"]), (409, &json!("conflict")), "{email}");
        assert!(!body.to_string().contains("bici"), "{body}");
    }
    // National numbers are read in the organization's region, BICI's Canada.
    let (status, body) = add(CLEO, "(416) 555-0177").await;
    assert_eq!((status, &body["number"]), (201, &json!("+14165550177")));
    assert_eq!(add(CLEO, "22395").await.1["number"], "22395");
    for bad in ["", "nobody", "client:alice", "+1", "12"] {
        assert_eq!(add(CLEO, bad).await.0, 400, "{bad}");
    }
    assert_eq!(cloud.sms(&Sms::new(SHARED_PHONE, "+14165550177", "hi")).await.status(), 200);

    // Who does not have it cannot give it up; who has it can, and then it is free.
    let path = format!("{NUMBERS}/+14165550177");
    assert_eq!(delete(&cloud, &path, ADA).await.0, 404);
    assert_eq!(delete(&cloud, &path, CLEO).await, (200, json!({"success": true})));
    assert_eq!(delete(&cloud, &path, CLEO).await.0, 404);
    assert_eq!(cloud.sms(&Sms::new(SHARED_PHONE, "+14165550177", "hi")).await.status(), 404);
    assert_eq!(add(ADA, "+14165550177").await.0, 201);
    assert_eq!(delete(&cloud, &format!("{NUMBERS}/%2B14165550177"), ADA).await.0, 200);
    assert_eq!(numbers(CLEO).await, json!([BICI_NUMBER, "22395"]));
}

#[tokio::test]
async fn of_two_organizations_that_claim_a_number_at_once_one_gets_it() {
    let cloud = Cloud::start().await;
    for n in 0..3 {
        let number = json!({"number": format!("+1416555020{n}")});
        let claims = [ADA, CLEO].map(|email| post(&cloud, NUMBERS, email, &number));
        let mut statuses: Vec<u16> = join_all(claims).await.into_iter().map(|answer| answer.0).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
    }
    // Settings that are written at the same time lose no number.
    let name = json!({"name": "Aurora"});
    let number = json!({"number": "+14165550300"});
    let (named, added) = tokio::join!(patch(&cloud, SETTINGS, ADA, &name), post(&cloud, NUMBERS, ADA, &number));
    assert_eq!((named.0, added.0), (200, 201));
    let numbers: Value = cloud.json(NUMBERS, ADA).await["phone_numbers"].take();
    assert!(numbers.as_array().unwrap().contains(&json!("+14165550300")), "{numbers}");
}
