//! Subscribers that never read, and how it is known that they are stuck.
//!
//! What a server writes to one of them first fills the receiving socket's buffer, then the sending
//! one's. Until both are full it is a subscriber like others. The kernel tells how much waits in the
//! sending one, in `/proc/net/tcp`, where the server is on the same machine.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::net::TcpStream;

use socket2::{Domain, Socket, Type};

use super::fleet::Fleet;
use super::publisher::Publisher;
use super::target::Target;
use super::{PATIENCE, unreachable};
use crate::Failure;

/// Bytes of the kernel's memory for what a stalled subscriber has not read: as few as possible, so
/// that the server notices soon.
const RECEIVE_BYTES: usize = 4 << 10;

/// Bytes of a message that is to fill buffers: no socket that has room takes nothing of it.
const FILLING_BYTES: usize = 8 << 10;

/// How many of those are sent at most: 4 MiB, the most that Linux keeps for a socket by itself.
const FILLINGS_MAX: usize = 512;

/// How many between two looks. Whoever reads has got the last one, so a server that serves one after
/// the other is through with the one before.
const FILLINGS_BETWEEN_LOOKS: usize = 2;

/// The state in `/proc/net/tcp` of a connection that neither side has closed.
const ESTABLISHED: &str = "01";

/// Kept open, never read.
#[derive(Default)]
pub(super) struct Stalled {
    streams: Vec<TcpStream>,
    /// By which the other ends are found.
    ports: HashSet<u16>,
    server_port: u16,
}

/// Bytes that wait to be sent, by the port that they are for: of the server's ends that are open.
type Queues = HashMap<u16, u64>;

impl Stalled {
    /// Opens `count`, each of which has got the first byte of its stream.
    pub(super) fn open(target: &Target, count: usize) -> Result<Self, Failure> {
        let mut all = Self { server_port: target.address.port(), ..Self::default() };
        for _ in 0..count {
            let stream = open(target).map_err(|error| unreachable(target, &error))?;
            let local = stream.local_addr().map_err(|error| unreachable(target, &error))?;
            all.ports.insert(local.port());
            all.streams.push(stream);
        }
        Ok(all)
    }

    /// Publishes until all are stuck, or for as long as any buffer may have room; how many are.
    pub(super) fn fill(
        &self,
        fleet: &mut Fleet,
        publisher: &mut Publisher,
    ) -> Result<usize, Failure> {
        let (mut before, mut count) = (Queues::new(), 0);
        for sent in 0..FILLINGS_MAX {
            if sent % FILLINGS_BETWEEN_LOOKS == 0 {
                count = self.stuck_since(&mut before);
                if count == self.streams.len() {
                    break;
                }
            }
            let due = fleet.warm_ups_after_next();
            publisher.warm_up(FILLING_BYTES)?;
            fleet.read_warm_ups(due)?;
        }
        Ok(count)
    }

    /// How many have taken nothing since the last look, which this one replaces.
    fn stuck_since(&self, last: &mut Queues) -> usize {
        let now = self.queues();
        let count = stuck(last, &now);
        *last = now;
        count
    }

    /// How many connections the server still has open, and something to send on.
    pub(super) fn waiting(&self) -> usize {
        self.queues().values().filter(|queued| **queued > 0).count()
    }

    /// What waits for each; nothing of a server on another machine.
    fn queues(&self) -> Queues {
        let mut queues = Queues::new();
        for path in ["/proc/net/tcp", "/proc/net/tcp6"] {
            let table = fs::read_to_string(path).unwrap_or_default();
            let rows = table.lines().filter_map(read_row);
            let ours = rows.filter(|row| row.port == self.server_port);
            queues.extend(
                ours.filter(|row| self.ports.contains(&row.peer)).map(|row| (row.peer, row.queued)),
            );
        }
        queues
    }
}

fn open(target: &Target) -> std::io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(target.address), Type::STREAM, None)?;
    // Before it connects: the window that the peer is offered follows from it.
    socket.set_recv_buffer_size(RECEIVE_BYTES)?;
    socket.connect_timeout(&target.address.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(target.subscription().as_bytes())?;
    stream.peek(&mut [0])?;
    Ok(stream)
}

/// How many took nothing between two looks: something waits for them, and it is no more than before.
fn stuck(before: &Queues, now: &Queues) -> usize {
    now.iter().filter(|(port, queued)| **queued > 0 && before.get(port) == Some(queued)).count()
}

/// An open connection of this machine.
struct Row {
    port: u16,
    peer: u16,
    queued: u64,
}

/// Reads `sl local:port peer:port state sending:receiving …`, all but the first in hexadecimal.
fn read_row(line: &str) -> Option<Row> {
    let mut words = line.split_whitespace().skip(1);
    let port = |word: &str| u16::from_str_radix(word.rsplit_once(':')?.1, 16).ok();
    let (local, peer) = (port(words.next()?)?, port(words.next()?)?);
    if words.next()? != ESTABLISHED {
        return None;
    }
    let (sending, _) = words.next()?.split_once(':')?;
    let queued = u64::from_str_radix(sending, 16).ok()?;
    Some(Row { port: local, peer, queued })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:22B8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0
   1: 0100007F:22B8 0100007F:D431 01 0000A2F0:00000000 01:00000014 00000000     0        0 2 2 0
   2: 0100007F:D431 0100007F:22B8 01 00000000:00001000 00:00000000 00000000     0        0 3 2 0
   3: 0100007F:22B8 0100007F:D432 04 0000A2F0:00000000 01:00000014 00000000     0        0 0 2 0";

    #[test]
    fn the_kernel_s_table_is_read_and_only_what_is_open_counts() {
        let rows: Vec<_> = TABLE.lines().filter_map(read_row).collect();
        let read: Vec<_> = rows.iter().map(|row| (row.port, row.peer, row.queued)).collect();
        assert_eq!(read, [(8_888, 54_321, 0xA2F0), (54_321, 8_888, 0)]);
    }

    #[test]
    fn stuck_is_for_whom_something_waits_and_no_more_than_before() {
        let before = Queues::from([(1, 10), (2, 10), (3, 0), (5, 7)]);
        let now = Queues::from([(1, 10), (2, 11), (3, 0), (4, 9)]);
        assert_eq!(stuck(&before, &now), 1);
    }
}
