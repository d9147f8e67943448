//! Lines of `--json`, held against the published schema.

use std::sync::LazyLock;

use serde_json::Value;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../../docs/json-schema.json")).unwrap());

/// The event of a line that is as the schema says.
#[track_caller]
pub(crate) fn check_line(line: &str) -> Value {
    let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let kinds = SCHEMA["oneOf"].as_array().unwrap();
    let kind = kinds.iter().find(|kind| kind["properties"]["ev"]["const"] == event["ev"]);
    let kind = kind.unwrap_or_else(|| panic!("unknown event: {line}"));
    for required in kind["required"].as_array().unwrap() {
        assert!(event.get(required.as_str().unwrap()).is_some(), "without {required}: {line}");
    }
    for (key, value) in event.as_object().unwrap() {
        let field = kind["properties"].get(key).unwrap_or_else(|| panic!("unknown field {key}: {line}"));
        let fits = match field["type"].as_str() {
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64(),
            Some("boolean") => value.is_boolean(),
            Some("array") => value.is_array(),
            _ => true,
        };
        let among = field.get("enum").is_none_or(|all| all.as_array().unwrap().contains(value));
        let same = field.get("const").is_none_or(|constant| constant == value);
        assert!(fits && among && same, "{key} is not as the schema says: {line}");
    }
    event
}
