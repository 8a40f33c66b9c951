//! The places as cargo-mutants lists them.

use std::path::Path;

use serde_json::Value;

/// A position in a file: line and column, both from 1, in characters.
pub type Position = (usize, usize);

/// One change of one place.
#[derive(Clone, Debug)]
pub struct Place {
    /// What it is switched on by: its place in the list, from 1.
    pub id: usize,
    pub file: String,
    pub name: String,
    pub genre: String,
    pub start: Position,
    pub replacement: String,
}

/// The list.
pub fn read(path: &Path) -> Vec<Place> {
    let text = std::fs::read_to_string(path).expect("the list of places");
    let list: Vec<Value> = serde_json::from_str(&text).expect("JSON of cargo mutants --list");
    let number = |value: &Value| value.as_u64().expect("a number") as usize;
    let text = |value: &Value| value.as_str().expect("a text").to_string();
    list.iter()
        .enumerate()
        .map(|(at, value)| Place {
            id: at + 1,
            file: text(&value["file"]),
            name: text(&value["name"]),
            genre: text(&value["genre"]),
            start: (number(&value["span"]["start"]["line"]), number(&value["span"]["start"]["column"])),
            replacement: text(&value["replacement"]),
        })
        .collect()
}
