use super::*;
use crate::server_tests::{Server, Step, answer as answering};
use domain::secret::Secret;

const SENT: &str = r#"{"sid":"SM1","status":"queued","from":"+15558675310","to":"+14017122661","num_segments":"1"}"#;

fn account() -> TwilioAccount {
    TwilioAccount { account_sid: "AC1".to_owned(), auth_token: Secret::new("a token") }
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::from_provider(text).unwrap()
}

async fn send(url: &str) -> Result<SentSms, SendError> {
    let mut client = TwilioClient::new(http::client(), format!("{url}/"));
    client.timeout = Duration::from_millis(300);
    let (from, to) = (number("+15558675310"), number("+14017122661"));
    let callback = Some("https://example.com/status?a=b");
    let sms = OutgoingSms { from: &from, to: &to, body: "Grüße & 1+1=2 👋", status_callback: callback };
    client.send(&account(), &sms).await
}

async fn find(url: &str, since: &str) -> Result<Vec<SentSms>, ProviderError> {
    let (from, to) = (number("+15558675310"), number("+14017122661"));
    let sms = OutgoingSms { from: &from, to: &to, body: "Hello", status_callback: None };
    let since: jiff::Timestamp = since.parse().unwrap();
    let since = Timestamp::from_millis(since.as_millisecond());
    TwilioClient::new(http::client(), url).find(&account(), &sms, since).await
}

#[tokio::test]
async fn a_message_is_a_form_with_the_accounts_credentials() {
    let server = Server::answering(&[(201, SENT)]);
    let sent = send(&server.url).await.unwrap();
    assert_eq!(sent, SentSms { sid: "SM1".to_owned(), status: MessageStatus::Queued });
    let request = server.request();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /2010-04-01/Accounts/AC1/Messages.json HTTP/1.1"), "{head}");
    assert!(head.contains("authorization: Basic QUMxOmEgdG9rZW4="), "{head}");
    assert!(head.contains("user-agent: switchboard/"), "{head}");
    let form: Vec<_> = form_urlencoded::parse(body.as_bytes()).collect();
    let expected = [
        ("From", "+15558675310"),
        ("To", "+14017122661"),
        ("Body", "Grüße & 1+1=2 👋"),
        ("StatusCallback", "https://example.com/status?a=b"),
    ];
    assert!(form.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).eq(expected), "{form:?}");
}

