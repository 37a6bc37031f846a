use super::*;
use proptest::prelude::*;

const URL: &str = "https://hooks.example.com/api/webhooks/twilio/sms/incoming";
const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
const SHARED: &str = "key=webhooks_sharedkey_1, algorithm = hmac_sha256";

fn keys() -> SigningKeys {
    SigningKeys {
        auth_tokens: vec![Secret::new("new token"), Secret::new("12345")],
        shared_keys: [("webhooks_sharedkey_1".to_owned(), Secret::new("shared"))].into(),
    }
}

fn post<'a>(url: &'a str, body: &'a [u8], signature: &'a str) -> SignedRequest<'a> {
    SignedRequest { method: "POST", url, content_type: Some(FORM), body, signature: Some(signature), settings: None }
}

#[test]
fn the_published_example_verifies() {
    let body = b"CallSid=CA1234567890ABCDE&Digits=1234&From=%2B14158675309&To=%2B18005551212&Caller=%2B14158675309";
    let request = post("https://mycompany.com/myapp.php?foo=1&bar=2", body, "RSOYDt4T1cUTdK1PDd93/VVr8B8=");
    assert_eq!(verify(&request, &keys()), Ok(()));
    assert_eq!(verify(&SignedRequest { signature: None, ..request }, &keys()), Err(SignatureError::Missing));
    assert_eq!(verify(&SignedRequest { signature: Some(""), ..request }, &keys()), Err(SignatureError::Missing));
    assert_eq!(verify(&request, &SigningKeys::default()), Err(SignatureError::NoKeys));
    let blank = SigningKeys { auth_tokens: vec![Secret::default()], ..SigningKeys::default() };
    assert_eq!(verify(&request, &blank), Err(SignatureError::NoKeys));
}

