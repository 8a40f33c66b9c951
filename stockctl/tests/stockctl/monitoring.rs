//! The files of deploy/ for Prometheus and Grafana, on the real programs: Debian's Prometheus 2.42
//! and its prometheus-redis-exporter 1.45, which scripts/deps.sh fetches. Where they cannot be had,
//! these tests say so and pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;
use testkit::server::free_port;
use testkit::{poll, Running, Server};

use crate::harness::run;
use crate::metrics::{get, samples, Exporter};

const DEPLOY: &str = "../deploy";

/// A program of Debian's packages; none: say so.
fn program(name: &str) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("../target"), PathBuf::from);
    let fetched = target.join("monitoring/usr/bin").join(name);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(fetched).chain(std::env::split_paths(&path).map(|dir| dir.join(name)));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {name} is not there (scripts/deps.sh tests fetches it)");
    }
    found.map(|path| path.canonicalize().expect("a path"))
}

fn deploy(path: &str) -> PathBuf {
    Path::new(DEPLOY).join(path).canonicalize().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn promtool(words: &[&str]) -> Option<()> {
    let output =
        Command::new(program("promtool")?).current_dir(deploy("prometheus")).args(words).output().expect("promtool");
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&text));
    Some(())
}

#[test]
fn alerts_fire_when_they_should() {
    let _ = promtool(&["check", "rules", "rules.yml", "redis-exporter.yml"]);
    let _ = promtool(&["test", "rules", "rules_test.yml", "redis-exporter_test.yml"]);
}

/// The alerts of a file with the expression and the runbook of each.
fn rules(file: &str) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(deploy(file)).expect("the rules");
    let alerts = text.split("- alert: ").skip(1).map(|rule| {
        let line = |name: &str| {
            let found = rule.lines().find_map(|line| line.trim().strip_prefix(name));
            found.unwrap_or_else(|| panic!("{name} in {rule}")).trim().to_string()
        };
        (rule.lines().next().expect("a name").to_string(), line("expr:"), line("runbook:"))
    });
    alerts.collect()
}

/// Each alert has a heading of the runbook, and a test of its own.
#[test]
fn every_alert_leads_to_its_heading() {
    let tests = std::fs::read_to_string(deploy("prometheus/rules_test.yml")).expect("the tests");
    let rules = rules("prometheus/rules.yml");
    assert!(rules.len() >= 14);
    for (alert, _, runbook) in &rules {
        let (page, anchor) = runbook.split_once('#').expect("a heading");
        let page = std::fs::read_to_string(Path::new("..").join(page)).expect("the page");
        let plain = |heading: &str| {
            let kept: String =
                heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -".contains(*c)).collect();
            kept.trim().replace(' ', "-")
        };
        let headings: BTreeSet<String> = page.lines().filter_map(|line| line.strip_prefix("## ")).map(plain).collect();
        assert!(headings.contains(anchor), "{alert}: {anchor}");
        assert!(tests.contains(&format!("alertname: {alert}\n        exp_alerts")), "{alert} is never seen to fire");
    }
}

/// Those who keep the exporter of Redis have the same figures by its -script flag.
#[test]
fn the_exporter_of_redis_has_the_figures_by_its_script() {
    let Some(exporter) = program("prometheus-redis-exporter") else { return };
    let server = Server::on_port(&[]);
    server.client().script(
        "ACL SETUSER redisexporter on >S3CRET +ping +info +eval +stock.top +config|get +client|setname +latency +slowlog +dbsize +select
         STOCK.SET k 5
         STOCK.RESERVE k o 2 => [OK, *]
         STOCK.RESERVE mispelt o 2 => [NOPOOL, *]",
    );
    let port = free_port().to_string();
    let mut command = Command::new(exporter);
    command.args(["-redis.addr", &format!("redis://127.0.0.1:{}", server.port())]);
    command.args(["-redis.user", "redisexporter", "-redis.password", "S3CRET"]);
    command.args(["-script", &deploy("prometheus/stock.lua").display().to_string()]);
    command.args(["-web.listen-address", &format!("127.0.0.1:{port}")]);
    let _running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the exporter"));
    let address = format!("127.0.0.1:{port}");
    let text = poll("the exporter answers", || {
        std::net::TcpStream::connect(&address).ok()?;
        let (_, body) = get(&address, "/metrics");
        body.contains("redis_script_values{").then_some(body)
    });
    for sample in [
        "redis_script_values{key=\"stock_pools\"} 1",
        "redis_script_values{key=\"stock_held_units\"} 2",
        "redis_script_values{key=\"stock_replies_reserved\"} 1",
        "redis_script_values{key=\"stock_unknown_key_calls\"} 1",
        "redis_script_values{key=\"stock_divergences\"} 0",
    ] {
        assert!(text.contains(&format!("{sample}\n")), "{sample}");
    }
    // What the recording rules take is what there is.
    let rules = std::fs::read_to_string(deploy("prometheus/redis-exporter.yml")).expect("the rules");
    let mut taken = 0;
    for key in rules.split("key=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(text.contains(&format!("redis_script_values{{key=\"{key}\"}}")), "{key}");
        taken += 1;
    }
    assert!(taken > 20, "{taken}");
}

/// The expressions of a dashboard, each with the panel's title; variables stand for all.
fn expressions(file: &str) -> Vec<(String, String)> {
    let text = std::fs::read_to_string(deploy(file)).expect("the dashboard");
    let board: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = Vec::new();
    for panel in board["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().expect("an expression");
            let expression =
                expression.replace("$__rate_interval", "20s").replace("$node", ".*").replace("$pool", ".*");
            assert!(!expression.contains('$'), "{expression}");
            found.push((panel["title"].as_str().unwrap_or_default().to_string(), expression));
        }
    }
    found
}

