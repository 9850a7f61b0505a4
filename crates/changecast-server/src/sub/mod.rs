//! `changecast sub`: follows a changecast server from a terminal or a script, and resumes by itself.

mod arguments;
mod connection;
mod message;
mod output;

use std::io;
use std::time::Duration;

pub(crate) use arguments::SubArguments;

use connection::{Broken, Connection, Request};
use message::Message;
use output::Output;
use tokio::time::{Instant, sleep, timeout_at};

use crate::Failure;

/// The first wait before another attempt; the longest, after which attempts go on for ever.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// Follows until enough has come, the time is over, or nothing can mend it.
pub(crate) fn run(arguments: SubArguments) -> Result<(), Failure> {
    let request = Request::new(&arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    let deadline = arguments.timeout.map(|age| Instant::now() + age.0);
    let mut follower = Follower {
        output: Output::new(arguments.output),
        request,
        left: arguments.count,
        strict: arguments.strict,
        backoff: BACKOFF.0,
        has_answered: false,
    };
    runtime.block_on(async {
        let Some(deadline) = deadline else { return follower.follow().await };
        match timeout_at(deadline, follower.follow()).await {
            Ok(outcome) => outcome,
            Err(_) => follower.time_is_over(),
        }
    })
}

struct Follower {
    request: Request,
    output: Output,
    /// How many changes are still wanted.
    left: Option<u64>,
    strict: bool,
    backoff: Duration,
    /// Whether the server has ever let it in.
    has_answered: bool,
}

/// Why following one connection ended well.
enum End {
    Enough,
    /// The server ended the stream in order.
    ComeBack,
}

impl Follower {
    async fn follow(&mut self) -> Result<(), Failure> {
        if self.left == Some(0) {
            return Ok(());
        }
        loop {
            let end = match Connection::open(&self.request).await {
                Ok(connection) => self.read(connection).await,
                Err(broken) => Err(broken),
            };
            match end {
                Ok(End::Enough) => return Ok(()),
                Ok(End::ComeBack) => {}
                Err(Broken::ForGood(failure)) => return Err(failure),
                Err(Broken::ForNow(why)) => {
                    self.output.note(&format!("{why}; trying again")).map_err(gone)?;
                }
            }
            // Not all at once after a restart of the server.
            sleep(self.backoff.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            self.backoff = (self.backoff * 2).min(BACKOFF.1);
        }
    }

    async fn read(&mut self, mut connection: Connection) -> Result<End, Broken> {
        self.has_answered = true;
        loop {
            let Some(line) = connection.line().await? else {
                return Ok(End::ComeBack);
            };
            self.backoff = BACKOFF.0;
            let message = Message::parse(&line)?;
            if let Some(id) = &message.id {
                self.request.resume_after(id);
            }
            self.output.write(&line, &message).map_err(|error| Broken::ForGood(gone(error)))?;
            match &*message.kind {
                Message::CHANGE => {
                    self.left = self.left.map(|left| left - 1);
                    if self.left == Some(0) {
                        return Ok(End::Enough);
                    }
                }
                "gap" if self.strict => {
                    let reason = message.reason.unwrap_or_default();
                    return Err(Broken::ForGood(Failure::HistoryLost(reason)));
                }
                _ => {}
            }
        }
    }

    fn time_is_over(&self) -> Result<(), Failure> {
        match self.left {
            _ if !self.has_answered => {
                Err(Failure::Unreachable(format!("{} did not answer in time", self.request.url())))
            }
            Some(left) => Err(Failure::Run(format!("the time is over: {left} more were wanted"))),
            None => Ok(()),
        }
    }
}

/// Whoever reads the output has gone: there is nobody left to follow for.
fn gone(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ReaderGone,
        _ => Failure::Run(format!("cannot write: {error}")),
    }
}
