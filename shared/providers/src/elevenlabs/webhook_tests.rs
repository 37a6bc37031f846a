use super::*;
use domain::event::{Direction, Speaker};
use domain::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../tests/vectors/webhook_payloads/elevenlabs.json")).unwrap()
}

fn parse(payload: &Value) -> PostCall {
    PostCall::parse(payload.to_string().as_bytes()).unwrap()
}

fn call(payload: &Value) -> Box<Call> {
    match parse(payload) {
        PostCall::Transcription(call) => call,
        other => panic!("{other:?}"),
    }
}

fn failure(payload: &Value) -> Box<Failure> {
    match parse(payload) {
        PostCall::InitiationFailure(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn text(value: Option<&PhoneNumber>) -> Option<&str> {
    value.map(PhoneNumber::as_str)
}

#[test]
fn an_initiation_names_caller_and_agent() {
    let body = vectors()["init_request"].to_string();
    let request = InitiationRequest::parse(body.as_bytes()).unwrap();
    assert_eq!(request.caller_id.as_deref(), Some("+14017122661"));
    assert_eq!(request.agent_id.as_deref(), Some("agent_7101k5zvyjhmfg983brhmhkd98n6"));
    assert_eq!(request.called_number.as_deref(), Some("+15558675310"));
    assert_eq!(request.call_sid.as_deref(), Some("CA00112233445566770011223344556677"));
    assert!(!format!("{request:?}").contains("+1"));
    let bare = InitiationRequest::parse(br#" {"caller_id":"anonymous","agent_id":"a#b","new":[1],"call_sid":null}"#);
    let expected = InitiationRequest { caller_id: Some("anonymous".to_owned()), ..InitiationRequest::default() };
    assert_eq!(bare, Ok(expected));
    for body in ["", "[]", "[1,2,3,4]", "null", "\"x\"", "{", "caller_id=1"] {
        assert_eq!(InitiationRequest::parse(body.as_bytes()), Err(PayloadError::NotJson), "{body}");
    }
}

#[test]
fn a_call_is_read_whole() {
    let payload = &vectors()["post_call_transcription"];
    let news = parse(payload);
    assert_eq!(news.agent_id(), Some("agent_7101k5zvyjhmfg983brhmhkd98n6"));
    assert_eq!(news.conversation_id(), Some("conv_9001k1zph3fkeh5s8xg9z90swaqa"));
    assert_eq!(news.own_number().unwrap().as_str(), "+15558675310");
    assert_eq!(news.organization_hint(), Some("bici-demo"));
    let call = call(payload);
    assert_eq!(call.status.as_deref(), Some("done"));
    assert_eq!(call.turns.iter().map(|turn| turn.at_seconds).collect::<Vec<_>>(), [0.0, 4.0, 8.0]);
    assert_eq!(call.turns[1].speaker, Speaker::Customer);
    assert_eq!(call.turns[2].text, "Yes, you can pick it up today until six.");
    assert_eq!(call.started_at, Some(Timestamp::from_millis(1_795_183_100_000)));
    assert_eq!(call.event_timestamp, Some(Timestamp::from_millis(1_795_183_150_000)));
    assert_eq!((call.duration_seconds, call.direction), (Some(42), Some(Direction::Inbound)));
    assert_eq!(text(call.customer.as_ref()), Some("+14017122661"));
    assert_eq!(call.call_sid.as_deref(), Some("CA00112233445566770011223344556677"));
    assert_eq!((call.call_result.as_deref(), call.successful.as_deref()), (Some("answered"), Some("success")));
    assert_eq!(call.termination_reason.as_deref(), Some("Client disconnected: 1000"));
    assert_eq!(call.summary.as_deref(), Some("Ann asked if her bike is ready; it is."));
    assert_eq!((call.title.as_deref(), call.language.as_deref()), (Some("Bike pickup"), Some("en")));
    assert_eq!(call.collected, [("order_no".to_owned(), json!("17"))].into());
    assert_eq!(call.criteria, [("helped".to_owned(), "success".to_owned())].into());
    assert_eq!(call.dynamic_variables["system__call_duration_secs"], "42");
    assert_eq!(call.error, None);
    let shown = format!("{call:?} {:?}", call.turns);
    for hidden in ["+1", "Ann", "bike", "six", "Client", "bici"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn a_deleted_transcript_leaves_the_rest() {
    let call = call(&vectors()["post_call_transcription_deleted_transcript"]);
    assert!(call.turns.is_empty() && call.summary.is_some());
}

#[test]
fn audio_and_what_is_newer_than_this_code() {
    let vectors = vectors();
    let PostCall::Audio { conversation_id, agent_id } = parse(&vectors["post_call_audio"]) else { panic!() };
    assert_eq!(conversation_id, "conv_9001k1zph3fkeh5s8xg9z90swaqa");
    assert!(agent_id.is_some());
    let other = parse(&vectors["post_call_transcription_otel"]);
    let kind = "post_call_transcription_otel".to_owned();
    assert_eq!(other, PostCall::Other { kind, agent_id });
    assert_eq!((other.own_number(), other.organization_hint()), (None, None));
}

#[test]
fn a_call_that_failed_names_both_numbers() {
    let vectors = vectors();
    let twilio = failure(&vectors["call_initiation_failure_twilio"]);
    assert_eq!((twilio.conversation_id.as_str(), twilio.reason.as_str()), ("conv_2", "busy"));
    assert_eq!(text(twilio.own_number.as_ref()), Some("+15558675310"));
    assert_eq!(text(twilio.customer.as_ref()), Some("+14017122661"));
    assert_eq!(twilio.call_sid.as_deref(), Some("CA00112233445566770011223344556677"));
    let sip = failure(&vectors["call_initiation_failure_sip"]);
    assert_eq!(text(sip.own_number.as_ref()), Some("+441111111111"));
    assert_eq!(text(sip.customer.as_ref()), Some("+11111111111"));
    assert_eq!(sip.call_sid.as_deref(), Some("d8e7f6a5-b4c3-4d5e-8f9a-0b1c2d3e4f5a"));
    assert_eq!(parse(&vectors["call_initiation_failure_sip"]).own_number(), sip.own_number);
    assert!(!format!("{sip:?}").contains('+'));
}

#[test]
fn numbers_come_from_wherever_they_are() {
    let with = |metadata: Value, variables: Value| {
        call(&json!({"type": "post_call_transcription", "data": {
            "conversation_id": "conv_1", "metadata": metadata,
            "conversation_initiation_client_data": {"dynamic_variables": variables},
        }}))
    };
    let sms = json!({"phone_call": null, "sms": {
        "direction": "inbound", "sms_user_phone_number": "+14017122661", "agent_phone_number": "+15558675310",
    }});
    let system = json!({
        "system__caller_id": "+14017122661", "system__called_number": "+15558675310", "system__call_sid": "CA1",
        "list": [], "nothing": null, "truth": true, "number": 1.5,
    });
    for call in [with(sms, Value::Null), with(Value::Null, system.clone())] {
        assert_eq!(text(call.customer.as_ref()), Some("+14017122661"));
        assert_eq!(text(call.own_number.as_ref()), Some("+15558675310"));
    }
    let call = with(json!({"phone_call": {"direction": "outbound"}}), system);
    assert_eq!(text(call.customer.as_ref()), Some("+15558675310"));
    assert_eq!(call.call_sid.as_deref(), Some("CA1"));
    assert_eq!((&*call.dynamic_variables["truth"], &*call.dynamic_variables["number"]), ("true", "1.5"));
    assert_eq!(call.dynamic_variables.len(), 5);
    let anonymous = with(json!({"error": {"code": 1011, "reason": "socket"}}), json!({"system__caller_id": ""}));
    assert_eq!((anonymous.customer, anonymous.error.as_deref()), (None, Some("socket")));
}

#[test]
fn results_may_be_a_list() {
    let call = call(&json!({"type": "post_call_transcription", "data": {"conversation_id": "conv_1", "analysis": {
        "data_collection_results_list": [
            {"data_collection_id": "when", "value": {"day": 1}}, {"data_collection_id": "nothing", "value": null},
            {"value": 1}, 7,
        ],
        "evaluation_criteria_results_list": [{"criteria_id": "polite", "result": "failure"}],
    }}}));
    assert_eq!(call.collected, [("when".to_owned(), json!({"day": 1}))].into());
    assert_eq!(call.criteria, [("polite".to_owned(), "failure".to_owned())].into());
}

#[test]
fn without_a_usable_conversation_there_is_nothing_to_store() {
    let parse = |body: Value| PostCall::parse(body.to_string().as_bytes());
    assert_eq!(parse(json!({})), Err(PayloadError::Missing("type")));
    assert_eq!(parse(json!([])), Err(PayloadError::NotJson));
    assert_eq!(
        parse(json!({"type": "answering_machine"})),
        Ok(PostCall::Other { kind: "answering_machine".to_owned(), agent_id: None })
    );
    for kind in ["post_call_transcription", "post_call_audio", "call_initiation_failure"] {
        for data in
            [json!(null), json!({}), json!([]), json!({"conversation_id": null}), json!({"conversation_id": " "})]
        {
            let answer = parse(json!({"type": kind, "data": data}));
            assert_eq!(answer, Err(PayloadError::Missing("data.conversation_id")), "{kind} {data}");
        }
        for id in ["a#b", "a b", "ä", &"x".repeat(129)] {
            let answer = parse(json!({"type": kind, "data": {"conversation_id": id}}));
            assert_eq!(answer, Err(PayloadError::Invalid("data.conversation_id")), "{id}");
        }
    }
}

/// Replaces one part of a payload, chosen by a path of indexes, with something of another type.
fn damage(value: &mut Value, path: &[prop::sample::Index], with: &Value) {
    let Some((first, rest)) = path.split_first() else {
        *value = with.clone();
        return;
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            let at = first.index(map.len());
            damage(map.values_mut().nth(at).unwrap(), rest, with);
        }
        Value::Array(items) if !items.is_empty() => {
            let at = first.index(items.len());
            damage(&mut items[at], rest, with);
        }
        _ => *value = with.clone(),
    }
}

proptest! {
    #[test]
    fn no_part_of_the_wrong_type_loses_a_call(path in prop::collection::vec(any::<prop::sample::Index>(), 1..6), kind in 0usize..6) {
        let with = [json!(null), json!([]), json!({}), json!("x"), json!(-1.5), json!([{"a": [1]}])][kind].clone();
        for name in ["post_call_transcription", "call_initiation_failure_twilio", "call_initiation_failure_sip"] {
            let mut payload = vectors()[name].clone();
            let data = payload["data"].as_object_mut().unwrap();
            let id = data.remove("conversation_id").unwrap();
            let mut rest = Value::Object(std::mem::take(data));
            damage(&mut rest, &path, &with);
            rest["conversation_id"] = id.clone();
            payload["data"] = rest;
            let news = parse(&payload);
            prop_assert_eq!(news.conversation_id(), id.as_str());
        }
    }

    #[test]
    fn nothing_panics(body in "\\PC{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for body in [body.as_bytes(), &bytes] {
            let _ = (InitiationRequest::parse(body), PostCall::parse(body));
        }
    }
}