#[test]
fn a_port_may_be_signed_or_not() {
    let key = Secret::new("12345");
    for (signed, seen) in [
        ("https://example.com/a?b=c", "https://example.com:8443/a?b=c"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com:80?a=/", "http://example.com?a=/"),
        ("https://[2001:db8::1]:443/a", "https://[2001:db8::1]/a"),
        ("https://[2001:db8::1]/a", "https://[2001:db8::1]:8443/a"),
        ("https://example.com/a@b:1", "https://user:p@ss@example.com:8443/a@b:1"),
        ("https://[::1]:8443/a", "https://user:pass@[::1]:8443/a"),
    ] {
        let signature = sign(signed, b"A=1", &key);
        assert_eq!(verify(&post(seen, b"A=1", &signature), &keys()), Ok(()), "{seen}");
    }
    for (signed, seen) in [
        ("https://example.com:8443/a", "https://example.com/a"),
        ("https://example.com:80/a", "https://example.com/a"),
        ("http://example.com/a", "https://example.com/a"),
        ("https://example.com/a/", "https://example.com/a"),
        ("https://example.com/a?b=%20", "https://example.com/a?b=+"),
        ("https://user:pass@example.com/a", "https://user:pass@example.com/a"),
        ("https://example.com/a#rc=2", "https://example.com/a#rc=2"),
        ("https://example.com/a", "https://example.com/a#rc=2"),
        ("example.com", "example.com"),
    ] {
        let signature = sign(signed, b"A=1", &key);
        assert_eq!(verify(&post(seen, b"A=1", &signature), &keys()), Err(SignatureError::Mismatch), "{seen}");
    }
}

#[test]
fn a_get_is_bound_by_its_url_alone() {
    let signature = sign("https://example.com/a?Body=hi", b"", &Secret::new("12345"));
    let get =
        SignedRequest { method: "GET", content_type: None, ..post("https://example.com/a?Body=hi", b"", &signature) };
    assert_eq!(verify(&get, &keys()), Ok(()));
    let other = SignedRequest { url: "https://example.com/a?Body=ho", ..get };
    assert_eq!(verify(&other, &keys()), Err(SignatureError::Mismatch));
    let with_body = SignedRequest { body: b"unsigned", ..get };
    assert_eq!(verify(&with_body, &keys()), Err(SignatureError::UnsupportedContentType));
}

#[test]
fn a_json_body_is_bound_by_its_hash() {
    let body = br#"{"a":1}"#;
    let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    let url = format!("{URL}?x=1&bodySHA256={hash}");
    let signature = sign(&url, b"", &Secret::new("12345"));
    let json = SignedRequest { content_type: Some("application/json"), ..post(&url, body, &signature) };
    assert_eq!(verify(&json, &keys()), Ok(()));
    let changed = SignedRequest { body: br#"{"a":2}"#, ..json };
    assert_eq!(verify(&changed, &keys()), Err(SignatureError::BodyHashMismatch));

    let upper = url.replace(hash, &hash.to_uppercase());
    let signature = sign(&upper, b"", &Secret::new("12345"));
    let request = SignedRequest { url: &upper, signature: Some(&signature), ..json };
    assert_eq!(verify(&request, &keys()), Err(SignatureError::BodyHashMismatch));

    for unbound in [URL.to_owned(), format!("{URL}?bodySHA256="), format!("{URL}?x=bodySHA256")] {
        let signature = sign(&unbound, b"", &Secret::new("12345"));
        let request = SignedRequest { url: &unbound, signature: Some(&signature), ..json };
        assert_eq!(verify(&request, &keys()), Err(SignatureError::MissingBodyHash));
    }
    for content_type in [None, Some("text/plain"), Some("multipart/form-data; boundary=x"), Some("application/jsonx")] {
        let request = SignedRequest { content_type, ..json };
        assert_eq!(verify(&request, &keys()), Err(SignatureError::UnsupportedContentType));
    }
}

#[test]
fn a_shared_key_is_that_key_or_nothing() {
    let parameters = form_parameters(b"A=1");
    let sha256 = signature(Algorithm::Sha256, &Secret::new("shared"), &[URL, &parameters]);
    let request = SignedRequest { settings: Some(SHARED), ..post(URL, b"A=1", &sha256) };
    assert_eq!(verify(&request, &keys()), Ok(()));

    let by_auth_token = signature(Algorithm::Sha256, &Secret::new("12345"), &[URL, &parameters]);
    let swapped = SignedRequest { signature: Some(&by_auth_token), ..request };
    assert_eq!(verify(&swapped, &keys()), Err(SignatureError::Mismatch));

    for (settings, expected) in [
        ("key=webhooks_sharedkey_1,algorithm=HMAC_SHA1", SignatureError::Mismatch),
        ("key=webhooks_sharedkey_2,algorithm=HMAC_SHA256", SignatureError::UnknownKey),
        ("key=webhooks_sharedkey_1,algorithm=HMAC_MD5", SignatureError::UnsupportedAlgorithm),
        ("algorithm=none", SignatureError::UnsupportedAlgorithm),
        ("key=webhooks_sharedkey_1,Algorithm=HMAC_SHA256", SignatureError::Mismatch),
        ("", SignatureError::Mismatch),
    ] {
        let request = SignedRequest { settings: Some(settings), ..request };
        assert_eq!(verify(&request, &keys()), Err(expected), "{settings}");
    }
}

fn encoded(pairs: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

proptest! {
    #[test]
    fn any_form_verifies_in_any_order_and_no_change_does(
        pairs in proptest::collection::vec(("[A-Za-z]{1,6}[0-9]?", "\\PC{0,12}"), 1..8),
        rotation in 0usize..8,
        at in any::<prop::sample::Index>(),
    ) {
        let key = Secret::new("12345");
        let signature = sign(URL, encoded(&pairs).as_bytes(), &key);
        let mut shuffled = pairs.clone();
        shuffled.rotate_left(rotation % pairs.len());
        let body = encoded(&shuffled);
        prop_assert_eq!(verify(&post(URL, body.as_bytes(), &signature), &keys()), Ok(()));

        let mut changed = pairs;
        let n = at.index(changed.len());
        changed[n].1.push('x');
        let body = encoded(&changed);
        let refused = verify(&post(URL, body.as_bytes(), &signature), &keys());
        prop_assert_eq!(refused, Err(SignatureError::Mismatch));
    }

    #[test]
    fn any_changed_byte_of_signature_or_url_is_refused(
        in_signature in any::<prop::sample::Index>(), in_url in any::<prop::sample::Index>(), flip in 1u8..=127,
    ) {
        let signature = sign(URL, b"A=1", &Secret::new("12345"));
        let tampered = |text: &str, at: usize| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= flip;
            String::from_utf8(bytes).unwrap()
        };
        let other = tampered(&signature, in_signature.index(signature.len()));
        prop_assert_eq!(verify(&post(URL, b"A=1", &other), &keys()), Err(SignatureError::Mismatch));
        let other = tampered(URL, in_url.index(URL.len()));
        prop_assert!(verify(&post(&other, b"A=1", &signature), &keys()).is_err());
    }

    #[test]
    fn nothing_panics(url in "\\PC{0,60}", body in proptest::collection::vec(any::<u8>(), 0..60), text in "\\PC{0,30}") {
        for content_type in [None, Some(FORM), Some("application/json"), Some(text.as_str())] {
            let request = SignedRequest { content_type, settings: Some(&text), ..post(&url, &body, &text) };
            prop_assert!(verify(&request, &keys()).is_err());
        }
    }
}
