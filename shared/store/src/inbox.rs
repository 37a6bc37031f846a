//! The webhook inbox: what providers sent us, what became of it, and the bytes, for 30 days (G5).

use crate::error::StoreError;
use crate::item::{from_item, n, s, to_item};
use crate::{Tenant, keys, now};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// How long a webhook is kept.
const KEPT_SECONDS: i64 = 30 * 86_400;
/// Bytes of one piece of a body: an item holds 400 KB.
const PIECE_BYTES: usize = 350_000;

/// Which webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookKind {
    /// A text message came in.
    TwilioSmsIncoming,
    /// A text message of ours got further.
    TwilioSmsStatus,
    /// A call begins: only refused ones are kept.
    ElevenlabsConversationInitiation,
    /// A call is over, or never began.
    ElevenlabsPostCall,
}

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Verified and kept; the work is going on, or its worker died.
    Received,
    /// It changed something.
    Accepted,
    /// We had it already.
    Duplicate,
    /// Its sender could not be proved, or it cannot be read.
    Refused,
    /// Verified, but its work failed.
    Failed,
}

/// One webhook that came in.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Webhook {
    /// Which; sorts by time.
    pub id: String,
    /// What kind.
    pub kind: WebhookKind,
    /// When it came.
    pub at: Timestamp,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, where it was refused or failed: without content, numbers or secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The provider's id of what it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Bytes of its body; 0 when the body is not kept.
    pub size: usize,
    /// Times it was worked on again.
    #[serde(default)]
    pub replays: u32,
}

/// A page of the inbox, newest first.
#[derive(Debug, Default)]
pub struct InboxPage {
    /// The webhooks.
    pub webhooks: Vec<Webhook>,
    /// Where the next page goes on, when there may be more.
    pub next: Option<String>,
}

impl Tenant {
    /// Keeps a webhook, with its body if it may be worked on again.
    pub async fn keep_webhook(&self, webhook: &Webhook, body: &[u8]) -> Result<(), StoreError> {
        let store = &self.store;
        let ttl = n(webhook.at.plus_seconds(KEPT_SECONDS).seconds());
        let mut pieces = body.chunks(PIECE_BYTES);
        let first = pieces.next().unwrap_or_default();
        // Whole bodies of the usual size stand in the entry itself; only what is larger takes more items, before it.
        for (piece, bytes) in pieces.enumerate() {
            let key = keys::inbox_piece(&self.organization_id, &webhook.id, piece as u64);
            let mut item = key.attributes();
            item.insert("etype".to_owned(), s("webhook_piece"));
            item.insert("bytes".to_owned(), AttributeValue::B(Blob::new(bytes)));
            item.insert("ttl".to_owned(), ttl.clone());
            store.put(store.ephemeral(), item).await?;
        }
        let mut item = to_item(&keys::inbox_entry(&self.organization_id, &webhook.id), "webhook", webhook)?;
        item.insert("bytes".to_owned(), AttributeValue::B(Blob::new(first)));
        item.insert("ttl".to_owned(), ttl);
        store.put(store.ephemeral(), item).await
    }

    /// Notes what became of a webhook.
    pub async fn judge_webhook(
        &self,
        id: &str,
        verdict: Verdict,
        reason: Option<&str>,
        replayed: bool,
    ) -> Result<(), StoreError> {
        self.store
            .client
            .update_item()
            .table_name(self.store.ephemeral())
            .set_key(Some(keys::inbox_entry(&self.organization_id, id).attributes()))
            .update_expression("SET verdict = :verdict, #reason = :reason ADD replays :replays")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_values(":verdict", serde_dynamo::to_attribute_value(verdict)?)
            .expression_attribute_values(":reason", reason.map_or(AttributeValue::Null(true), s))
            .expression_attribute_values(":replays", n(u32::from(replayed)))
            .send()
            .await?;
        Ok(())
    }

    /// A webhook and its body.
    pub async fn webhook(&self, id: &str) -> Result<Option<(Webhook, Vec<u8>)>, StoreError> {
        let store = &self.store;
        let key = keys::inbox_entry(&self.organization_id, id);
        let Some(item) = store.get(store.ephemeral(), &key).await? else { return Ok(None) };
        let mut body = bytes_of(&item);
        let webhook: Webhook = from_item(item)?;
        for piece in 0_u64.. {
            if body.len() >= webhook.size {
                break;
            }
            let key = keys::inbox_piece(&self.organization_id, id, piece);
            let Some(item) = store.get(store.ephemeral(), &key).await? else { break };
            body.extend(bytes_of(&item));
        }
        let expired = webhook.at.plus_seconds(KEPT_SECONDS) <= now();
        Ok((!expired).then_some((webhook, body)))
    }

    /// Lists webhooks, newest first. `after` is a page's `next`.
    pub async fn webhooks(&self, after: Option<&str>, limit: usize) -> Result<InboxPage, StoreError> {
        let output = self
            .store
            .client
            .query()
            .table_name(self.store.ephemeral())
            .key_condition_expression("pk = :pk AND sk < :below")
            .expression_attribute_values(":pk", s(keys::inbox(&self.organization_id)))
            .expression_attribute_values(":below", s(after.unwrap_or("~")))
            .scan_index_forward(false)
            .projection_expression("id, kind, #at, verdict, #reason, provider_id, #size, replays")
            .expression_attribute_names("#at", "at")
            .expression_attribute_names("#reason", "reason")
            .expression_attribute_names("#size", "size")
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await?;
        let more = output.last_evaluated_key.is_some();
        let webhooks = output.items.unwrap_or_default().into_iter().map(from_item);
        let webhooks: Vec<Webhook> = webhooks.collect::<Result<_, _>>()?;
        let next = webhooks.last().filter(|_| more).map(|webhook| webhook.id.clone());
        Ok(InboxPage { webhooks, next })
    }
}

fn bytes_of(item: &crate::item::Item) -> Vec<u8> {
    item.get("bytes").and_then(|bytes| bytes.as_b().ok()).map(|bytes| bytes.as_ref().to_vec()).unwrap_or_default()
}
