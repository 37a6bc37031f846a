//! The organization's own voice agent, and what its AI is told.

use super::patch;
use crate::support::cloud::{ADA, CLEO, Cloud, DAN};
use crate::support::elevenlabs::own_agent;
use futures_util::future::join_all;
use serde_json::{Value, json};

const SETTINGS: &str = "/api/admin/organization";

async fn settings(cloud: &Cloud, email: &str) -> Value {
    cloud.json(SETTINGS, email).await["organization"].take()
}

#[tokio::test]
async fn a_voice_agent_is_one_organizations_and_its_secrets_are_never_told() {
    let cloud = Cloud::start().await;
    assert_eq!(settings(&cloud, CLEO).await["elevenlabs"], json!(null));
    let shown = json!({
        "agent_id": "agent_bici", "phone_number_id": "phnum_own",
        "api_key_set": true, "initiation_secret_set": true, "post_call_secret_set": true,
    });
    let (status, body) = patch(&cloud, SETTINGS, CLEO, &own_agent("agent_bici")).await;
    assert_eq!((status, &body["organization"]["elevenlabs"]), (200, &shown));
    assert_eq!(settings(&cloud, CLEO).await["elevenlabs"], shown);
    for hidden in ["sk_own", "whsec_own", "wsec_own"] {
        assert!(!body.to_string().contains(hidden), "{hidden}");
        assert!(!cloud.logs().contains(hidden), "{hidden} in a log");
    }
    // Other settings leave it alone, and so does another organization, which cannot have the same.
    patch(&cloud, SETTINGS, CLEO, &json!({"name": "Bikes"})).await;
    let before = settings(&cloud, ADA).await;
    let (status, body) = patch(&cloud, SETTINGS, ADA, &own_agent("agent_bici")).await;
    assert_eq!((status, &body["code"]), (409, &json!("conflict")));
    assert!(!body.to_string().to_lowercase().contains("bici"), "{body}");
    assert_eq!(settings(&cloud, ADA).await, before);
    assert_eq!(settings(&cloud, CLEO).await["elevenlabs"], shown);
    // The same again is no change; another one, or none, sets it free.
    assert_eq!(patch(&cloud, SETTINGS, CLEO, &own_agent("agent_bici")).await.0, 200);
    assert_eq!(patch(&cloud, SETTINGS, CLEO, &own_agent("agent_other")).await.0, 200);
    assert_eq!(patch(&cloud, SETTINGS, ADA, &own_agent("agent_bici")).await.0, 200);
    assert_eq!(patch(&cloud, SETTINGS, CLEO, &json!({"elevenlabs": null})).await.0, 200);
    assert_eq!(settings(&cloud, CLEO).await["elevenlabs"], json!(null));
    assert_eq!(patch(&cloud, SETTINGS, ADA, &own_agent("agent_other")).await.0, 200);
    // Of two that want the same at once one gets it.
    let claims =
        [ADA, CLEO].map(|email| async { patch(&cloud, SETTINGS, email, &own_agent("agent_contested")).await.0 });
    let mut statuses = join_all(claims).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(patch(&cloud, SETTINGS, DAN, &json!({"elevenlabs": null})).await.0, 403);
}

#[tokio::test]
async fn agents_and_instructions_that_make_no_sense_are_refused_whole() {
    let cloud = Cloud::start().await;
    let before = settings(&cloud, CLEO).await;
    assert_eq!(before["instructions"], json!(null));
    let with = |name: &str, value: Value| {
        let mut agent = own_agent("agent_bici");
        agent["elevenlabs"][name] = value;
        agent["name"] = "Renamed".into();
        agent
    };
    for change in [
        with("agent_id", json!("")),
        with("agent_id", json!("a#b")),
        with("agent_id", json!("a".repeat(129))),
        with("agent_id", json!(null)),
        with("phone_number_id", json!("+14155550110")),
        with("api_key", json!("short")),
        with("initiation_secret", json!("")),
        with("initiation_secret", json!("with a blank in it")),
        with("post_call_secret", json!("s".repeat(257))),
        json!({"elevenlabs": {"agent_id": "agent_bici"}}),
        json!({"elevenlabs": "agent_bici"}),
        json!({"instructions": "x".repeat(4001), "name": "Renamed"}),
        json!({"instructions": 7}),
    ] {
        let (status, body) = patch(&cloud, SETTINGS, CLEO, &change).await;
        assert_eq!((status, &body["code"]), (400, &json!("invalid_request")), "{change}");
    }
    assert_eq!(settings(&cloud, CLEO).await, before);
    // A refused agent was not claimed either.
    assert_eq!(patch(&cloud, SETTINGS, ADA, &own_agent("agent_bici")).await.0, 200);
    for text in ["Open from nine to six.\nNo discounts.", ""] {
        let (status, body) = patch(&cloud, SETTINGS, CLEO, &json!({ "instructions": text })).await;
        assert_eq!((status, &body["organization"]["instructions"]), (200, &json!(text)));
    }
    let (_, body) = patch(&cloud, SETTINGS, CLEO, &json!({"instructions": null})).await;
    assert_eq!(body["organization"]["instructions"], json!(null));
}
