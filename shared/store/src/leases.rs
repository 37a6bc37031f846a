//! Leases of people in control: written and removed with the events that begin and end a control, extended by signs of
//! life, and listed when they are over, so that a conversation never waits for somebody who is gone (B21).

use crate::append::Draft;
use crate::error::StoreError;
use crate::item::{from_item, n, s, to_item};
use crate::keys;
use crate::table::{action, held};
use crate::{Store, Tenant};
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem};
use domain::conversation::Conversation;
use domain::event::EventBody;
use domain::ids::{ConversationId, OrganizationId, UserId};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

/// A person's control of a conversation, and until when it lasts without a sign of life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lease {
    /// Of which organization.
    pub organization_id: OrganizationId,
    /// Of which conversation.
    pub conversation_id: ConversationId,
    /// Whose.
    pub agent_id: UserId,
    /// How long each sign of life lasts.
    pub lease_seconds: u32,
    /// When it is over.
    pub until: Timestamp,
}

/// What an append does to the conversation's lease.
pub(crate) fn change(
    table: &str,
    before: &Conversation,
    draft: &Draft,
) -> Result<Option<TransactWriteItem>, StoreError> {
    let after = &draft.conversation;
    if before.control == after.control {
        return Ok(None);
    }
    let key = keys::lease(&after.organization_id, &after.id);
    let Some(control) = &after.control else {
        let delete = Delete::builder().table_name(table).set_key(Some(key.attributes())).build();
        let delete = delete.map_err(|error| StoreError::Corrupt(Box::new(error)))?;
        return Ok(Some(TransactWriteItem::builder().delete(delete).build()));
    };
    let lease_seconds = draft.events.iter().rev().find_map(|event| match event.body {
        EventBody::HumanControlStarted { lease_seconds, .. } => Some(lease_seconds),
        _ => None,
    });
    let lease_seconds = lease_seconds.unwrap_or(domain::event::CONTROL_LEASE_SECONDS);
    let lease = Lease {
        organization_id: after.organization_id.clone(),
        conversation_id: after.id.clone(),
        agent_id: control.agent_id.clone(),
        lease_seconds,
        until: control.since.plus_seconds(i64::from(lease_seconds)),
    };
    let mut item = to_item(&key, "lease", &lease)?;
    item.insert("gsi1pk".to_owned(), s(keys::LEASES));
    item.insert("gsi1sk".to_owned(), s(keys::index_sort(lease.until.millis(), after.id.as_str())));
    action(Put::builder().table_name(table).set_item(Some(item))).map(Some)
}

impl Tenant {
    /// The lease of whoever is in control.
    pub async fn lease(&self, id: &ConversationId) -> Result<Option<Lease>, StoreError> {
        let key = keys::lease(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// Takes a sign of life of the person in control. False when it is not theirs.
    pub async fn extend_lease(&self, lease: &Lease, now: Timestamp) -> Result<bool, StoreError> {
        let until = now.plus_seconds(i64::from(lease.lease_seconds));
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::lease(&self.organization_id, &lease.conversation_id).attributes()))
            .update_expression("SET #until = :until, gsi1sk = :sort")
            .condition_expression("agent_id = :agent")
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":until", n(until.millis()))
            .expression_attribute_values(":sort", s(keys::index_sort(until.millis(), lease.conversation_id.as_str())))
            .expression_attribute_values(":agent", s(lease.agent_id.as_str()))
            .send()
            .await;
        held(result)
    }
}

impl Store {
    /// Leases that are over, of all organizations, oldest first.
    pub async fn leases_over(&self, now: Timestamp, limit: i32) -> Result<Vec<Lease>, StoreError> {
        let items = self.due(keys::LEASES, now, limit).await?;
        let leases: Vec<Lease> = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        // The index may lag behind a sign of life.
        Ok(leases.into_iter().filter(|lease| lease.until <= now).collect())
    }
}
