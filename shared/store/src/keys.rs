//! Every key of both tables. Nothing else in the project writes a key as text.
//!
//! `core`
//!
//! | what | pk | sk |
//! |---|---|---|
//! | organization | `ORG#<org>` | `META` |
//! | person | `ORG#<org>` | `USER#<user>` |
//! | invitation | `ORG#<org>` | `INVITE#<invitation>` |
//! | credential and whereabouts of an address | `EMAIL#<email>` | `USER` |
//! | organization of a number of ours | `PHONE#<number>` | `ORG` |
//! | contact | `CONTACT#<org>#<contact>` | `PROFILE` |
//! | contact's timeline: entries, then head | same | `T#<contact_seq>`, `THEAD` |
//! | contact by number, with the briefing for their next call | `CONTACTPHONE#<org>#<number>` | `PTR` |
//! | conversation: events, then head | `CONV#<org>#<conversation>` | `M#<seq>`, `META` |
//! | organization of a conversation | `CONVERSATION#<conversation>` | `OWNER` |
//! | delivery of a text message of ours | `SMS#<org>#<provider id>` | `REF` |
//! | text message of ours that is not sent yet | `OUT#<org>#<conversation>` | `S#<seq>` |
//! | a person's control of a conversation | `CONTROL#<org>#<conversation>` | `LEASE` |
//! | conversation of a call at its provider | `CALL#<org>#<provider id>` | `REF` |
//! | organization of a voice agent of its own | `AGENT#<agent>` | `ORG` |
//! | connection to be greeted (has `ttl`) | `HELLO#<connection>` | `HELLO` |
//! | chat of a person with the model: exchanges, head | `CHAT#<org>#<chat>` | `X#<number>`, `META` |
//! | long answer of an exchange, in pieces | `ANSWER#<org>#<chat>` | `X#<number>#<piece>` |
//! | points of a person: balance, then what changed it | `POINTS#<org>#<user>` | `BALANCE`, `L#<time in ms>#<id>` |
//! | use of the model: by day and person, by month | `USAGE#<org>` | `D#<day>#<user>`, `CAP#<month>` |
//! | whether the stack is set up | `SETUP` | `DONE` |
//!
//! `gsi1` of `core`: `ORG#<org>#LIVE` and `ORG#<org>#ENDED` list conversations, `ORG#<org>#CONTACTS` contacts; the sort
//! key is `<start in ms>#<id>`, which never changes, so that pages are stable. `OUTBOX` and `LEASES` list, over all
//! organizations, what somebody must finish if nobody does: unsent messages by `<recorded in ms>#…`, leases by their end;
//! `RUNNING` lists exchanges whose answer is not over by `<asked in ms>#…`. `ORG#<org>#CHATS#<user>` lists a person's
//! chats; its sort key is the only one that moves: with every exchange, to the top.
//!
//! Events sort directly before the head of their thread (`M#…` < `META`, `T#…` < `THEAD`): one query returns both.
//! No sort key may ever be created between them.
//!
//! `ephemeral` (every record has `ttl`)
//!
//! | what | pk | sk |
//! |---|---|---|
//! | idempotency marker | `IDEM#<org>#<source>#<id>` | `-` |
//! | revoked token | `JTI#<token id>` | `-` |
//! | stream ticket | `TKT#<sha256>` | `-` |
//! | e-mail code | `CODE#<purpose>#<email>` | `-` |
//! | counter | `RATE#<what>#<who>#<window>` | `-` |
//! | lock | `LOCK#<org>#<what>#<who>` | `-` |
//! | answer to a request with an idempotency key | `ONCE#<org>#<route>#<key>` | `-` |
//! | webhook: verdict, then its body in pieces | `INBOX#<org>` , `INBOX#<org>#<webhook>` | `<webhook>`, `P#<piece>` |
//! | connection | `CONN#<connection>` | `-` |
//! | subscription | `TOPIC#<org>#<topic>` | `<connection>` |
//! | answer under way: who makes it, then what there is; what the queue is to be told | `RUN#<org>#<exchange>` | `-`, `B#<last token>`, `JOB` |
//! | exchange of a request with an idempotency key | `ASKED#<org>#<user>#<key>` | `-` |
//! | answer that may be given again | `CACHE#<org>#<digest>` | `-` |

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{ChatId, ContactId, ConversationId, ExchangeId, InvitationId, OrganizationId, UserId};
use domain::phone::PhoneNumber;
use domain::user::Email;
use std::collections::HashMap;

