//! The published keys of an external token issuer.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;

/// A key set that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// Not a JSON key set.
    #[error("not a JSON Web Key Set")]
    Json(#[source] serde_json::Error),
    /// No key that we could verify with.
    #[error("the key set holds no signature key with a kid and an algorithm that we accept")]
    NoUsableKey,
}

/// Public keys by their `kid`.
#[derive(Clone)]
pub struct Jwks(BTreeMap<String, PublicKey>);

/// A key with the one algorithm it is for, which its owner published beside it: a token's header has no say.
#[derive(Clone)]
pub(crate) struct PublicKey {
    pub(crate) algorithm: Algorithm,
    pub(crate) key: DecodingKey,
}

impl Jwks {
    /// Reads a key set. Keys of unknown kinds, encryption keys and secret keys in it are passed over.
    pub fn parse(json: &[u8]) -> Result<Self, JwksError> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<serde_json::Value>,
        }
        let set: KeySet = serde_json::from_slice(json).map_err(JwksError::Json)?;
        let mut keys = BTreeMap::new();
        for key in set.keys {
            if let Some((kid, key)) = usable(key) {
                keys.entry(kid).or_insert(key);
            }
        }
        if keys.is_empty() {
            return Err(JwksError::NoUsableKey);
        }
        Ok(Self(keys))
    }

    pub(crate) fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.0.get(kid)
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

fn usable(key: serde_json::Value) -> Option<(String, PublicKey)> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let common = &jwk.common;
    if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return None;
    }
    // A published symmetric key would let everybody sign; and RSA keys never verify anything but RSA.
    let algorithm = match (&jwk.algorithm, common.key_algorithm?) {
        (
            AlgorithmParameters::RSA(_),
            alg @ (KeyAlgorithm::RS256
            | KeyAlgorithm::RS384
            | KeyAlgorithm::RS512
            | KeyAlgorithm::PS256
            | KeyAlgorithm::PS384
            | KeyAlgorithm::PS512),
        )
        | (AlgorithmParameters::EllipticCurve(_), alg @ (KeyAlgorithm::ES256 | KeyAlgorithm::ES384))
        | (AlgorithmParameters::OctetKeyPair(_), alg @ KeyAlgorithm::EdDSA) => Algorithm::try_from(alg).ok()?,
        _ => return None,
    };
    let key = DecodingKey::from_jwk(&jwk).ok()?;
    Some((jwk.common.key_id?, PublicKey { algorithm, key }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_signature_keys_with_kid_and_algorithm_are_taken() {
        let json = br#"{"keys":[
            {"kty":"oct","k":"c2VjcmV0","kid":"oct","alg":"HS256"},
            {"kty":"oct","k":"c2VjcmV0","kid":"oct-as-rsa","alg":"RS256"},
            {"kty":"OKP","crv":"Ed25519","x":"Rl3EqDZyqdRtsaXZZvnMmc8WMwDWQl2XG7W05EyxrrU","kid":"ed","alg":"EdDSA"},
            {"kty":"OKP","crv":"Ed25519","x":"Rl3EqDZyqdRtsaXZZvnMmc8WMwDWQl2XG7W05EyxrrU","kid":"ed","alg":"HS256"},
            {"kty":"OKP","crv":"Ed25519","x":"Rl3EqDZyqdRtsaXZZvnMmc8WMwDWQl2XG7W05EyxrrU","kid":"ed-hs","alg":"HS256"},
            {"kty":"OKP","crv":"Ed25519","x":"Rl3EqDZyqdRtsaXZZvnMmc8WMwDWQl2XG7W05EyxrrU","alg":"EdDSA"},
            {"kty":"OKP","crv":"Ed25519","x":"Rl3EqDZyqdRtsaXZZvnMmc8WMwDWQl2XG7W05EyxrrU","kid":"no-alg"},
            {"kty":"RSA","n":"AQAB","e":"AQAB","kid":"enc","alg":"RS256","use":"enc"},
            {"kty":"new","kid":"unknown kind"}
        ]}"#;
        let jwks = Jwks::parse(json).unwrap();
        assert_eq!(format!("{jwks:?}"), r#"{"ed"}"#);
    }

    #[test]
    fn a_set_without_usable_keys_is_an_error() {
        assert!(matches!(Jwks::parse(br#"{"keys":[]}"#), Err(JwksError::NoUsableKey)));
        assert!(matches!(Jwks::parse(b"{}"), Err(JwksError::Json(_))));
        assert!(matches!(Jwks::parse(b""), Err(JwksError::Json(_))));
    }
}
