//! Pages while chats begin, are used and are deleted (G28).

use super::{SESSIONS, pages, texts};
use crate::support::chats::Person;
use crate::support::cloud::{Cloud, UMA};
use domain::ids::ChatId;
use std::collections::BTreeSet;

#[tokio::test]
async fn no_chat_is_listed_twice_and_none_that_was_left_alone_is_missing() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let old: Vec<String> = (0..13).map(|number| format!("chat-{number:02}")).collect();
    for id in &old {
        uma.exchange(id, "hello", "hi").await;
    }
    let (mut seen, mut used, mut deleted) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let mut cursor = String::new();
    for page in 0_usize.. {
        assert!(page < 10, "the pages do not end");
        let list = cloud.json(&format!("{SESSIONS}?limit=3{cursor}"), UMA).await;
        seen.extend(texts(&list["sessions"], "session_id").into_iter().map(str::to_owned));
        let Some(next) = list["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        // One begins; one that was listed and one that was not are used; one that was not is deleted.
        uma.exchange(&format!("new-{page}"), "hello", "hi").await;
        uma.exchange(seen.last().unwrap(), "again", "hi").await;
        let mut waiting = old.iter().filter(|id| !seen.contains(id) && !used.contains(*id) && !deleted.contains(*id));
        let waiting = [waiting.next().cloned(), waiting.next().cloned()];
        if let [Some(use_it), Some(delete_it)] = waiting {
            uma.exchange(&use_it, "again", "hi").await;
            used.insert(use_it);
            let id = ChatId::parse(&delete_it).unwrap();
            assert!(uma.tenant.delete_chat(&uma.id, &id).await.unwrap());
            deleted.insert(delete_it);
        }
    }
    let once: BTreeSet<&String> = seen.iter().collect();
    assert_eq!(once.len(), seen.len(), "listed twice: {seen:?}");
    assert!(!used.is_empty() && !deleted.is_empty());
    for id in old.iter().filter(|id| !used.contains(*id)) {
        assert_eq!(seen.contains(id), !deleted.contains(id), "{id}");
    }
    // What was used meanwhile is at the top of the next listing.
    let again = pages(&cloud, &format!("{SESSIONS}?limit=5"), UMA, 10).await;
    let listed: Vec<&str> = again.iter().flat_map(|page| texts(&page["sessions"], "session_id")).collect();
    let all: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!((all.len(), again[0]["total"].as_u64().unwrap()), (listed.len(), listed.len() as u64));
    assert!(used.iter().all(|id| all.contains(id.as_str())), "{listed:?}");
}

#[tokio::test]
async fn older_messages_follow_page_by_page_whatever_is_asked_meanwhile() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    for number in 1..=23 {
        uma.exchange("chat", &format!("question {number}"), "answer").await;
    }
    let mut messages: Vec<String> = Vec::new();
    let mut cursor = String::new();
    for size in [5, 5, 5, 5, 3] {
        let page = cloud.json(&format!("{SESSIONS}/chat?limit=5{cursor}"), UMA).await;
        let mut older: Vec<String> = texts(&page["messages"], "message").into_iter().map(str::to_owned).collect();
        assert_eq!(older.len(), size);
        older.append(&mut messages);
        messages = older;
        uma.exchange("chat", "one more", "answer").await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => assert_eq!(size, 3),
        }
    }
    assert_eq!(messages, (1..=23).map(|number| format!("question {number}")).collect::<Vec<_>>());
    let whole = cloud.json(&format!("{SESSIONS}/chat"), UMA).await;
    assert_eq!(whole["messages"].as_array().unwrap().len(), 28);
}

/// A Lambda answers 6 MB, and quotation marks become four bytes of that.
#[tokio::test]
async fn an_answer_holds_as_many_messages_as_fit() {
    let cloud = Cloud::silent().await;
    let uma = Person::of(&cloud, UMA).await;
    let large = "\"".repeat(70_000);
    for number in 1..=22 {
        uma.exchange("chat", &number.to_string(), &large).await;
    }
    let pages = pages(&cloud, &format!("{SESSIONS}/chat"), UMA, 9).await;
    assert!(pages.len() > 1, "it is smaller than an answer");
    let messages: Vec<&str> = pages.iter().rev().flat_map(|page| texts(&page["messages"], "message")).collect();
    assert_eq!(messages, (1..=22).map(|number| number.to_string()).collect::<Vec<_>>());
    assert!(pages.iter().all(|page| page["messages"].as_array().unwrap().iter().all(|one| one["response"] == large)));
}
