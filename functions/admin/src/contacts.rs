//! The people an organization talks with: workers (A), leads (B).

use crate::State;
use crate::caller::{Keeper, Reader};
use crate::{organization, phone_numbers};
use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::contact::Contact;
use domain::ids::ContactId;
use domain::phone::PhoneNumber;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{ContactPage, NewContact, Tenant};
use web::extract::{Body, Query, short_text};
use web::{ApiError, Code, page};

const MAX_NAME: usize = 200;
const MAX_STATUS: usize = 100;

/// A contact under the names of all seeds.
#[derive(Debug, Serialize)]
pub(crate) struct ContactView {
    contact_id: ContactId,
    worker_id: ContactId,
    lead_id: ContactId,
    phone_number: PhoneNumber,
    mobile_no: PhoneNumber,
    name: Option<String>,
    lead_status: Option<String>,
    created_at: String,
}

#[derive(Serialize)]
pub(crate) struct ContactResponse {
    success: bool,
    contact: ContactView,
}

#[derive(Serialize)]
pub(crate) struct ContactsResponse {
    success: bool,
    contacts: Vec<ContactView>,
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ContactsQuery {
    phone_number: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(crate) struct AddContactRequest {
    #[serde(default)]
    id: Option<ContactId>,
    phone_number: String,
    #[serde(flatten)]
    about: About,
}

/// What is left out stays as it is.
#[derive(Default, Deserialize)]
pub(crate) struct About {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    lead_status: Option<String>,
}

/// `GET /api/admin/contacts`: newest first, or the one of a number.
pub(crate) async fn list(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    Query(query): Query<ContactsQuery>,
) -> Result<Json<ContactsResponse>, ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let found = match query.phone_number {
        Some(number) => {
            let contact = tenant.contact_by_phone(&read_number(&tenant, &number).await?).await?;
            ContactPage { contacts: contact.into_iter().collect(), next: None }
        }
        None => {
            let after = query.cursor.as_deref().map(page::decode).transpose()?;
            tenant.contacts(after.as_deref(), page::limit(query.limit)?).await?
        }
    };
    Ok(Json(ContactsResponse {
        success: true,
        contacts: found.contacts.into_iter().map(ContactView::from).collect(),
        next_cursor: found.next.as_deref().map(page::encode),
    }))
}

/// `POST /api/admin/contacts`: 409 when the id or the number has a contact.
pub(crate) async fn add(
    Shared(state): Shared<State>,
    Keeper(caller): Keeper,
    Body(request): Body<AddContactRequest>,
) -> Result<(StatusCode, Json<ContactResponse>), ApiError> {
    let tenant = state.store.tenant(&caller.organization_id);
    let phone = read_number(&tenant, &request.phone_number).await?;
    let About { name, lead_status } = request.about.checked()?;
    let made = tenant.add_contact(NewContact { id: request.id, phone, name, lead_status }).await?;
    let taken = || ApiError::with(Code::Conflict, "There is a contact of this id or number");
    Ok((StatusCode::CREATED, answer(made.ok_or_else(taken)?)))
}

/// `GET /api/admin/contacts/{contact_id}`
pub(crate) async fn get(
    Shared(state): Shared<State>,
    Reader(caller): Reader,
    Path(contact_id): Path<String>,
) -> Result<Json<ContactResponse>, ApiError> {
    let contact = state.store.tenant(&caller.organization_id).contact(&id(&contact_id)?).await?;
    contact.map(answer).ok_or_else(not_found)
}

/// `PATCH /api/admin/contacts/{contact_id}`: the name and the lead status.
pub(crate) async fn update(
    Shared(state): Shared<State>,
    Keeper(caller): Keeper,
    Path(contact_id): Path<String>,
    Body(request): Body<About>,
) -> Result<Json<ContactResponse>, ApiError> {
    let About { name, lead_status } = request.checked()?;
    let tenant = state.store.tenant(&caller.organization_id);
    let contact = tenant.update_contact(&id(&contact_id)?, name, lead_status).await?;
    contact.map(answer).ok_or_else(not_found)
}

fn answer(contact: Contact) -> Json<ContactResponse> {
    Json(ContactResponse { success: true, contact: contact.into() })
}

fn not_found() -> ApiError {
    ApiError::with(Code::NotFound, "Contact not found")
}

/// An impossible id is that of nobody.
fn id(text: &str) -> Result<ContactId, ApiError> {
    ContactId::parse(text).map_err(|_| not_found())
}

async fn read_number(tenant: &Tenant, text: &str) -> Result<PhoneNumber, ApiError> {
    phone_numbers::read(text, organization::of(tenant).await?.region)
}

impl About {
    fn checked(self) -> Result<Self, ApiError> {
        let check = |field, text: Option<String>, max| text.map(|text| short_text(field, &text, max)).transpose();
        Ok(Self {
            name: check("name", self.name, MAX_NAME)?,
            lead_status: check("lead_status", self.lead_status, MAX_STATUS)?,
        })
    }
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        Self {
            contact_id: contact.id.clone(),
            worker_id: contact.id.clone(),
            lead_id: contact.id,
            phone_number: contact.phone.clone(),
            mobile_no: contact.phone,
            // An empty text was written to take a name away.
            name: contact.name.filter(|name| !name.is_empty()),
            lead_status: contact.lead_status.filter(|status| !status.is_empty()),
            created_at: contact.created_at.iso(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::ids::OrganizationId;
    use domain::time::Timestamp;

    #[test]
    fn a_contact_has_the_names_of_all_seeds() {
        let contact = Contact {
            id: ContactId::parse("worker_14155550100").unwrap(),
            organization_id: OrganizationId::parse("acme").unwrap(),
            phone: PhoneNumber::from_provider("+14155550100").unwrap(),
            name: Some(String::new()),
            lead_status: Some("Returning Customer".to_owned()),
            created_at: Timestamp::from_millis(0),
        };
        let view = serde_json::to_value(ContactView::from(contact)).unwrap();
        assert_eq!(view["contact_id"], view["worker_id"]);
        assert_eq!(view["contact_id"], view["lead_id"]);
        assert_eq!(view["phone_number"], view["mobile_no"]);
        assert!(view["name"].is_null() && view.get("organization_id").is_none());
    }

    #[test]
    fn texts_have_limits() {
        let about = |name: String| About { name: Some(name), lead_status: None };
        assert!(about("x".repeat(MAX_NAME)).checked().is_ok());
        assert!(about("x".repeat(MAX_NAME + 1)).checked().is_err());
    }
}
