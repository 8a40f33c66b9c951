//! A server that answers what a test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

pub struct Fake {
    port: u16,
}

impl Fake {
    /// Each command is answered by what this function gives; HELLO and CLIENT as a server does.
    pub fn start(answer: impl Fn(&[String]) -> Vec<u8> + Send + Sync + Copy + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                std::thread::spawn(move || serve(socket, answer));
            }
        });
        Fake { port }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

fn serve(socket: TcpStream, answer: impl Fn(&[String]) -> Vec<u8>) {
    let Ok(mut out) = socket.try_clone() else { return };
    let mut lines = BufReader::new(socket);
    while let Some(words) = command(&mut lines) {
        let bytes = match words.first().map(String::as_str) {
            Some("HELLO") => b"%1\r\n$5\r\nproto\r\n:3\r\n".to_vec(),
            Some("CLIENT") => b"+OK\r\n".to_vec(),
            _ => answer(&words),
        };
        if out.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// The words of one command; none at the end of the connection.
fn command(lines: &mut impl BufRead) -> Option<Vec<String>> {
    let number = |lead: char, lines: &mut dyn BufRead| {
        let mut line = String::new();
        lines.read_line(&mut line).ok()?;
        line.trim().strip_prefix(lead)?.parse::<usize>().ok()
    };
    let count = number('*', lines)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = number('$', lines)?;
        let mut word = vec![0; length + 2];
        lines.read_exact(&mut word).ok()?;
        word.truncate(length);
        words.push(String::from_utf8_lossy(&word).into_owned());
    }
    Some(words)
}