#[tokio::test]
async fn a_state_of_next_year_is_taken() {
    let server = Server::answering(&[(200, r#"{"sid":"SM1","status":"pondering"}"#)]);
    assert_eq!(send(&server.url).await.unwrap().status, MessageStatus::Accepted);
}

#[tokio::test]
async fn what_twilio_never_takes_is_refused() {
    for (status, body, expected) in [
        (400, r#"{"code":21211,"message":"The 'To' number +14017122661 is not valid","status":400}"#, Some(21211)),
        (
            400,
            r#"{"type":"https://www.twilio.com/docs/api/errors/20001","title":"Invalid parameter","status":400,"code":20001,"detail":"x","errors":[]}"#,
            Some(20001),
        ),
        (404, r#"{"code":"20404"}"#, Some(20404)),
        (413, "<html>too large</html>", None),
    ] {
        let server = Server::answering(&[(status, body)]);
        let error = send(&server.url).await.unwrap_err();
        assert!(matches!(error, SendError::Refused { code } if code == expected), "{status}: {error:?}");
    }
    let server = Server::answering(&[(
        400,
        r#"{"code":21610,"message":"Attempt to send to unsubscribed recipient","status":400}"#,
    )]);
    assert!(matches!(send(&server.url).await, Err(SendError::OptedOut)));
}

#[tokio::test]
async fn what_was_surely_not_sent_may_be_tried_again() {
    for (status, body, kind) in [
        (429, r#"{"code":20429,"message":"Too Many Requests","status":429}"#, ErrorKind::Throttled),
        (429, "slow down", ErrorKind::Throttled),
        (401, r#"{"code":20003,"message":"Authenticate","status":401}"#, ErrorKind::Forbidden),
        (403, "", ErrorKind::Forbidden),
        (503, r#"{"code":20503,"message":"Service unavailable","status":503}"#, ErrorKind::Unavailable),
    ] {
        let server = Server::answering(&[(status, body)]);
        let error = send(&server.url).await.unwrap_err();
        assert!(matches!(&error, SendError::NotSent(cause) if cause.kind == kind), "{status}: {error:?}");
    }
    let error = send(&Server::nobody()).await.unwrap_err();
    assert!(matches!(&error, SendError::NotSent(cause) if cause.kind == ErrorKind::Unavailable), "{error:?}");
    let mut typo = account();
    typo.account_sid = "AC1/../AC2".to_owned();
    let (from, to) = (number("+15558675310"), number("+14017122661"));
    let sms = OutgoingSms { from: &from, to: &to, body: "Hello", status_callback: None };
    let error = TwilioClient::new(http::client(), Server::nobody()).send(&typo, &sms).await.unwrap_err();
    assert!(matches!(&error, SendError::NotSent(cause) if cause.kind == ErrorKind::Forbidden), "{error:?}");
}

#[tokio::test]
async fn what_may_have_been_sent_is_unknown() {
    let cut = b"HTTP/1.1 201 x\r\ncontent-length: 500\r\n\r\n{\"sid\":\"SM1\",".to_vec();
    for (script, kind) in [
        (vec![Step::Hold], ErrorKind::TimedOut),
        (vec![], ErrorKind::Unavailable),
        (vec![Step::Send(cut.clone())], ErrorKind::Unavailable),
        (vec![Step::Send(cut), Step::Hold], ErrorKind::TimedOut),
        (vec![answering(500, "application/json", r#"{"code":20500,"status":500}"#)], ErrorKind::Unavailable),
        (vec![answering(503, "text/html", "<html>")], ErrorKind::Unavailable),
        (vec![answering(504, "text/html", "<html>")], ErrorKind::TimedOut),
        (vec![answering(408, "text/html", "<html>")], ErrorKind::TimedOut),
        (vec![answering(201, "text/html", "<html>")], ErrorKind::Unavailable),
        (vec![answering(201, "application/json", "{}")], ErrorKind::Unavailable),
        (vec![answering(201, "application/json", r#"{"sid":"SM1#CONV"}"#)], ErrorKind::Unavailable),
        (vec![answering(302, "text/html", "")], ErrorKind::Rejected),
    ] {
        let server = Server::playing(vec![script]);
        let error = send(&server.url).await.unwrap_err();
        assert!(matches!(&error, SendError::Unknown(cause) if cause.kind == kind), "{kind:?}: {error:?}");
        let shown = format!("{error:?} {error}");
        assert!(!shown.contains("127.0.0.1") && !shown.contains("1401") && !shown.contains("token"), "{shown}");
    }
}

fn listed(sid: &str, date: &str, body: &str) -> String {
    format!(
        r#"{{"sid":"{sid}","status":"sent","from":"+15558675310","to":"+14017122661","body":"{body}","date_created":"{date}","num_media":"0"}}"#
    )
}

#[tokio::test]
async fn messages_are_found_by_their_exact_text_over_pages() {
    let first = [
        listed("SM5", "Fri, 20 Nov 2026 14:00:09 +0000", "Hello"),
        listed("SM4", "Fri, 20 Nov 2026 14:00:08 +0000", "Hello "),
        listed("SM3", "", "Hello").replace("+14017122661", "+14017122662"),
    ];
    let second = [
        listed("SM2", "Fri, 20 Nov 2026 13:59:58 +0000", "Hello"),
        listed("SM1", "Fri, 20 Nov 2026 13:59:57 +0000", "Hello"),
    ];
    let next = "/2010-04-01/Accounts/AC1/Messages.json?PageToken=x%2By";
    let server = Server::answering(&[
        (200, &format!(r#"{{"messages":[{}],"next_page_uri":"{next}"}}"#, first.join(","))),
        (200, &format!(r#"{{"messages":[{}],"next_page_uri":null}}"#, second.join(","))),
    ]);
    let found = find(&server.url, "2026-11-20T14:00:00.900Z").await.unwrap();
    assert_eq!(found.iter().map(|sms| sms.sid.as_str()).collect::<Vec<_>>(), ["SM2", "SM5"]);
    assert_eq!(found[0].status, MessageStatus::Sent);
    let request = server.request();
    assert!(
        request.starts_with(
            "GET /2010-04-01/Accounts/AC1/Messages.json?From=%2B15558675310&To=%2B14017122661&PageSize=100 "
        ),
        "{request}"
    );
    let request = server.request();
    assert!(request.starts_with(&format!("GET {next} ")) && request.contains("authorization: Basic "), "{request}");
}

#[tokio::test]
async fn a_search_ends_at_older_messages_foreign_pages_and_five_pages() {
    let page = |date: &str, next: &str| {
        format!(r#"{{"messages":[{}],"next_page_uri":"{next}"}}"#, listed("SM1", date, "Hello"))
    };
    let next = "/2010-04-01/Accounts/AC1/Messages.json?Page=1";
    for (page, pages) in [
        (page("Thu, 19 Nov 2026 14:00:00 +0000", next), 1),
        (page("Fri, 20 Nov 2026 14:00:00 +0000", "https://example.com/"), 1),
        (page("Fri, 20 Nov 2026 14:00:00 +0000", "@example.com/"), 1),
        (page("Fri, 20 Nov 2026 14:00:00 +0000", next), 5),
        (page("no date", next), 5),
    ] {
        let server = Server::answering(&[(200, page.as_str()); 6]);
        find(&server.url, "2026-11-20T14:00:00Z").await.unwrap();
        assert_eq!(server.requests.try_iter().count(), pages, "{page}");
    }
}

#[tokio::test]
async fn a_search_that_fails_never_says_that_nothing_was_sent() {
    for (status, body, kind) in [
        (200, "{}", ErrorKind::Unavailable),
        (200, "<html>", ErrorKind::Unavailable),
        (200, r#"{"messages":null}"#, ErrorKind::Unavailable),
        (401, r#"{"code":20003}"#, ErrorKind::Forbidden),
        (429, "", ErrorKind::Throttled),
        (500, "", ErrorKind::Unavailable),
        (404, "", ErrorKind::Rejected),
    ] {
        let server = Server::answering(&[(status, body)]);
        assert_eq!(find(&server.url, "2026-11-20T14:00:00Z").await.unwrap_err().kind, kind, "{status} {body}");
    }
    let page = format!(r#"{{"messages":[],"next_page_uri":"/2010-04-01/Accounts/AC1/Messages.json?{}"}}"#, "Page=1");
    let server = Server::answering(&[(200, &page), (500, "")]);
    assert!(find(&server.url, "2026-11-20T14:00:00Z").await.is_err());
}
