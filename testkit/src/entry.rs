//! Entries of event streams, as the server gives them.

use crate::client::Client;
use crate::value::Value;

/// The fields of an entry in order, as texts: those of a packed one, too, but for the version of
/// its form, which must be 1.
pub fn fields(entry: &Value) -> Vec<(String, String)> {
    let [name, packed] = entry.items() else {
        return entry.items().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect();
    };
    assert_eq!(name.text(), "event", "an entry of one field is packed");
    let text = packed.text();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    let object = json.as_object().expect("an object");
    assert_eq!(object["v"], 1, "{text}");
    let fields = object.iter().filter(|(name, _)| *name != "v").map(|(name, value)| {
        let value = match value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (name.clone(), value)
    });
    fields.collect()
}

/// What each entry of a stream says under these names, in order; `-` where it says nothing.
pub fn told(c: &mut Client, stream: &str, names: &[&str]) -> Vec<String> {
    let answer = c.call(&["XRANGE", stream, "-", "+"]);
    let entries = answer.items().iter().map(|entry| fields(&entry.items()[1]));
    let said = |fields: &[(String, String)], name: &str| {
        fields.iter().find(|(known, _)| known == name).map_or("-".to_string(), |(_, value)| value.clone())
    };
    entries.map(|fields| names.iter().map(|name| said(&fields, name)).collect::<Vec<_>>().join(" ")).collect()
}
