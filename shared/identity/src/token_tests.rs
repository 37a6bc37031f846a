use super::*;
use crate::verifier::{Keys, Verifier};
use jsonwebtoken::crypto;
use proptest::prelude::*;
use serde_json::{Value, json};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_759_472_884;

fn now() -> Timestamp {
    Timestamp::from_millis(NOW * 1000 + 999)
}

fn later(seconds: i64) -> Timestamp {
    now().plus_seconds(seconds)
}

fn keyring(secret: &str, previous: &[&str]) -> Keyring {
    let previous: Vec<Secret> = previous.iter().map(|text| Secret::new(*text)).collect();
    Keyring::new(&Secret::new(secret), &previous).unwrap()
}

fn subject(role: Role) -> Subject {
    Subject {
        user_id: UserId::parse("user-1").unwrap(),
        organization_id: OrganizationId::parse("acme").unwrap(),
        role,
        permissions: role.permissions(),
        name: Some("Ada".to_owned()),
    }
}

/// A token with any header and claims, signed with HS256 all the same.
fn signed(header: &Value, claims: &Value, secret: &str) -> String {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    verifier::install_crypto();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

fn claims_with(change: &Value) -> Value {
    let issued = issue(&keyring(SECRET, &[]), &subject(Role::User), now(), 60).unwrap();
    let mut claims = serde_json::to_value(issued.claims).unwrap();
    for (name, value) in change.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

fn check(claims: &Value) -> Result<Claims, TokenError> {
    verify(&keyring(SECRET, &[]), &signed(&json!({"alg": "HS256"}), claims, SECRET), now())
}

#[test]
fn an_issued_token_says_what_the_contract_asks() {
    let keys = keyring(SECRET, &[]);
    let issued = issue(&keys, &subject(Role::Agent), now(), 3600).unwrap();
    let claims = verify(&keys, issued.token.expose(), now()).unwrap();
    assert_eq!(claims, issued.claims);
    let wire = serde_json::to_value(&claims).unwrap();
    for (name, value) in [
        ("sub", json!("user-1")),
        ("user_id", json!("user-1")),
        ("admin_id", json!("user-1")),
        ("organization_id", json!("acme")),
        ("company_id", json!("acme")),
        ("roles", json!(["agent"])),
        ("iss", json!("switchboard")),
        ("aud", json!("switchboard")),
        ("iat", json!(NOW)),
        ("exp", json!(NOW + 3600)),
    ] {
        assert_eq!(wire[name], value, "{name}");
    }
    assert!(wire.get("email").is_none());
    let principal = claims.principal().unwrap();
    assert_eq!((principal.role, principal.expires_at), (Role::Agent, NOW + 3600));
    assert_eq!(principal.permissions, Role::Agent.permissions());
    assert!(!format!("{issued:?}").contains(issued.token.expose()));
}

#[test]
fn only_staff_have_an_admin_id() {
    for (role, staff) in [(Role::Admin, true), (Role::Agent, true), (Role::User, false), (Role::Service, false)] {
        let issued = issue(&keyring(SECRET, &[]), &subject(role), now(), 60).unwrap();
        assert_eq!(issued.claims.admin_id.is_some(), staff);
    }
}

#[test]
fn tokens_end() {
    let keys = keyring(SECRET, &[]);
    let token = issue(&keys, &subject(Role::User), now(), 60).unwrap().token;
    assert!(verify(&keys, token.expose(), later(65)).is_ok());
    assert_eq!(verify(&keys, token.expose(), later(66)), Err(TokenError::Expired));
}

#[test]
fn secrets_rotate_with_and_without_a_kid() {
    let (old, new) = ("old secret old secret old secret old", "new secret new secret new secret new");
    let token = issue(&keyring(old, &[]), &subject(Role::User), now(), 60).unwrap().token;
    assert!(verify(&keyring(new, &[old]), token.expose(), now()).is_ok());
    assert_eq!(verify(&keyring(new, &[]), token.expose(), now()), Err(TokenError::Invalid));
    for header in [json!({"alg": "HS256"}), json!({"alg": "HS256", "kid": "whatever"})] {
        let token = signed(&header, &claims_with(&json!({})), old);
        assert!(verify(&keyring(new, &[old]), &token, now()).is_ok());
    }
    assert_eq!(keyring(new, &[old]).current.kid().len(), 16);
}

#[test]
fn weak_secrets_are_refused_at_start() {
    for weak in ["", "short", "0123456789abcdef0123456789abcde"] {
        assert_eq!(SigningKey::new(&Secret::new(weak)).err(), Some(WeakSecret));
        assert!(Keyring::new(&Secret::new(SECRET), &[Secret::new(weak)]).is_err());
    }
}

#[test]
fn other_algorithms_and_extensions_are_refused() {
    let claims = claims_with(&json!({}));
    assert!(check(&claims).is_ok());
    for header in [
        json!({"alg": "none"}),
        json!({"alg": "nOnE"}),
        json!({"alg": "HS512"}),
        json!({"alg": "RS256"}),
        json!({"alg": "HS256", "crit": ["exp"]}),
        json!({"alg": "HS256", "crit": []}),
        json!({"typ": "JWT"}),
    ] {
        let token = signed(&header, &claims, SECRET);
        let unsigned = format!("{}.", token.rsplit_once('.').unwrap().0);
        for token in [token, unsigned] {
            assert_eq!(verify(&keyring(SECRET, &[]), &token, now()), Err(TokenError::Invalid), "{header}");
        }
    }
}

#[test]
fn claims_are_checked_strictly() {
    for change in [
        json!({"aud": ["x", "switchboard"]}),
        json!({"exp": NOW as f64 + 10.5}),
        json!({"nbf": NOW + 5}),
        json!({"unknown": {}}),
    ] {
        let claims = claims_with(&change);
        let token = signed(&json!({"alg": "HS256"}), &claims, SECRET);
        let verifier = Verifier::new(
            Keys::Shared(keyring(SECRET, &[])),
            Policy {
                issuer: ISSUER.to_owned(),
                audience: AUDIENCE.to_owned(),
                audience_claim: AudienceClaim::Standard,
            },
        );
        assert_eq!(verifier.verify::<Value>(&token, now()), Ok(claims), "{change}");
    }
    for (change, expected) in [
        (json!({"exp": NOW - 6}), TokenError::Expired),
        (json!({"nbf": NOW + 6}), TokenError::NotYetValid),
        (json!({"nbf": "soon"}), TokenError::Invalid),
        (json!({"nbf": null}), TokenError::Invalid),
        (json!({"exp": null}), TokenError::Invalid),
        (json!({"exp": "4102444800"}), TokenError::Invalid),
        (json!({"exp": -1}), TokenError::Invalid),
        (json!({"exp": 1e300}), TokenError::Invalid),
        (json!({"aud": 1}), TokenError::Invalid),
        (json!({"aud": null}), TokenError::Invalid),
        (json!({"aud": []}), TokenError::Invalid),
        (json!({"aud": ["switchboard", 1]}), TokenError::Invalid),
        (json!({"aud": "other"}), TokenError::Invalid),
        (json!({"iss": null}), TokenError::Invalid),
        (json!({"iss": ["switchboard"]}), TokenError::Invalid),
        (json!({"iss": "other"}), TokenError::Invalid),
        (json!({"sub": null}), TokenError::Invalid),
        (json!({"sub": ""}), TokenError::Invalid),
        (json!({"sub": 1}), TokenError::Invalid),
        (json!({"organization_id": null}), TokenError::Invalid),
        (json!({"organization_id": "a#b"}), TokenError::Invalid),
    ] {
        assert_eq!(check(&claims_with(&change)), Err(expected), "{change}");
    }
}

#[test]
fn unknown_roles_and_permissions_give_nothing() {
    let claims = check(&claims_with(&json!({"roles": ["emperor"]}))).unwrap();
    assert_eq!(claims.principal(), Err(TokenError::Invalid));
    let claims = check(&claims_with(&json!({"permissions": ["all", "usage:read"]}))).unwrap();
    assert_eq!(claims.principal().unwrap().permissions, [Permission::UsageRead].into());
}

#[test]
fn other_texts_are_no_tokens() {
    let keys = keyring(SECRET, &[]);
    let token = issue(&keys, &subject(Role::User), now(), 60).unwrap().token;
    let token = token.expose();
    let long = "a".repeat(1 << 20);
    for text in ["", ".", "..", "a.b.c", &long, &format!("{token}."), &format!("{token} "), &format!("{token}=")] {
        assert_eq!(verify(&keys, text, now()), Err(TokenError::Invalid));
    }
}

proptest! {
    #[test]
    fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=127) {
        let keys = keyring(SECRET, &[]);
        let token = issue(&keys, &subject(Role::User), now(), 60).unwrap().token;
        let mut bytes = token.expose().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        let tampered = String::from_utf8(bytes).unwrap();
        prop_assert_eq!(verify(&keys, &tampered, now()), Err(TokenError::Invalid));
    }

    #[test]
    fn nothing_panics(text in "\\PC{0,80}") {
        prop_assert!(verify(&keyring(SECRET, &[]), &text, now()).is_err());
    }
}
