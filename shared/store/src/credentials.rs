//! Addresses that can sign in: one per person across all organizations, apart from the person's record so that
//! ordinary reads never carry a password hash.

use crate::Store;
use crate::error::StoreError;
use crate::item::{from_item, s, to_item};
use crate::keys::{self, Key};
use crate::table::{held, put_new};
use aws_sdk_dynamodb::types::builders::DeleteBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use domain::ids::{InvitationId, OrganizationId, UserId};
use domain::secret::Secret;
use domain::user::{Email, User};
use serde::{Deserialize, Serialize};

/// Where an address belongs, and the hash of its password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Credential {
    /// In which organization.
    pub organization_id: OrganizationId,
    /// Who.
    pub user_id: UserId,
    /// PHC string of the password.
    pub password_hash: Secret,
}

/// A person and what they sign in with.
#[derive(Clone, Debug)]
pub struct Account {
    /// The person.
    pub user: User,
    /// PHC string of the password.
    pub password_hash: Secret,
}

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewAccount<'a> {
    /// The person.
    pub user: &'a User,
    /// PHC string of the password.
    pub password_hash: &'a Secret,
    /// The account that has the address so far and never proved it: it ends. Its id must be another one.
    pub replaces: Option<&'a User>,
    /// The invitation that is used up, of the person's organization.
    pub invitation: Option<&'a InvitationId>,
}

impl Store {
    /// The account of an address.
    pub async fn account(&self, email: &Email) -> Result<Option<Account>, StoreError> {
        let Some(item) = self.get(self.core(), &keys::email(email)).await? else { return Ok(None) };
        let credential: Credential = from_item(item)?;
        let user = self.tenant(&credential.organization_id).user(&credential.user_id).await?;
        Ok(user.map(|user| Account { user, password_hash: credential.password_hash }))
    }

    /// Makes an account. False when the address has one.
    pub async fn add_account(&self, user: &User, password_hash: &Secret) -> Result<bool, StoreError> {
        self.create_account(NewAccount { user, password_hash, replaces: None, invitation: None }).await
    }

    /// Makes an account, in place of an unproved one and by an invitation where there are such: all of it or nothing.
    /// False when the address is taken, the replaced account was proved meanwhile, or the invitation is gone.
    pub async fn create_account(&self, new: NewAccount<'_>) -> Result<bool, StoreError> {
        let mut actions = self.account_actions(new.user, new.password_hash, new.replaces)?;
        if let Some(old) = new.replaces {
            let unproved = Delete::builder()
                .condition_expression("email_verified = :no")
                .expression_attribute_values(":no", AttributeValue::Bool(false));
            actions.push(self.delete(unproved, &keys::user(&old.organization_id, &old.id))?);
        }
        if let Some(invitation) = new.invitation {
            let open = Delete::builder().condition_expression("attribute_exists(pk)");
            actions.push(self.delete(open, &keys::invitation(&new.user.organization_id, invitation))?);
        }
        self.all_or_nothing(actions).await
    }

    /// The writes that make an account.
    pub(crate) fn account_actions(
        &self,
        user: &User,
        password_hash: &Secret,
        replaces: Option<&User>,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let credential = Credential {
            organization_id: user.organization_id.clone(),
            user_id: user.id.clone(),
            password_hash: password_hash.clone(),
        };
        let put = Put::builder().table_name(self.core()).set_item(Some(to_item(
            &keys::email(&user.email),
            "credential",
            &credential,
        )?));
        let put = match replaces {
            None => put.condition_expression("attribute_not_exists(pk)"),
            Some(old) => {
                put.condition_expression("user_id = :old").expression_attribute_values(":old", s(old.id.as_str()))
            }
        };
        let put = put.build().map_err(|error| StoreError::Corrupt(Box::new(error)))?;
        let key = keys::user(&user.organization_id, &user.id);
        Ok(vec![TransactWriteItem::builder().put(put).build(), put_new(self.core(), to_item(&key, "user", user)?)?])
    }

    fn delete(&self, delete: DeleteBuilder, key: &Key) -> Result<TransactWriteItem, StoreError> {
        let delete = delete.table_name(self.core()).set_key(Some(key.attributes())).build();
        let delete = delete.map_err(|error| StoreError::Corrupt(Box::new(error)))?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Notes that a person proved their address. False when the account was replaced meanwhile by another sign-up,
    /// whose password must not become valid by this proof.
    pub async fn mark_verified(&self, user: &User) -> Result<bool, StoreError> {
        let result = self
            .client
            .update_item()
            .table_name(self.core())
            .set_key(Some(keys::user(&user.organization_id, &user.id).attributes()))
            .update_expression("SET email_verified = :yes")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":yes", AttributeValue::Bool(true))
            .send()
            .await;
        held(result)
    }

    /// Replaces the hash of a password.
    pub async fn set_password(&self, email: &Email, password_hash: &Secret) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(self.core())
            .set_key(Some(keys::email(email).attributes()))
            .update_expression("SET password_hash = :hash")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":hash", s(password_hash.expose()))
            .send()
            .await?;
        Ok(())
    }
}
