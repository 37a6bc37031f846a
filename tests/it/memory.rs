//! Seed B's library functions, under their own names: a contact's memory over voice and text messages.

use crate::support::backstage::{handed_back_by, said, taken_over_by};
use crate::support::cloud::{AURORA, AURORA_NUMBER, BICI, BICI_NUMBER, Cloud, SHARED_CONTACT, SHARED_PHONE};
use crate::support::elevenlabs::Call;
use crate::support::eventually;
use crate::support::threads::phone;
use conversations::inbound::Said;
use conversations::memory::{
    add_to_conversation_history, build_conversation_context, build_dynamic_variables, find_lead_by_phone,
    generate_comprehensive_summary, get_conversation_history, get_organization_by_phone_number,
    store_conversation_summary,
};
use domain::context::WINDOW;
use domain::event::{Event, EventBody, Speaker};
use store::{Append, Appended, Tenant, now};

fn message(text: &str, by: Speaker, key: Option<&str>) -> Said {
    Said { text: text.to_owned(), by, key: key.map(str::to_owned) }
}

fn texts(events: &[Event]) -> Vec<&str> {
    let mut texts = Vec::new();
    for event in events {
        if let EventBody::Message { text, .. } | EventBody::SmsReceived { text, .. } = &event.body {
            texts.push(text.as_str());
        }
    }
    texts
}

#[tokio::test]
async fn numbers_are_found_in_their_organization_only() {
    let cloud = Cloud::start().await;
    let store = cloud.store().await;
    for (number, organization) in [(AURORA_NUMBER, Some(AURORA)), (BICI_NUMBER, Some(BICI)), (SHARED_PHONE, None)] {
        let found = get_organization_by_phone_number(&store, &phone(number)).await.unwrap();
        assert_eq!(found.as_ref().map(domain::ids::OrganizationId::as_str), organization, "{number}");
    }
    let (aurora, bici) = (cloud.tenant(AURORA).await, cloud.tenant(BICI).await);
    let name = async |tenant: &Tenant| {
        let found = find_lead_by_phone(tenant, &phone(SHARED_PHONE)).await.unwrap().unwrap();
        assert_eq!(found.id.as_str(), SHARED_CONTACT);
        found.name.unwrap()
    };
    assert_eq!((name(&aurora).await, name(&bici).await), ("Jordan".to_owned(), "Jordan Lee".to_owned()));
    assert!(find_lead_by_phone(&bici, &phone("+919325590143")).await.unwrap().is_none());
    let nobody = phone("+14155550777");
    assert!(get_conversation_history(&bici, &nobody).await.unwrap().is_empty());
    assert_eq!(build_conversation_context(&bici, &nobody).await.unwrap(), "");
    assert_eq!(generate_comprehensive_summary(&bici, &nobody).await.unwrap(), "");
    store_conversation_summary(&bici, &nobody, "of nobody").await.unwrap();
    let variables = build_dynamic_variables(&bici, &nobody, "Us").await.unwrap();
    assert_eq!((variables.len(), variables["caller_type"].as_str()), (9, "new_caller"));
    assert_eq!(variables["organization_name"], "BICI Bike Store");
}

