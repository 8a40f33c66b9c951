//! Where the servers are: several, a cluster, Sentinel, TLS, users; and what is said when they are
//! not there.

use std::process::{Command, Stdio};

use testkit::cluster::{slot_of, tag_of, Cluster};
use testkit::server::free_port;
use testkit::{certificate, wait_until, Client, Sentinel, Server};

use crate::fake::Fake;
use crate::harness::{command, ended, run, url, Ended};

fn at(port: u16, words: &[&str]) -> Ended {
    let url = format!("redis://127.0.0.1:{port}");
    ended(&mut command(&[&["--url", &url], words].concat()))
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = free_port();
    for words in [&["explain", "k"][..], &["holds", "k"], &["pools"], &["pools", "--json"]] {
        let ended = at(port, words).with(4);
        assert!(ended.err.starts_with(&format!("error: 127.0.0.1:{port} cannot be reached: ")), "{}", ended.err);
        assert_eq!((ended.out.as_str(), ended.err.lines().count()), ("", 1));
    }
    // One that takes connections and never answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its address").port();
    at(port, &["pools", "--timeout", "1"]).with(4).err_has(&format!("127.0.0.1:{port} cannot be reached"));
    for url in ["nonsense://u:S3CRET@h", "redis://u:S3CRET@h:99999", ""] {
        let ended = ended_of(&["--url", url, "pools"]).with(2);
        assert!(!ended.err.contains("S3CRET") && ended.err.contains("--url"), "{}", ended.err);
    }
}

fn ended_of(words: &[&str]) -> Ended {
    ended(&mut command(words))
}

#[test]
fn a_server_without_the_module_says_so() {
    let port = free_port();
    let server = std::env::var_os("REDIS_SERVER").unwrap_or_else(|| "redis-server".into());
    let mut bare = Command::new(server);
    bare.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
    let mut bare = bare.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a server");
    wait_until("the server answers", || Client::tcp(port).is_ok_and(|mut client| client.try_call(&["PING"]).is_ok()));
    let (explain, pools) = (at(port, &["explain", "k"]), at(port, &["pools"]));
    let _ = bare.kill();
    let _ = bare.wait();
    for ended in [explain, pools] {
        ended.with(2).err_has("has not loaded the redis-stock module");
    }
}

/// Who may do what the documents say has every answer, and a name; nobody else has one.
#[test]
fn users_of_the_documents_have_answers() {
    let (server, mut c) = Server::on_port(&[]).with_client();
    let page = std::fs::read_to_string("../docs/operating/deploy.md").expect("the page is there");
    for line in page.lines().filter(|line| line.starts_with("ACL SETUSER")) {
        c.expect(line, "OK");
    }
    c.script(
        "STOCK.SET sku:618 1
         STOCK.SET other:1 1
         CONFIG SET slowlog-log-slower-than 0
         CONFIG SET requirepass S3CRET",
    );
    c.expect("ACL LOG RESET", "OK");
    let port = server.port().to_string();
    let with = |user: &str, password: &str, words: &[&str]| {
        let url = format!("redis://127.0.0.1:{port}");
        let mut command = command(&[&["--url", &url], words].concat());
        if !user.is_empty() {
            command.env("STOCKCTL_USER", user);
        }
        ended(command.env("STOCKCTL_PASSWORD", password))
    };
    with("operator", "CHANGE-ME", &["explain", "sku:618"]).ok();
    with("operator", "CHANGE-ME", &["holds", "sku:618"]).ok();
    assert_eq!(c.say("ACL LOG").items().len(), 0, "nothing that was refused");
    let names: Vec<String> = c.say("SLOWLOG GET 100").items().iter().map(|entry| entry.items()[5].text()).collect();
    assert!(names.iter().any(|name| name == "stockctl"), "{names:?}");
    let pools = with("operator", "CHANGE-ME", &["pools", "--json"]).ok().json();
    assert_eq!((&pools["seen"], &pools["forbidden"]), (&2.into(), &1.into()));
    assert_eq!(pools["pools"][0]["key"], "sku:618");
    with("operator", "CHANGE-ME", &["pools"]).ok().says(&["1 of 2 pools.", "1 may not be read by this user."]);
    let denied = with("operator", "CHANGE-ME", &["explain", "other:1"]).with(2);
    let denied = denied.err_has(&format!("127.0.0.1:{port} answers NOPERM"));
    assert!(denied.err.ends_with(" (user operator)\n"), "{}", denied.err);
    with("exporter", "CHANGE-ME", &["pools"]).with(2);
    with("", "S3CRET", &["pools"]).ok();
    for (user, password) in [("operator", "wrong"), ("nobody", "wrong"), ("", "")] {
        let ended = with(user, password, &["pools"]).with(2);
        assert!(ended.err.starts_with(&format!("error: 127.0.0.1:{port}")), "{}", ended.err);
        assert!(!ended.err.contains("wrong"), "{}", ended.err);
    }
}

