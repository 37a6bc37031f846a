//! The `ai` package's endpoint as it is on the wire (G10): chunks, resume, stop, another answer, another question. Its own
//! client reads it in `seeds_chat`.

use super::{says, stalls};
use crate::support::answers_sse::words;
use crate::support::cloud::{ADA, Cloud, UMA};
use crate::support::control::{answer, assert_refused};
use crate::support::{eventually, in_time};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

const CHAT: &str = "9wEYEhdu2a343WzH";

fn user(id: &str, text: &str) -> Value {
    json!({"id": id, "role": "user", "parts": [{"type": "text", "text": text}]})
}

fn send(cloud: &Cloud, email: &str, body: &Value) -> RequestBuilder {
    cloud.request(Method::POST, "/api/chat", email).json(body)
}

/// The `data:` of a response, as far as this much of it.
async fn data_until(response: &mut Response, wanted: &str) -> Vec<Value> {
    let mut text = String::new();
    in_time(wanted, async {
        while !text.contains(wanted) {
            let chunk = response.chunk().await.unwrap().unwrap_or_else(|| panic!("{wanted} in {text}"));
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    })
    .await;
    assert!(text.is_ascii());
    let data = text.split("\n\n").filter_map(|block| block.strip_prefix("data: "));
    data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
}

/// All chunks of an answer.
async fn chunks(request: RequestBuilder) -> Vec<Value> {
    let mut response = in_time("an answer", request.send()).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["x-vercel-ai-ui-message-stream"], "v1");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let chunks = data_until(&mut response, "data: [DONE]\n\n").await;
    assert_eq!(in_time("the end", response.chunk()).await.unwrap(), None);
    chunks
}

fn types(chunks: &[Value]) -> Vec<&str> {
    let mut types: Vec<&str> = chunks.iter().map(|chunk| chunk["type"].as_str().unwrap()).collect();
    types.dedup();
    types
}

fn text(chunks: &[Value]) -> String {
    chunks.iter().filter(|chunk| chunk["type"] == "text-delta").map(|chunk| chunk["delta"].as_str().unwrap()).collect()
}

const WHOLE: [&str; 5] = ["start", "text-start", "text-delta", "text-end", "finish"];

#[tokio::test]
async fn an_answer_is_a_message_in_chunks_and_the_chat_is_ours_too() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("2+2", &[says("4 👍.\n\ndata: x")]).await;
    let first = json!({"id": CHAT, "trigger": "submit-message", "messages": [user("u1", "2+2?")]});
    let told = chunks(send(&cloud, UMA, &first)).await;
    assert_eq!((types(&told), text(&told)), (WHOLE.to_vec(), "4 👍.\n\ndata: x".to_owned()));
    let finish = told.last().unwrap();
    assert_eq!(finish["finishReason"], "stop");
    let metadata = &finish["messageMetadata"];
    assert!(metadata["points_cost"].as_u64() > Some(0) && metadata["cached"] == false, "{finish}");

    // Sent again, it is the same answer; said by another client of the same person, the same chat.
    let again = chunks(send(&cloud, UMA, &first)).await;
    assert_eq!((&again[0], text(&again)), (&told[0], text(&told)));
    let seen = cloud.resumed(UMA, CHAT, Some(0)).await;
    assert_eq!((seen.text(), &seen.end()["message_id"]), (text(&told), &told[0]["messageId"]));
    let next = cloud.told(UMA, json!({"message": "And 3+3?", "interaction_id": CHAT})).await;
    next.assert_whole(2);
    assert_eq!(cloud.asked_model("2+2").await.len(), 2, "the question, and the next one's history");
    assert_eq!(cloud.ledger(UMA).await.len(), 3);

    // Nobody else's, whatever they call theirs.
    assert_refused(&answer(send(&cloud, ADA, &first)).await, 404, "not_found");
}

