//! What may be set aside and what is paid in the end.

use crate::support::chats::{Person, STARTING_POINTS, outcome};
use crate::support::cloud::Cloud;
use domain::chat::Question;
use store::{Asked, Asking, Ended, now};

async fn ada(cloud: &Cloud, organization: &str) -> Person {
    Person::new(cloud.tenant(organization).await, "ada").await
}

/// Asks with so many points set aside, and more changed.
async fn ask(person: &Person, points: u64, change: impl Fn(&mut Asking<'_>)) -> (Asked, Question) {
    let chat = person.chat_or_new(&identity::random::new_id(), "hello").await;
    let mut asking = person.asking(&chat, "hello");
    asking.question.reserve.points = points;
    change(&mut asking);
    let asked = person.tenant.ask(&asking).await.unwrap();
    (asked, asking.question)
}

/// Ends an answer; what was really paid.
async fn pay(person: &Person, question: &Question, points: u64) -> u64 {
    match person.tenant.end_exchange(question, outcome("4", points), None).await.unwrap() {
        Ended::Now(outcome) => outcome.points_cost,
        Ended::Before(exchange) => panic!("{exchange:?}"),
    }
}

async fn left(person: &Person) -> (u64, u64, u64) {
    let balance = person.tenant.points(&person.id).await.unwrap().unwrap();
    (balance.available, balance.held, balance.spent)
}

#[tokio::test]
async fn a_person_sets_aside_what_there_is_and_never_pays_more_than_that() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = ada(&cloud, "org-a").await;
    assert!(matches!(ask(&person, STARTING_POINTS + 1, |_| {}).await.0, Asked::NoPoints));
    let (asked, question) = ask(&person, STARTING_POINTS, |_| {}).await;
    assert!(matches!(asked, Asked::Begun(_)), "{asked:?}");
    assert_eq!(left(&person).await, (0, STARTING_POINTS, 0));
    assert!(matches!(ask(&person, 1, |_| {}).await.0, Asked::NoPoints));
    // Less than was set aside: the rest comes back. More: from what is left, as far as it goes.
    assert_eq!(pay(&person, &question, 900).await, 900);
    assert_eq!(left(&person).await, (100, 0, 900));
    let (_, question) = ask(&person, 40, |_| {}).await;
    assert_eq!(pay(&person, &question, 70).await, 70);
    assert_eq!(left(&person).await, (30, 0, 970));
    let (_, question) = ask(&person, 10, |_| {}).await;
    assert_eq!(pay(&person, &question, 5000).await, 30);
    assert_eq!(left(&person).await, (0, 0, STARTING_POINTS));
    let ledger: Vec<i64> = person.tenant.whole_ledger(&person.id).await.unwrap().iter().map(|one| one.points).collect();
    assert_eq!(ledger, [1000, -900, -70, -30]);
}

#[tokio::test]
async fn a_person_has_so_many_answers_under_way() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let person = ada(&cloud, "org-a").await;
    let two = |asking: &mut Asking<'_>| asking.answers_at_once = 2;
    let (_, first) = ask(&person, 1, two).await;
    assert!(matches!(ask(&person, 1, two).await.0, Asked::Begun(_)));
    assert!(matches!(ask(&person, 1, two).await.0, Asked::TooMany));
    pay(&person, &first, 1).await;
    assert!(matches!(ask(&person, 1, two).await.0, Asked::Begun(_)));
}

#[tokio::test]
async fn a_months_limit_holds_from_its_first_question_on_and_to_the_last_point() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    let (ada, ben) = (ada(&cloud, "org-a").await, Person::new(cloud.tenant("org-a").await, "ben").await);
    let month = now().month();
    let capped = |asking: &mut Asking<'_>| {
        asking.monthly_points = Some(100);
        asking.question.reserve.month = Some(month.clone());
    };
    let used = async || ada.tenant.points_of_month(&month).await.unwrap();
    assert!(matches!(ask(&ada, 101, capped).await.0, Asked::NoPointsOfMonth));
    assert_eq!((used().await, left(&ada).await), (0, (STARTING_POINTS, 0, 0)));
    let (asked, question) = ask(&ada, 60, capped).await;
    assert!(matches!(asked, Asked::Begun(_)), "{asked:?}");
    // The whole organization shares it.
    assert!(matches!(ask(&ben, 41, capped).await.0, Asked::NoPointsOfMonth));
    let (asked, bens) = ask(&ben, 40, capped).await;
    assert!(matches!(asked, Asked::Begun(_)), "{asked:?}");
    assert_eq!(used().await, 100);
    // What was set aside for too much comes back; what was set aside for too little is all that is paid.
    assert_eq!(pay(&ada, &question, 10).await, 10);
    assert_eq!(pay(&ben, &bens, 500).await, 40);
    assert_eq!((used().await, left(&ben).await), (50, (STARTING_POINTS - 40, 0, 40)));
    assert!(matches!(ask(&ben, 51, capped).await.0, Asked::NoPointsOfMonth));
    // A limit that was taken away meanwhile: the month's account goes on.
    let uncapped = |asking: &mut Asking<'_>| asking.question.reserve.month = Some(month.clone());
    let (_, question) = ask(&ben, 200, uncapped).await;
    assert_eq!(used().await, 250);
    pay(&ben, &question, 150).await;
    assert_eq!(used().await, 200);
    assert!(matches!(ask(&ben, 0, capped).await.0, Asked::NoPointsOfMonth));
}
