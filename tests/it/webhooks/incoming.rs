//! Text messages of customers.

use super::{STRANGER, STRANGERS_CONTACT, STRANGERS_CONVERSATION, conversations, is_empty_twiml, strangers, taken};
use crate::support::cloud::{
    ADA, AURORA, AURORA_NUMBER, BICI_LIVE, BICI_NUMBER, CLEO, Cloud, SHARED_CONTACT, SHARED_PHONE,
};
use crate::support::twilio::{INCOMING, Sms};
use domain::ids::ContactId;
use domain::organization::TwilioAccount;
use domain::secret::Secret;
use futures_util::future::join_all;
use providers::twilio::signature;
use serde_json::json;

#[tokio::test]
async fn a_first_message_makes_the_contact_and_the_conversation_and_a_second_joins_it() {
    let cloud = Cloud::silent().await;
    is_empty_twiml(cloud.sms(&Sms::new(STRANGER, AURORA_NUMBER, "Is anybody there?")).await).await;

    let first = strangers(&cloud, ADA).await;
    let id = first["conversation_id"].as_str().unwrap().to_owned();
    let stamp = id.strip_prefix(STRANGERS_CONVERSATION).unwrap();
    let (date, time) = stamp.split_once('_').unwrap();
    let digits = |text: &str, length| text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    assert!(digits(date, 8) && digits(time, 6), "{id}");
    assert_eq!(first["worker_id"], STRANGERS_CONTACT);
    assert_eq!(first["mobile_no"], STRANGER);
    assert_eq!(first["call_id"], json!(null));
    assert_eq!(
        (&first["medium"], &first["status"], &first["urgency"]),
        (&json!("SMS"), &json!("ACTIVE"), &json!("MEDIUM"))
    );
    let message = &first["messages"][0];
    assert_eq!(message["message_id"], format!("msg_14155550999_{stamp}_0001"));
    assert_eq!((&message["role"], &message["content"]), (&json!("user"), &json!("Is anybody there?")));
    assert_eq!((&message["actor"], &message["sources"]), (&json!("customer"), &json!("")));
    let contact = cloud.json(&format!("/api/admin/contacts/{STRANGERS_CONTACT}"), ADA).await;
    assert_eq!(contact["contact"]["phone_number"], STRANGER);

    cloud.text(STRANGER, AURORA_NUMBER, "Hello?").await;
    let second = strangers(&cloud, ADA).await;
    assert_eq!(second["conversation_id"], id);
    assert_eq!((&second["total_messages"], &second["seq"]), (&json!(2), &json!(2)));
    assert_eq!(second["messages"][1]["message_id"], format!("msg_14155550999_{stamp}_0002"));
}

#[tokio::test]
async fn a_repeated_delivery_is_answered_alike_and_changes_nothing() {
    let cloud = Cloud::silent().await;
    let sms = Sms::new(STRANGER, AURORA_NUMBER, "STOP");
    taken(&cloud, &sms).await;
    let before = strangers(&cloud, ADA).await;
    for response in join_all((0..8).map(|_| cloud.sms(&sms))).await {
        is_empty_twiml(response).await;
    }
    // The id decides, not the text.
    let edited = Sms { body: "START".to_owned(), ..sms };
    is_empty_twiml(cloud.sms(&edited).await).await;
    assert_eq!(strangers(&cloud, ADA).await, before);
}

#[tokio::test]
async fn first_messages_at_once_make_one_contact_and_one_conversation() {
    let cloud = Cloud::silent().await;
    let texts: Vec<String> = (0..6).map(|n| format!("part {n}")).collect();
    let sent = texts.iter().map(|text| cloud.text(STRANGER, AURORA_NUMBER, text));
    join_all(sent).await;
    let snapshot = strangers(&cloud, ADA).await;
    let mut said: Vec<_> =
        snapshot["messages"].as_array().unwrap().iter().map(|m| m["content"].as_str().unwrap().to_owned()).collect();
    said.sort();
    assert_eq!(said, texts);
    assert_eq!(snapshot["seq"], 6);
}

