//! Documents of every type, written by us and by the `bson` crate.

use bson::oid::ObjectId;
use bson::{Binary, Bson, Document, JavaScriptCodeWithScope, Regex, Timestamp};
use proptest::prelude::*;

use super::super::reference::{MILLIS_MAX, expected};
use super::written;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[ -~]{0,20}", "[\\x00-\\x1f\"\\\\/\u{7f}-\u{ff}]{0,8}"]
}

/// Text that fits a C string.
fn c_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| text.replace('\0', ""))
}

fn object_id() -> impl Strategy<Value = ObjectId> {
    any::<[u8; 12]>().prop_map(ObjectId::from_bytes)
}

fn regex() -> impl Strategy<Value = Bson> {
    (c_text(), c_text()).prop_map(|(pattern, options)| {
        Bson::RegularExpression(Regex {
            pattern: pattern.try_into().expect("no zero bytes"),
            options: options.try_into().expect("no zero bytes"),
        })
    })
}

/// `bson` lets nobody build a pointer but its own parser.
fn db_pointer() -> impl Strategy<Value = Bson> {
    (text(), object_id()).prop_map(|(namespace, id)| {
        let id = serde_json::json!({ "$oid": id.to_hex() });
        Bson::try_from(serde_json::json!({ "$dbPointer": { "$ref": namespace, "$id": id } }))
            .expect("it is a pointer")
    })
}

fn number() -> impl Strategy<Value = Bson> {
    let around_2_53 = (-3..3_i64, any::<bool>())
        .prop_map(|(delta, negative)| ((1 << 53) + delta) * if negative { -1 } else { 1 });
    prop_oneof![
        any::<f64>().prop_map(Bson::Double),
        any::<u64>().prop_map(|bits| Bson::Double(f64::from_bits(bits))),
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        around_2_53.prop_map(Bson::Int64),
        any::<[u8; 16]>().prop_map(|bytes| Bson::Decimal128(bson::Decimal128::from_bytes(bytes))),
    ]
}

fn date() -> impl Strategy<Value = Bson> {
    prop_oneof![
        0..=MILLIS_MAX,
        any::<i64>(),
        (0..MILLIS_MAX / 1000).prop_map(|second| second * 1000)
    ]
    .prop_map(|millis| Bson::DateTime(bson::DateTime::from_millis(millis)))
}

fn constant() -> impl Strategy<Value = Bson> {
    prop::sample::select(vec![Bson::Null, Bson::Undefined, Bson::MinKey, Bson::MaxKey])
}

fn leaf() -> impl Strategy<Value = Bson> {
    let payload = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        3 => number(),
        2 => text().prop_map(Bson::String),
        2 => date(),
        1 => constant(),
        1 => any::<bool>().prop_map(Bson::Boolean),
        1 => object_id().prop_map(Bson::ObjectId),
        1 => (prop_oneof![0..10_u8, any::<u8>()], payload)
            .prop_map(|(subtype, bytes)| Bson::Binary(Binary { subtype: subtype.into(), bytes })),
        1 => any::<(u32, u32)>()
            .prop_map(|(time, increment)| Bson::Timestamp(Timestamp { time, increment })),
        1 => regex(),
        1 => db_pointer(),
        1 => text().prop_map(Bson::JavaScriptCode),
        1 => text().prop_map(Bson::Symbol),
    ]
}

fn document_of(value: impl Strategy<Value = Bson>) -> impl Strategy<Value = Document> {
    prop::collection::vec((c_text(), value), 0..6).prop_map(Document::from_iter)
}

fn value() -> impl Strategy<Value = Bson> {
    leaf().prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Bson::Array),
            document_of(inner.clone()).prop_map(Bson::Document),
            (text(), document_of(inner)).prop_map(|(code, scope)| {
                Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope })
            }),
        ]
    })
}

/// Any document over every BSON type.
pub(super) fn document() -> impl Strategy<Value = Document> {
    document_of(value())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_written_as_bson_writes_it(document in document()) {
        let bytes = document.to_vec().expect("the document encodes");
        let text = written(&bytes);
        prop_assert_eq!(text, Ok((expected(&document.into()), 0)));
    }

    #[test]
    fn any_date_is_written_as_bson_writes_it(date in date()) {
        let document = bson::doc! { "v": date };
        let bytes = document.to_vec().expect("the document encodes");
        prop_assert_eq!(written(&bytes), Ok((expected(&document.into()), 0)));
    }
}

#[test]
fn every_day_of_a_whole_calendar_cycle_is_written_as_bson_writes_it() {
    // 400 years hold every combination of leap year and century; 1970 to 2401 covers them.
    for day in 0..157_800 {
        let date = bson::DateTime::from_millis(day * 86_400_000);
        let expect = date.try_to_rfc3339_string().expect("bson knows the day");
        let bytes = super::one(0x09, &date.timestamp_millis().to_le_bytes());
        assert_eq!(written(&bytes), Ok((format!(r#"{{"v":{{"$date":"{expect}"}}}}"#), 0)));
    }
}

#[test]
fn bson_itself_clamps_dates_after_9999() {
    let date = Bson::DateTime(bson::DateTime::from_millis(MILLIS_MAX + 1));
    let clamped = serde_json::json!({ "$date": "9999-12-31T23:59:59.999999999Z" });
    assert_eq!(date.into_relaxed_extjson(), clamped);
}
