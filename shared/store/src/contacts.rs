//! Contacts: found or made by number, listed, named.

use crate::error::StoreError;
use crate::item::{from_item, n, s, to_item};
use crate::keys::{self, INDEX};
use crate::table::{cancellation, held, put_new};
use crate::{Tenant, now};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::contact::{Briefing, Contact};
use domain::context::KnownCaller;
use domain::ids::ContactId;
use domain::organization::Organization;
use domain::phone::PhoneNumber;

/// A contact to be made.
#[derive(Clone, Debug)]
pub struct NewContact {
    /// Their id, where the caller has one; else it is made from the number.
    pub id: Option<ContactId>,
    /// Their number.
    pub phone: PhoneNumber,
    /// Shown name.
    pub name: Option<String>,
    /// Where they stand as a lead.
    pub lead_status: Option<String>,
}

/// A page of contacts, newest first.
#[derive(Debug, Default)]
pub struct ContactPage {
    /// The contacts.
    pub contacts: Vec<Contact>,
    /// Where the next page goes on, when there may be more.
    pub next: Option<String>,
}

/// A contact by number: who it is, and what a call with them is told, in one record.
#[derive(serde::Serialize, serde::Deserialize)]
struct Pointer {
    contact_id: ContactId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lead_status: Option<String>,
    #[serde(default)]
    briefing: Briefing,
}

impl Tenant {
    /// A contact by id.
    pub async fn contact(&self, id: &ContactId) -> Result<Option<Contact>, StoreError> {
        let key = keys::contact(&self.organization_id, id);
        self.store.get(self.store.core(), &key).await?.map(from_item).transpose()
    }

    /// A contact by number.
    pub async fn contact_by_phone(&self, phone: &PhoneNumber) -> Result<Option<Contact>, StoreError> {
        let key = keys::contact_by_phone(&self.organization_id, phone);
        let Some(item) = self.store.get(self.store.core(), &key).await? else { return Ok(None) };
        self.contact(&from_item::<Pointer>(item)?.contact_id).await
    }

    /// The contact of a number, made if there is none.
    pub async fn contact_or_new(&self, phone: &PhoneNumber) -> Result<Contact, StoreError> {
        // Two first messages at once: the one that loses finds what the other made.
        for _ in 0..3 {
            if let Some(contact) = self.contact_by_phone(phone).await? {
                return Ok(contact);
            }
            let new = NewContact { id: None, phone: phone.clone(), name: None, lead_status: None };
            if let Some(contact) = self.add_contact(new).await? {
                return Ok(contact);
            }
        }
        Err(StoreError::Conflict)
    }

    /// Makes a contact. `None` when the id or the number is taken.
    pub async fn add_contact(&self, new: NewContact) -> Result<Option<Contact>, StoreError> {
        let made = ContactId::from_digits(&new.phone.digits());
        let id = match new.id {
            Some(id) => id,
            None => made.map_err(|error| StoreError::Corrupt(Box::new(error)))?,
        };
        let contact = Contact {
            id,
            organization_id: self.organization_id.clone(),
            phone: new.phone,
            name: new.name,
            lead_status: new.lead_status,
            created_at: now(),
        };
        let org = &self.organization_id;
        let pointer = Pointer {
            contact_id: contact.id.clone(),
            name: contact.name.clone(),
            lead_status: contact.lead_status.clone(),
            briefing: Briefing::default(),
        };
        let result = self
            .store
            .client
            .transact_write_items()
            .transact_items(put_new(self.store.core(), contact_item(org, &contact)?)?)
            .transact_items(put_new(
                self.store.core(),
                to_item(&keys::contact_by_phone(org, &contact.phone), "contact_pointer", &pointer)?,
            )?)
            .send()
            .await;
        match result {
            Ok(_) => Ok(Some(contact)),
            Err(error) if cancellation(&error).is_some() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Changes a contact's shown name and lead status. `None` when there is none of that id.
    pub async fn update_contact(
        &self,
        id: &ContactId,
        name: Option<String>,
        lead_status: Option<String>,
    ) -> Result<Option<Contact>, StoreError> {
        let Some(mut contact) = self.contact(id).await? else { return Ok(None) };
        contact.name = name.or(contact.name);
        contact.lead_status = lead_status.or(contact.lead_status);
        self.store
            .client
            .put_item()
            .table_name(self.store.core())
            .set_item(Some(contact_item(&self.organization_id, &contact)?))
            .send()
            .await?;
        self.rename_caller(&contact).await?;
        Ok(Some(contact))
    }

    async fn rename_caller(&self, contact: &Contact) -> Result<(), StoreError> {
        let text = |value: &Option<String>| value.as_ref().map_or(AttributeValue::Null(true), s);
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::contact_by_phone(&self.organization_id, &contact.phone).attributes()))
            .update_expression("SET #name = :name, lead_status = :status")
            .condition_expression("contact_id = :id")
            .expression_attribute_names("#name", "name")
            .expression_attribute_values(":name", text(&contact.name))
            .expression_attribute_values(":status", text(&contact.lead_status))
            .expression_attribute_values(":id", s(contact.id.as_str()))
            .send()
            .await;
        held(result).map(|_| ())
    }

