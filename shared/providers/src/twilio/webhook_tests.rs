use super::*;
use proptest::prelude::*;

const SID: &str = "SM89abcdef0123456789abcdef01234567";
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

fn form(pairs: &[(&str, &str)]) -> Vec<u8> {
    let required = [("AccountSid", ACCOUNT), ("From", "+14017122661"), ("To", "+15558675310")];
    let mut body = form_urlencoded::Serializer::new(String::new());
    body.extend_pairs(required).extend_pairs(pairs);
    body.finish().into_bytes()
}

#[test]
fn a_message_keeps_its_text_and_media() {
    let mut pairs = vec![("MessageSid", SID), ("Body", "  Grüße 👋 "), ("NumMedia", "1000"), ("OptOutType", "STOP")];
    let names: Vec<(String, String)> =
        (0..12).map(|n| (format!("MediaUrl{n}"), format!("MediaContentType{n}"))).collect();
    for (url, content_type) in &names {
        pairs.push((url, "https://api.twilio.com/media"));
        pairs.push((content_type, "image/png"));
    }
    pairs.push(("FromCity", "SAN FRANCISCO"));
    pairs.push(("FromZip", ""));
    pairs.push(("NewFieldOfNextYear", "x"));
    let sms = IncomingSms::parse(&form(&pairs)).unwrap();
    assert_eq!(sms.body, "  Grüße 👋 ");
    assert_eq!(sms.media.len(), 10);
    assert_eq!(sms.from.as_str(), "+14017122661");
    assert_eq!(sms.opt_out_type, Some(OptOut::Stop));
    assert_eq!(sms.location.city.as_deref(), Some("SAN FRANCISCO"));
    assert_eq!(sms.location.zip, None);
    assert_eq!(sms.segments, 1);
    let shown = format!("{sms:?}");
    assert!(!shown.contains("Grüße") && !shown.contains("1401") && !shown.contains("api.twilio"), "{shown}");
}

#[test]
fn optional_fields_may_be_absent_and_older_names_are_read() {
    let sms = IncomingSms::parse(&form(&[("SmsSid", SID)])).unwrap();
    assert_eq!((sms.message_sid.as_str(), sms.body.as_str(), sms.media.len()), (SID, "", 0));
    assert_eq!((sms.messaging_service_sid, sms.opt_out_type, sms.profile_name), (None, None, None));
    let whatsapp = form(&[("MessageSid", SID), ("ProfileName", "Ada")]);
    assert_eq!(IncomingSms::parse(&whatsapp).unwrap().profile_name.as_deref(), Some("Ada"));
}

#[test]
fn required_fields_are_named() {
    assert_eq!(IncomingSms::parse(b""), Err(FormError::Missing("MessageSid")));
    assert_eq!(IncomingSms::parse(&form(&[])), Err(FormError::Missing("MessageSid")));
    let body = format!("MessageSid={SID}&AccountSid={ACCOUNT}&From=%2B14017122661");
    assert_eq!(IncomingSms::parse(body.as_bytes()), Err(FormError::Missing("To")));
    assert_eq!(IncomingSms::parse(&form(&[("MessageSid", "SM1#CONV")])), Err(FormError::Invalid("MessageSid")));
}

#[test]
fn a_status_has_twilios_names() {
    for (name, status, rank) in [
        ("queued", MessageStatus::Queued, 1),
        ("delivered", MessageStatus::Delivered, 4),
        ("partially_delivered", MessageStatus::PartiallyDelivered, 4),
        ("read", MessageStatus::Read, 5),
    ] {
        let update = StatusUpdate::parse(&form(&[("MessageSid", SID), ("MessageStatus", name)])).unwrap();
        assert_eq!((update.status, update.status.rank(), update.error_code), (status, rank, None));
    }
    let failed = form(&[("MessageSid", SID), ("SmsStatus", "failed"), ("ErrorCode", "30007")]);
    assert_eq!(StatusUpdate::parse(&failed).unwrap().error_code, Some(30007));
    let unknown = form(&[("MessageSid", SID), ("MessageStatus", "teleported")]);
    assert_eq!(StatusUpdate::parse(&unknown), Err(FormError::Invalid("MessageStatus")));
    let none = form(&[("MessageSid", SID)]);
    assert_eq!(StatusUpdate::parse(&none), Err(FormError::Missing("MessageStatus")));
}

proptest! {
    #[test]
    fn nothing_panics(body in proptest::collection::vec(any::<u8>(), 0..200), count in "\\PC{0,6}") {
        let _ = (IncomingSms::parse(&body), StatusUpdate::parse(&body));
        let sms = IncomingSms::parse(&form(&[("MessageSid", SID), ("NumMedia", &count), ("NumSegments", &count)]));
        prop_assert!(sms.unwrap().media.is_empty());
    }
}
