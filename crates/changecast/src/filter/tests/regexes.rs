//! Regular expressions: what is translated, and what is refused by name.

use super::*;

fn regex(pattern: &str, options: &str) -> Result<Filter, FilterError> {
    let pattern = serde_json::Value::from(pattern);
    let text = format!(r#"{{"a":{{"$regex":{pattern},"$options":"{options}"}}}}"#);
    Filter::for_documents(&text)
}

#[track_caller]
fn check(pattern: &str, options: &str, matching: &[&str], others: &[&str]) {
    let filter = regex(pattern, options).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for (texts, expected) in [(matching, true), (others, false)] {
        for text in texts {
            let document = serde_json::json!({ "a": text }).to_string();
            assert_eq!(
                filter.matches(document.as_bytes()),
                expected,
                "/{pattern}/{options} {text:?}"
            );
        }
    }
}

#[test]
fn patterns_mean_what_they_mean_to_mongodb() {
    check("^ab+$", "", &["ab", "abb\n"], &["xab", "abc", "ab\n\n"]);
    check("^b$", "m", &["a\nb\nc"], &["ab"]);
    check("a.c", "s", &["a\nc"], &["ac"]);
    check("a.c", "", &["axc"], &["a\nc"]);
    check("É", "i", &["é"], &["e"]);
    check(r"^\d\w\s$", "", &["1_ ", "0a\t"], &["٣a ", "1é "]);
    check(r"\bx\b", "", &["éxé"], &["axa"]);
    check(" a b # c", "x", &["ab"], &["a b"]);
    check("[a b]$", "x", &["b", " "], &["x"]);
    check(r"[\d\-x]", "", &["-", "5", "x"], &["a"]);
    check("[+--]", "", &["+", ",", "-"], &["a", "."]);
    check("[[&&~~]", "", &["[", "&", "~"], &["a"]);
    check("[]a]", "", &["]", "a"], &["["]);
    check("[^]a]", "", &["b"], &["]", "a"]);
    check(r"[^\D]", "", &["5"], &["a"]);
    check("a{2}|b{,2}|c{", "", &["aa", "b{,2}", "c{"], &["a", "bb"]);
    check(r"\Qa.b\E.", "", &["a.bc"], &["axbc"]);
    check(r"\x41\x{42}\t", "", &["AB\t"], &["ab\t"]);
    check("(?<n>a)(?:b)(?i:c)(?#d)", "", &["abC"], &["aBc"]);
    check("(?i)a(?-i)b", "", &["Ab"], &["AB"]);
    check("(?m)^b$|(?x: c d)", "", &["a\nb\nc", "cd"], &["ab"]);
    check("[[:alpha:]_]+$", "", &["ab_"], &["1"]);
    check(r"\p{Lu}", "", &["É"], &["é"]);
    check("", "", &["", "x"], &[]);
}

#[test]
fn what_a_linear_engine_cannot_do_is_refused_by_name() {
    for (pattern, word) in [
        ("(?=a)", "lookahead"),
        ("(?!a)", "lookahead"),
        ("(?<=a)", "lookbehind"),
        ("(?<!a)", "lookbehind"),
        (r"(a)\1", "backreferences"),
        (r"(?<n>a)\k<n>", "backreferences"),
        ("(?P=n)", "backreferences"),
        ("a++", "possessive"),
        ("(?>a)", "atomic"),
        ("(?R)", "recursion"),
        ("(?(1)a)", "conditional"),
        ("(?|a)", "branch"),
        ("(*ACCEPT)", "verbs"),
        (r"a\Kb", r"\K"),
        ("(", "unclosed"),
        (")", "unopened"),
        ("[a", "unclosed"),
        ("a\\", "backslash"),
        ("*", "repetition"),
    ] {
        let message = regex(pattern, "").expect_err(pattern).to_string();
        assert!(message.contains(word), "/{pattern}/: {message}");
    }
    let message = regex("a", "ig").expect_err("options").to_string();
    assert!(message.contains("\"g\""), "{message}");
}

#[test]
fn a_stored_expression_matches_only_itself() {
    let stored = br#"{"a":{"$regularExpression":{"pattern":"x","options":"im"}}}"#;
    assert!(regex("x", "mi").unwrap().matches(stored));
    assert!(!regex("x", "").unwrap().matches(stored));
    let equal = r#"{"a":{"$eq":{"$regularExpression":{"pattern":"x","options":"im"}}}}"#;
    assert!(plain(equal).matches(stored));
    assert!(!plain(equal).matches(br#"{"a":"x"}"#));
}