    /// The organization, and what is known of whoever calls it, in one read (G44).
    pub async fn caller(
        &self,
        phone: Option<&PhoneNumber>,
    ) -> Result<(Option<Organization>, Option<(ContactId, KnownCaller)>), StoreError> {
        let own = keys::organization(&self.organization_id);
        let mut wanted = vec![own.attributes()];
        wanted.extend(phone.map(|phone| keys::contact_by_phone(&self.organization_id, phone).attributes()));
        let (mut organization, mut caller) = (None, None);
        for item in self.store.get_all(wanted).await? {
            if item.get("sk").and_then(|sk| sk.as_s().ok()) == Some(&own.sk) {
                organization = Some(from_item(item)?);
            } else {
                let Pointer { contact_id, name, lead_status, briefing } = from_item(item)?;
                caller = Some((contact_id, KnownCaller { name, lead_status, briefing }));
            }
        }
        Ok((organization, caller))
    }

    /// Replaces the briefing of a contact, unless theirs is of later events already.
    pub async fn put_briefing(&self, phone: &PhoneNumber, briefing: &Briefing) -> Result<(), StoreError> {
        let value = AttributeValue::M(serde_dynamo::to_item(briefing)?);
        let result = self
            .store
            .client
            .update_item()
            .table_name(self.store.core())
            .set_key(Some(keys::contact_by_phone(&self.organization_id, phone).attributes()))
            .update_expression("SET briefing = :briefing")
            .condition_expression("attribute_exists(pk) AND (attribute_not_exists(briefing) OR briefing.upto <= :upto)")
            .expression_attribute_values(":briefing", value)
            .expression_attribute_values(":upto", n(briefing.upto))
            .send()
            .await;
        held(result).map(|_| ())
    }

    /// Lists contacts, newest first. `after` is a page's `next`.
    pub async fn contacts(&self, after: Option<&str>, limit: usize) -> Result<ContactPage, StoreError> {
        #[derive(serde::Deserialize)]
        struct Entry {
            id: ContactId,
            gsi1sk: String,
        }
        let output = self
            .store
            .client
            .query()
            .table_name(self.store.core())
            .index_name(INDEX)
            .key_condition_expression("gsi1pk = :partition AND gsi1sk < :below")
            .expression_attribute_values(":partition", s(keys::contacts_index(&self.organization_id)))
            .expression_attribute_values(":below", s(after.unwrap_or("~")))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .send()
            .await?;
        let more = output.last_evaluated_key.is_some();
        let entries = output.items.unwrap_or_default().into_iter().map(from_item);
        let entries: Vec<Entry> = entries.collect::<Result<_, _>>()?;
        let keys = entries.iter().map(|entry| keys::contact(&self.organization_id, &entry.id).attributes());
        let found = self.store.get_all(keys.collect()).await?.into_iter().map(from_item);
        let mut contacts: Vec<Contact> = found.collect::<Result<_, _>>()?;
        let place = |contact: &Contact| entries.iter().position(|entry| entry.id == contact.id);
        contacts.sort_by_key(place);
        let next = entries.last().filter(|_| more).map(|entry| entry.gsi1sk.clone());
        Ok(ContactPage { contacts, next })
    }
}

fn contact_item(org: &domain::ids::OrganizationId, contact: &Contact) -> Result<crate::item::Item, StoreError> {
    let mut item = to_item(&keys::contact(org, &contact.id), "contact", contact)?;
    item.insert("gsi1pk".to_owned(), s(keys::contacts_index(org)));
    let sort = keys::index_sort(contact.created_at.millis(), contact.id.as_str());
    item.insert("gsi1sk".to_owned(), s(sort));
    Ok(item)
}
