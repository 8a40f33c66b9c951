//! What only the library for Java has: Lettuce, whose cluster client would go on sending a call
//! that has failed (findings/lettuce-cluster-sends-a-call-after-its-timeout.sh).

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::programs::libraries;
use testkit::{info, wait_until, Client, Server};

/// The server closes the connection in place of an answer that is longer than its limit.
#[test]
fn a_call_that_has_failed_is_not_sent_again() {
    for library in libraries().filter(|library| library.language == "java") {
        let server = Server::on_port(&["--cluster-enabled", "yes"]);
        let mut client = server.client();
        client.expect("CLUSTER ADDSLOTSRANGE 0 16383", "OK");
        wait_until("the cluster is up", || info_of_cluster(&mut client).contains("cluster_state:ok"));
        client.expect("STOCK.SET k 100", "OK");

        let mut command = library.program(server.port(), &["--cluster", "lines"]);
        command.env("STOCK_TIMEOUT", "0.2").env("STOCK_PATIENCE_MS", "1000");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("its input");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut sends = |line: &str| {
            writeln!(stdin, "{line}\nMARK").expect("the program takes a line");
            let mut said = String::new();
            stdout.read_line(&mut said).expect("an answer");
            assert_eq!(said, "warm\n", "{}", library.name);
            writeln!(stdin).expect("the program goes on");
        };
        sends(r#"["k","STOCK.AVAILABLE","k"]"#);
        client.call(&["CONFIG", "SET", "client-output-buffer-limit", "normal 10kb 0 0"]);
        client.expect("CONFIG RESETSTAT", "OK");
        sends(&format!(r#"["k","STOCK.AVAILABLE",{}]"#, vec![r#""k""#; 9000].join(",")));

        let sent = calls(&mut client);
        assert!(sent > 0, "{}: it has never been sent", library.name);
        sleep(Duration::from_secs(2));
        assert_eq!(calls(&mut client), sent, "{}: sent again", library.name);
        child.kill().expect("kill");
        child.wait().expect("its end");
    }
}

fn info_of_cluster(client: &mut Client) -> String {
    client.say("CLUSTER INFO").to_string()
}

fn calls(client: &mut Client) -> i64 {
    let stats = info(client, "commandstats");
    let line = stats.iter().find(|(name, _)| name.eq_ignore_ascii_case("cmdstat_STOCK.AVAILABLE"));
    let calls = |line: &String| line["calls=".len()..].split(',').next().map(|count| count.parse().expect("a number"));
    line.and_then(|(_, line)| calls(line)).unwrap_or(0)
}
