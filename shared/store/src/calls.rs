//! Calls at their provider: which conversation each is.

use crate::error::StoreError;
use crate::item::{from_item, to_item};
use crate::keys;
use crate::{Marker, Tenant};
use domain::ids::ConversationId;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Reference {
    conversation_id: ConversationId,
}

impl Tenant {
    /// The conversation that a call is, by the provider's id of it.
    pub async fn conversation_of_call(&self, provider_id: &str) -> Result<Option<ConversationId>, StoreError> {
        let key = keys::call(&self.organization_id, provider_id);
        let item = self.store.get(self.store.core(), &key).await?;
        Ok(item.map(from_item::<Reference>).transpose()?.map(|reference| reference.conversation_id))
    }

    /// Notes which conversation a call is.
    pub async fn link_call(&self, provider_id: &str, id: &ConversationId) -> Result<(), StoreError> {
        let reference = Reference { conversation_id: id.clone() };
        let item = to_item(&keys::call(&self.organization_id, provider_id), "call", &reference)?;
        self.store.put(self.store.core(), item).await
    }

    /// Whether what a marker stands for is in the log.
    pub async fn is_marked(&self, marker: &Marker) -> Result<bool, StoreError> {
        let key = keys::marker(&self.organization_id, marker.source, &marker.id);
        Ok(self.store.get(self.store.ephemeral(), &key).await?.is_some())
    }
}