#[test]
fn several_servers_are_each_shown() {
    let (one, other) = (Server::start(), Server::start());
    one.client().expect("STOCK.SET sku:1 10", "OK");
    other.client().script(
        "STOCK.SET sku:1 20
         STOCK.SET sku:2 30",
    );
    let both = format!("{},{}", url(&one), url(&other));
    let pools = ended_of(&["--url", &both, "pools", "--json"]).ok().json();
    let shown: Vec<String> = pools["pools"]
        .as_array()
        .expect("pools")
        .iter()
        .map(|pool| format!("{} {}", pool["key"].as_str().expect("a key"), pool["on_hand"]))
        .collect();
    let mut sorted = shown.clone();
    sorted.sort();
    assert_eq!(sorted, ["sku:1 10", "sku:1 20", "sku:2 30"]);
    ended_of(&["--url", &both, "pools"]).ok().says(&["server", &one.socket().display().to_string()]);
    // Which of them has the key is not guessed.
    ended_of(&["--url", &both, "explain", "sku:1"]).with(2).err_has("name one --url");
    // A view without one of them does not pass for the whole.
    let lost = format!("127.0.0.1:{}", free_port());
    let with_lost = format!("{both},redis://{lost}");
    ended_of(&["--url", &with_lost, "pools"])
        .with(4)
        .says(&["3 of 3 pools.", &format!("Those of {lost} are missing.")]);
    let all = ended_of(&["--url", &with_lost, "pools", "--json"]).with(4).json();
    assert_eq!((all["seen"].as_u64(), &all["lost"]), (Some(3), &serde_json::json!([lost])));
}

