//! CloudEvents 1.0 over HTTP, in binary and in structured mode, as one JSON object: that of the
//! JSON event format. It knows headers and bodies, and nothing of topics.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use form_urlencoded::parse;
use serde_json::Value;
use serde_json::value::RawValue;

use super::problem::Problem;

/// The content type of structured mode.
pub(super) const STRUCTURED: &str = "application/cloudevents+json";

const PREFIX: &str = "ce-";
const VERSION: &str = "1.0";

/// One event.
#[derive(Debug)]
pub(super) struct CloudEvent {
    /// As JSON.
    pub(super) json: String,
    /// What the standard says is the same for the same event only: its source with its id.
    pub(super) key: String,
}

/// Whether the request is an event in binary mode.
pub(super) fn is_binary(headers: &HeaderMap) -> bool {
    headers.contains_key("ce-specversion")
}

/// Reads an event in structured mode, whose text stays as it is.
pub(super) fn read_structured(json: String) -> Result<CloudEvent, Problem> {
    let members: BTreeMap<String, Value> = serde_json::from_str(&json)
        .map_err(|error| invalid(&format!("not a JSON object: {error}")))?;
    let key = key(|name| match members.get(name) {
        Some(Value::String(text)) => Some(text.as_str()),
        _ => None,
    })?;
    if members.contains_key("data") && members.contains_key("data_base64") {
        return Err(invalid("data and data_base64 exclude each other"));
    }
    Ok(CloudEvent { json, key })
}

/// Reads an event in binary mode: attributes are headers, the JSON `body` is the data.
pub(super) fn read_binary(headers: &HeaderMap, body: &str) -> Result<CloudEvent, Problem> {
    let mut attributes = BTreeMap::new();
    for (name, value) in headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_free = !matches!(name, "data" | "datacontenttype");
        let text = value.to_str().ok().filter(|_| is_name && is_free);
        let Some(text) = text else {
            return Err(invalid(&format!("the header ce-{name} is no attribute")));
        };
        if attributes.insert(name, unescape(text)).is_some() {
            return Err(invalid(&format!("the header ce-{name} is there twice")));
        }
    }
    let key = key(|name| attributes.get(name).map(String::as_str))?;
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    attributes.insert("datacontenttype", content_type.unwrap_or("application/json").to_owned());
    let data: &RawValue = serde_json::from_str(body)
        .map_err(|error| invalid(&format!("data is not JSON: {error}")))?;
    let mut json = String::from("{");
    for (name, value) in &attributes {
        json.push_str(&format!("{}:{},", Value::from(*name), Value::from(value.as_str())));
    }
    json.push_str(&format!(r#""data":{}}}"#, data.get()));
    Ok(CloudEvent { json, key })
}

/// Header values are percent-encoded where they are not plain ASCII. A plus sign is itself.
fn unescape(text: &str) -> String {
    let text = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    parse(text.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

fn key<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Result<String, Problem> {
    if attribute("specversion") != Some(VERSION) {
        return Err(invalid("specversion must be \"1.0\""));
    }
    let needed = |name: &str| {
        let value = attribute(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| invalid(&format!("{name} must be a text that is not empty")))
    };
    needed("type")?;
    Ok(format!("{}\n{}", needed("source")?, needed("id")?))
}

fn invalid(problem: &str) -> Problem {
    Problem::bad_request("cloudevent", format!("this is no CloudEvent: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    const EVENT: [(&str, &str); 5] = [
        ("ce-specversion", "1.0"),
        ("ce-id", "7"),
        ("ce-source", "/a+b?c=d&e"),
        ("ce-type", "caf%C3%A9"),
        ("content-type", "application/json"),
    ];

    #[test]
    fn both_modes_are_one_event() {
        let binary = read_binary(&headers(&EVENT), r#"{"x": 1}"#).unwrap();
        assert_eq!(
            binary.json,
            r#"{"datacontenttype":"application/json","id":"7","source":"/a+b?c=d&e","specversion":"1.0","type":"café","data":{"x": 1}}"#
        );
        let structured = read_structured(binary.json.clone()).unwrap();
        assert_eq!((structured.json, structured.key), (binary.json, binary.key));
    }

    #[test]
    fn what_lacks_an_attribute_is_refused() {
        for without in ["ce-specversion", "ce-id", "ce-source", "ce-type"] {
            let rest: Vec<_> = EVENT.into_iter().filter(|(name, _)| *name != without).collect();
            read_binary(&headers(&rest), "1").expect_err(without);
        }
        for json in [
            "1",
            r#"{"specversion":"0.3","id":"1","source":"a","type":"t"}"#,
            r#"{"specversion":"1.0","id":1,"source":"a","type":"t"}"#,
            r#"{"specversion":"1.0","id":"1","source":"","type":"t"}"#,
            r#"{"specversion":"1.0","id":"1","source":"a","type":"t","data":1,"data_base64":""}"#,
        ] {
            read_structured(json.into()).expect_err(json);
        }
    }
}
