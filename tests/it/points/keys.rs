//! A request that is made twice asks once.

use crate::support::chats::{Person, RESERVED, STARTING_POINTS, outcome};
use crate::support::cloud::Cloud;
use domain::chat::Outcome;
use futures_util::future::join_all;
use store::{Asked, Known, RequestKey};

async fn ask(person: &Person, chat: &str, key: &str, request: &str) -> Asked {
    let chat = person.chat_or_new(chat, "hello").await;
    let mut asking = person.asking(&chat, "hello");
    asking.key = Some(RequestKey { key, request });
    person.tenant.ask(&asking).await.unwrap()
}

fn known(asked: &Asked) -> Option<&Known> {
    match asked {
        Asked::Known(known) => Some(known),
        _ => None,
    }
}

#[tokio::test]
async fn twenty_requests_of_one_key_at_once_are_one_exchange() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = Person::new(cloud.tenant("org-a").await, "ada").await;
    // As they come: each begins a chat of its own, and all of them ask in one that is there.
    person.exchange("there", "hello", "hi").await;
    let spent = 5;
    for (round, key) in ["new", "old"].into_iter().enumerate() {
        let asks = (0..20).map(|n| {
            let chat = if key == "new" { format!("chat-{n}") } else { "there".to_owned() };
            let person = &person;
            async move { ask(person, &chat, key, "the request").await }
        });
        let asked = join_all(asks).await;
        let begun = asked.iter().filter(|asked| matches!(asked, Asked::Begun(_))).count();
        assert_eq!(begun, 1, "{asked:?}");
        let known: Vec<&Known> = asked.iter().filter_map(known).collect();
        assert_eq!(known.len(), 19, "{asked:?}");
        assert!(known.iter().all(|one| one.chat_id == known[0].chat_id && one.number == known[0].number));
        assert!(known.iter().all(|one| one.request == "the request"));
        let exchange = person.tenant.exchange(&known[0].chat_id, known[0].number).await.unwrap().unwrap();
        let balance = person.tenant.points(&person.id).await.unwrap().unwrap();
        assert_eq!(balance.running, [exchange.question.id.to_string()].into(), "{round}");
        assert_eq!((balance.available, balance.held), (STARTING_POINTS - spent - RESERVED, RESERVED));
        person.end(&exchange.question, Outcome { points_cost: 0, ..outcome("", 0) }).await;
        // Afterwards too, and for whoever means something else by it.
        let later = ask(&person, "later", key, "another request").await;
        assert_eq!(super::keys::known(&later).map(|known| known.request.as_str()), Some("the request"));
    }
    assert_eq!(person.tenant.count_chats(&person.id).await.unwrap(), 2);
}

#[tokio::test]
async fn a_key_is_its_persons_own() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    for (organization, user) in [("org-a", "ada"), ("org-a", "ben"), ("org-b", "ada")] {
        let person = Person::new(cloud.tenant(organization).await, user).await;
        let asked = ask(&person, &format!("{organization}-{user}"), "key", "the request").await;
        assert!(matches!(asked, Asked::Begun(_)), "{organization} {user}: {asked:?}");
    }
}

#[tokio::test]
async fn points_are_given_once_and_only_to_those_who_have_some() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = Person::new(cloud.tenant("org-a").await, "ada").await;
    let give = |name: &'static str| person.tenant.grant(&person.id, 7, &person.id, "", name);
    let given = join_all((0..10).map(|_| give("one"))).await;
    assert!(given.iter().all(|balance| balance.as_ref().unwrap().available == STARTING_POINTS + 7), "{given:?}");
    assert_eq!(give("one").await.unwrap().available, STARTING_POINTS + 7);
    assert_eq!(give("two").await.unwrap().available, STARTING_POINTS + 14);
    assert_eq!(person.tenant.whole_ledger(&person.id).await.unwrap().len(), 3);
    let nobody = domain::ids::UserId::parse("nobody").unwrap();
    assert!(person.tenant.grant(&nobody, 7, &person.id, "", "three").await.is_err());
    assert_eq!(person.tenant.points(&nobody).await.unwrap(), None);
    // Of many who look first at once, one begins the balance.
    let looks = join_all((0..10).map(|_| person.tenant.balance(&nobody, 50))).await;
    assert!(looks.iter().all(|balance| balance.as_ref().unwrap().available == 50));
    assert_eq!(person.tenant.whole_ledger(&nobody).await.unwrap().len(), 1);
}
