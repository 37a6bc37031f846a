use super::*;
use crate::conversation::{Conversation, Medium, NewConversation, Urgency};
use crate::event::{CallReport, Speaker};
use crate::ids::{CallId, ContactId, ConversationId, OrganizationId, UserId};
use crate::phone::PhoneNumber;
use proptest::prelude::*;

fn phone() -> PhoneNumber {
    PhoneNumber::from_provider("+14155550100").unwrap()
}

fn events(bodies: Vec<EventBody>) -> Vec<Event> {
    let at = Timestamp::from_millis(1_795_183_100_000);
    let new = NewConversation {
        contact_id: ContactId::parse("lead_1").unwrap(),
        phone: phone(),
        medium: Medium::Sms,
        urgency: Urgency::Medium,
        started_at: at,
    };
    let id = ConversationId::parse("conv_1").unwrap();
    let mut conversation = Conversation::begin(id, None, OrganizationId::parse("org").unwrap(), new);
    let numbered = bodies.into_iter().enumerate();
    numbered.map(|(index, body)| conversation.apply(body, at, index as u64 + 1)).collect()
}

fn asks(text: &str) -> EventBody {
    EventBody::SmsReceived { text: text.into(), to: phone(), provider_id: "SM1".into(), media: vec![], opt_out: None }
}

fn answers(text: &str) -> EventBody {
    EventBody::SmsSent { text: text.into(), from: phone(), provider_id: None, answers: 0 }
}

fn stretch() -> Vec<EventBody> {
    let agent_id = UserId::parse("ada").unwrap();
    vec![
        EventBody::HumanControlStarted {
            agent_id: agent_id.clone(),
            agent_name: "Ada".into(),
            reason: None,
            lease_seconds: 60,
        },
        asks("Can I get 10% off order 4711?"),
        EventBody::HumanMessageSent {
            text: "Yes, until Friday.".into(),
            agent_id: agent_id.clone(),
            agent_name: "Ada".into(),
            from: Some(phone()),
            provider_id: None,
        },
        EventBody::HumanControlEnded {
            agent_id,
            ended_by: ControlEnd::Left,
            summary: Some("10% granted".into()),
            next_steps: vec!["check stock".into()],
            handoff_success: Some(true),
            answer_pending: false,
        },
    ]
}

#[test]
fn a_human_stretch_is_marked_in_context_and_prompt() {
    let mut bodies = vec![asks("Is my bike ready?"), answers("Yes, since noon.")];
    bodies.extend(stretch());
    bodies.push(asks("Thanks, see you"));
    let events = events(bodies);
    let context = build_conversation_context(&events);
    assert_eq!(
        context.lines().collect::<Vec<_>>(),
        [
            "Customer: Is my bike ready?",
            "AI: Yes, since noon.",
            "[Ada, a human agent, took over from the AI]",
            "Customer: Can I get 10% off order 4711?",
            "Agent Ada: Yes, until Friday.",
            "[the human agent handed back to the AI; summary: 10% granted; next steps: check stock]",
            "Customer: Thanks, see you",
        ]
    );
    let brief = ReplyBrief {
        organization_name: "Bici",
        instructions: Some("Open until six."),
        customer_name: Some("Ann"),
        summary: "",
        now: Timestamp::from_millis(1_795_183_100_000),
    };
    let turns = reply_prompt(&brief, &events);
    let roles: Vec<TurnRole> = turns.iter().map(|turn| turn.role).collect();
    use TurnRole::{Assistant, System, User};
    assert_eq!(roles, [System, User, Assistant, User, Assistant, User]);
    assert!(
        turns[0].text.contains("Bici") && turns[0].text.contains("Open until six.") && turns[0].text.contains("Ann")
    );
    assert!(turns[4].text.starts_with("[human agent Ada] Yes, until Friday.\n[the human agent handed back"));
    let summary = generate_comprehensive_summary(&events, "");
    assert!(summary.contains("First request: \"Is my bike ready?\"") && summary.contains("Human agent: 10% granted"));
    assert!(summary.contains("Mentioned: 10%, 4711."), "{summary}");
}

#[test]
fn calls_are_part_of_the_summary() {
    let call_id = CallId::parse("call_1").unwrap();
    let said = |role, text: &str| EventBody::Message { role, text: text.into(), sources: String::new() };
    let report = CallReport { summary: Some("Ann asked for her bike.".into()), ..CallReport::default() };
    let events = events(vec![
        EventBody::CallInitiated { call_id: call_id.clone(), direction: crate::event::Direction::Inbound },
        said(Speaker::Customer, "Is my bike ready?"),
        said(Speaker::Assistant, "It is."),
        EventBody::CallEnded {
            call_id,
            outcome: "done".into(),
            duration_seconds: Some(4),
            report: Some(report.into()),
        },
    ]);
    let summary = generate_comprehensive_summary(&events, "");
    assert!(summary.contains("Phone call: Ann asked for her bike.") && summary.contains("Last answer: \"It is.\""));
    assert!(build_conversation_context(&events).contains("[the phone call ended: done; summary: Ann asked"));
}

#[test]
fn the_window_holds_the_latest_fifty_messages() {
    let many = events((0..120).map(|n| asks(&format!("number {n}"))).collect());
    let context = build_conversation_context(&many);
    assert_eq!(context.lines().count(), WINDOW);
    assert!(context.starts_with("Customer: number 70") && context.ends_with("Customer: number 119"));
    let long = events((0..50).map(|_| asks(&"x".repeat(500))).collect());
    assert!(build_conversation_context(&long).chars().count() <= CONTEXT_CHARS);
    let later = generate_comprehensive_summary(&many[60..], "First request: \"a bell\". More of it.");
    assert!(later.starts_with("Earlier: First request: \"a bell\"."), "{later}");
}

#[test]
fn all_nine_variables_are_texts_for_anybody() {
    let names = [
        "caller_type",
        "conversation_context",
        "customer_name",
        "has_conversation_history",
        "lead_status",
        "organization_id",
        "organization_name",
        "previous_summary",
        "total_messages",
    ];
    let unknown = build_dynamic_variables(None, "", None);
    assert_eq!(unknown.keys().collect::<Vec<_>>(), names);
    assert!(unknown.values().all(|value| !value.is_empty()));
    assert_eq!((unknown["has_conversation_history"].as_str(), unknown["total_messages"].as_str()), ("false", "0"));
    let events = events(vec![asks("Hello")]);
    let briefing = brief(&events, 15, &Briefing::default(), None);
    let known = KnownCaller { name: Some("John Doe".into()), lead_status: Some("Returning Customer".into()), briefing };
    let variables = build_dynamic_variables(Some(("bici-demo", "BICI Bike Store")), "x", Some(&known));
    assert_eq!(variables["caller_type"], "existing_lead");
    assert_eq!(variables["total_messages"], "15");
    assert_eq!(variables["has_conversation_history"], "true");
    assert_eq!(variables["conversation_context"], "Customer: Hello");
}

proptest! {
    #[test]
    fn nothing_hidden_gets_through_and_lengths_hold(text in "(\\PC|[\\x00-\\x1f\u{202e}\u{2066}\u{e0041}\u{200b}]){0,300}") {
        let cleaned = clean(&text, 100);
        prop_assert!(cleaned.chars().count() <= 100);
        prop_assert!(!cleaned.chars().any(is_hidden));
        let events = events(vec![asks(&text)]);
        prop_assert!(build_conversation_context(&events).lines().count() <= 1);
    }
}
