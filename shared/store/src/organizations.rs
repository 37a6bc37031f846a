//! Organizations, their numbers, and the set-up of a fresh stack.

use crate::error::StoreError;
use crate::item::{Item, from_item, s, to_item};
use crate::keys;
use crate::table::{held, put_new};
use crate::{Store, Tenant};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use domain::ids::OrganizationId;
use domain::organization::Organization;
use domain::phone::PhoneNumber;
use domain::secret::Secret;
use domain::user::User;
use serde::{Deserialize, Serialize};

/// What [`Tenant::update_organization`] changes.
const SETTINGS: [&str; 9] = [
    "name",
    "timezone",
    "region",
    "sign_in_code_required",
    "open_sign_up",
    "twilio",
    "elevenlabs",
    "instructions",
    "ai",
];

#[derive(Serialize, Deserialize)]
struct OwnerOfNumber {
    organization_id: OrganizationId,
}

/// The first organization of a stack: where people sign up who name no other.
#[derive(Serialize, Deserialize)]
struct SetUp {
    organization_id: OrganizationId,
}

impl Store {
    /// The organization that a number of ours belongs to.
    pub async fn organization_by_number(&self, number: &PhoneNumber) -> Result<Option<OrganizationId>, StoreError> {
        let item = self.get(self.core(), &keys::own_number(number)).await?;
        Ok(item.map(from_item::<OwnerOfNumber>).transpose()?.map(|owner| owner.organization_id))
    }

    /// The organization that a call is for, in one read: by the number that was called, else by the voice agent, which
    /// is an organization's own or, where it is `stacks_agent`, stands for the first organization.
    pub async fn organization_of_call(
        &self,
        called: Option<&PhoneNumber>,
        agent_id: Option<&str>,
        stacks_agent: bool,
    ) -> Result<Option<OrganizationId>, StoreError> {
        let mut wanted: Vec<_> = called.map(keys::own_number).into_iter().collect();
        wanted.extend(agent_id.map(keys::voice_agent));
        wanted.extend(stacks_agent.then(keys::setup));
        if wanted.is_empty() {
            return Ok(None);
        }
        let found = self.get_all(wanted.iter().map(keys::Key::attributes).collect()).await?;
        for key in wanted {
            let of_key = |item: &&Item| item.get("pk").and_then(|pk| pk.as_s().ok()) == Some(&key.pk);
            if let Some(item) = found.iter().find(of_key) {
                return Ok(Some(from_item::<OwnerOfNumber>(item.clone())?.organization_id));
            }
        }
        Ok(None)
    }

    /// The first organization, once the stack is set up.
    pub async fn first_organization(&self) -> Result<Option<OrganizationId>, StoreError> {
        let item = self.get(self.core(), &keys::setup()).await?;
        Ok(item.map(from_item::<SetUp>).transpose()?.map(|done| done.organization_id))
    }

    /// Makes the stack's first organization and its first admin, both or neither. False when there is an organization
    /// already, or when its id, a number or the admin's address is taken.
    pub async fn set_up(
        &self,
        organization: &Organization,
        admin: &User,
        password_hash: &Secret,
    ) -> Result<bool, StoreError> {
        let done = SetUp { organization_id: organization.id.clone() };
        let mut actions = self.organization_actions(organization)?;
        actions.push(put_new(self.core(), to_item(&keys::setup(), "setup", &done)?)?);
        actions.extend(self.account_actions(admin, password_hash, None)?);
        self.all_or_nothing(actions).await
    }

    /// Makes an organization. False when its id or one of its numbers is taken.
    pub async fn add_organization(&self, organization: &Organization) -> Result<bool, StoreError> {
        self.all_or_nothing(self.organization_actions(organization)?).await
    }

    fn organization_actions(&self, organization: &Organization) -> Result<Vec<TransactWriteItem>, StoreError> {
        let key = keys::organization(&organization.id);
        let mut actions = vec![put_new(self.core(), to_item(&key, "organization", organization)?)?];
        for number in &organization.phone_numbers {
            actions.push(self.claim(&organization.id, number)?);
        }
        Ok(actions)
    }

    fn claim(&self, org: &OrganizationId, number: &PhoneNumber) -> Result<TransactWriteItem, StoreError> {
        let owner = OwnerOfNumber { organization_id: org.clone() };
        put_new(self.core(), to_item(&keys::own_number(number), "own_number", &owner)?)
    }
}

