//! Ports of the loopback for servers that go away and come back.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

/// How many ports are tried before it is called a fault.
const TRIES_MAX: usize = 1_000;

/// A free port below the range that the system gives out by itself, so that nobody comes to sit on
/// it while its server is down. Nor does another test, of this process or another: the port is
/// locked until this process ends.
pub(crate) fn free_port() -> u16 {
    static LOCKED: Mutex<Vec<File>> = Mutex::new(Vec::new());
    let user = rustix::process::getuid().as_raw();
    let directory = std::env::temp_dir().join(format!("changecast-ports-{user}"));
    fs::create_dir_all(&directory).expect("a directory");
    for _ in 0..TRIES_MAX {
        let port = fastrand::u16(20_000..32_000);
        let path = directory.join(port.to_string());
        let lock = File::options().create(true).write(true).truncate(false).open(path);
        let lock = lock.expect("a file");
        let is_free = || TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if lock.try_lock().is_ok() && is_free() {
            LOCKED.lock().unwrap_or_else(PoisonError::into_inner).push(lock);
            return port;
        }
    }
    panic!("no port is free");
}
