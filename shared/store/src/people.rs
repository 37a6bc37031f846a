//! People of an organization, and invitations to become one.

use crate::Tenant;
use crate::error::StoreError;
use crate::item::{from_item, n, s, to_item};
use crate::keys;
use crate::table::update_action;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, Update};
use domain::ids::{InvitationId, UserId};
use domain::time::Timestamp;
use domain::user::{Email, Profile, Role, User};
use serde::{Deserialize, Serialize};

/// An invitation of an address into the organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invitation {
    /// Which.
    pub id: InvitationId,
    /// Whom.
    pub email: Email,
    /// As what.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// Second at which it ends.
    pub expires_at: i64,
    /// Digest of the secret in the mail.
    pub secret_digest: String,
}

/// What people change of themselves. `None` stays as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OwnChange {
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// What the model is told about them, all of it.
    pub profile: Option<Profile>,
}

impl OwnChange {
    /// The attributes that change.
    fn values(&self) -> Result<Vec<(&'static str, AttributeValue)>, StoreError> {
        let profile = self.profile.as_ref().map(serde_dynamo::to_attribute_value).transpose()?;
        let values = [
            ("first_name", self.first_name.as_ref().map(s)),
            ("last_name", self.last_name.as_ref().map(s)),
            ("profile", profile),
        ];
        Ok(values.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

impl Tenant {
    /// A person by id.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let key = keys::user(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// All people of the organization.
    pub async fn users(&self) -> Result<Vec<User>, StoreError> {
        let (pk, prefix) = keys::users(&self.organization_id);
        self.store.all(&pk, prefix).await
    }

    /// Replaces a person's record.
    pub async fn put_user(&self, user: &User) -> Result<(), StoreError> {
        let key = keys::user(&self.organization_id, &user.id);
        self.store.put(self.store.core(), to_item(&key, "user", user)?).await
    }

    /// Changes a person's role, activity, names and end of tokens, if these still are those of `before`. False when they
    /// are not, or when `witness` is no active admin (any more): naming another admin keeps two changes at once from
    /// leaving the organization without one.
    pub async fn change_user(&self, before: &User, after: &User, witness: Option<&UserId>) -> Result<bool, StoreError> {
        let update = Update::builder()
            .table_name(self.store.core())
            .set_key(Some(keys::user(&self.organization_id, &before.id).attributes()))
            .update_expression("SET #role = :role, #active = :active, #first = :first, #last = :last, #after = :after")
            .condition_expression(
                "#role = :old_role AND #active = :old_active AND #first = :old_first AND #last = :old_last \
                 AND #after = :old_after",
            );
        let update = values(update, before, "old_");
        let mut actions = vec![update_action(values(update, after, ""))?];
        if let Some(witness) = witness {
            let unchanged = Update::builder()
                .table_name(self.store.core())
                .set_key(Some(keys::user(&self.organization_id, witness).attributes()))
                .update_expression("SET #role = :admin")
                .condition_expression("#role = :admin AND #active = :yes")
                .expression_attribute_names("#role", "role")
                .expression_attribute_names("#active", "active")
                .expression_attribute_values(":admin", s(Role::Admin.as_str()))
                .expression_attribute_values(":yes", AttributeValue::Bool(true));
            actions.push(update_action(unchanged)?);
        }
        self.store.all_or_nothing(actions).await
    }

    /// Changes what people say of themselves, and nothing that somebody else changes of them meanwhile. The person as
    /// they are then; `None` when they may not sign in (any more).
    pub async fn change_own(&self, id: &UserId, change: &OwnChange) -> Result<Option<User>, StoreError> {
        let values = change.values()?;
        if values.is_empty() {
            return Ok(self.user(id).await?.filter(|user| user.active));
        }
        let set: Vec<String> = values.iter().map(|(name, _)| format!("#{name} = :{name}")).collect();
        let update = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::user(&self.organization_id, id).attributes()))
            .update_expression(format!("SET {}", set.join(", ")))
            .condition_expression("#active = :yes")
            .expression_attribute_names("#active", "active")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .return_values(ReturnValue::AllNew);
        let update = values.into_iter().fold(update, |update, (name, value)| {
            update
                .expression_attribute_names(format!("#{name}"), name)
                .expression_attribute_values(format!(":{name}"), value)
        });
        match update.send().await {
            Ok(output) => output.attributes.map(from_item).transpose(),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error.into()),
            },
        }
    }

    /// Refuses every token of a person that was issued before this second.
    pub async fn end_tokens(&self, id: &UserId, before: i64) -> Result<(), StoreError> {
        self.store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::user(&self.organization_id, id).attributes()))
            .update_expression("SET tokens_valid_after = :before")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":before", n(before))
            .send()
            .await?;
        Ok(())
    }

    /// Open invitations.
    pub async fn invitations(&self) -> Result<Vec<Invitation>, StoreError> {
        let (pk, prefix) = keys::invitations(&self.organization_id);
        self.store.all(&pk, prefix).await
    }

    /// An invitation by id.
    pub async fn invitation(&self, id: &InvitationId) -> Result<Option<Invitation>, StoreError> {
        let key = keys::invitation(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// Keeps an invitation until it ends.
    pub async fn put_invitation(&self, invitation: &Invitation) -> Result<(), StoreError> {
        let key = keys::invitation(&self.organization_id, &invitation.id);
        let mut item = to_item(&key, "invitation", invitation)?;
        item.insert("ttl".to_owned(), n(invitation.expires_at));
        self.store.put(self.store.core(), item).await
    }

    /// Withdraws or uses up an invitation: only one caller gets true.
    pub async fn remove_invitation(&self, id: &InvitationId) -> Result<bool, StoreError> {
        let output = self
            .store
            .client
            .delete_item()
            .table_name(self.store.core())
            .set_key(Some(keys::invitation(&self.organization_id, id).attributes()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await?;
        Ok(output.attributes.is_some())
    }
}

/// Names and values of what [`Tenant::change_user`] changes.
fn values(update: UpdateBuilder, user: &User, prefix: &str) -> UpdateBuilder {
    let fields = [
        ("role", "role", s(user.role.as_str())),
        ("active", "active", AttributeValue::Bool(user.active)),
        ("first", "first_name", s(&user.first_name)),
        ("last", "last_name", s(&user.last_name)),
        ("after", "tokens_valid_after", n(user.tokens_valid_after)),
    ];
    fields.into_iter().fold(update, |update, (short, name, value)| {
        update
            .expression_attribute_names(format!("#{short}"), name)
            .expression_attribute_values(format!(":{prefix}{short}"), value)
    })
}
