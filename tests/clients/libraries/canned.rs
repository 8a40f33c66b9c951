//! A server that answers the calls of the vectors as they stand there, in the protocol that a
//! connection has chosen. Everything else is passed on to a real server, so that each client
//! library opens its connection as it always does.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use super::vectors;
use testkit::client::encode;
use testkit::{Client, Server};

pub struct Canned {
    pub port: u16,
    _behind: Server,
}

type Answers = HashMap<Vec<u8>, [Vec<u8>; 2]>;

impl Canned {
    pub fn start() -> Canned {
        let behind = Server::on_port(&[]);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let all = vectors::all().into_iter();
        let answers: Arc<Answers> = Arc::new(all.map(|vector| (encode(&vector.words), vector.answers)).collect());
        let server = behind.port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let answers = answers.clone();
                thread::spawn(move || serve(client, server, &answers));
            }
        });
        Canned { port, _behind: behind }
    }
}

/// Until the client is gone.
fn serve(client: TcpStream, server: u16, answers: &Answers) -> Option<()> {
    let mut behind = Client::tcp(server).ok()?;
    let mut out = client.try_clone().ok()?;
    let mut requests = BufReader::new(client);
    let mut resp3 = false;
    loop {
        let words = request(&mut requests)?;
        if words[0].eq_ignore_ascii_case(b"HELLO") && words.len() > 1 {
            resp3 = words[1] == b"3";
        }
        let unknown = || {
            let words: Vec<String> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
            format!("-ERR not one of the vectors: {}\r\n", words.join(" ")).into_bytes()
        };
        let answer = if words[0].to_ascii_uppercase().starts_with(b"STOCK.") {
            answers.get(&encode(&words)).map_or_else(unknown, |answer| answer[usize::from(resp3)].clone())
        } else {
            behind.try_call(&words).ok()?;
            behind.last_raw().to_vec()
        };
        out.write_all(&answer).ok()?;
    }
}

/// The words of one request.
fn request(from: &mut BufReader<TcpStream>) -> Option<Vec<Vec<u8>>> {
    let number = |kind: u8, from: &mut BufReader<TcpStream>| -> Option<usize> {
        let mut line = String::new();
        from.read_line(&mut line).ok()?;
        let rest = line.strip_prefix(char::from(kind))?;
        rest.trim_end().parse().ok()
    };
    let count = number(b'*', from)?;
    (0..count)
        .map(|_| {
            let mut word = vec![0; number(b'$', from)? + 2];
            from.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            Some(word)
        })
        .collect()
}
