use super::*;
use crate::server_tests::{Server, Step, answer, chunk, end, head};
use proptest::prelude::*;

const PNG: &str = "\u{89}PNG\r\n\u{1a}\n";
const GIF: &str = "GIF89a...";

/// A fetcher that may ask this server, and waits no longer than a test likes to.
fn fetcher(server: &Server) -> ImageFetcher {
    let allowed = server.url.trim_start_matches("http://").to_owned();
    ImageFetcher { patience: Duration::from_millis(500), ..ImageFetcher::new([allowed]) }
}

async fn fetch(script: Vec<Step>) -> Result<Image, MediaError> {
    let server = Server::playing(vec![script]);
    fetcher(&server).fetch(&format!("{}/a.gif", server.url)).await
}

#[tokio::test]
async fn images_of_four_kinds_are_taken_for_what_they_are() {
    let png = [b"\x89PNG\r\n\x1a\n".as_slice(), &[0; 9]].concat();
    let jpeg = [b"\xff\xd8\xff\xe0".as_slice(), &[0; 9]].concat();
    let webp = b"RIFF\x01\x02\x03\x04WEBPVP8 ".to_vec();
    for (called, bytes, kind) in [
        ("image/png", png.clone(), ImageKind::Png),
        ("image/jpeg", jpeg.clone(), ImageKind::Jpeg),
        ("image/jpg", jpeg, ImageKind::Jpeg),
        ("image/gif", GIF.as_bytes().to_vec(), ImageKind::Gif),
        ("Image/WebP; charset=binary", webp, ImageKind::Webp),
        // A wrong name of the right sort is common, and harmless: models are told what it is.
        ("image/gif", png, ImageKind::Png),
    ] {
        let image = fetch(vec![head(200, called), chunk(&bytes), end()]).await.unwrap();
        assert_eq!((image.kind(), image.bytes()), (kind, bytes.as_slice()), "{called}");
    }
}

#[tokio::test]
async fn what_is_no_image_or_is_not_given_is_refused() {
    let redirect = "HTTP/1.1 302 x\r\nlocation: /elsewhere\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    let claims = format!("HTTP/1.1 200 x\r\ncontent-type: image/gif\r\ncontent-length: {}\r\n\r\n", MAX_IMAGE + 1);
    let page = vec![b'x'; 64 * 1024];
    let large: Vec<Step> = std::iter::repeat_n(chunk(&page), MAX_IMAGE / page.len() + 1).collect();
    for (script, expected) in [
        (vec![answer(200, "text/html", GIF)], MediaError::NotAnImage),
        (vec![answer(200, "image/svg+xml", "<svg/>")], MediaError::NotAnImage),
        (vec![answer(200, "", GIF)], MediaError::NotAnImage),
        (vec![answer(200, "image/png", "<html>")], MediaError::NotAnImage),
        (vec![answer(200, "image/png", PNG)], MediaError::NotAnImage),
        (vec![answer(200, "image/gif", "")], MediaError::NotAnImage),
        (vec![Step::Send(redirect.as_bytes().to_vec())], MediaError::Unreachable),
        (vec![answer(404, "image/gif", GIF)], MediaError::Unreachable),
        (vec![answer(206, "image/gif", GIF)], MediaError::Unreachable),
        (vec![], MediaError::Unreachable),
        (vec![head(200, "image/gif"), chunk(GIF)], MediaError::Unreachable),
        (vec![Step::Send(claims.into_bytes()), Step::Hold], MediaError::TooLarge),
        ([vec![head(200, "image/gif")], large, vec![Step::Hold]].concat(), MediaError::TooLarge),
        (vec![Step::Hold], MediaError::TimedOut),
        (vec![head(200, "image/gif"), chunk(GIF), Step::Hold], MediaError::TimedOut),
    ] {
        assert_eq!(fetch(script).await, Err(expected));
    }
}

#[tokio::test]
async fn the_largest_image_is_taken() {
    let mut bytes = vec![0; MAX_IMAGE];
    bytes[..6].copy_from_slice(b"GIF87a");
    let image = fetch(vec![head(200, "image/gif"), chunk(&bytes), end()]).await.unwrap();
    assert_eq!(image.bytes().len(), MAX_IMAGE);
}

