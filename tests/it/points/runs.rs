//! Who makes an answer, and what of it is kept: only its maker's tokens, whoever else believes to be that.

use crate::support::chats::{Person, outcome};
use crate::support::cloud::Cloud;
use domain::chat::Question;
use futures_util::future::join_all;
use store::{Asked, Batch, Maker, Saved, Tenant, now};

async fn asked(person: &Person, maker: Maker) -> Question {
    let chat = person.chat_or_new(&identity::random::new_id(), "hello").await;
    let mut asking = person.asking(&chat, "hello");
    asking.maker = Some(maker);
    assert!(matches!(person.tenant.ask(&asking).await.unwrap(), Asked::Begun(_)));
    asking.question
}

async fn ada(cloud: &Cloud) -> Person {
    Person::new(cloud.tenant("org-a").await, "ada").await
}

fn batch(first: u64, tokens: &[&str]) -> Batch {
    Batch { first, at: now(), tokens: tokens.iter().map(|&token| token.to_owned()).collect() }
}

/// The saved tokens after one, with their numbers.
async fn saved(tenant: &Tenant, question: &Question, after: u64) -> Vec<(u64, String)> {
    let batches = tenant.batches(&question.id, after).await.unwrap();
    batches.into_iter().flat_map(|batch| (batch.first..).zip(batch.tokens)).collect()
}

fn numbered(tokens: &[&str], first: u64) -> Vec<(u64, String)> {
    (first..).zip(tokens.iter().map(|&token| token.to_owned())).collect()
}

#[tokio::test]
async fn of_many_who_take_an_answer_from_the_queue_one_makes_it() {
    let cloud = Cloud::silent_with(&["--no-demo", "--hold", "ChatQueue"]).await;
    let person = ada(&cloud).await;
    let tenant = &person.tenant;
    let question = asked(&person, Maker::Queue).await;
    assert!(tenant.run(&question.id).await.unwrap().unwrap().owner.is_none());
    let id = &question.id;
    let claims = (0..10).map(|n| async move { tenant.claim_run(id, &n.to_string(), 60).await });
    let claimed = join_all(claims).await;
    assert_eq!(claimed.iter().filter(|claimed| *claimed.as_ref().unwrap()).count(), 1, "{claimed:?}");
}

#[tokio::test]
async fn an_answer_is_taken_over_until_something_of_it_is_kept() {
    let cloud = Cloud::silent_with(&["--no-demo", "--hold", "ChatQueue"]).await;
    let person = ada(&cloud).await;
    let tenant = &person.tenant;
    let question = asked(&person, Maker::Queue).await;
    let id = &question.id;
    // The first one's lease is over before it has said anything.
    assert!(tenant.claim_run(id, "first", -1).await.unwrap());
    assert!(tenant.run(id).await.unwrap().unwrap().is_abandoned(now()));
    assert!(tenant.claim_run(id, "second", 60).await.unwrap());
    assert!(!tenant.claim_run(id, "third", 60).await.unwrap(), "the second is alive");

    // What the first one says now is nothing of this answer.
    assert_eq!(tenant.save_run(id, "first", 60, Some(&batch(1, &["a", "lost", "word"]))).await.unwrap(), Saved::Lost);
    assert_eq!(saved(tenant, &question, 0).await, []);
    assert_eq!(tenant.save_run(id, "second", -1, Some(&batch(1, &["two", "words"]))).await.unwrap(), Saved::GoOn);
    assert_eq!(saved(tenant, &question, 0).await, numbered(&["two", "words"], 1));
    // A part of it may have been seen: even when its maker is gone nobody begins anew.
    assert!(!tenant.claim_run(id, "third", 60).await.unwrap());
    assert_eq!(tenant.save_run(id, "third", 60, None).await.unwrap(), Saved::Lost);
    assert!(tenant.run(id).await.unwrap().unwrap().is_abandoned(now()));
}