/// Name of the one index.
pub const INDEX: &str = "gsi1";
/// Prefix of the sort keys of a conversation's events: what the fan-out's stream filter looks for.
pub const EVENT_PREFIX: &str = "M#";
/// Attribute of events that work follows from: what the pipe to the reply queue looks for. Its value groups the jobs of a
/// conversation: a digest, because a group's name has 128 characters and an id may hold a phone number.
pub const FOLLOW_UP: &str = "follow_up";
/// Attribute of questions that are answered off the request path: what the pipe to the chat queue looks for. Its value, a
/// digest, is one of each question: who answers waits for a chat's earlier answers, the queue does not.
pub const ASKED: &str = "asked";
/// Prefix of the sort keys of exchanges: the fan-out's second kind of record.
pub const EXCHANGE_PREFIX: &str = "X#";
/// Sort key of a connection to be greeted: the fan-out's third kind of record.
pub const HELLO: &str = "HELLO";

pub(crate) const HEAD: &str = "META";
pub(crate) const TIMELINE_PREFIX: &str = "T#";
pub(crate) const TIMELINE_HEAD: &str = "THEAD";
const UNSENT_PREFIX: &str = "S#";
pub(crate) const NONE: &str = "-";

/// A primary key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            ("pk".to_owned(), AttributeValue::S(self.pk.clone())),
            ("sk".to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

fn organization_pk(org: &OrganizationId) -> String {
    format!("ORG#{org}")
}

pub(crate) fn organization(org: &OrganizationId) -> Key {
    Key::new(organization_pk(org), HEAD)
}

pub(crate) fn user(org: &OrganizationId, user: &UserId) -> Key {
    Key::new(organization_pk(org), format!("USER#{user}"))
}

pub(crate) fn users(org: &OrganizationId) -> (String, &'static str) {
    (organization_pk(org), "USER#")
}

pub(crate) fn invitation(org: &OrganizationId, id: &InvitationId) -> Key {
    Key::new(organization_pk(org), format!("INVITE#{id}"))
}

pub(crate) fn invitations(org: &OrganizationId) -> (String, &'static str) {
    (organization_pk(org), "INVITE#")
}

pub(crate) fn email(email: &Email) -> Key {
    Key::new(format!("EMAIL#{}", email.as_str()), "USER")
}

pub(crate) fn own_number(number: &PhoneNumber) -> Key {
    Key::new(format!("PHONE#{}", number.as_str()), "ORG")
}

fn contact_pk(org: &OrganizationId, contact: &ContactId) -> String {
    format!("CONTACT#{org}#{contact}")
}

pub(crate) fn contact(org: &OrganizationId, contact: &ContactId) -> Key {
    Key::new(contact_pk(org, contact), "PROFILE")
}

pub(crate) fn timeline_head(org: &OrganizationId, contact: &ContactId) -> Key {
    Key::new(contact_pk(org, contact), TIMELINE_HEAD)
}

pub(crate) fn timeline_entry(org: &OrganizationId, contact: &ContactId, seq: u64) -> Key {
    Key::new(contact_pk(org, contact), numbered(TIMELINE_PREFIX, seq))
}

pub(crate) fn contact_by_phone(org: &OrganizationId, number: &PhoneNumber) -> Key {
    Key::new(format!("CONTACTPHONE#{org}#{}", number.as_str()), "PTR")
}

fn conversation_pk(org: &OrganizationId, conversation: &ConversationId) -> String {
    format!("CONV#{org}#{conversation}")
}

pub(crate) fn conversation_head(org: &OrganizationId, conversation: &ConversationId) -> Key {
    Key::new(conversation_pk(org, conversation), HEAD)
}

pub(crate) fn event(org: &OrganizationId, conversation: &ConversationId, seq: u64) -> Key {
    Key::new(conversation_pk(org, conversation), numbered(EVENT_PREFIX, seq))
}

pub(crate) fn conversation_owner(conversation: &ConversationId) -> Key {
    Key::new(format!("CONVERSATION#{conversation}"), "OWNER")
}

pub(crate) fn outgoing(org: &OrganizationId, provider_id: &str) -> Key {
    Key::new(format!("SMS#{org}#{provider_id}"), "REF")
}

pub(crate) fn unsent(org: &OrganizationId, conversation: &ConversationId, seq: u64) -> Key {
    Key::new(unsent_of(org, conversation).0, numbered(UNSENT_PREFIX, seq))
}

pub(crate) fn unsent_of(org: &OrganizationId, conversation: &ConversationId) -> (String, &'static str) {
    (format!("OUT#{org}#{conversation}"), UNSENT_PREFIX)
}

pub(crate) fn lease(org: &OrganizationId, conversation: &ConversationId) -> Key {
    Key::new(format!("CONTROL#{org}#{conversation}"), "LEASE")
}

pub(crate) fn call(org: &OrganizationId, provider_id: &str) -> Key {
    Key::new(format!("CALL#{org}#{provider_id}"), "REF")
}

pub(crate) fn voice_agent(agent_id: &str) -> Key {
    Key::new(format!("AGENT#{agent_id}"), "ORG")
}

/// Index partition of unsent messages.
pub(crate) const OUTBOX: &str = "OUTBOX";
/// Index partition of leases.
pub(crate) const LEASES: &str = "LEASES";

/// Index partition of exchanges whose answer is not over.
pub(crate) const RUNNING: &str = "RUNNING";

fn chat_pk(org: &OrganizationId, chat: &ChatId) -> String {
    format!("CHAT#{org}#{chat}")
}

pub(crate) fn chat(org: &OrganizationId, chat: &ChatId) -> Key {
    Key::new(chat_pk(org, chat), HEAD)
}

pub(crate) fn exchange(org: &OrganizationId, chat: &ChatId, number: u64) -> Key {
    Key::new(chat_pk(org, chat), numbered(EXCHANGE_PREFIX, number))
}

pub(crate) fn answer_piece(org: &OrganizationId, chat: &ChatId, number: u64, piece: u64) -> Key {
    let exchange = numbered(EXCHANGE_PREFIX, number);
    Key::new(format!("ANSWER#{org}#{chat}"), numbered(&format!("{exchange}#"), piece))
}

pub(crate) fn chats_index(org: &OrganizationId, user: &UserId) -> String {
    format!("ORG#{org}#CHATS#{user}")
}

fn points_pk(org: &OrganizationId, user: &UserId) -> String {
    format!("POINTS#{org}#{user}")
}

pub(crate) fn balance(org: &OrganizationId, user: &UserId) -> Key {
    Key::new(points_pk(org, user), "BALANCE")
}

pub(crate) fn ledger_entry(org: &OrganizationId, user: &UserId, millis: i64, id: &str) -> Key {
    Key::new(points_pk(org, user), format!("{LEDGER_PREFIX}{millis:013}#{id}"))
}

/// Prefix of the sort keys of what changed a balance.
pub(crate) const LEDGER_PREFIX: &str = "L#";
/// Prefix of the sort keys of a day's use.
pub(crate) const DAY_PREFIX: &str = "D#";

pub(crate) fn usage_of_day(org: &OrganizationId, day: &str, user: &UserId) -> Key {
    Key::new(format!("USAGE#{org}"), format!("{DAY_PREFIX}{day}#{user}"))
}

pub(crate) fn usage_of_month(org: &OrganizationId, month: &str) -> Key {
    Key::new(format!("USAGE#{org}"), format!("CAP#{month}"))
}

pub(crate) fn run(org: &OrganizationId, exchange: &ExchangeId) -> Key {
    Key::new(format!("RUN#{org}#{exchange}"), NONE)
}

pub(crate) fn run_batch(org: &OrganizationId, exchange: &ExchangeId, last: u64) -> Key {
    Key::new(run(org, exchange).pk, numbered(BATCH_PREFIX, last))
}

pub(crate) fn run_job(org: &OrganizationId, exchange: &ExchangeId) -> Key {
    Key::new(run(org, exchange).pk, "JOB")
}

/// Prefix of the sort keys of what there is of an answer under way.
pub(crate) const BATCH_PREFIX: &str = "B#";

pub(crate) fn asked(org: &OrganizationId, user: &UserId, key: &str) -> Key {
    Key::new(format!("ASKED#{org}#{user}#{key}"), NONE)
}

pub(crate) fn cached_answer(org: &OrganizationId, digest: &str) -> Key {
    Key::new(format!("CACHE#{org}#{digest}"), NONE)
}

pub(crate) fn lock(org: &OrganizationId, what: &str, who: &str) -> Key {
    Key::new(format!("LOCK#{org}#{what}#{who}"), NONE)
}

pub(crate) fn once(org: &OrganizationId, route: &str, key: &str) -> Key {
    Key::new(format!("ONCE#{org}#{route}#{key}"), NONE)
}

pub(crate) fn inbox(org: &OrganizationId) -> String {
    format!("INBOX#{org}")
}

pub(crate) fn inbox_entry(org: &OrganizationId, id: &str) -> Key {
    Key::new(inbox(org), id)
}

pub(crate) fn inbox_piece(org: &OrganizationId, id: &str, piece: u64) -> Key {
    Key::new(format!("INBOX#{org}#{id}"), numbered("P#", piece))
}

pub(crate) fn hello(id: &str) -> Key {
    Key::new(format!("HELLO#{id}"), HELLO)
}

pub(crate) fn setup() -> Key {
    Key::new("SETUP".to_owned(), "DONE")
}

pub(crate) fn live_index(org: &OrganizationId) -> String {
    format!("ORG#{org}#LIVE")
}

pub(crate) fn ended_index(org: &OrganizationId) -> String {
    format!("ORG#{org}#ENDED")
}

pub(crate) fn contacts_index(org: &OrganizationId) -> String {
    format!("ORG#{org}#CONTACTS")
}

pub(crate) fn index_sort(millis: i64, id: &str) -> String {
    format!("{millis:013}#{id}")
}

pub(crate) fn marker(org: &OrganizationId, source: &str, id: &str) -> Key {
    Key::new(format!("IDEM#{org}#{source}#{id}"), NONE)
}

pub(crate) fn revoked_token(token_id: &str) -> Key {
    Key::new(format!("JTI#{token_id}"), NONE)
}

pub(crate) fn ticket(hash: &str) -> Key {
    Key::new(format!("TKT#{hash}"), NONE)
}

pub(crate) fn code(purpose: &str, email: &Email) -> Key {
    Key::new(format!("CODE#{purpose}#{}", email.as_str()), NONE)
}

pub(crate) fn rate(what: &str, who: &str, window: i64) -> Key {
    Key::new(format!("RATE#{what}#{who}#{window}"), NONE)
}

pub(crate) fn connection(id: &str) -> Key {
    Key::new(format!("CONN#{id}"), NONE)
}

pub(crate) fn topic_pk(org: &OrganizationId, topic: &str) -> String {
    format!("TOPIC#{org}#{topic}")
}

pub(crate) fn subscription(org: &OrganizationId, topic: &str, connection: &str) -> Key {
    Key::new(topic_pk(org, topic), connection)
}

/// A sort key whose text order is its number's order: 12 digits last a conversation for 30,000 years.
pub(crate) fn numbered(prefix: &str, seq: u64) -> String {
    format!("{prefix}{seq:012}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_sort_in_order_and_directly_before_their_head() {
        for (prefix, head) in [(EVENT_PREFIX, HEAD), (TIMELINE_PREFIX, TIMELINE_HEAD)] {
            assert!(numbered(prefix, 9) < numbered(prefix, 10));
            assert!(numbered(prefix, 999_999_999_999).as_str() < head);
        }
        let below = ["PROFILE", HEAD, EVENT_PREFIX];
        assert!(below.iter().all(|sk| *sk < TIMELINE_PREFIX), "nothing sorts between timeline and head");
    }

    #[test]
    fn the_tenant_is_in_every_key_of_its_data() {
        let org = OrganizationId::parse("org-a").unwrap();
        let conversation = ConversationId::parse("conv_1").unwrap();
        let contact_id = ContactId::parse("worker_1").unwrap();
        let number = PhoneNumber::from_provider("+14155550100").unwrap();
        let (chat_id, exchange_id) = (ChatId::parse("chat_1").unwrap(), ExchangeId::parse("ex_1").unwrap());
        let person = UserId::parse("ada").unwrap();
        let keys = [
            organization(&org),
            timeline_head(&org, &contact_id),
            timeline_entry(&org, &contact_id, 1),
            contact(&org, &contact_id),
            contact_by_phone(&org, &number),
            conversation_head(&org, &conversation),
            event(&org, &conversation, 1),
            outgoing(&org, "SM1"),
            unsent(&org, &conversation, 1),
            lease(&org, &conversation),
            call(&org, "conv_9"),
            lock(&org, "dial", "worker_1"),
            once(&org, "route", "key"),
            inbox_entry(&org, "1"),
            inbox_piece(&org, "1", 0),
            marker(&org, "twilio", "SM1"),
            subscription(&org, "inbox", "c1="),
            chat(&org, &chat_id),
            exchange(&org, &chat_id, 1),
            answer_piece(&org, &chat_id, 1, 1),
            balance(&org, &person),
            ledger_entry(&org, &person, 1, "x"),
            usage_of_day(&org, "20261121", &person),
            usage_of_month(&org, "202611"),
            run(&org, &exchange_id),
            run_batch(&org, &exchange_id, 1),
            run_job(&org, &exchange_id),
            asked(&org, &person, "key"),
            cached_answer(&org, "digest"),
        ];
        assert!(keys.iter().all(|key| key.pk.split('#').any(|part| part == "org-a")));
    }
}
