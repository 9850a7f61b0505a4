//! What a delivery costs in allocations: nothing for a subscriber more (a program of its own, since
//! it counts every allocation of the process).

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]
#![allow(unsafe_code, reason = "an allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use changecast::hub::{Message, Publisher};
use changecast::model::Topic;
use changecast::server::Server;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system allocator's; counting beside it changes nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps to the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const MESSAGES: usize = 50;

#[test]
fn a_delivery_allocates_nothing_for_its_subscriber() {
    for path in ["/events", "/ws"] {
        let (few, many) = (allocations(path, 50), allocations(path, 450));
        let per_delivery = (many as f64 - few as f64) / (400 * MESSAGES) as f64;
        // What a message costs once, for all, differs a little from run to run.
        assert!(per_delivery < 0.05, "{path}: {per_delivery}, from {few} and {many}");
    }
}

/// Allocations of the whole process while so many subscribers are delivered [`MESSAGES`] messages.
fn allocations(path: &str, subscriber_count: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let stage = Stage::start(&runtime);
    let mut subscribers: Vec<_> =
        (0..subscriber_count).map(|_| Subscriber::connect(stage.address, path)).collect();
    // What is set up at the first delivery is not counted.
    stage.publish(&runtime, 0);
    subscribers.iter_mut().for_each(|subscriber| subscriber.wait_for(0));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for number in 1..=MESSAGES {
        stage.publish(&runtime, number);
        subscribers.iter_mut().for_each(|subscriber| subscriber.wait_for(number));
    }
    let count = ALLOCATIONS.load(Ordering::Relaxed) - before;
    stage.end(&runtime);
    count
}

struct Stage {
    address: SocketAddr,
    publisher: Publisher,
    shutdown: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Stage {
    fn start(runtime: &Runtime) -> Self {
        let server = runtime.block_on(Server::builder().build()).unwrap();
        let publisher = server.publisher();
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
        let address = listener.local_addr().unwrap();
        let (shutdown, ended) = oneshot::channel();
        let serving = runtime.spawn(server.serve(listener, async {
            let _ = ended.await;
        }));
        Self { address, publisher, shutdown, serving }
    }

    fn publish(&self, runtime: &Runtime, number: usize) {
        let topic = Topic::parse("a.b").unwrap();
        let json = format!(r#"{{"number":"<{number}>"}}"#);
        let message = Message { topic, json, key: None };
        runtime.block_on(self.publisher.publish(message)).unwrap();
    }

    fn end(self, runtime: &Runtime) {
        self.shutdown.send(()).unwrap();
        runtime.block_on(self.serving).unwrap().unwrap();
    }
}

/// A client that allocates nothing while it reads.
struct Subscriber {
    stream: TcpStream,
    /// What came last: enough to hold a message.
    seen: [u8; 1024],
}

impl Subscriber {
    fn connect(address: SocketAddr, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut subscriber = Self { stream, seen: [0; 1024] };
        subscriber.wait_until(b"position");
        subscriber
    }

    /// Reads until the message with this number has come.
    fn wait_for(&mut self, number: usize) {
        let mut text = [0; 16];
        let mut rest = &mut text[..];
        write!(rest, "<{number}>").unwrap();
        let left = rest.len();
        let length = text.len() - left;
        self.wait_until(&text[..length]);
    }

    fn wait_until(&mut self, text: &[u8]) {
        while !self.seen.windows(text.len()).any(|window| window == text) {
            let mut bytes = [0; 512];
            let count = self.stream.read(&mut bytes).unwrap();
            assert!(count > 0, "the connection goes on");
            self.seen.rotate_left(count);
            let start = self.seen.len() - count;
            self.seen[start..].copy_from_slice(&bytes[..count]);
        }
    }
}