impl Tenant {
    /// The organization's record.
    pub async fn organization(&self) -> Result<Option<Organization>, StoreError> {
        let key = keys::organization(&self.organization_id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// Replaces the organization's settings. Its numbers change by [`Tenant::add_number`] and [`Tenant::remove_number`]
    /// only, so that a change of settings never brings back or drops one.
    pub async fn update_organization(&self, organization: &Organization) -> Result<(), StoreError> {
        let mut settings = to_item(&keys::organization(&self.organization_id), "organization", organization)?;
        settings.retain(|name, _| SETTINGS.contains(&name.as_str()));
        let mut request = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::organization(&self.organization_id).attributes()))
            .condition_expression("attribute_exists(pk)");
        let (mut set, mut remove) = (Vec::new(), Vec::new());
        for name in SETTINGS {
            request = request.expression_attribute_names(format!("#{name}"), name);
            match settings.remove(name) {
                Some(value) => {
                    request = request.expression_attribute_values(format!(":{name}"), value);
                    set.push(format!("#{name} = :{name}"));
                }
                None => remove.push(format!("#{name}")),
            }
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(" REMOVE ");
            expression.push_str(&remove.join(", "));
        }
        request.update_expression(expression).send().await?;
        Ok(())
    }

    /// Claims a voice agent for the organization. False when it is somebody else's.
    pub async fn claim_agent(&self, agent_id: &str) -> Result<bool, StoreError> {
        let owner = OwnerOfNumber { organization_id: self.organization_id.clone() };
        let result = self
            .store
            .client
            .put_item()
            .table_name(self.store.core())
            .set_item(Some(to_item(&keys::voice_agent(agent_id), "voice_agent", &owner)?))
            .condition_expression("attribute_not_exists(pk) OR organization_id = :org")
            .expression_attribute_values(":org", s(self.organization_id.as_str()))
            .send()
            .await;
        held(result)
    }

    /// Gives up a voice agent.
    pub async fn release_agent(&self, agent_id: &str) -> Result<(), StoreError> {
        let result = self
            .store
            .client
            .delete_item()
            .table_name(self.store.core())
            .set_key(Some(keys::voice_agent(agent_id).attributes()))
            .condition_expression("organization_id = :org")
            .expression_attribute_values(":org", s(self.organization_id.as_str()))
            .send()
            .await;
        held(result).map(|_| ())
    }

    /// Claims a number for the organization. False when it is somebody's already.
    pub async fn add_number(&self, number: &PhoneNumber) -> Result<bool, StoreError> {
        let claim = self.store.claim(&self.organization_id, number)?;
        let listed = Update::builder()
            .update_expression("SET phone_numbers = list_append(if_not_exists(phone_numbers, :none), :number)")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":number", AttributeValue::L(vec![s(number.as_str())]));
        self.store.all_or_nothing(vec![claim, self.change(listed)?]).await
    }

    /// Gives up a number. False when it was not the organization's.
    pub async fn remove_number(&self, number: &PhoneNumber) -> Result<bool, StoreError> {
        // Another removal may move the number within the list between our look and our write: look again.
        for _ in 0..3 {
            let Some(organization) = self.organization().await? else { return Ok(false) };
            let Some(place) = organization.phone_numbers.iter().position(|own| own == number) else {
                return Ok(false);
            };
            let release = Delete::builder()
                .table_name(self.store.core())
                .set_key(Some(keys::own_number(number).attributes()))
                .condition_expression("organization_id = :org")
                .expression_attribute_values(":org", s(self.organization_id.as_str()))
                .build()
                .map_err(|error| StoreError::Corrupt(Box::new(error)))?;
            let unlisted = Update::builder()
                .update_expression(format!("REMOVE phone_numbers[{place}]"))
                .condition_expression(format!("phone_numbers[{place}] = :number"))
                .expression_attribute_values(":number", s(number.as_str()));
            let release = TransactWriteItem::builder().delete(release).build();
            if self.store.all_or_nothing(vec![release, self.change(unlisted)?]).await? {
                return Ok(true);
            }
        }
        Err(StoreError::Conflict)
    }

    fn change(&self, update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
        let key = keys::organization(&self.organization_id).attributes();
        let update = update.table_name(self.store.core()).set_key(Some(key)).build();
        let update = update.map_err(|error| StoreError::Corrupt(Box::new(error)))?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}