#[tokio::test]
async fn a_message_keeps_its_text_and_its_media() {
    let cloud = Cloud::silent().await;
    let texts = [
        "👩‍🚒 \u{1f525} Straße «ok»".to_owned(),
        "ü".repeat(1600),
        String::new(),
        "  two lines\r\nand a tab\t ".to_owned(),
        "50% off & more = a+b; \"quoted\" \\ <tag>".to_owned(),
        "\u{2028}\u{feff}\u{0}".to_owned(),
    ];
    for text in &texts {
        taken(&cloud, &Sms::new(STRANGER, AURORA_NUMBER, text.as_str())).await;
    }
    let picture = Sms {
        more: vec![
            ("NumMedia", "2".to_owned()),
            ("MediaUrl0", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1".to_owned()),
            ("MediaContentType0", "image/jpeg".to_owned()),
            ("MediaUrl1", "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME2".to_owned()),
            ("MediaContentType1", "application/pdf".to_owned()),
            ("MediaUrl2", "https://example.com/beyond-the-count".to_owned()),
        ],
        ..Sms::new(STRANGER, AURORA_NUMBER, "")
    };
    taken(&cloud, &picture).await;
    let snapshot = strangers(&cloud, ADA).await;
    let messages = snapshot["messages"].as_array().unwrap();
    let said: Vec<_> = messages.iter().map(|message| message["content"].as_str().unwrap()).collect();
    assert_eq!(said[..texts.len()], texts);
    let media = messages[texts.len()]["media"].as_array().unwrap();
    assert_eq!(media.len(), 2);
    assert_eq!(media[0]["content_type"], "image/jpeg");
    assert!(media[1]["url"].as_str().unwrap().ends_with("/ME2"));
    assert!(messages[0].get("media").is_none());
}

#[tokio::test]
async fn opt_out_words_are_recorded_and_change_what_the_contact_wants() {
    let cloud = Cloud::silent().await;
    let mut viewer = cloud.contact_stream(SHARED_CONTACT, "load=true", CLEO, None).await;
    viewer.until("conversation_history").await;
    let tenant = cloud.tenant("bici-demo").await;
    let contact = ContactId::parse(SHARED_CONTACT).unwrap();
    let by_twilio = |kind: &str| vec![("OptOutType", kind.to_owned())];
    // The text, what Twilio says of it, what is recorded of it, and whether the contact's wish has changed to this.
    let steps = [
        ("Yes", vec![], None, None, false),
        ("START", vec![], None, None, false),
        (" stop\n", vec![], Some("stop"), Some(true), true),
        ("STOP", vec![], Some("stop"), None, true),
        ("HELP", vec![], Some("help"), None, true),
        ("STOP PLEASE", vec![], None, None, true),
        ("Yes", vec![], Some("start"), Some(false), false),
        ("Genug", by_twilio("STOP"), Some("stop"), Some(true), true),
        ("Weiter", by_twilio("START"), Some("start"), Some(false), false),
        ("INFO", by_twilio("HELP"), Some("help"), None, false),
    ];
    for (text, more, recorded, changed, opted_out) in steps {
        taken(&cloud, &Sms { more, ..Sms::new(SHARED_PHONE, BICI_NUMBER, text) }).await;
        let seen = viewer.until("sms_received").await;
        assert_eq!(seen.data["message"], text);
        assert_eq!(seen.data.get("optOut").and_then(|word| word.as_str()), recorded, "{text}");
        if let Some(wish) = changed {
            let seen = viewer.next().await.unwrap();
            assert_eq!((seen.name(), &seen.data["optedOut"]), ("opt_out_changed", &json!(wish)), "{text}");
        }
        assert_eq!(tenant.timeline(&contact).await.unwrap().opted_out, opted_out, "after {text}");
    }
    // Two demo messages and these ten; the changes are events, but no messages.
    let snapshot = cloud.snapshot(BICI_LIVE, CLEO).await;
    assert_eq!((&snapshot["total_messages"], &snapshot["seq"]), (&json!(12), &json!(16)));
}

#[tokio::test]
async fn addresses_of_other_channels_and_short_codes_are_contacts() {
    let cloud = Cloud::silent().await;
    // WhatsApp's address is the number's: one contact, one conversation.
    taken(&cloud, &Sms::new("whatsapp:+14155550999", "whatsapp:+14155550110", "by WhatsApp")).await;
    taken(&cloud, &Sms::new(STRANGER, AURORA_NUMBER, "by SMS")).await;
    let snapshot = strangers(&cloud, ADA).await;
    assert_eq!((&snapshot["mobile_no"], &snapshot["total_messages"]), (&json!(STRANGER), &json!(2)));
    for (address, contact) in [("22395", "worker_22395"), ("anonymous", "worker_anonymous")] {
        taken(&cloud, &Sms::new(address, AURORA_NUMBER, "from elsewhere")).await;
        let found = conversations(&cloud, &format!("conv_{address}_"), ADA).await;
        assert_eq!(found.len(), 1, "{address}");
        assert_eq!((&found[0]["mobile_no"], &found[0]["worker_id"]), (&json!(address), &json!(contact)));
    }
}

#[tokio::test]
async fn an_organization_with_a_twilio_account_of_its_own_is_signed_for_by_that_account() {
    let cloud = Cloud::silent().await;
    let token = Secret::new("fedcba9876543210fedcba9876543210");
    let tenant = cloud.tenant(AURORA).await;
    let mut organization = tenant.organization().await.unwrap().unwrap();
    organization.twilio = Some(TwilioAccount { account_sid: format!("AC{:032}", 1), auth_token: token.clone() });
    tenant.update_organization(&organization).await.unwrap();

    let url = format!("{}{INCOMING}", cloud.info.public_base_url);
    let by_own_account = |to| {
        let form = Sms::new(STRANGER, to, "ours").form(&cloud);
        let signature = signature::sign(&url, form.as_bytes(), &token);
        cloud
            .signed(INCOMING, form)
            .headers([("x-twilio-signature".parse().unwrap(), signature.parse().unwrap())].into_iter().collect())
    };
    assert_eq!(cloud.sms(&Sms::new(STRANGER, AURORA_NUMBER, "the stack's")).await.status(), 403);
    assert_eq!(by_own_account(AURORA_NUMBER).send().await.unwrap().status(), 200);
    // It signs for nobody else.
    assert_eq!(by_own_account(BICI_NUMBER).send().await.unwrap().status(), 403);
    assert_eq!(cloud.sms(&Sms::new(STRANGER, BICI_NUMBER, "the stack's")).await.status(), 200);
    let said = strangers(&cloud, ADA).await["messages"][0]["content"].clone();
    assert_eq!(said, "ours");
}
