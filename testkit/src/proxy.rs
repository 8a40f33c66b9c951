//! Stands between a client and its server, and loses or delays one answer: the call was done, and
//! the client does not know.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Longer than the examples wait for an answer.
const DELAY: Duration = Duration::from_millis(900);

/// What happens to the next answer of a connection.
const PASS: u8 = 0;
const CUT: u8 = 1;
const HOLD: u8 = 2;

pub struct Proxy {
    pub port: u16,
}

impl Proxy {
    /// The first answer about `order-lost` is cut off with its connection; the first about
    /// `order-slow` comes too late.
    pub fn before(server: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its number").port();
        let met = Arc::new([AtomicU8::new(0), AtomicU8::new(0)]);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", server))) else {
                    continue;
                };
                pass(&client, &server, met.clone());
            }
        });
        Proxy { port }
    }
}

fn pass(client: &TcpStream, server: &TcpStream, met: Arc<[AtomicU8; 2]>) {
    let fate = Arc::new(AtomicU8::new(PASS));
    let twin = |stream: &TcpStream| stream.try_clone().expect("the stream once more");
    let (mut from, mut to, next) = (twin(client), twin(server), fate.clone());
    thread::spawn(move || {
        copy(&mut from, &mut to, |bytes| {
            for (n, (order, what)) in [("order-lost", CUT), ("order-slow", HOLD)].into_iter().enumerate() {
                let named = bytes.windows(order.len()).any(|window| window == order.as_bytes());
                if named && met[n].swap(1, Ordering::SeqCst) == 0 {
                    next.store(what, Ordering::SeqCst);
                }
            }
            true
        });
    });
    let (mut from, mut to) = (twin(server), twin(client));
    thread::spawn(move || {
        copy(&mut from, &mut to, |_| match fate.swap(PASS, Ordering::SeqCst) {
            CUT => false,
            HOLD => {
                thread::sleep(DELAY);
                true
            }
            _ => true,
        });
    });
}

/// Copies until one side ends, or `look` says so.
fn copy(from: &mut TcpStream, to: &mut TcpStream, mut look: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        if !look(&buffer[..len]) || to.write_all(&buffer[..len]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