/// A Prometheus that scrapes these addresses every second.
fn prometheus(program: &Path, dir: &Path, scraped: &[&str]) -> (Running, String) {
    let targets: Vec<String> = scraped.iter().map(|address| format!("'{address}'")).collect();
    let (rules, config) = (deploy("prometheus/rules.yml"), dir.join("prometheus.yml"));
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  - job_name: stock\n    static_configs: [{{targets: [{}]}}]\n",
        rules.display(),
        targets.join(", ")
    );
    std::fs::write(&config, text).expect("a configuration");
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new(program);
    command.arg(format!("--config.file={}", config.display()));
    command.arg(format!("--storage.tsdb.path={}", dir.join("data").display()));
    command.arg(format!("--web.listen-address={address}"));
    let log = std::fs::File::create(dir.join("log")).expect("a log");
    let running = Running(command.stdout(Stdio::null()).stderr(log).spawn().expect("Prometheus"));
    poll("Prometheus answers", || {
        std::net::TcpStream::connect(&address).ok()?;
        get(&address, "/-/ready").0.starts_with("HTTP/1.1 200").then_some(())
    });
    (running, address)
}

/// An instant query: how many series it has.
fn query(prometheus: &str, expression: &str) -> usize {
    let escaped: String = expression.bytes().map(|b| format!("%{b:02X}")).collect();
    let (_, body) = get(prometheus, &format!("/api/v1/query?query={escaped}"));
    let answer: Value = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{expression}: {error} {body}"));
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    answer["data"]["result"].as_array().map_or(0, Vec::len)
}

/// stock-ledger follows the sale in this process.
fn ledger(dir: &Path, redis: &str) -> String {
    let address = format!("127.0.0.1:{}", free_port());
    let config = dir.join("ledger.toml");
    let text =
        format!("[redis]\nurl = \"{redis}\"\n[database]\nurl = \"sqlite:{}\"\n", dir.join("ledger.db").display());
    std::fs::write(&config, text).expect("a configuration");
    let config = config.display().to_string();
    let call =
        |words: &[&str]| stock_ledger::cli::Cli::parse_from([&["stock-ledger", "--config", &config], words].concat());
    let (init, run) = (call(&["init"]), call(&["run", "--metrics", &address]));
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            init.run().await.expect("the tables");
            run.run().await.expect("the feed");
        });
    });
    address
}

/// Every query of the dashboards and of the alerts, on a Prometheus that scraped a sale.
#[test]
fn dashboards_show_a_sale() {
    let Some(program) = program("prometheus") else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::on_port(&[]);
    let redis = format!("redis://127.0.0.1:{}", server.port());
    let mut c = server.client();
    c.script(
        "STOCK.SET sku:618 500
         STOCK.SETPOLICY sku:618 {\"events\":\"stock:events\"}
         STOCK.LIMIT sku:618 user 2
         STOCK.SET sku:619 3
         XGROUP CREATE stock:events mail 0",
    );
    let ledger = ledger(dir.path(), &redis);
    let exporter = Exporter::start(&["--url", &redis, "metrics", "--stream", "stock:events"]);
    let (_running, prometheus) = prometheus(&program, dir.path(), &[&exporter.address, &ledger]);
    // It begins to scrape some seconds after its start.
    poll("Prometheus scrapes both", || {
        (query(&prometheus, "stock_up") > 0 && query(&prometheus, "stock_ledger_up") > 0).then_some(())
    });
    let begin = Instant::now();
    let mut n = 0;
    while begin.elapsed() < Duration::from_secs(5) {
        c.expect(&format!("STOCK.RESERVE sku:618 o{n} 1 FOR user u{}", n % 300), "*");
        c.expect(&format!("STOCK.CONFIRM sku:618 o{n}"), "*");
        c.expect(&format!("STOCK.RESERVE sku:619 o{n} 1 PX 500"), "*");
        c.expect(&format!("STOCK.RESERVE sku:618 x{n} 1"), "-NODIM *");
        c.expect(&format!("STOCK.RESERVE sku:mispelt o{n} 1"), "[NOPOOL, *]");
        n += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    // There are none in a sale that goes well.
    let quiet = ["stock_ledger_incidents_total"];
    let mut checked = 0;
    for file in ["grafana/sale.json", "grafana/servers.json"] {
        for (title, expression) in expressions(file) {
            let series = query(&prometheus, &expression);
            let may_be_quiet = quiet.iter().any(|name| expression.contains(name));
            assert!(
                series > 0 || may_be_quiet,
                "{file}, {title}: nothing for {expression}\n{}",
                get(&ledger, "/metrics").1
            );
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked}");
    for (_, expression, _) in rules("prometheus/rules.yml") {
        query(&prometheus, &expression);
        // Each name that an alert asks for is a figure.
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for name in words.filter(|word| word.starts_with("stock_")) {
            assert!(query(&prometheus, name) > 0 || quiet.contains(&name), "{name} is no figure");
        }
    }
    let url = format!("http://{ledger}/metrics");
    run(&server, &["top", "--once", "--every", "1", "--ledger", &url]).ok().says(&[" s, 0 entries behind"]);
    let of_ledger = samples(&get(&ledger, "/metrics").1);
    assert!(of_ledger["stock_ledger_batches_total"] > 0.0 && of_ledger["stock_ledger_up{part=\"database\"}"] == 1.0);
    assert!(of_ledger["stock_ledger_events_applied_total{stream=\"stock:events\"}"] > 10.0);
}
