//! Many questions, answers and grants of few people at once.

use crate::support::chats::{Person, STARTING_POINTS, outcome};
use crate::support::cloud::Cloud;
use crate::support::dice::Dice;
use domain::chat::{Ending, Failure, Outcome, Question};
use domain::ids::ChatId;
use futures_util::future::{join, join_all};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use store::{Asked, Ended, Tenant, now};

const PEOPLE: usize = 3;
const CHATS: u64 = 2;
const WORKERS: u64 = 8;
const STEPS: usize = 60;
/// Answers that a person may have under way.
const AT_ONCE: u32 = 3;

/// An organization's people, and what became of their questions.
struct World {
    tenant: Tenant,
    people: Vec<Person>,
    /// The organization's limit in the month.
    cap: Option<u64>,
    month: String,
    over: Cell<bool>,
    tally: RefCell<BTreeMap<&'static str, u64>>,
    /// What each exchange of the chats ended as, by chat and number.
    ended: RefCell<BTreeMap<(ChatId, u64), Outcome>>,
    granted: RefCell<BTreeMap<String, u64>>,
}

impl World {
    async fn new(cloud: &Cloud, organization: &str, cap: Option<u64>) -> Self {
        let tenant = cloud.tenant(organization).await;
        let people = (0..PEOPLE).map(|number| Person::new(tenant.clone(), ["ada", "ben", "cleo"][number]));
        Self {
            people: join_all(people).await,
            tenant,
            cap,
            month: now().month(),
            over: Cell::new(false),
            tally: RefCell::default(),
            ended: RefCell::default(),
            granted: RefCell::default(),
        }
    }

    fn count(&self, what: &'static str) {
        *self.tally.borrow_mut().entry(what).or_default() += 1;
    }

    fn person_of(&self, question: &Question) -> &Person {
        self.people.iter().find(|person| person.id == question.user_id).unwrap()
    }

    /// Asks, ends, grants at random; in the end nothing of it is open.
    async fn work(&self, seed: u64) {
        let mut dice = Dice::new(seed);
        let mut open: Vec<Question> = Vec::new();
        for step in 0..STEPS {
            match dice.below(12) {
                0 => self.grant(&mut dice, &format!("{seed}-{step}")).await,
                1..=4 if !open.is_empty() => {
                    let question = open.swap_remove(dice.below(open.len() as u64) as usize);
                    Box::pin(self.end(&mut dice, &question)).await;
                }
                _ => open.extend(self.ask(&mut dice).await),
            }
        }
        for question in open {
            Box::pin(self.end(&mut dice, &question)).await;
        }
    }

    async fn ask(&self, dice: &mut Dice) -> Option<Question> {
        let person = &self.people[dice.below(PEOPLE as u64) as usize];
        let chat = person.chat_or_new(&format!("{}-{}", person.id, dice.below(CHATS)), "hello").await;
        let mut asking = person.asking(&chat, "hello");
        asking.beside_others = dice.below(4) > 0;
        asking.answers_at_once = AT_ONCE;
        asking.monthly_points = self.cap;
        asking.question.reserve.month = self.cap.map(|_| self.month.clone());
        asking.question.reserve.points = dice.below(400);
        if dice.below(8) == 0 {
            // The answer is there already and costs nothing.
            asking.maker = None;
            asking.question.reserve.points = 0;
            asking.outcome = Some(Outcome { cached: true, ..outcome("again", 0) });
        }
        let asked = self.tenant.ask(&asking).await.unwrap();
        match asked {
            Asked::Begun(_) => {
                self.count("begun");
                let Some(outcome) = asking.outcome else { return Some(asking.question) };
                self.keep(&asking.question, outcome);
            }
            Asked::Moved => self.count("moved"),
            Asked::Busy => self.count("busy"),
            Asked::NoPoints => self.count("no points"),
            Asked::NoPointsOfMonth => self.count("no points of month"),
            Asked::TooMany => self.count("too many"),
            Asked::Known(known) => panic!("{known:?}"),
        }
        None
    }

    fn keep(&self, question: &Question, outcome: Outcome) {
        let before = self.ended.borrow_mut().insert((question.chat_id.clone(), question.number), outcome);
        assert!(before.is_none(), "it ended twice");
    }

    /// Ends an exchange twice at once, as two that disagree about it: one of them is right, and both learn who.
    async fn end(&self, dice: &mut Dice, question: &Question) {
        let mut any = || {
            let mut outcome = outcome("4", dice.below(450));
            if dice.below(3) == 0 {
                outcome.ending = Ending::Failed(Failure::Interrupted);
                outcome.points_cost = 0;
            }
            outcome
        };
        let (one, other) = (any(), any());
        let tenant = &self.person_of(question).tenant;
        let ends = join(tenant.end_exchange(question, one, None), tenant.end_exchange(question, other, None)).await;
        let (now, before) = match (ends.0.unwrap(), ends.1.unwrap()) {
            (Ended::Now(now), Ended::Before(before)) | (Ended::Before(before), Ended::Now(now)) => (now, before),
            other => panic!("{other:?}"),
        };
        assert_eq!(Some(&*now), before.outcome.as_ref());
        assert!(question.reserve.month.is_none() || now.points_cost <= question.reserve.points);
        self.count(if now.points_cost > question.reserve.points { "more than reserved" } else { "within" });
        self.keep(question, *now);
        // And later again, as whoever finds it abandoned does.
        let again = tenant.end_exchange(question, outcome("5", 99), None).await.unwrap();
        assert!(matches!(again, Ended::Before(_)), "{again:?}");
    }

