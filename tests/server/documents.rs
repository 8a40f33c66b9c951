//! What the documents say is true: each line of their sessions is typed, each parameter is asked
//! for, and the example configuration boots.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use redis_stock::command::TABLE;

use testkit::server::Server;

fn document(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// A fenced block of redis-cli lines: its name, and each line with what it prints.
struct Session {
    name: String,
    steps: Vec<(String, Vec<String>)>,
}

/// The steps of a session as it is written: what is typed behind `> `, and what is answered.
fn steps(name: &str, lines: &str) -> Vec<(String, Vec<String>)> {
    let mut steps: Vec<(String, Vec<String>)> = Vec::new();
    for line in lines.lines() {
        match (line.strip_prefix("> "), steps.last_mut()) {
            (Some(typed), _) => steps.push((typed.into(), Vec::new())),
            (None, Some((_, answer))) => answer.push(line.trim_end().into()),
            (None, None) => panic!("{name}: an answer before anything is typed: {line}"),
        }
    }
    assert!(!steps.is_empty(), "{name} is there");
    steps
}

/// The blocks that begin with this fence, each by the rest of its first line.
fn blocks(text: &str, fence: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix(fence) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((name.trim().to_string(), block.join("\n")));
        }
    }
    found
}

/// The sessions of a page.
fn sessions(page: &str) -> Vec<Session> {
    let found = blocks(&document(page), "```redis-cli");
    found.into_iter().map(|(name, lines)| Session { steps: steps(&name, &lines), name }).collect()
}

/// A line that redis-cli answers by itself, without asking the server: what is printed before it
/// belongs to the lines before.
const MARK: (&str, &str) = ("\"", "Invalid argument(s)");

/// What redis-cli prints for each of these lines, typed one after the other in one session.
fn typed(server: &Server, lines: &[&str]) -> Vec<Vec<String>> {
    let mut cli = Command::new("redis-cli")
        .args(["--no-raw", "-s"])
        .arg(server.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli is installed");
    let input: String = lines.iter().map(|line| format!("{line}\n{}\n", MARK.0)).collect();
    cli.stdin.take().expect("its input").write_all(input.as_bytes()).expect("it listens");
    let output = cli.wait_with_output().expect("it ends");
    let mut answers = vec![Vec::new()];
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        match answers.last_mut() {
            Some(answer) if line != MARK.1 => answer.push(line.trim_end().to_string()),
            _ => answers.push(Vec::new()),
        }
    }
    // One behind the last mark; more, where redis-cli could not read one of the lines.
    assert_eq!(answers.len(), lines.len() + 1, "redis-cli takes one of these for no command: {lines:#?}");
    answers.truncate(lines.len());
    answers
}

/// A printed line as the documents write it: a time of this century is `<ms>`, an epoch `<epoch>`,
/// the id of a stream entry `<id>`.
fn as_written(printed: &str) -> String {
    let word = |word: &str| {
        let is_time = |text: &str| text.len() == 13 && text.bytes().all(|b| b.is_ascii_digit());
        let inside = word.trim_matches('"');
        let name = match inside.split_once('-') {
            Some((ms, _)) if is_time(ms) => "<id>",
            None if is_time(inside) => "<ms>",
            // A number of sixteen digits is none.
            None if inside.len() == 16 && inside != word && inside.bytes().all(|b| b.is_ascii_hexdigit()) => "<epoch>",
            _ => return word.to_string(),
        };
        word.replace(inside, name)
    };
    printed.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// Types the sessions one after the other. What is printed for each line, as the documents write
/// it.
fn follow(server: &Server, page: &str, sessions: &[Session]) -> Vec<String> {
    let mut printed = Vec::new();
    for Session { name, steps } in sessions {
        let lines: Vec<&str> = steps.iter().map(|(line, _)| line.as_str()).collect();
        let mut text = String::new();
        for ((line, written), answer) in steps.iter().zip(typed(server, &lines)) {
            let answer: Vec<String> = answer.iter().map(|line| as_written(line)).collect();
            assert!(writing() || *written == answer, "{page}, {name}: > {line}\n{written:#?}\nprinted: {answer:#?}");
            text += &format!("> {line}\n{}", answer.iter().map(|line| format!("{line}\n")).collect::<String>());
        }
        printed.push(text);
    }
    printed
}

/// With STOCK_WRITE_DOCS the answers in the documents become what the server answers (`make docs`).
fn writing() -> bool {
    std::env::var_os("STOCK_WRITE_DOCS").is_some()
}

fn write(page: &str, text: &str) {
    fs::write(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(page), text).expect("written");
}

/// The page with other lines in the block that begins with this fence.
fn with_block(mut text: String, fence: &str, lines: &str) -> String {
    let start = text.find(&format!("{fence}\n")).expect("its name is its own") + fence.len() + 1;
    let end = start + text[start..].find("```").expect("its end");
    text.replace_range(start..end, lines);
    text
}

/// The block of the README is pasted as it stands; the block behind it is all that redis-cli
/// prints.
#[test]
fn the_readme_can_be_pasted() {
    let text = document("README.md");
    let pasted = &blocks(&text, "```redis-cli paste")[0].1;
    let written = &blocks(&text, "```text answers")[0].1;
    let lines: Vec<&str> = pasted.lines().collect();
    let answers = typed(&Server::start(), &lines).concat();
    let printed: String = answers.iter().map(|line| format!("{}\n", as_written(line))).collect();
    if writing() {
        write("README.md", &with_block(text, "```text answers", &printed));
    } else {
        assert_eq!(format!("{written}\n"), printed);
    }
    assert!(lines.len() > 4, "SET, LIMIT, RESERVE twice, CONFIRM");
}

/// `make run` shows the lines of the README.
#[test]
fn make_run_tells_the_story_of_the_readme() {
    let pasted = &blocks(&document("README.md"), "```redis-cli paste")[0].1;
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/run.sh");
    let dir = tempfile::tempdir().expect("a directory");
    let shown = Command::new("sh")
        .arg(script)
        .args(["module.so", "6380"])
        .env("REDIS_SERVER", "true")
        .current_dir(dir.path())
        .output()
        .expect("it runs");
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.contains(pasted.as_str()), "{shown}");
    assert!(shown.contains("redis-cli -p 6380"), "{shown}");
}

