//! The mailbox as a page.

use super::Mail;

const HEAD: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Switchboard: local mail</title>\
<meta http-equiv=\"refresh\" content=\"5\"><meta name=\"viewport\" content=\"width=device-width\"><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}\
article{border:1px solid #ccc;border-radius:8px;padding:.5rem 1rem;margin:1rem 0}\
h2{font-size:1.1rem;margin:.2rem 0}pre{white-space:pre-wrap;font:inherit}small{color:#555}\
@media(prefers-color-scheme:dark){body{color:#eee;background:#111}small{color:#aaa}a{color:#8cf}}\
</style></head><body><h1>Local mail</h1><p>Nothing leaves this machine: mails of the functions end here.</p>";

pub(super) fn render(mails: &[Mail]) -> String {
    let mut page = HEAD.to_owned();
    if mails.is_empty() {
        page.push_str("<p>No mail yet.</p>");
    }
    for mail in mails {
        let Mail { at, from, to, subject, text, .. } = mail;
        let (from, to, subject) = (escape(from), escape(&to.join(", ")), escape(subject));
        let text = link(&escape(text));
        page.push_str("<article><h2>");
        page.push_str(&format!("{subject}</h2><small>{at}, from {from} to {to}</small><pre>{text}</pre></article>"));
    }
    page.push_str("</body></html>\n");
    page
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Makes web addresses of an escaped text clickable.
fn link(escaped: &str) -> String {
    let word = |word: &str| {
        let address = word.trim_end();
        if address.starts_with("http://") || address.starts_with("https://") {
            let rest = word.get(address.len()..).unwrap_or_default();
            format!("<a href=\"{address}\">{address}</a>{rest}")
        } else {
            word.to_owned()
        }
    };
    escaped.split_inclusive(char::is_whitespace).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_become_links_and_markup_stays_text() {
        let text = link(&escape("go to\nhttp://localhost:8000/?a=1&b=\"2\" now <b>"));
        assert_eq!(
            text,
            "go to\n<a href=\"http://localhost:8000/?a=1&amp;b=&quot;2&quot;\">http://localhost:8000/?a=1&amp;b=&quot;2&quot;</a> now &lt;b&gt;"
        );
    }
}
