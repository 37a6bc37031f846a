//! Numbers that customers reach the organization by. A number belongs to one organization: it decides whose an incoming
//! message is.

use crate::State;
use crate::caller::{Admin, RemovedResponse};
use crate::organization;
use axum::Json;
use axum::extract::{Path, State as Shared};
use domain::phone::{InvalidPhone, PhoneNumber, Region};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use web::extract::Body;
use web::{ApiError, Code};

/// Characters of the shortest numbers of the world in E.164, which are Niue's.
const SHORTEST: usize = 8;

#[derive(Serialize)]
pub(crate) struct PhoneNumbersResponse {
    success: bool,
    phone_numbers: Vec<PhoneNumber>,
}

#[derive(Deserialize)]
pub(crate) struct AddPhoneNumberRequest {
    number: String,
}

#[derive(Serialize)]
pub(crate) struct AddPhoneNumberResponse {
    success: bool,
    number: PhoneNumber,
}

/// `GET /api/admin/phone-numbers`
pub(crate) async fn list(Shared(state): Shared<State>, admin: Admin) -> Result<Json<PhoneNumbersResponse>, ApiError> {
    let organization = organization::of(&admin.tenant(&state)).await?;
    Ok(Json(PhoneNumbersResponse { success: true, phone_numbers: organization.phone_numbers }))
}

/// `POST /api/admin/phone-numbers`: 409 when the number is anybody's already.
pub(crate) async fn add(
    Shared(state): Shared<State>,
    admin: Admin,
    Body(request): Body<AddPhoneNumberRequest>,
) -> Result<(StatusCode, Json<AddPhoneNumberResponse>), ApiError> {
    let tenant = admin.tenant(&state);
    let region = organization::of(&tenant).await?.region;
    let number = read(&request.number, region)?;
    if !tenant.add_number(&number).await? {
        return Err(ApiError::with(Code::Conflict, "This number is in use already"));
    }
    Ok((StatusCode::CREATED, Json(AddPhoneNumberResponse { success: true, number })))
}

/// `DELETE /api/admin/phone-numbers/{number}`
pub(crate) async fn remove(
    Shared(state): Shared<State>,
    admin: Admin,
    Path(number): Path<String>,
) -> Result<Json<RemovedResponse>, ApiError> {
    let tenant = admin.tenant(&state);
    let region = organization::of(&tenant).await?.region;
    if tenant.remove_number(&read(&number, region)?).await? {
        Ok(Json(RemovedResponse { success: true }))
    } else {
        Err(Code::NotFound.into())
    }
}

/// Reads a number typed by a person: E.164, national in the organization's region, or a short code. Other addresses
/// that providers know are nothing to type.
pub(crate) fn read(text: &str, region: Option<Region>) -> Result<PhoneNumber, ApiError> {
    let number = if is_short_code(text.trim()) {
        PhoneNumber::from_provider(text)
    } else {
        let is_whole = |number: &PhoneNumber| number.is_e164() && number.as_str().len() >= SHORTEST;
        PhoneNumber::from_url(text, region).and_then(|number| Some(number).filter(is_whole).ok_or(InvalidPhone))
    };
    number.map_err(|_| ApiError::invalid("Not a phone number; write it as +14155550100"))
}

/// Too short for a number of any region, which would otherwise be made of it.
fn is_short_code(text: &str) -> bool {
    (3..=6).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_in_many_forms_and_words_in_none() {
        let us = "US".parse().ok();
        for (text, region, expected) in [
            ("+14158675309", None, "+14158675309"),
            (" 14158675309", None, "+14158675309"),
            ("(415) 867-5309", us, "+14158675309"),
            ("22395", None, "22395"),
            ("22395", us, "22395"),
        ] {
            assert_eq!(read(text, region).unwrap().as_str(), expected);
        }
        for bad in ["", "anonymous", "client:alice", "sip:a@example.com", "+", "a#b"] {
            assert!(read(bad, us).is_err(), "{bad}");
        }
    }
}
