//! Several language models: the next one answers where one does not.

use crate::support::answers::Answers;
use crate::support::cloud::{BICI_NUMBER, Cloud};
use crate::support::stand_ins::FAST_MODEL;
use serde_json::json;

const CUSTOMER: &str = "+14155550971";

/// What a server sends that answers so.
fn answer(content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: {content_type}\r\n");
    [format!("{head}content-length: {length}\r\n\r\n").as_bytes(), body].concat()
}

#[tokio::test]
async fn the_fallback_answers_customers_while_the_first_model_is_limited() {
    let said = json!({"choices": [{"delta": {"content": "The second model here."}, "finish_reason": "stop"}]});
    let fallback = Answers::of(answer("text/event-stream", format!("data: {said}\n\n").as_bytes())).await;
    let url = format!("LLM_FALLBACK_BASE_URL={}/v1", fallback.url);
    let cloud = Cloud::with(&[&FAST_MODEL[..], &["--env", &url, "--env", "LLM_FALLBACK_MODEL=m"]].concat()).await;
    cloud.fault("llm", json!({"kind": "rate_limit", "times": 1, "contains": "bike ready"})).await;
    cloud.text(CUSTOMER, BICI_NUMBER, "Is my bike ready?").await;
    cloud.texted(CUSTOMER, 1).await;
    assert_eq!(cloud.bodies_to(CUSTOMER).await, ["The second model here."]);
    cloud.text(CUSTOMER, BICI_NUMBER, "What is 2+2?").await;
    cloud.texted(CUSTOMER, 2).await;
    assert!(cloud.bodies_to(CUSTOMER).await[1].contains("2+2 = 4"), "the first one is asked first again");
}

#[tokio::test]
async fn bedrock_answers_customers() {
    let stream = include_bytes!("../../vectors/llm_streams/aimock-bedrock-hell.body");
    let bedrock = Answers::of(answer("application/vnd.amazon.eventstream", stream)).await;
    let url = format!("AWS_ENDPOINT_URL_BEDROCK_RUNTIME={}", bedrock.url);
    let cloud = Cloud::with(&["--env", "BEDROCK_MODEL_ID=maker.model-v1:0", "--env", &url]).await;
    cloud.text(CUSTOMER, BICI_NUMBER, "How do plants live?").await;
    cloud.texted(CUSTOMER, 1).await;
    let bodies = cloud.bodies_to(CUSTOMER).await;
    assert!(bodies[0].starts_with("Photosynthesis"), "{bodies:?}");
    assert!(cloud.prompts_with("plants").await.is_empty(), "the stand-in stands aside");
}