#[tokio::test]
async fn a_memory_spans_voice_and_text_and_one_organization() {
    let cloud = Cloud::start().await;
    let (aurora, bici) = (cloud.tenant(AURORA).await, cloud.tenant(BICI).await);
    let customer = phone("+14155550777");
    // An import: a second run of it adds nothing.
    for _ in 0..2 {
        for (key, text, by) in
            [("1", "Do you rent e-bikes?", Speaker::Customer), ("2", "We do, from 30 a day.", Speaker::Assistant)]
        {
            let added = add_to_conversation_history(&bici, &customer, message(text, by, Some(key))).await.unwrap();
            assert!(matches!(added, Appended::New { .. } | Appended::Duplicate { .. }), "{added:?}");
        }
    }
    add_to_conversation_history(&aurora, &customer, message("A drill at gate 4", Speaker::Customer, None))
        .await
        .unwrap();
    let mut news = Call::new("conv_memory", customer.as_str(), BICI_NUMBER).of_turns(2).news();
    news["data"]["analysis"]["transcript_summary"] = "Two e-bikes are reserved for 14:30.".into();
    cloud.call_over(&news).await;

    let history = get_conversation_history(&bici, &customer).await.unwrap();
    assert_eq!(texts(&history), ["Do you rent e-bikes?", "We do, from 30 a day.", "turn 0", "turn 1"]);
    let context = build_conversation_context(&bici, &customer).await.unwrap();
    let lines = [
        "Customer: Do you rent e-bikes?",
        "AI: We do, from 30 a day.",
        "[a phone call began]",
        "Customer: turn 0",
        "AI: turn 1",
        "[the phone call ended: completed; summary: Two e-bikes are reserved for 14:30.]",
    ];
    assert_eq!(context.lines().collect::<Vec<_>>(), lines);
    let summary = generate_comprehensive_summary(&bici, &customer).await.unwrap();
    assert!(summary.contains("First request: \"Do you rent e-bikes?\"") && summary.contains("14:30"), "{summary}");
    assert_eq!(texts(&get_conversation_history(&aurora, &customer).await.unwrap()), ["A drill at gate 4"]);
    assert!(!build_conversation_context(&aurora, &customer).await.unwrap().contains("bike"));

    // The call's end brings the variables up to date, off the request path.
    let variables = eventually("the briefing", || async {
        let variables = build_dynamic_variables(&bici, &customer, "Us").await.unwrap();
        (variables["total_messages"] == "4").then_some(variables)
    })
    .await;
    assert_eq!(variables["conversation_context"], context);
    assert_eq!((&*variables["caller_type"], &*variables["has_conversation_history"]), ("existing_lead", "true"));
    // What somebody wrote down stands, and is told at once.
    store_conversation_summary(&bici, &customer, "Wants\u{202e} two\n e-bikes.").await.unwrap();
    let told = cloud.told_of(customer.as_str(), BICI_NUMBER).await;
    assert_eq!(told["previous_summary"], "Wants two e-bikes.");
    let other = build_dynamic_variables(&aurora, &customer, "Us").await.unwrap();
    assert_eq!(
        (&*other["organization_name"], &*other["previous_summary"]),
        ("Aurora Rescue", "No previous conversations.")
    );
}

#[tokio::test]
async fn the_window_holds_fifty_messages_and_marks_the_human_stretch() {
    let cloud = Cloud::start().await;
    let bici = cloud.tenant(BICI).await;
    let customer = phone("+14155550777");
    let added =
        add_to_conversation_history(&bici, &customer, message("number 0", Speaker::Customer, None)).await.unwrap();
    let Appended::New { conversation, .. } = added else { panic!("{added:?}") };
    for part in 0..3 {
        let bodies = (0..25).map(|n| said(&format!("number {}", part * 25 + n + 1))).collect();
        bici.append(&conversation.id, Append::new(bodies, now())).await.unwrap();
    }
    let stretch = vec![
        taken_over_by("agent_bo"),
        EventBody::HumanMessageSent {
            text: "This is Bo.".to_owned(),
            agent_id: domain::ids::UserId::parse("agent_bo").unwrap(),
            agent_name: "Bo".to_owned(),
            from: None,
            provider_id: None,
        },
        handed_back_by("agent_bo", Some("Refund agreed.")),
        said("Thanks"),
    ];
    bici.append(&conversation.id, Append::new(stretch, now())).await.unwrap();
    let history = get_conversation_history(&bici, &customer).await.unwrap();
    assert_eq!(history.iter().filter(|event| event.body.is_message()).count(), WINDOW);
    assert_eq!(texts(&history)[0], "number 28");
    let context = build_conversation_context(&bici, &customer).await.unwrap();
    let tail: Vec<&str> = context.lines().rev().take(4).collect();
    assert_eq!(
        tail,
        [
            "Customer: Thanks",
            "[the human agent handed back to the AI; summary: Refund agreed.]",
            "Agent Bo: This is Bo.",
            "[agent_bo, a human agent, took over from the AI]",
        ]
    );
}
