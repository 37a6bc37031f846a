use super::*;
use proptest::prelude::*;

#[test]
fn segments_are_counted_as_carriers_do() {
    for (text, expected) in [
        (String::new(), 0),
        ("a".repeat(160), 1),
        ("a".repeat(161), 2),
        ("a".repeat(306), 2),
        ("a".repeat(307), 3),
        ("€".repeat(80), 1),
        ("€".repeat(81), 2),
        // Two septets never straddle segments: 152 + 1 empty place.
        (format!("{}€{}", "a".repeat(152), "a".repeat(152)), 3),
        ("é".repeat(160), 1),
        ("ê".repeat(70), 1),
        ("ê".repeat(71), 2),
        ("ê".repeat(134), 2),
        ("ê".repeat(135), 3),
        ("👋".repeat(35), 1),
        ("👋".repeat(36), 2),
        // 33 of two units in each segment.
        ("👋".repeat(67), 3),
        (format!("{}ê", "a".repeat(100)), 2),
        ("{}[]~|^\\\n\r£Å".to_owned(), 1),
    ] {
        assert_eq!(segments(&text), expected, "{} × {:?}", text.chars().count(), text.chars().next());
    }
}

#[test]
fn a_short_text_is_one_part() {
    assert_eq!(split("  Yes, it is ready.\n", 1), ["Yes, it is ready."]);
    assert_eq!(split(&"a".repeat(160), 1).len(), 1);
    assert!(split(" \n ", 3).is_empty() && split("", 3).is_empty() && split_into("text", 1, 0).is_empty());
}

#[test]
fn a_long_text_ends_at_sentences_then_words_then_characters() {
    let sentences = "The first sentence is this one, and it has some length to it. ".repeat(4);
    let parts = split(&sentences, 1);
    assert!(parts.len() == 2 && parts.iter().all(|part| part.ends_with("it.")), "{parts:?}");
    let quoted =
        format!("He said \u{201c}yes, of course, why not?\u{201d} {}", "and then he went home to sleep ".repeat(5));
    assert!(split(&quoted, 1)[0].ends_with("why not?\u{201d}"), "{:?}", split(&quoted, 1));
    let words = "word ".repeat(50);
    assert_eq!(split(&words, 1)[0].len(), "word ".len() * 32 - 1);
    let link = format!("It is at https://example.com/{}", "x".repeat(135));
    assert_eq!(split(&link, 1), ["It is at", &link[9..]]);
    let lines = format!("{}\n{}", "x".repeat(100), "y ".repeat(40));
    assert_eq!(split(&lines, 1)[0], "x".repeat(100));
    let one_word = "x".repeat(200);
    assert_eq!(split(&one_word, 1), ["x".repeat(160), "x".repeat(40)]);
    let japanese = format!("{}。{}", "あ".repeat(50), "い".repeat(40));
    assert_eq!(split(&japanese, 1)[0], format!("{}。", "あ".repeat(50)));
    let families = "👨‍👩‍👧‍👦".repeat(12);
    assert_eq!(split(&families, 1)[0], "👨‍👩‍👧‍👦".repeat(6));
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    let parts = split_into(&"word ".repeat(500), 1, 3);
    assert_eq!(parts.len(), 3);
    assert!(parts[2].ends_with("word…") && segments(&parts[2]) == 1, "{parts:?}");
    assert!(!parts[0].ends_with('…') && !parts[1].ends_with('…'));
    assert_eq!(split(&"x".repeat(50_000), 100).len(), MAX_PARTS);
    assert!(split(&"x".repeat(3000), 100).iter().all(|part| part.len() == 1600 || part.len() == 1400));
}

fn squeezed(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

proptest! {
    #[test]
    fn nothing_is_lost_and_all_parts_fit(
        text in prop_oneof!["\\PC{0,400}", "([a-z€]{1,12}[.!?]?[ \n]){0,80}", "[👋🏽‍👨a ]{0,200}", "(.|\n){0,300}", "[\u{300}e]{0,200}"],
        limit in 0u32..5, max_parts in 1usize..6,
    ) {
        let parts = split_into(&text, limit, max_parts);
        prop_assert!(parts.len() <= max_parts);
        for part in &parts {
            prop_assert!(!part.trim().is_empty() && part.trim() == part);
            prop_assert!(segments(part) <= limit.max(1) && part.encode_utf16().count() <= 1600);
        }
        let (whole, joined) = (squeezed(&text), squeezed(&parts.concat()));
        let is_whole = joined == whole;
        let is_cut = joined.strip_suffix('…').is_some_and(|begin| whole.starts_with(begin)) && parts.len() == max_parts;
        prop_assert!(is_whole || is_cut, "{:?}", parts);
    }
}