#[tokio::test]
async fn a_wish_to_stop_reaches_the_maker_with_its_next_save_and_keeps_what_came_with_it() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = ada(&cloud).await;
    let tenant = &person.tenant;
    let question = asked(&person, Maker::Here("maker".to_owned(), 60)).await;
    let id = &question.id;
    assert_eq!(tenant.save_run(id, "maker", 60, Some(&batch(1, &["one"]))).await.unwrap(), Saved::GoOn);
    assert!(tenant.stop_run(id).await.unwrap() && tenant.stop_run(id).await.unwrap());
    assert_eq!(tenant.save_run(id, "maker", 60, Some(&batch(2, &["two"]))).await.unwrap(), Saved::Stop);
    assert_eq!(tenant.save_run(id, "maker", 60, None).await.unwrap(), Saved::Stop);
    let rest = batch(3, &["three"]);
    tenant.end_exchange(&question, outcome("onetwothree", 1), Some(&rest)).await.unwrap();
    assert_eq!(saved(tenant, &question, 0).await, numbered(&["one", "two", "three"], 1));

    // It is over for everybody.
    assert_eq!(tenant.save_run(id, "maker", 60, Some(&batch(4, &["four"]))).await.unwrap(), Saved::Lost);
    assert!(!tenant.stop_run(id).await.unwrap() && !tenant.claim_run(id, "other", 60).await.unwrap());
    assert_eq!(saved(tenant, &question, 1).await, numbered(&["two", "three"], 2));
    let run = tenant.run(id).await.unwrap().unwrap();
    assert!(run.over && !run.is_abandoned(now().plus_seconds(1000)));
    let nobody = domain::ids::ExchangeId::parse("nobody").unwrap();
    assert!(!tenant.stop_run(&nobody).await.unwrap() && tenant.run(&nobody).await.unwrap().is_none());
}

/// A save whose answer got lost comes again, with what has come since.
#[tokio::test]
async fn tokens_that_are_saved_twice_are_read_once_and_never_across_a_gap() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = ada(&cloud).await;
    let tenant = &person.tenant;
    let question = asked(&person, Maker::Here("maker".to_owned(), 60)).await;
    let id = &question.id;
    let save =
        async |first, tokens: &[&str]| tenant.save_run(id, "maker", 60, Some(&batch(first, tokens))).await.unwrap();
    save(1, &["a", "b"]).await;
    save(1, &["a", "b"]).await;
    save(1, &["a", "b", "c", "d"]).await;
    save(5, &["e"]).await;
    for after in 0..6 {
        let all = numbered(&["a", "b", "c", "d", "e"], 1);
        assert_eq!(saved(tenant, &question, after).await, all[usize::try_from(after).unwrap().min(5)..], "{after}");
    }
    save(8, &["h"]).await;
    assert_eq!(saved(tenant, &question, 3).await, numbered(&["d", "e"], 4));
    assert_eq!(saved(tenant, &question, 5).await, []);
    // What is to be saved with the end may be saved already.
    let rest = batch(8, &["h"]);
    tenant.end_exchange(&question, outcome("abcdefgh", 1), Some(&rest)).await.unwrap();
    assert!(tenant.exchange(&question.chat_id, 1).await.unwrap().unwrap().outcome.is_some());
}

#[tokio::test]
async fn what_is_under_way_is_found_by_whoever_looks_for_what_was_left() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let store = cloud.store().await;
    let person = ada(&cloud).await;
    let (open, over) = (asked(&person, Maker::Here("maker".to_owned(), -1)).await, person.ask("c", "hello").await);
    person.end(&over, outcome("hi", 1)).await;
    let found = store.running(now().plus_seconds(1), 10).await.unwrap();
    assert_eq!(found.iter().map(|exchange| &exchange.question.id).collect::<Vec<_>>(), [&open.id]);
    assert!(store.running(open.asked_at.plus_seconds(-10), 10).await.unwrap().is_empty());
}
