//! `changecast bench`: measures how fast a server delivers to many subscribers.
//!
//! One thread reads for all subscribers, another publishes; neither waits for the other. It knows
//! nothing of a server but that it passes on what is posted, so others can be measured the same way.

mod arguments;
mod clock;
mod fleet;
mod framing;
mod head;
mod histogram;
mod lane;
mod ledger;
mod message;
mod process;
mod publisher;
mod refusal;
mod report;
mod stalled;
mod subscriber;
mod target;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

pub(crate) use arguments::BenchArguments;

use clock::Clock;
use fleet::Fleet;
use message::{MESSAGE_BYTES_MIN, Run};
use process::Usage;
use publisher::{Pace, Published, Publisher, Schedule};
use report::{Report, Server};
use stalled::Stalled;
use target::Target;

use crate::{Failure, descriptors};

/// How long nothing may happen before it is called missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// The number of messages that count for nothing: all who follow get one before it begins.
const WARM_UP: u64 = 0;

/// How long one of those may take before another is sent.
const WARM_UP_EVERY: Duration = Duration::from_millis(250);

/// How long the reader waits before it looks whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Measures, and prints what it found.
pub(crate) fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    check(arguments)?;
    let target = Target::new(arguments)?;
    descriptors::make_room(
        arguments.subscribers + arguments.stalled + usize::from(arguments.publishers),
    )?;
    // Before anything is opened: a wrong process is told at once.
    Usage::of(&arguments.pid)?;
    let (run, clock) = (Run::new(), Clock::start());
    let mut publisher = Publisher::new(target.clone(), run.clone(), clock);
    publisher.payload_bytes = arguments.payload_bytes;
    publisher.lanes_max = usize::from(arguments.publishers);
    publisher.warm_up(arguments.payload_bytes)?;

    let mut fleet = Fleet::new(&target, &run, clock)?;
    let memory_before = Usage::of(&arguments.pid)?.memory_kb();
    let connecting = Instant::now();
    fleet.connect(&target, arguments)?;
    let connecting = connecting.elapsed();
    warm_up(&mut fleet, &mut publisher, arguments.subscribers)?;
    let memory_after = Usage::of(&arguments.pid)?.memory_kb();
    let stalled = Stalled::open(&target, arguments.stalled)?;
    let stuck_before = stalled.fill(&mut fleet, &mut publisher)?;

    let before = (Usage::of(&arguments.pid)?, Usage::of(&[std::process::id()]));
    fleet.begin();
    let published = measure(&mut fleet, publisher, arguments)?;
    let after = (Usage::of(&arguments.pid)?, Usage::of(&[std::process::id()]));

    let client_cpu = match (&after.1, &before.1) {
        (Ok(after), Ok(before)) => Some(after.cpu_nanos_since(before)),
        // Not a Linux.
        _ => None,
    };
    let server = (!arguments.pid.is_empty()).then(|| Server {
        cpu_nanos: after.0.cpu_nanos_since(&before.0),
        memory_kb: [memory_before, memory_after, after.0.memory_kb()],
    });
    let stuck = [stuck_before, stalled.waiting()];
    let (target, fleet) = (&target, &fleet);
    Report { arguments, target, fleet, published, connecting, stuck, client_cpu, server }.print()
}

fn check(arguments: &BenchArguments) -> Result<(), Failure> {
    if arguments.payload_bytes < MESSAGE_BYTES_MIN {
        return Err(Failure::Configuration(format!(
            "--payload-bytes {}: a message carries its number and time, in {MESSAGE_BYTES_MIN} \
             bytes or more",
            arguments.payload_bytes
        )));
    }
    if arguments.max && arguments.subscribers == 0 {
        let problem = "--max is as fast as subscribers take it: it needs --subscribers";
        return Err(Failure::Configuration(problem.to_owned()));
    }
    Ok(())
}

/// Publishes until every subscriber has got something: a server may let one in a moment before it
/// counts.
fn warm_up(fleet: &mut Fleet, publisher: &mut Publisher, wanted: usize) -> Result<(), Failure> {
    let started = Instant::now();
    while fleet.tally().warm < wanted {
        publisher.warm_up(publisher.payload_bytes)?;
        let sent = Instant::now();
        while fleet.tally().warm < wanted && sent.elapsed() < WARM_UP_EVERY {
            fleet.turn(Some(LOOK_EVERY))?;
        }
        if started.elapsed() > PATIENCE || fleet.tally().ended > 0 {
            let warm = fleet.tally().warm;
            return Err(Failure::Run(format!(
                "of what is published to {}, {warm} of {wanted} subscribers to {} get anything: \
                 is it the same topic, and passed on as it is?",
                publisher.target.publish_path(),
                publisher.target.url,
            )));
        }
    }
    fleet.sweep()
}

/// Publishes and reads, until all has come or nothing comes any more.
fn measure(
    fleet: &mut Fleet,
    publisher: Publisher,
    arguments: &BenchArguments,
) -> Result<Published, Failure> {
    let delivered = Arc::new(AtomicU64::new(0));
    let schedule = schedule(arguments, &delivered);
    let clock = publisher.clock;
    let publishing = thread::spawn(move || publisher.publish(&schedule));
    while !publishing.is_finished() {
        read(fleet, arguments.nap)?;
        delivered.store(fleet.tally().deliveries, Ordering::Relaxed);
    }
    let published = join(publishing)?;
    let wanted = published.count * arguments.subscribers as u64;
    let ended = clock.now();
    // Duplicates must not hide what is missing.
    while fleet.tally().deliveries - fleet.tally().duplicates < wanted
        && clock.now() < ended.max(fleet.tally().last) + clock::nanos(PATIENCE)
        && fleet.tally().ended < arguments.subscribers
    {
        read(fleet, arguments.nap)?;
    }
    Ok(published)
}

fn schedule(arguments: &BenchArguments, delivered: &Arc<AtomicU64>) -> Schedule {
    let pace = if arguments.max {
        Pace::Window {
            messages: u64::from(arguments.window),
            subscribers: arguments.subscribers as u64,
            delivered: Arc::clone(delivered),
        }
    } else {
        Pace::Rate(arguments.rate)
    };
    Schedule { pace, count: arguments.messages, duration: arguments.duration }
}

fn read(fleet: &mut Fleet, nap: Option<Duration>) -> Result<(), Failure> {
    let Some(nap) = nap else {
        return fleet.turn(Some(LOOK_EVERY)).map(drop);
    };
    thread::sleep(nap);
    fleet.sweep()
}

fn join(publishing: JoinHandle<Result<Published, Failure>>) -> Result<Published, Failure> {
    let died = |_| Failure::Run("the thread that publishes has died".to_owned());
    publishing.join().map_err(died)?
}

/// Why there is no connection, and what to do about it.
fn unreachable(target: &Target, error: &io::Error) -> Failure {
    let address = target.address;
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::Unreachable(format!(
            "nothing listens at {address}: start the server first, such as `changecast --publish`"
        )),
        io::ErrorKind::AddrNotAvailable => Failure::Run(format!(
            "no port is left to connect to {address} from: open fewer subscribers, or widen \
             net.ipv4.ip_local_port_range"
        )),
        _ => Failure::Unreachable(format!("no connection to {address}: {error}")),
    }
}