#[tokio::test]
async fn addresses_that_lead_elsewhere_are_refused_however_they_are_written() {
    let fetcher = ImageFetcher::new([]);
    for url in [
        "https://127.0.0.1/x.png",
        "https://127.0.0.1./x.png",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.0x1/",
        "https://017700000001/",
        "https://0177.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://１２７.0.0.1/",
        "https://127。0。0。1/",
        "https://127.0.0.1:443/",
        "https:127.0.0.1",
        "https:\\\\127.0.0.1\\x",
        "HTTPS://0/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2852039166/latest/meta-data/",
        "https://0xa9fea9fe/",
        "https://0251.0376.0251.0376/",
        "https://[::1]/",
        "https://[::]/",
        "https://[0:0:0:0:0:0:0:1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:a9fe:a9fe]/",
        "https://[::127.0.0.1]/",
        "https://[64:ff9b::169.254.169.254]/",
        "https://[2002:a9fe:a9fe::]/",
        "https://[fd00:ec2::254]/",
        "https://[fe80::1]/",
        "https://localhost/",
        "https://LocalHost/",
    ] {
        assert_eq!(fetcher.fetch(url).await, Err(MediaError::NotPublic), "{url}");
    }
    // Not every system knows it so.
    let dotted = fetcher.fetch("https://localhost./").await;
    assert!(matches!(dotted, Err(MediaError::NotPublic | MediaError::Unreachable)), "{dotted:?}");
}

#[tokio::test]
async fn what_is_no_plain_https_address_is_refused() {
    let server = Server::playing(vec![]);
    let allowing = ImageFetcher::new([server.url.trim_start_matches("http://").to_owned()]);
    let long = format!("https://example.com/{}", "x".repeat(MAX_URL));
    for url in [
        "",
        "x.png",
        "/x.png",
        "//example.com/x.png",
        "https://",
        "https:///",
        "http://example.com/x.png",
        "http://8.8.8.8/x.png",
        "ftp://example.com/x.png",
        "file:///etc/passwd",
        "data:image/png;base64,iVBORw0KGgo=",
        "javascript:alert(1)",
        "https://example.com:22/x.png",
        "https://example.com:8443/x.png",
        "https://example.com:99999/x.png",
        "https://user@example.com/x.png",
        "https://user:password@example.com/x.png",
        "https://:password@example.com/x.png",
        "https://example.com@127.0.0.1/x.png",
        "https://[fe80::1%25eth0]/x.png",
        "https://[::1/x.png",
        "https://1.2.3.4.5/x.png",
        "https://256.1.1.1/x.png",
        "https://exa mple.com/x.png",
        "https://exa\0mple.com/x.png",
        &long,
        // The server that may be asked, but not so.
        &server.url.replace("http://", "http://user@"),
        &server.url.replace("127.0.0.1", "localhost"),
        &server.url.replace("http://", "ftp://"),
        &server.url.replace("127.0.0.1", "127.0.0.2"),
        &format!("{}0/x.png", server.url),
    ] {
        assert_eq!(allowing.fetch(url).await, Err(MediaError::Address), "{url:?}");
    }
}

/// Whatever the check before said: a name that leads home is not connected to.
#[tokio::test]
async fn the_resolver_itself_gives_no_private_address() {
    let server = Server::playing(vec![vec![answer(200, "image/gif", GIF)]]);
    let url = server.url.replace("127.0.0.1", "localhost");
    let error = PUBLIC_ONLY.get(&url).send().await.unwrap_err();
    assert_eq!(unreached(&error), MediaError::NotPublic);
    assert!(server.requests.try_recv().is_err());
    assert!(http::client().get(&url).send().await.is_ok(), "somebody is there");
    let nobody = PUBLIC_ONLY.get("https://nobody.invalid/").send().await.unwrap_err();
    assert_eq!(unreached(&nobody), MediaError::Unreachable);
}

proptest! {
    #[test]
    fn a_private_number_is_refused_in_every_form(
        network in prop_oneof![Just(10u32 << 24), Just(127 << 24), Just(0xa9fe_0000)], host in 0u32..0x1_0000, form in 0usize..5,
    ) {
        let number = network | host;
        let [a, b, c, d] = number.to_be_bytes();
        let host = [
            format!("{number}"),
            format!("{number:#x}"),
            format!("0{number:o}"),
            format!("0{a:o}.{b:#x}.{c}.0{d:o}"),
            format!("{a}.{}", number & 0x00ff_ffff),
        ][form].clone();
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        prop_assert_eq!(ImageFetcher::new([]).client(&url).err(), Some(MediaError::NotPublic), "{}", host);
    }
}
