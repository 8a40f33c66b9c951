//! Plants and builds until the compiler is content: what it refuses is left out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde_json::Value;

use crate::place::{self, Place};
use crate::plant::{plant, Planted, Refused};

/// More rounds than the compiler has ever needed: it tells of types first, then of constants, then
/// of borrows.
const MOST_ROUNDS: usize = 20;

/// Puts all places into the copy. Those that do not fit are written down, a line each.
pub fn plant_all(copy: &Path, places: &Path, unfit: &Path) -> ExitCode {
    let places = place::read(places);
    let mut files: BTreeMap<&str, (String, Vec<&Place>)> = BTreeMap::new();
    for place in &places {
        let (_, of_file) = files.entry(&place.file).or_insert_with(|| {
            (std::fs::read_to_string(copy.join(&place.file)).expect("a file of the copy"), Vec::new())
        });
        of_file.push(place);
    }
    let mut refused = Refused::default();
    for round in 1..=MOST_ROUNDS {
        let mut planted: BTreeMap<&str, Planted> = BTreeMap::new();
        for (&name, (text, of_file)) in &files {
            let file = plant(text, of_file, &mut refused);
            std::fs::write(copy.join(name), &file.text).expect("the copy can be written");
            planted.insert(name, file);
        }
        let (errors, built) = check(copy);
        if built {
            let lines: Vec<String> =
                refused.places.iter().map(|id| format!("{id} {}\n", places[id - 1].name)).collect();
            std::fs::write(unfit, lines.concat()).expect("the list can be written");
            println!("{} of {} places stand behind a switch", places.len() - refused.places.len(), places.len());
            return ExitCode::SUCCESS;
        }
        let before = (refused.places.len(), refused.constant.len());
        for error in &errors {
            refuse(error, &planted, &mut refused);
        }
        println!("round {round}: {} errors, {} places do not fit", errors.len(), refused.places.len());
        if (refused.places.len(), refused.constant.len()) == before {
            for error in errors {
                println!("{}", error["rendered"].as_str().unwrap_or_default());
            }
            break;
        }
    }
    println!("the copy does not compile");
    ExitCode::FAILURE
}

/// The errors of the compiler, and whether there are none.
fn check(copy: &Path) -> (Vec<Value>, bool) {
    let output = Command::new("cargo")
        .args(["test", "--no-run", "--lib", "--message-format", "json"])
        .current_dir(copy)
        .output()
        .expect("cargo");
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let messages = messages.map(|line| line["message"].clone());
    (messages.filter(|message| message["level"] == "error").collect(), output.status.success())
}

/// Takes out what an error is about.
fn refuse(error: &Value, planted: &BTreeMap<&str, Planted>, refused: &mut Refused) {
    let text = error["message"].as_str().unwrap_or_default();
    if text.contains("non-const") {
        // "cannot call non-const associated function `core::model::ids::Bytes::new` in constants"
        let name = text.split('`').nth(1).unwrap_or_default();
        let name = name.split("::").last().unwrap_or_default();
        let name = name.split('<').next().unwrap_or_default();
        if name != "switched" {
            refused.constant.insert(name.to_string());
            return;
        }
    }
    for span in error["spans"].as_array().into_iter().flatten() {
        let Some(file) = planted.get(span["file_name"].as_str().unwrap_or_default()) else { continue };
        let start = span["byte_start"].as_u64().unwrap_or_default() as usize;
        let around = file.stands.iter().filter(|(range, _)| range.contains(&start));
        let Some(least) = around.clone().map(|(range, _)| range.len()).min() else { continue };
        refused.places.extend(around.filter(|(range, _)| range.len() == least).map(|(_, id)| *id));
        if span["is_primary"] == true {
            return;
        }
    }
}