#[test]
fn a_cluster_is_found_from_any_node_and_asked_whole() {
    let cluster = Cluster::steady();
    let keys: Vec<String> = (0..3).map(|primary| format!("{{{}}}sku", tag_of(primary))).collect();
    for (primary, key) in keys.iter().enumerate() {
        cluster.client(primary).expect(&format!("STOCK.SET {key} {}", primary + 1), "OK");
    }
    for (primary, replica) in (3..6).enumerate() {
        cluster.nodes[replica].catch_up(&cluster.nodes[primary]);
    }
    for node in 0..6 {
        wait_until("each node knows where the replicas are", || {
            cluster.client(node).say("CLUSTER SLOTS").items().iter().all(|range| range.items().len() == 4)
        });
    }
    // Any node leads to the others, also a replica.
    for port in [cluster.ports()[1], cluster.ports()[5]] {
        let pools = at(port, &["pools", "--json"]).ok().json();
        assert_eq!(pools["seen"], 3);
        for key in &keys {
            at(port, &["explain", key]).ok();
            at(port, &["holds", key]).ok();
        }
    }
    // One that is not there is passed over.
    let seeds = format!("redis://127.0.0.1:{},redis://127.0.0.1:{}", free_port(), cluster.ports()[0]);
    assert_eq!(ended_of(&["--url", &seeds, "pools", "--json"]).ok().json()["seen"], 3);
    // So is one that is loading its data.
    let loading = Fake::start(|words| match words.join(" ").as_str() {
        "INFO cluster" => "$19\r\ncluster_enabled:1\r\n\r\n".into(),
        "INFO replication" => "$13\r\nrole:master\r\n\r\n".into(),
        _ => "-LOADING Redis is loading the dataset in memory\r\n".into(),
    });
    let seeds = format!("{},redis://127.0.0.1:{}", loading.url(), cluster.ports()[0]);
    assert_eq!(ended_of(&["--url", &seeds, "pools", "--json"]).ok().json()["seen"], 3);
    // Replicas, in place of the primaries.
    let replicas = at(cluster.ports()[0], &["pools", "--json", "--replicas"]).ok().json();
    let mut asked: Vec<String> = replicas["pools"]
        .as_array()
        .expect("pools")
        .iter()
        .map(|pool| pool["server"].as_str().expect("an address").to_string())
        .collect();
    asked.sort();
    let mut expected: Vec<String> = cluster.ports()[3..].iter().map(|port| format!("127.0.0.1:{port}")).collect();
    expected.sort();
    assert_eq!(asked, expected);
    let by_replica = at(cluster.ports()[0], &["explain", &keys[2], "--replicas", "--json"]).ok().json();
    assert_eq!(by_replica["server"], format!("127.0.0.1:{}", cluster.ports()[5]));
    // Every node has figures; a replica of each primary is verified.
    let figures = at(cluster.ports()[1], &["metrics", "--once"]).ok().out;
    for (node, port) in cluster.ports().iter().enumerate() {
        let role = if node < 3 { "primary" } else { "replica" };
        assert!(figures.contains(&format!("stock_node{{node=\"127.0.0.1:{port}\",role=\"{role}\",")), "{figures}");
    }
    let verified = at(cluster.ports()[1], &["verify", "--json"]).ok().json();
    assert_eq!((&verified["verified"], verified["servers"].as_array().map(Vec::len)), (&3.into(), Some(3)));
    let shown = at(cluster.ports()[1], &["top", "--json", "--every", "1"]).ok().json();
    assert_eq!((&shown["pools"], shown["servers"].as_array().map(Vec::len)), (&3.into(), Some(6)));
    // This node alone.
    assert_eq!(at(cluster.ports()[1], &["pools", "--json", "--single"]).ok().json()["seen"], 1);
    at(cluster.ports()[1], &["explain", &keys[0], "--single"]).with(2).err_has("answers MOVED");
    // A slot that is half moved: what is there and what has gone are both found, and once.
    let slot = slot_of(keys[0].as_bytes());
    let twin = format!("{}-2", keys[0]);
    cluster.client(0).expect(&format!("STOCK.SET {twin} 7"), "OK");
    cluster.open_slot(slot, 0, 1);
    cluster.move_key(&keys[0], 0, 1);
    for key in [&keys[0], &twin] {
        at(cluster.ports()[2], &["explain", key]).ok();
    }
    let pools = at(cluster.ports()[2], &["pools", "--json"]).ok().json();
    assert_eq!(pools["seen"], 4);
    cluster.move_key(&twin, 0, 1);
    cluster.close_slot(slot, 1);
}

