//! An external issuer's tokens: a key set and tokens made by PyJWT.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, crypto};
use proptest::prelude::*;
use serde_json::json;
use std::sync::OnceLock;

fn vectors() -> &'static Value {
    static VECTORS: OnceLock<Value> = OnceLock::new();
    VECTORS.get_or_init(|| serde_json::from_str(include_str!("verifier_tests.json")).unwrap())
}

fn verifier(audience_claim: AudienceClaim) -> Verifier {
    let jwks = Jwks::parse(vectors()["jwks"].to_string().as_bytes()).unwrap();
    let policy = Policy { issuer: "https://issuer.example".to_owned(), audience: "bundle".to_owned(), audience_claim };
    Verifier::new(Keys::Published(jwks), policy)
}

fn check(token: &str) -> Result<Value, TokenError> {
    verifier(AudienceClaim::Standard).verify(token, Timestamp::from_millis(1_795_183_200_000))
}

fn token(id: &str) -> &'static str {
    vectors()["tokens"][id].as_str().unwrap()
}

/// The claims of a good token under another header, signed with a published value as if it were a secret.
fn confused(header: &Value, secret: &[u8], algorithm: Algorithm) -> String {
    install_crypto();
    let claims = token("es-ok").split('.').nth(1).unwrap();
    let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header.to_string()));
    let key = EncodingKey::from_secret(secret);
    let signature = crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

#[test]
fn a_published_key_verifies_what_it_signed() {
    assert_eq!(check(token("es-ok")).unwrap()["sub"], "user-1");
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    for key in vectors()["jwks"]["keys"].as_array().unwrap() {
        let public = key.get("n").or(key.get("x")).unwrap().as_str().unwrap();
        let decoded = URL_SAFE_NO_PAD.decode(public).unwrap();
        for secret in [public.as_bytes(), &decoded, b""] {
            for (name, algorithm) in [("HS256", Algorithm::HS256), ("HS512", Algorithm::HS512)] {
                let token = confused(&json!({"alg": name, "kid": key["kid"]}), secret, algorithm);
                assert_eq!(check(&token), Err(TokenError::Invalid));
            }
        }
    }
}

#[test]
fn the_kid_is_required_and_decides_the_algorithm() {
    let (_, rest) = token("es-ok").split_once('.').unwrap();
    for (header, expected) in [
        (json!({"alg": "ES256"}), TokenError::Invalid),
        (json!({"alg": "ES256", "kid": "rsa-1"}), TokenError::Invalid),
        (json!({"alg": "RS256", "kid": "ec-1"}), TokenError::Invalid),
        (json!({"alg": "ES256", "kid": "unheard-of"}), TokenError::UnknownKey),
    ] {
        let token = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        assert_eq!(check(&token), Err(expected), "{header}");
    }
}

#[test]
fn an_access_token_of_cognito_passes_only_where_it_is_expected() {
    let now = Timestamp::from_millis(1_795_183_200_000);
    let cognito = verifier(AudienceClaim::CognitoAccess);
    assert!(cognito.verify::<Value>(token("cognito-access"), now).is_ok());
    assert_eq!(check(token("cognito-access")), Err(TokenError::Invalid));
    assert_eq!(cognito.verify::<Value>(token("es-ok"), now), Err(TokenError::Invalid));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_changed_byte_is_refused(at in any::<prop::sample::Index>(), flip in 1u8..=127) {
        let mut bytes = token("es-ok").as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= flip;
        prop_assert!(check(&String::from_utf8(bytes).unwrap()).is_err());
    }
}