#[tokio::test]
async fn another_answer_and_another_question_take_the_place_of_the_last() {
    let cloud = Cloud::quick(&[]).await;
    cloud.set_ai(&cloud.user(UMA).organization_id, |ai| ai.cache = false).await;
    let ask = async |said: &str, body: Value| {
        cloud.no_faults("llm").await;
        cloud.fault("llm", says(said)).await;
        let told = chunks(send(&cloud, UMA, &body)).await;
        assert_eq!((types(&told), text(&told)), (WHOLE.to_vec(), said.to_owned()));
    };
    let one = json!([user("u1", "Tell me a joke")]);
    ask("First joke.", json!({"id": CHAT, "trigger": "submit-message", "messages": one})).await;
    let again = json!({"id": CHAT, "trigger": "regenerate-message", "messageId": "a1", "messages": one});
    ask("Second joke.", again).await;
    let edit = json!([user("u1", "Tell me a story")]);
    ask("A story.", json!({"id": CHAT, "trigger": "submit-message", "messageId": "u1", "messages": edit})).await;
    let last = json!([user("u2", "And the end?")]);
    ask("The end.", json!({"id": CHAT, "trigger": "submit-message", "messages": last})).await;

    let prompts = cloud.prompts_with("Tell me").await;
    let said = |prompt: &Value| -> Vec<String> {
        let messages = prompt["messages"].as_array().unwrap().iter().skip(1);
        messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
    };
    let prompts: Vec<Vec<String>> = prompts.iter().map(said).collect();
    let joke = "Tell me a joke";
    let story = "Tell me a story";
    assert_eq!(prompts, [vec![joke], vec![joke], vec![story], vec![story, "A story.", "And the end?"]]);
    assert_eq!(cloud.ledger(UMA).await.len(), 5, "each of them is paid");
}

#[tokio::test]
async fn an_answer_under_way_is_shown_from_its_start_and_stops() {
    let cloud = Cloud::quick(&[]).await;
    let stream = |chat: &str| cloud.get(&format!("/api/chat/{chat}/stream"), UMA);
    let idle = async |chat: &str| assert_eq!(stream(chat).send().await.unwrap().status(), 204, "{chat}");
    idle("never-begun").await;
    cloud.model("Go on", &[says(&words(9)), stalls(3)]).await;
    let body = json!({"id": CHAT, "messages": [user("u1", "Go on")]});
    let mut asker = send(&cloud, UMA, &body).send().await.unwrap();
    let begun = data_until(&mut asker, "text-delta").await;
    let mut viewer = stream(CHAT).send().await.unwrap();
    assert_eq!(viewer.headers()["x-vercel-ai-ui-message-stream"], "v1");
    let seen = data_until(&mut viewer, "text-delta").await;
    assert_eq!((&seen[0], &seen[0]["type"]), (&begun[0], &json!("start")));
    // In a chat with an answer under way another question has to wait.
    let other = json!({"id": CHAT, "messages": [user("u2", "Me too")]});
    assert_refused(&answer(send(&cloud, UMA, &other)).await, 409, "answer_in_progress");

    let stop = |email: &str| answer(cloud.request(Method::POST, &format!("/api/chat/{CHAT}/stop"), email));
    assert_refused(&stop(ADA).await, 404, "not_found");
    let (status, body) = stop(UMA).await;
    assert_eq!((status, &body["stopping"], &body["message_id"]), (202, &json!(true), &begun[0]["messageId"]));
    for response in [&mut asker, &mut viewer] {
        let rest = data_until(response, "data: [DONE]\n\n").await;
        let end = [&rest[rest.len() - 2]["messageMetadata"]["finish"], &rest[rest.len() - 1]["type"]];
        assert_eq!(end, [&json!("stopped"), &json!("abort")]);
    }
    idle(CHAT).await;
    assert_eq!(stop(UMA).await, (200, json!({"stopping": false})));
    assert_eq!(cloud.get(&format!("/api/chat/{CHAT}/stream"), ADA).send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn a_failure_is_an_error_chunk_and_what_cannot_be_asked_a_refusal() {
    let cloud = Cloud::quick(&[]).await;
    cloud.model("It breaks", &[says(&words(9)), json!({"kind": "fail", "tokens": 3})]).await;
    let told = chunks(send(&cloud, UMA, &json!({"id": CHAT, "messages": [user("u1", "It breaks")]}))).await;
    assert_eq!(types(&told), ["start", "text-start", "text-delta", "text-end", "error"]);
    assert_eq!((text(&told), &told.last().unwrap()["errorText"]), (words(3), &json!("The answer broke off")));

    for body in [
        json!({"id": CHAT, "messages": []}),
        json!({"id": CHAT}),
        json!({"messages": [user("u1", "Hi")]}),
        json!({"id": "no id", "messages": [user("u1", "Hi")]}),
        json!({"id": CHAT, "messages": [user("u1", " ")]}),
        json!({"id": CHAT, "messages": [{"id": "u1", "role": "user", "parts": [{"type": "file", "mediaType": "image/png", "url": "data:,"}]}]}),
    ] {
        assert_refused(&answer(send(&cloud, UMA, &body)).await, 400, "invalid_request");
    }
    let nobody = cloud.anonymous(Method::POST, "/api/chat").json(&json!({"id": CHAT, "messages": [user("u1", "Hi")]}));
    assert_refused(&answer(nobody).await, 401, "missing_token");
    let balance = eventually("no answer under way", || async {
        Some(cloud.balance(UMA).await).filter(|balance| balance.running.is_empty())
    });
    assert_eq!(balance.await.spent, 0);
}
