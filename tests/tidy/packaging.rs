//! What is built elsewhere, where no test of this machine would notice that something is missing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

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
        .skip_while(|line| !line.ends_with(" AS build"))
        .skip(1)
        .take_while(|line| !line.starts_with("FROM "))
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

/// The words behind `word` in a text, each up to a space or the end of a quoted part.
fn words_behind<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    let ends = |c: char| c.is_whitespace() || "'\"`]),;".contains(c);
    text.split(word).skip(1).filter_map(|rest| rest.split(ends).next()).filter(|name| !name.is_empty()).collect()
}

/// What CI calls is there: targets of the Makefile, campaigns, stages of the Dockerfile, scripts.
#[test]
fn workflows_name_what_there_is() {
    let makefile = read("Makefile");
    let mut called = 0;
    for file in fs::read_dir(root().join(".github/workflows")).expect("the workflows") {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("its text");
        for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
            // `make one two NAME=three` names two targets; behind a name stands a colon in the
            // Makefile.
            let Some((_, words)) = line.split_once("make ").filter(|(before, _)| !before.contains("apt-get")) else {
                continue;
            };
            for target in words.split_whitespace().take_while(|word| !word.contains(['=', '&', '|', '#'])) {
                assert!(makefile.contains(&format!("\n{target}:")), "{}: no target {target}: {line}", path.display());
                called += 1;
            }
            for campaign in words_behind(words, "NAME=") {
                let source = format!("campaign/src/{campaign}.rs");
                assert!(root().join(&source).exists(), "{}: no campaign {campaign}", path.display());
            }
            for fuzzed in words_behind(words, "TARGET_OF=") {
                let source = format!("fuzz/fuzz_targets/{fuzzed}.rs");
                assert!(root().join(&source).exists(), "{}: no target of libFuzzer {fuzzed}", path.display());
            }
        }
        for script in words_behind(&text, "bash ").into_iter().chain(words_behind(&text, "run: sh ")) {
            let known = root().join(script).exists() || script.starts_with('-');
            assert!(known, "{}: no script {script}", path.display());
        }
    }
    assert!(called >= 12, "only {called} targets are called");
    let release = read(".github/workflows/release.yml");
    let matrix = release.split("target: [").nth(1).and_then(|rest| rest.split(']').next()).expect("the images");
    let dockerfile = read("Dockerfile");
    for image in matrix.split(", ") {
        assert!(dockerfile.lines().any(|line| line.ends_with(&format!(" AS {image}"))), "no stage {image}");
    }
}

/// A crate that is published says all that crates.io shows of it, and needs no crate that is not.
#[test]
fn published_crates_are_complete() {
    let makefile = read("Makefile");
    let line = makefile.lines().find_map(|line| line.strip_prefix("PUBLISHED := ")).expect("the list");
    let mut published: Vec<&str> = line.split(' ').collect();
    for member in members() {
        let cargo = read(&format!("{member}/Cargo.toml"));
        let package = cargo.split("[package]").nth(1).and_then(|rest| rest.split("\n[").next()).expect("a package");
        let name = words_behind(package, "\nname = \"")[0];
        let is_listed = published.contains(&name);
        assert_eq!(is_listed, !package.contains("publish = false"), "{name}: PUBLISHED of the Makefile");
        if !is_listed {
            continue;
        }
        published.retain(|other| *other != name);
        for field in ["description", "license", "rust-version", "readme", "keywords", "categories", "include"] {
            let given = [format!("\n{field} = "), format!("\n{field}.workspace = true")];
            assert!(given.iter().any(|field| package.contains(field.as_str())), "{name} has no {field}");
        }
        let readme = words_behind(package, "\nreadme = \"")[0];
        assert!(root().join(&member).join(readme).exists(), "{name}: no {readme}");
        // What is needed to build it has a version, so that it can come from crates.io.
        let needed = cargo.split("\n[dependencies]").nth(1).and_then(|rest| rest.split("\n[").next());
        for line in needed.unwrap_or_default().lines().filter(|line| line.contains("path = ")) {
            assert!(line.contains("version = "), "{name}: {line}");
        }
    }
    assert_eq!(published, Vec::<&str>::new(), "no members of the workspace");
}