#[test]
fn sentinel_leads_to_the_primary_and_its_replica() {
    let (primary, mut c) = Server::on_port(&[]).with_client();
    c.script(
        "CONFIG SET requirepass S3CRET
         SELECT 1
         STOCK.SET k 5",
    );
    let replica = Server::on_port(&["--masterauth", "S3CRET"]);
    replica.client().expect(&format!("REPLICAOF 127.0.0.1 {}", primary.port()), "OK*");
    replica.wait_for_link();
    let sentinel = Sentinel::of(primary.port(), "sentinel auth-pass shop S3CRET\n");
    wait_until("the sentinel knows the replica", || {
        let mut client = Client::tcp(sentinel.port).expect("a connection");
        client.call(&["SENTINEL", "REPLICAS", "shop"]).items().len() == 1
    });
    let urls = format!("redis://127.0.0.1:{},redis://127.0.0.1:{}/1", free_port(), sentinel.port);
    let asked = |urls: &str, more: &[&str]| {
        let words = [&["--url", urls, "--sentinel", "shop", "explain", "k", "--json"], more].concat();
        ended(command(&words).env("STOCKCTL_PASSWORD", "S3CRET"))
    };
    // The first does not answer; and the database is that of the first URL.
    assert_eq!(asked(&urls, &[]).with(1).json()["explain"]["exists"], 0);
    let url = format!("redis://127.0.0.1:{}/1", sentinel.port);
    let found = asked(&url, &[]).ok().json();
    assert_eq!(found["server"], format!("127.0.0.1:{}", primary.port()));
    let found = asked(&url, &["--replicas"]).ok().json();
    assert_eq!(found["server"], format!("127.0.0.1:{}", replica.port()));
    ended_of(&["--url", &url, "--sentinel", "other", "pools"])
        .with(2)
        .err_has(&format!("the sentinel at 127.0.0.1:{} does not watch other", sentinel.port));
}

#[test]
fn tls_trusts_whom_it_is_told_to() {
    let keep = tempfile::tempdir().expect("a directory");
    let (certificate, key) = certificate(keep.path());
    let port = free_port();
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key, "--tls-ca-cert-file", &certificate];
    let server = Server::with(&[&files[..], &["--tls-port", &port.to_string()]].concat());
    server.client().expect("STOCK.SET k 5", "OK");
    let url = format!("rediss://localhost:{port}");
    let asked = |words: &[&str]| ended_of(&[&["--url", &url, "explain", "k"], words].concat());
    // Whom the system does not know is not talked to; and this server wants a certificate.
    let unknown = asked(&[]).with(4);
    assert!(unknown.err.ends_with("; --tls-ca FILE says whom to trust\n"), "{}", unknown.err);
    asked(&["--tls-ca", &certificate]).with(4).err_has("cannot be reached");
    // Without TLS to a server that speaks it.
    let plain = ended_of(&["--url", &format!("redis://localhost:{port}"), "explain", "k"]).with(4);
    assert!(plain.err.ends_with("; if it speaks TLS, its address is rediss://\n"), "{}", plain.err);
    ended_of(&["--url", &format!("localhost:{port}"), "explain", "k"]).with(2).err_has("write redis://");
    asked(&["--tls-ca", &certificate, "--tls-cert", &certificate, "--tls-key", &key]).ok();
    asked(&["--tls-cert", &certificate]).with(2);
    asked(&["--tls-ca", "/nonexistent"]).with(2).err_has("cannot read /nonexistent");
    run(&server, &["pools", "--tls-ca", &certificate]).with(2).err_has("is not rediss://");
}

/// The operator may type every line of the runbook.
#[test]
fn the_operator_may_type_the_runbook() {
    let (server, mut c) = Server::on_port(&[]).with_client();
    let read = |page: &str| std::fs::read_to_string(format!("../docs/operating/{page}.md")).expect("the page is there");
    let users = read("deploy");
    c.expect(users.lines().find(|line| line.starts_with("ACL SETUSER operator ")).expect("the operator's line"), "OK");
    c.script(
        "STOCK.SET sku:618 10
         STOCK.LIMIT sku:618 user 5",
    );
    let page = read("runbook");
    let lines: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("stockctl ")).collect();
    assert!(lines.len() >= 3, "{lines:?}");
    for line in lines {
        let url = format!("redis://127.0.0.1:{}", server.port());
        let words: Vec<&str> = ["--url", &url].into_iter().chain(line.split(' ')).collect();
        let ended = ended(command(&words).env("STOCKCTL_USER", "operator").env("STOCKCTL_PASSWORD", "CHANGE-ME"));
        assert!(ended.code <= 1 && ended.err.is_empty(), "{line}: {} {}", ended.code, ended.err);
    }
    assert_eq!(c.say("ACL LOG").items().len(), 0);
}
