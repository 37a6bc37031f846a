use super::*;
use proptest::prelude::*;

const NOW: i64 = 1_795_190_400;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn secret() -> Secret {
    Secret::new("wsec_invented")
}

#[test]
fn the_vendors_vectors() {
    let file: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/vectors/elevenlabs_signature.json")).unwrap();
    for row in file["vectors"].as_array().unwrap() {
        let secrets = [Secret::new(row["secret"].as_str().unwrap())];
        let now = at(row["now"].as_i64().unwrap());
        let answer = verify(row["header"].as_str(), row["body"].as_str().unwrap().as_bytes(), &secrets, now);
        assert_eq!(answer.is_ok(), row["expected_valid"].as_bool().unwrap(), "{}: {answer:?}", row["id"]);
    }
}

#[test]
fn each_refusal_says_why() {
    let secrets = [secret()];
    let good = sign(b"{}", &secret(), at(NOW));
    let hash = good.split_once("v0=").unwrap().1;
    for (header, refusal) in [
        (None, Refusal::Missing),
        (Some(String::new()), Refusal::Missing),
        (Some(format!("t=x,v0={hash}")), Refusal::Malformed),
        (Some(format!("t=,v0={hash}")), Refusal::Malformed),
        (Some(format!("t=+{NOW},v0={hash}")), Refusal::Malformed),
        (Some(format!("t={NOW}")), Refusal::Malformed),
        (Some(format!("v0={hash}")), Refusal::Malformed),
        (Some(format!("t={NOW}, v0={hash}")), Refusal::Malformed),
        (Some(format!("t={NOW},t=1,v0={hash}")), Refusal::Malformed),
        (Some(sign(b"{}", &secret(), at(NOW - 1801))), Refusal::TooOld),
        (Some(sign(b"{}", &secret(), at(NOW + 301))), Refusal::FromTheFuture),
        (Some(sign(b"{ }", &secret(), at(NOW))), Refusal::Mismatch),
        (Some(sign(b"{}", &Secret::new("other"), at(NOW))), Refusal::Mismatch),
        (Some(format!("t={NOW},v0={}", hash.to_uppercase())), Refusal::Mismatch),
        (Some(format!("t={NOW},v0=")), Refusal::Mismatch),
    ] {
        assert_eq!(verify(header.as_deref(), b"{}", &secrets, at(NOW)), Err(refusal), "{header:?}");
    }
    for at_the_edge in [NOW - 1800, NOW + 300] {
        let header = sign(b"{}", &secret(), at(at_the_edge));
        assert_eq!(verify(Some(&header), b"{}", &secrets, at(NOW)), Ok(()));
    }
    let empty_key = sign(b"{}", &Secret::default(), at(NOW));
    assert_eq!(verify(Some(&empty_key), b"{}", &[Secret::default()], at(NOW)), Err(Refusal::NoSecrets));
    assert_eq!(verify(Some(&good), b"{}", &[], at(NOW)), Err(Refusal::NoSecrets));
}

#[test]
fn any_hash_and_any_secret_may_fit() {
    let header = sign(b"{}", &secret(), at(NOW));
    let secrets = [Secret::new("next"), Secret::default(), secret()];
    assert_eq!(verify(Some(&header), b"{}", &secrets, at(NOW)), Ok(()));
    let many = format!("v0=00,{header},v1=abc,v0=11,,x");
    assert_eq!(verify(Some(&many), b"{}", &secrets, at(NOW)), Ok(()));
}

#[test]
fn a_shared_secret_is_one_of_ours_or_none() {
    let secrets = [Secret::new("old"), Secret::new("new"), Secret::default()];
    assert!(shared_secret_matches(Some("old"), &secrets) && shared_secret_matches(Some("new"), &secrets));
    for given in [None, Some(""), Some("ol"), Some("old "), Some("OLD")] {
        assert!(!shared_secret_matches(given, &secrets), "{given:?}");
    }
    assert!(!shared_secret_matches(Some(""), &[]) && !shared_secret_matches(None, &[Secret::default()]));
}

proptest! {
    #[test]
    fn what_is_signed_verifies_and_any_change_does_not(
        body in proptest::collection::vec(any::<u8>(), 0..80), key in "\\PC{1,40}", age in -300i64..=1800, flip in any::<prop::sample::Index>()
    ) {
        let secrets = [Secret::new(key)];
        let header = sign(&body, &secrets[0], at(NOW - age));
        prop_assert_eq!(verify(Some(&header), &body, &secrets, at(NOW)), Ok(()));
        let mut other = body;
        other.push(0);
        let at_index = flip.index(other.len());
        other[at_index] ^= 1;
        prop_assert_eq!(verify(Some(&header), &other, &secrets, at(NOW)), Err(Refusal::Mismatch));
    }

    #[test]
    fn nothing_panics(header in "\\PC{0,60}", now in any::<i64>()) {
        prop_assert!(verify(Some(&header), b"", &[secret()], Timestamp::from_millis(now)).is_err());
        let dated = format!("t={header},v0={header}");
        prop_assert!(verify(Some(&dated), b"", &[secret()], Timestamp::from_millis(now)).is_err());
    }
}
