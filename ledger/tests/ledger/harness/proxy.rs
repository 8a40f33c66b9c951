//! A proxy in front of a server, which decides by what clients send.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What happens to bytes of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They reach the server.
    Replay,
    /// The connection ends before they reach the server.
    CutBefore,
    /// They reach the server, and the connection ends before its answer.
    CutAfter,
}

type Rule = Arc<Mutex<dyn FnMut(&[u8]) -> Verdict + Send>>;

/// Ends with this value.
pub struct Proxy {
    pub port: u16,
    ended: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(server: u16, rule: impl FnMut(&[u8]) -> Verdict + Send + 'static) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let ended = Arc::new(AtomicBool::new(false));
        let rule: Rule = Arc::new(Mutex::new(rule));
        let stop = ended.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (from, to) = (client.try_clone().expect("a socket"), server.try_clone().expect("a socket"));
                std::thread::spawn(move || pass(server, client));
                let rule = rule.clone();
                std::thread::spawn(move || classify(from, to, &rule));
            }
        });
        Proxy { port, ended }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

fn classify(mut from: TcpStream, mut to: TcpStream, rule: &Rule) {
    let mut buffer = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let verdict = (rule.lock().expect("the rule"))(&buffer[..count]);
        if verdict == Verdict::CutAfter {
            let _ = from.shutdown(Shutdown::Both);
        }
        if verdict == Verdict::CutBefore || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        if verdict == Verdict::CutAfter {
            // The server works on it and finds nobody who hears the answer.
            std::thread::sleep(std::time::Duration::from_millis(50));
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