    /// Gives points, twice under one name.
    async fn grant(&self, dice: &mut Dice, name: &str) {
        let person = &self.people[dice.below(PEOPLE as u64) as usize];
        let points = dice.between(1, 100);
        let give = || person.tenant.grant(&person.id, points, &person.id, "a gift", name);
        let (one, other) = join(give(), give()).await;
        one.unwrap();
        other.unwrap();
        give().await.unwrap();
        *self.granted.borrow_mut().entry(person.id.to_string()).or_default() += points;
    }

    /// What must be true at any moment, asked again and again until the work is over.
    async fn watch(&self) {
        let mut seen = 0;
        while !self.over.get() {
            for person in &self.people {
                let before = person.tenant.points(&person.id).await.unwrap().unwrap();
                let ledger = person.tenant.whole_ledger(&person.id).await.unwrap();
                let after = person.tenant.points(&person.id).await.unwrap().unwrap();
                assert!(before.running.len() <= AT_ONCE as usize, "{before:?}");
                // Whatever changes the sum changes one of these for good.
                if (before.total(), before.spent) == (after.total(), after.spent) {
                    let sum: i64 = ledger.iter().map(|entry| entry.points).sum();
                    assert_eq!(sum, i64::try_from(before.total()).unwrap(), "{before:?}");
                    seen += 1;
                }
            }
            if let Some(cap) = self.cap {
                let used = self.tenant.points_of_month(&self.month).await.unwrap();
                assert!(used <= cap, "{used} of {cap}");
            }
        }
        assert!(seen > 10, "hardly ever looked: {seen}");
    }

    /// What is true when all is over.
    async fn check(&self) {
        let ended = self.ended.borrow().clone();
        let mut spent_by_all = 0;
        for person in &self.people {
            let own = |(chat, _): &(ChatId, u64)| chat.as_str().starts_with(person.id.as_str());
            let outcomes: Vec<&Outcome> = ended.iter().filter(|(at, _)| own(at)).map(|(_, outcome)| outcome).collect();
            let spent: u64 = outcomes.iter().map(|outcome| outcome.points_cost).sum();
            let granted = self.granted.borrow().get(person.id.as_str()).copied().unwrap_or(0);
            let balance = person.tenant.points(&person.id).await.unwrap().unwrap();
            assert_eq!((balance.held, balance.spent, balance.running.len()), (0, spent, 0), "{balance:?}");
            assert_eq!(balance.available, STARTING_POINTS + granted - spent);
            let ledger = person.tenant.whole_ledger(&person.id).await.unwrap();
            assert_eq!(ledger.iter().map(|entry| entry.points).sum::<i64>(), balance.available as i64);
            let paid = outcomes.iter().filter(|outcome| outcome.points_cost > 0).count();
            assert_eq!(ledger.iter().filter(|entry| entry.points < 0).count(), paid);

            let days = [now().plus_seconds(-86_400).day(), now().day()];
            let used = person.tenant.use_of(&person.id, &days).await.unwrap();
            let sum = |of: fn(&store::DayOfUse) -> u64| used.iter().map(of).sum::<u64>();
            assert_eq!((sum(|day| day.exchanges), sum(|day| day.points)), (outcomes.len() as u64, spent));
            assert_eq!(sum(|day| day.cached), outcomes.iter().filter(|outcome| outcome.cached).count() as u64);
            spent_by_all += spent;

            for number in 0..CHATS {
                let Ok(id) = ChatId::parse(&format!("{}-{number}", person.id)) else { unreachable!() };
                let chat = person.tenant.chat(&person.id, &id).await.unwrap().unwrap();
                let exchanges = person.tenant.exchanges(&id, None, 1000).await.unwrap();
                assert_eq!((chat.open, chat.last), (0, exchanges.len() as u64), "numbers without a gap");
                for exchange in exchanges {
                    let outcome = &ended[&(id.clone(), exchange.question.number)];
                    assert_eq!(exchange.outcome.as_ref(), Some(outcome));
                }
            }
        }
        let of_month = self.tenant.points_of_month(&self.month).await.unwrap();
        assert_eq!(of_month, if self.cap.is_some() { spent_by_all } else { 0 });
    }

    async fn run(&self, seed: u64) {
        let work = async {
            join_all((0..WORKERS).map(|worker| self.work(seed * 1000 + worker))).await;
            self.over.set(true);
        };
        join(work, self.watch()).await;
        self.check().await;
    }

    fn assert_saw(&self, what: &[&str]) {
        let tally = self.tally.borrow();
        assert!(what.iter().all(|what| tally.get(what).is_some_and(|count| *count > 0)), "{tally:?}");
    }
}

#[tokio::test]
async fn the_ledger_is_the_balance_whatever_is_asked_and_ended_at_once() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    for seed in [1, 2] {
        let world = World::new(&cloud, &format!("free-{seed}"), None).await;
        world.run(seed).await;
        world.assert_saw(&["begun", "moved", "busy", "no points", "too many", "more than reserved", "within"]);
    }
}

#[tokio::test]
async fn an_organization_never_spends_more_than_its_month_allows() {
    let cloud = Cloud::silent_with(&["--no-demo"]).await;
    // The smallest is less than some single questions set aside.
    for (seed, cap) in [(3, 1500), (4, 50)] {
        let world = World::new(&cloud, &format!("capped-{seed}"), Some(cap)).await;
        world.run(seed).await;
        world.assert_saw(&["begun", "no points of month", "within"]);
    }
}
