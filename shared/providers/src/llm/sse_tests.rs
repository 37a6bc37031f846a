use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

fn read(pieces: &[&[u8]]) -> (Vec<SseEvent>, SseParser) {
    let mut parser = SseParser::new();
    let events = pieces.iter().flat_map(|piece| parser.push(piece).unwrap()).collect();
    (events, parser)
}

fn vectors() -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../../../../tests/vectors/sse_parse.json")).unwrap();
    file["vectors"].as_array().unwrap().clone()
}

fn bytes(row: &Value) -> Vec<u8> {
    STANDARD.decode(row["bytes_base64"].as_str().unwrap()).unwrap()
}

fn expected(row: &Value) -> Vec<SseEvent> {
    let text = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    let event = |e: &Value| SseEvent { kind: text(e, "type"), data: text(e, "data"), id: text(e, "lastEventId") };
    row["expected_events"].as_array().unwrap().iter().map(event).collect()
}

#[test]
fn the_standards_examples_in_every_cut() {
    for row in vectors() {
        let (bytes, expected) = (bytes(&row), expected(&row));
        for size in 1..=bytes.len() {
            let (events, parser) = read(&bytes.chunks(size).collect::<Vec<_>>());
            assert_eq!(events, expected, "{} in pieces of {size}", row["id"]);
            assert_eq!(parser.retry(), row["expected_retry"].as_u64(), "{}", row["id"]);
        }
    }
}

#[test]
fn line_ends_may_be_of_any_kind_and_cut() {
    let (events, _) = read(&[b"data: a\r", b"", b"\ndata: b\r\n\r", b"\n", b"data: c\n\r", b"data: d\r\r\n"]);
    let data: Vec<_> = events.iter().map(|event| event.data.as_str()).collect();
    assert_eq!(data, ["a\nb", "c", "d"]);
}

#[test]
fn what_is_not_utf8_spoils_only_itself() {
    let (events, _) = read(&[b"data: a\xffb\n\ndata: \xf0\x9f", b"\x91\x8b\n\n"]);
    assert_eq!(events[0].data, "a\u{fffd}b");
    assert_eq!(events[1].data, "👋");
}

#[test]
fn a_stream_that_stops_inside_an_event_is_told() {
    for (bytes, inside) in
        [("", false), (": ping", true), ("data: x\n", true), ("data: x\n\n", false), (": x\n", false)]
    {
        assert_eq!(read(&[bytes.as_bytes()]).1.is_inside_event(), inside, "{bytes:?}");
    }
}

#[test]
fn memory_is_bounded() {
    let mut parser = SseParser::new();
    let mut pushed = 0;
    while parser.push(&[b'x'; 4096]).is_ok() {
        pushed += 4096;
        assert!(pushed <= MAX_EVENT);
    }
    let mut parser = SseParser::new();
    let line = [b"data: ".as_slice(), &[b'x'; 4096], b"\n"].concat();
    assert!((0..400).any(|_| parser.push(&line).is_err()));
}

proptest! {
    #[test]
    fn any_cut_gives_the_same_events(
        lines in prop::collection::vec(prop_oneof![
            Just(""), Just("data: x"), Just("data"), Just("data:  ü👋"), Just(": c"), Just("event: e"), Just("id: 7"), Just("retry: 9"), Just("\u{feff}data: y"),
        ], 0..20),
        ends in prop::collection::vec(prop_oneof![Just("\n"), Just("\r"), Just("\r\n")], 20),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [*line, *end]).collect();
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
        prop_assert_eq!(read(&pieces).0, read(&[text.as_bytes()]).0);
    }

    #[test]
    fn nothing_panics(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        let mut parser = SseParser::new();
        for piece in &pieces {
            let _ = parser.push(piece);
        }
    }
}