/// `redis-stock-enable` with these words, and a server of its own that says it is of this version.
/// What the configuration is afterwards, and what the script said.
fn enabled(version: &str, text: &str, words: &[&str]) -> (String, Output) {
    use std::os::unix::fs::PermissionsExt as _;
    // Nothing is restarted: there is no such service. Where systemd runs, it says so with an exit
    // code; the file is written by then.
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("enable");
    let (config, server) = (dir.join("no-such-service.conf"), dir.join("no-such-service-server"));
    fs::create_dir_all(&dir).expect("a directory");
    fs::write(&config, text).expect("a configuration");
    fs::write(&server, format!("#!/bin/sh\necho '{version} sha=0'\n")).expect("a server");
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).expect("a program");
    let path = format!("{}:{}", dir.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new("sh");
    command.arg(root().join("packaging/redis-stock-enable")).args(words).arg(&config).env("PATH", path);
    let output = command.output().expect("sh");
    (fs::read_to_string(&config).expect("the configuration"), output)
}

/// The lines that load the module stand by themselves, also where the file ends without a line
/// break; and a server that could not load it is left alone.
#[test]
fn a_configuration_is_enabled_and_is_as_before_afterwards() {
    use std::os::unix::fs::PermissionsExt as _;
    let before = format!("port 1\ndir {}\n", env!("CARGO_TARGET_TMPDIR"));
    let ours = "include /etc/redis/redis-stock.conf\nloadmodule /usr/lib/redis/modules/libredis_stock.so\n";
    let on = format!("{before}{ours}");
    for version in ["Redis server v=7.0.15", "Redis server v=10.0.0", "Valkey server v=9.1.2"] {
        for text in [before.trim_end(), &before, &on] {
            let (written, output) = enabled(version, text, &[]);
            assert_eq!(written, on, "{version}: {output:?}");
        }
    }
    let (written, output) = enabled("Redis server v=6.0.16", &before, &[]);
    assert_eq!((written.as_str(), output.status.code()), (before.as_str(), Some(2)), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("needs Redis 7.0"), "{output:?}");
    let (written, output) = enabled("Redis server v=6.0.16", &on, &["--off"]);
    assert_eq!(written, before, "{output:?}");
    // What CONFIG REWRITE leaves of the module, however it writes it; a file keeps its mode.
    let rewritten =
        format!("{on}stock.hold-seconds 600\nSTOCK.retain-seconds \"5\"\n").replace("include /", "Include \"/");
    let rewritten = rewritten.replace("stock.conf\n", "stock.conf\"\n");
    let (written, output) = enabled("Redis server v=7.0.15", &rewritten, &["--off"]);
    assert_eq!(written, before, "{output:?}");
    let config = Path::new(env!("CARGO_TARGET_TMPDIR")).join("enable/no-such-service.conf");
    fs::set_permissions(&config, fs::Permissions::from_mode(0o640)).expect("a mode");
    enabled("Redis server v=7.0.15", &before, &[]);
    assert_eq!(fs::metadata(&config).expect("a file").permissions().mode() & 0o777, 0o640);
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).expect("a mode");
}

/// Both scripts read configurations as the server does, by the same function.
#[test]
fn both_scripts_read_a_configuration_alike() {
    let function = |name: &str| {
        let text = read(name);
        let begin = text.find("\nparsed() {").unwrap_or_else(|| panic!("{name} reads no configuration"));
        let rest = &text[begin..];
        rest[..rest.find("\n}\n").expect("its end")].to_string()
    };
    assert_eq!(function("packaging/redis-stock-enable"), function("packaging/server-entrypoint"));
}

/// The package's configuration loads no module: a server that rewrites its own writes that line
/// there.
#[test]
fn what_is_included_loads_no_module() {
    let text = read("packaging/redis-stock.conf");
    assert!(text.contains("\nappendonly yes\n") && !text.contains("\nloadmodule"), "{text}");
}
