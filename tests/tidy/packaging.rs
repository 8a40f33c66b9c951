//! What is built elsewhere, where no test of this machine would notice that something is missing.

use std::fs;

use crate::root;

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// The folders of the workspace's crates.
fn members() -> Vec<String> {
    let cargo = read("Cargo.toml");
    let list = cargo.split("members = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let found: Vec<String> = list.split(',').map(|name| name.trim().trim_matches('"').to_string()).collect();
    assert!(found.len() > 8 && found[0] == ".", "{found:?}");
    found
}

/// Cargo reads every member before it builds one of them.
#[test]
fn the_image_is_built_from_every_member_of_the_workspace() {
    let dockerfile = read("Dockerfile");
    let copied: Vec<&str> = dockerfile
        .lines()
        .skip_while(|line| !line.ends_with("AS build"))
        .take_while(|line| !line.ends_with("AS binaries"))
        .filter_map(|line| line.strip_prefix("COPY "))
        .flat_map(|line| line.split(' ').rev().skip(1))
        .collect();
    for member in members().into_iter().filter(|member| member != ".") {
        let is_copied = copied.iter().any(|from| member == *from || member.starts_with(&format!("{from}/")));
        assert!(is_copied, "the Dockerfile does not copy {member}: {copied:?}");
    }
    for needed in ["src", "Cargo.toml", "Cargo.lock"] {
        assert!(copied.contains(&needed), "{needed}");
    }
}

/// 1.90 is (1, 90).
fn version(text: &str) -> (u32, u32) {
    let mut parts = text.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

/// The compiler of the image is new enough for each crate.
#[test]
fn the_image_has_a_compiler_that_every_crate_can_use() {
    let dockerfile = read("Dockerfile");
    let image = dockerfile.split("ARG RUST=rust:").nth(1).and_then(|rest| rest.split('-').next()).map(version);
    let asked = |member: &String| {
        let cargo = read(&format!("{member}/Cargo.toml"));
        let line = cargo.lines().find_map(|line| line.strip_prefix("rust-version = "))?;
        Some((member.clone(), version(line.trim_matches('"'))))
    };
    let mut asking: Vec<(String, (u32, u32))> = members().iter().filter_map(asked).collect();
    let workspace = read("Cargo.toml");
    let line = workspace.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap_or_default();
    asking.push(("the workspace".into(), version(line.trim_matches('"'))));
    for (member, wanted) in asking {
        assert!(wanted > (1, 0) && image >= Some(wanted), "{member} wants {wanted:?}, the image has {image:?}");
    }
}
