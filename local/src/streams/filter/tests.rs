use proptest::prelude::*;
use serde_json::{Value, json};

use super::Pattern;

fn matches(pattern: &Value, event: &Value) -> bool {
    Pattern::parse(pattern).unwrap().matches(event)
}

#[test]
fn the_pattern_of_the_fan_out() {
    let pattern = json!({"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": [{"prefix": "M#"}]}}}});
    let event =
        |name: &str, sk: &str| json!({"eventName": name, "dynamodb": {"Keys": {"pk": {"S": "x"}, "sk": {"S": sk}}}});
    assert!(matches(&pattern, &event("INSERT", "M#000000000001")));
    assert!(!matches(&pattern, &event("MODIFY", "M#000000000001")));
    assert!(!matches(&pattern, &event("INSERT", "META")));
    assert!(!matches(&pattern, &json!({"eventName": "INSERT"})));
}

#[test]
fn each_operator() {
    for (condition, value, expected) in [
        (json!("a"), json!("a"), true),
        (json!("a"), json!("A"), false),
        (json!("1"), json!(1), false),
        (json!(1), json!(1.0), true),
        (json!(null), json!(null), true),
        (json!(""), json!(""), true),
        (json!(true), json!(true), true),
        (json!("a"), json!(["b", "a"]), true),
        (json!({"equals-ignore-case": "ABC"}), json!("abc"), true),
        (json!({"suffix": "bc"}), json!("abc"), true),
        (json!({"suffix": "bc"}), json!(1), false),
        (json!({"anything-but": "a"}), json!("b"), true),
        (json!({"anything-but": ["a", 1]}), json!(1), false),
        (json!({"anything-but": {"prefix": "M#"}}), json!("META"), true),
        (json!({"anything-but": {"prefix": "M#"}}), json!("M#1"), false),
        (json!({"numeric": [">", 0, "<=", 5]}), json!(5), true),
        (json!({"numeric": [">", 0, "<=", 5]}), json!(0), false),
        (json!({"numeric": ["=", 5]}), json!("5"), false),
        (json!({"exists": true}), json!("x"), true),
        (json!({"exists": false}), json!("x"), false),
        (json!({"exists": true}), json!({"S": "x"}), false),
    ] {
        let pattern = json!({"a": {"b": [condition]}});
        let event = json!({"a": {"b": value}});
        assert_eq!(matches(&pattern, &event), expected, "{pattern} {event}");
    }
}

#[test]
fn a_missing_field_matches_only_exists_false() {
    let event = json!({"other": 1});
    assert!(matches(&json!({"a": {"b": [{"exists": false}]}}), &event));
    for condition in [json!(null), json!({"anything-but": "x"}), json!({"exists": true}), json!({"prefix": ""})] {
        assert!(!matches(&json!({"a": {"b": [condition]}}), &event));
    }
}

#[test]
fn or_wants_one_of_its_patterns() {
    let pattern = json!({"k": [1], "$or": [{"a": [1]}, {"b": [{"prefix": "x"}]}]});
    assert!(matches(&pattern, &json!({"k": 1, "a": 1})));
    assert!(matches(&pattern, &json!({"k": 1, "a": 2, "b": "xy"})));
    assert!(!matches(&pattern, &json!({"k": 1, "a": 2})));
    assert!(!matches(&pattern, &json!({"k": 2, "a": 1})));
}

#[test]
fn what_is_not_in_the_language_is_refused_with_its_place() {
    for pattern in [
        json!("x"),
        json!({}),
        json!({"a": "x"}),
        json!({"a": []}),
        json!({"a": [{"wildcard": "x"}]}),
        json!({"a": [{"prefix": 1}]}),
        json!({"a": [{"prefix": "x", "suffix": "y"}]}),
        json!({"a": [["x"]]}),
        json!({"a": [{"numeric": ["~", 1]}]}),
        json!({"$or": [{"a": [1]}]}),
    ] {
        assert!(Pattern::parse(&pattern).is_err(), "{pattern}");
    }
    let error = Pattern::parse(&json!({"a": {"b": [{"cidr": "x"}]}})).unwrap_err();
    assert!(error.to_string().contains("a.b"), "{error}");
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-cM#]{0,4}".prop_map(Value::from),
    ]
}

fn document() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-d]|\\$or|prefix|exists|numeric|anything-but", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_pattern_and_no_event_panics(pattern in document(), event in document()) {
        if let Ok(pattern) = Pattern::parse(&pattern) {
            let _ = pattern.matches(&event);
        }
    }

    #[test]
    fn a_value_matches_itself_and_not_its_opposite(value in scalar(), other in scalar()) {
        let event = json!({"a": value.clone()});
        let itself = matches(&json!({"a": [value.clone()]}), &event);
        prop_assert!(itself);
        let same = matches(&json!({"a": [other.clone()]}), &event);
        prop_assert_eq!(same, value == other);
        let opposite = matches(&json!({"a": [{"anything-but": other}]}), &event);
        prop_assert_eq!(opposite, !same);
    }

    #[test]
    fn a_list_of_conditions_is_an_or(value in scalar(), left in scalar(), right in scalar()) {
        let event = json!({"a": value});
        let either = matches(&json!({"a": [left.clone(), right.clone()]}), &event);
        let one = matches(&json!({"a": [left]}), &event) || matches(&json!({"a": [right]}), &event);
        prop_assert_eq!(either, one);
    }

    #[test]
    fn prefixes_are_those_of_strings(text in "[ab#]{0,6}", prefix in "[ab#]{0,3}") {
        let pattern = json!({"a": [{"prefix": prefix.clone()}]});
        let matched = matches(&pattern, &json!({"a": text.clone()}));
        prop_assert_eq!(matched, text.starts_with(&prefix));
    }

    #[test]
    fn ranges_are_those_of_numbers(number in -20i32..20, low in -20i32..20, high in -20i32..20) {
        let pattern = json!({"a": [{"numeric": [">=", low, "<", high]}]});
        let matched = matches(&pattern, &json!({"a": number}));
        prop_assert_eq!(matched, (low..high).contains(&number));
    }

    #[test]
    fn either_exists_or_not(event in document()) {
        let present = matches(&json!({"a": [{"exists": true}]}), &event);
        let absent = matches(&json!({"a": [{"exists": false}]}), &event);
        prop_assert!(present || absent);
        if !event.is_array() {
            prop_assert!(present != absent);
        }
    }
}