/// The pages of the guides, in the order of the README.
fn guides() -> Vec<String> {
    let readme = document("README.md");
    let links = readme.split("(docs/guides/").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    let links = links.filter_map(|link| link.strip_suffix(".md"));
    let mut names: Vec<&str> = Vec::new();
    for name in links {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/guides");
    let files = fs::read_dir(dir).expect("the guides").filter_map(Result::ok);
    let there = files.filter(|file| file.path().extension().is_some_and(|name| name == "md")).count();
    assert_eq!(names.len(), there, "the README links each guide: {names:?}");
    names.iter().map(|name| format!("docs/guides/{name}.md")).collect()
}

/// One reader types them all, one after the other at one server, after the lines of the README.
#[test]
fn the_guides_can_be_typed() {
    let server = Server::start();
    let pasted = &blocks(&document("README.md"), "```redis-cli paste")[0].1;
    let _ = typed(&server, &pasted.lines().collect::<Vec<_>>());
    let mut lines = 0;
    for page in guides() {
        let sessions = sessions(&page);
        if sessions.is_empty() {
            continue;
        }
        let printed = follow(&server, &page, &sessions);
        lines += sessions.iter().map(|session| session.steps.len()).sum::<usize>();
        if writing() {
            let text = sessions.iter().zip(printed).fold(document(&page), |text, (Session { name, .. }, printed)| {
                with_block(text, &format!("```redis-cli {name}"), &printed)
            });
            write(&page, &text);
        }
    }
    assert!(lines > 60, "{lines} lines");
}

#[test]
fn the_examples_of_the_commands_answer_as_written() {
    for spec in TABLE {
        let name = spec.name.to_string();
        let steps = steps(&name, spec.docs.example);
        let printed = follow(&Server::start(), "src/command/examples", &[Session { name, steps }]);
        if writing() {
            let file = spec.name.trim_start_matches("STOCK.").to_lowercase();
            write(&format!("src/command/examples/{file}.txt"), &printed.concat());
        }
    }
}

fn configured(client: &mut testkit::client::Client) -> BTreeMap<String, String> {
    client.say("CONFIG GET stock.*").items().chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

#[test]
fn parameters_are_the_same_everywhere() {
    let server = Server::start();
    let actual = configured(&mut server.client());
    let page: BTreeMap<String, String> = document("docs/reference/configuration.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `stock."))
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            (format!("stock.{}", cells[0].trim_matches('`')), cells[1].trim_matches('"').to_string())
        })
        .collect();
    assert_eq!(page, actual, "docs/reference/configuration.md against CONFIG GET");
    let example: BTreeMap<String, String> = document("redis.conf.example")
        .lines()
        .filter(|line| line.starts_with("stock."))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_string(), value.trim_matches('"').to_string()))
        .collect();
    assert_eq!(example, actual, "the example configuration against CONFIG GET");
}

#[test]
fn the_example_configuration_boots() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("redis.conf");
    let text = document("redis.conf.example");
    // The harness loads the module itself, from where it was built.
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with("loadmodule")).collect();
    fs::write(&path, text.join("\n").replace("stock.hold-seconds 900", "stock.hold-seconds 901")).expect("written");
    let server = Server::with(&["--include", path.to_str().expect("a plain path")]);
    assert_eq!(configured(&mut server.client())["stock.hold-seconds"], "901");
}
