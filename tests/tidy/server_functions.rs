//! The functions of the server that `src/redis` calls without a check are those that it checks at
//! load.

use std::collections::BTreeSet;

use super::{code, sources};

/// The names behind each occurrence of `before`.
fn names(text: &str, before: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    text.split(before).skip(1).map(name).filter(|name: &String| name.starts_with("RedisModule_")).collect()
}

#[test]
fn the_list_of_server_functions_is_that_of_the_calls() {
    let (mut checked, mut called, mut optional) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (path, text) in sources("src/redis") {
        let mut code = code(&text);
        if path.ends_with("api.rs") {
            let list = code.split("first_absent!(\n").nth(1).and_then(|rest| rest.split(')').next()).unwrap_or("");
            checked.extend(list.split(',').map(|name| name.trim().to_string()).filter(|name| !name.is_empty()));
            code = code.replace(list, "");
        }
        called.extend(names(&code, "api!("));
        optional.extend(names(&code, "raw::"));
    }
    assert!(checked.len() > 50, "the list is found");
    let unchecked: Vec<_> = called.difference(&checked).collect();
    assert!(unchecked.is_empty(), "called, but not in the list of `api::missing`: {unchecked:?}");
    let unused: Vec<_> = checked.iter().filter(|name| !called.contains(*name) && !optional.contains(*name)).collect();
    assert!(unused.is_empty(), "in the list of `api::missing`, but never called: {unused:?}");
}
