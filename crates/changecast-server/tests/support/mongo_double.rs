//! A primary that speaks MongoDB's wire protocol and fails as a test wants it to.
//!
//! It knows one collection, whose history is in memory, and of all commands those that a driver
//! needs to follow a change stream. Its resume tokens are ordered as MongoDB's are. Whatever the
//! pipeline says besides `$changeStream`, it lets through. The library's own tests use it, too.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, Bson, Document, Timestamp, doc};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::soon;

/// The double's only collection.
pub(crate) const NAMESPACE: [&str; 2] = ["double", "items"];

/// How a command ends that is not answered as it should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The server says no.
    Refusal { code: i32, name: &'static str, label: Option<&'static str> },
    /// It hangs up instead of answering.
    HangUp,
}

impl Fault {
    pub(crate) const fn fatal(code: i32, name: &'static str) -> Self {
        Self::Refusal { code, name, label: Some("NonResumableChangeStreamError") }
    }

    pub(crate) const fn resumable(code: i32, name: &'static str) -> Self {
        Self::Refusal { code, name, label: Some("ResumableChangeStreamError") }
    }
}

/// Where an `aggregate` asked the stream to start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Now,
    /// `startAfter` or `resumeAfter`, with the token's text.
    After(String),
    At(Timestamp),
}

/// An `aggregate` that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Opened {
    pub(crate) start: Start,
    #[allow(dead_code, reason = "the library's tests look at it")]
    pub(crate) command: Document,
    pub(crate) when: Instant,
}

/// Which commands fail over a place that is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// `aggregate`.
    Opening,
    /// `getMore`, also on cursors that are open.
    Reading,
    /// Both.
    Either,
}

struct Loss {
    /// Whatever has to go on from here or before is lost.
    upto: String,
    at: At,
    fault: Fault,
}

#[derive(Default)]
struct State {
    /// The time of the last operation.
    clock: (u32, u32),
    /// Tokens with their events, in order.
    history: Vec<(String, Document)>,
    /// The token's text after which each cursor goes on.
    cursors: HashMap<i64, String>,
    cursor_count: i64,
    opened: Vec<Opened>,
    /// Every `getMore` so far.
    read: Vec<Document>,
    loss: Option<Loss>,
    aggregate_faults: VecDeque<Fault>,
    get_more_faults: VecDeque<Fault>,
    /// For every `getMore` to come.
    storm: Option<Fault>,
    /// Grows when all connections are to break.
    break_count: u64,
}

/// Such a server; it ends when dropped.
pub(crate) struct MongoDouble {
    state: Arc<watch::Sender<State>>,
    port: u16,
    listening: AbortHandle,
}

impl Drop for MongoDouble {
    fn drop(&mut self) {
        self.listening.abort();
        self.break_connections();
    }
}

impl MongoDouble {
    pub(crate) async fn start() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let clock = (u32::try_from(now).expect("before 2106"), 1);
        let state = Arc::new(watch::Sender::new(State { clock, ..State::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let listening = tokio::spawn(listen(listener, Arc::clone(&state))).abort_handle();
        Self { state, port, listening }
    }

    pub(crate) fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?directConnection=true", self.port)
    }

    // ── The script ─────────────────────────────────────────────────────────────────────────────

    /// Inserts documents `{"n": number}`, one after the other.
    pub(crate) fn insert_numbers(&self, numbers: impl IntoIterator<Item = i64>) {
        self.state.send_modify(|state| numbers.into_iter().for_each(|n| state.insert(n)));
    }

    /// Tells of a change that has these fields, too.
    #[allow(dead_code, reason = "the library's tests use it")]
    pub(crate) fn insert_event(&self, number: i64, fields: Document) {
        self.state.send_modify(|state| {
            state.insert(number);
            state.history.last_mut().expect("a change").1.extend(fields);
        });
    }

    /// Inserts what nobody will be told of: from now on nothing can go on from there or before.
    pub(crate) fn lose(&self, numbers: impl IntoIterator<Item = i64>, at: At, fault: Fault) {
        self.state.send_modify(|state| {
            numbers.into_iter().for_each(|n| state.insert(n));
            let upto = state.now();
            state.clock.1 += 1;
            state.loss = Some(Loss { upto, at, fault });
            if at == At::Opening {
                // Otherwise nobody would have to open anything.
                state.cursors.clear();
            }
        });
    }

    /// The next `aggregate` fails.
    pub(crate) fn fail_aggregate(&self, fault: Fault) {
        self.state.send_modify(|state| state.aggregate_faults.push_back(fault));
    }

    /// The next `getMore` that has nothing to bring fails, or the one that waits.
    pub(crate) fn fail_get_more(&self, fault: Fault) {
        self.state.send_modify(|state| state.get_more_faults.push_back(fault));
    }

    /// Every `getMore` that has nothing to bring fails, until told otherwise.
    pub(crate) fn storm(&self, fault: Option<Fault>) {
        self.state.send_modify(|state| state.storm = fault);
    }

    /// And every cursor with them: otherwise one may live on unharmed over a new connection.
    pub(crate) fn break_connections(&self) {
        self.state.send_modify(|state| {
            state.cursors.clear();
            state.break_count += 1;
        });
    }

    /// Puts an older state in place, as from a backup: history and clock are those of back then.
    pub(crate) fn restore(&self, age: Duration) {
        let age = u32::try_from(age.as_secs()).expect("not that old");
        self.state.send_modify(|state| {
            state.clock = (state.clock.0 - age, 1);
            let now = state.now();
            state.history.retain(|(token, _)| *token < now);
            state.cursors.clear();
            state.break_count += 1;
        });
    }

    // ── What was asked of it ───────────────────────────────────────────────────────────────────

    /// Every `aggregate` so far.
    pub(crate) fn opened(&self) -> Vec<Opened> {
        self.state.borrow().opened.clone()
    }

    /// Every `getMore` so far, as it was asked.
    #[allow(dead_code, reason = "the library's tests look at it")]
    pub(crate) fn read(&self) -> Vec<Document> {
        self.state.borrow().read.clone()
    }

    /// The token of the last change.
    pub(crate) fn last_token(&self) -> String {
        self.state.borrow().history.last().expect("a change").0.clone()
    }

    /// Waits for so many `aggregate`s in all.
    pub(crate) async fn opened_times(&self, count: usize) {
        let mut state = self.state.subscribe();
        let opened = state.wait_for(|state| state.opened.len() >= count);
        soon("an aggregate", opened).await.expect("the double lives");
    }
}

impl State {
    fn insert(&mut self, number: i64) {
        self.clock.1 += 1;
        let (seconds, increment) = self.clock;
        let token = format!("82{seconds:08X}{increment:08X}2B022C0100296E5A10046E1E{number:08X}04");
        let [database, collection] = NAMESPACE;
        let event = doc! {
            "_id": { "_data": &token },
            "operationType": "insert",
            "clusterTime": Timestamp { time: seconds, increment },
            "ns": { "db": database, "coll": collection },
            "documentKey": { "_id": number },
            "fullDocument": { "_id": number, "n": number },
        };
        self.history.push((token, event));
    }

    /// The token that says that all has been told so far: a high watermark.
    fn now(&self) -> String {
        watermark(self.clock.0, self.clock.1 + 1)
    }

    fn lost(&self, place: &str, at: At) -> Option<Fault> {
        let loss = self.loss.as_ref()?;
        let hits = loss.at == at || loss.at == At::Either;
        (hits && *place <= *loss.upto).then_some(loss.fault)
    }

    fn aggregate(&mut self, command: &Document) -> Result<Document, Fault> {
        let stages = command.get_array("pipeline").expect("a pipeline");
        let stage = stages.first().and_then(Bson::as_document).expect("a stage");
        let options = stage.get_document("$changeStream").expect("a change stream");
        let token = ["startAfter", "resumeAfter"].into_iter().find_map(|name| {
            let token = options.get_document(name).ok()?;
            Some(token.get_str("_data").expect("a token").to_owned())
        });
        let time = options.get_timestamp("startAtOperationTime").ok();
        let start = token.map(Start::After).or(time.map(Start::At)).unwrap_or(Start::Now);
        let command = command.clone();
        self.opened.push(Opened { start: start.clone(), command, when: Instant::now() });
        if let Some(fault) = self.aggregate_faults.pop_front() {
            return Err(fault);
        }
        let place = match start {
            Start::Now => self.now(),
            Start::After(token) => token,
            Start::At(time) => watermark(time.time, time.increment),
        };
        if let Some(fault) = self.lost(&place, At::Opening) {
            return Err(fault);
        }
        self.cursor_count += 1;
        let id = self.cursor_count;
        if self.lost(&place, At::Reading).is_some() {
            // It opens, and finds out when it reads.
            self.cursors.insert(id, place.clone());
            return Ok(answer_with(id, "firstBatch", Vec::new(), &place));
        }
        self.cursors.insert(id, place);
        Ok(self.batch(id, "firstBatch"))
    }

    /// What a `getMore` would end with now, if it need not wait.
    fn get_more(&mut self, id: i64) -> Option<Result<Document, Fault>> {
        let Some(place) = self.cursors.get(&id) else {
            return Some(Err(Fault::Refusal { code: 43, name: "CursorNotFound", label: None }));
        };
        if let Some(fault) = self.lost(place, At::Reading) {
            return Some(Err(fault));
        }
        if self.history.last().is_some_and(|(token, _)| token > place) {
            return Some(Ok(self.batch(id, "nextBatch")));
        }
        self.get_more_faults.pop_front().or(self.storm).map(Err)
    }

    fn would_get_more(&self, id: i64) -> bool {
        let place = self.cursors.get(&id);
        place.is_none_or(|place| {
            self.lost(place, At::Reading).is_some()
                || self.history.last().is_some_and(|(token, _)| token > place)
                || !self.get_more_faults.is_empty()
                || self.storm.is_some()
        })
    }

    /// All that the cursor has yet to bring.
    fn batch(&mut self, id: i64, name: &str) -> Document {
        let now = self.now();
        let place = self.cursors.get_mut(&id).expect("an open cursor");
        let events = self.history.iter().filter(|(token, _)| token > place);
        let events: Vec<_> = events.map(|(_, event)| event.clone()).collect();
        if *place < now {
            *place = now;
        }
        answer_with(id, name, events, place)
    }

    /// What every answer ends with.
    fn finish(&self, answer: &mut Document, ok: f64) {
        let time = Timestamp { time: self.clock.0, increment: self.clock.1 };
        answer.insert("ok", ok);
        answer.insert("operationTime", time);
        let signature = doc! { "hash": Binary { subtype: BinarySubtype::Generic, bytes: vec![0; 20] }, "keyId": 0_i64 };
        answer.insert("$clusterTime", doc! { "clusterTime": time, "signature": signature });
    }
}

fn answer_with(id: i64, batch: &str, events: Vec<Document>, place: &str) -> Document {
    let token = doc! { "_data": place };
    let mut cursor = doc! { "id": id, "ns": NAMESPACE.join("."), "postBatchResumeToken": token };
    cursor.insert(batch, events);
    doc! { "cursor": cursor }
}

fn watermark(seconds: u32, increment: u32) -> String {
    format!("82{seconds:08X}{increment:08X}2B0229296E04")
}

async fn listen(listener: TcpListener, state: Arc<watch::Sender<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let break_count = state.borrow().break_count;
            let mut breaks = state.subscribe();
            tokio::select! {
                _ = serve(stream, &state) => {}
                _ = breaks.wait_for(|state| state.break_count != break_count) => {}
            }
        });
    }
}

/// Answers commands until the other side goes away or a fault says to hang up.
async fn serve(mut stream: TcpStream, state: &watch::Sender<State>) -> io::Result<()> {
    /// OP_MSG.
    const KIND: i32 = 2013;
    loop {
        let length = usize::try_from(stream.read_i32_le().await?).expect("a length");
        let mut rest = vec![0; length - 4];
        stream.read_exact(&mut rest).await?;
        // Behind the length: an id, what it answers, the kind, flags, and the section's kind.
        let request = &rest[..4];
        assert_eq!(rest[8..12], KIND.to_le_bytes());
        let body = &rest[17..];
        let command = Document::from_reader(body).expect("BSON");
        let Some(answer) = answer(&command, state).await else {
            return Ok(());
        };
        let document = answer.to_vec().expect("BSON");
        let length = i32::try_from(21 + document.len()).expect("not that long").to_le_bytes();
        let mut message = [&length[..], &[0; 4], request, &KIND.to_le_bytes(), &[0; 5]].concat();
        message.extend(document);
        stream.write_all(&message).await?;
    }
}

/// The answer to one command; none to hang up.
async fn answer(command: &Document, state: &watch::Sender<State>) -> Option<Document> {
    let name = command.keys().next().expect("a command").as_str();
    let outcome = match name {
        "hello" | "isMaster" | "ismaster" => Ok(hello()),
        "aggregate" => change(state, |state| state.aggregate(command)),
        "getMore" => get_more(command, state).await,
        "killCursors" => {
            let ids = command.get_array("cursors").expect("cursors");
            change(state, |state| {
                for id in ids.iter().filter_map(Bson::as_i64) {
                    state.cursors.remove(&id);
                }
            });
            Ok(doc! { "cursorsKilled": ids.clone() })
        }
        // Its user may only read.
        "replSetGetConfig" => Err(Fault::Refusal { code: 13, name: "Unauthorized", label: None }),
        "ping" | "endSessions" => Ok(doc! {}),
        "buildInfo" => Ok(doc! { "version": "6.0.5", "versionArray": [6, 0, 5, 0] }),
        name => panic!("no such command: {name}"),
    };
    let (mut answer, ok) = match outcome {
        Ok(answer) => (answer, 1.0),
        Err(Fault::HangUp) => return None,
        Err(Fault::Refusal { code, name, label }) => {
            let words = format!("the double was told to fail with {name}");
            let mut answer = doc! { "errmsg": words, "code": code, "codeName": name };
            if let Some(label) = label {
                answer.insert("errorLabels", [label].as_slice());
            }
            (answer, 0.0)
        }
    };
    state.borrow().finish(&mut answer, ok);
    Some(answer)
}

async fn get_more(command: &Document, state: &watch::Sender<State>) -> Result<Document, Fault> {
    let id = command.get_i64("getMore").expect("a cursor");
    change(state, |state| state.read.push(command.clone()));
    let millis = match command.get("maxTimeMS") {
        Some(Bson::Int32(millis)) => i64::from(*millis),
        Some(Bson::Int64(millis)) => *millis,
        _ => 1000,
    };
    let wait = Duration::from_millis(u64::try_from(millis).expect("not negative"));
    let mut changes = state.subscribe();
    // An error means that nothing happened in time.
    let _ = tokio::time::timeout(wait, changes.wait_for(|state| state.would_get_more(id))).await;
    change(state, |state| {
        let now = state.get_more(id);
        now.unwrap_or_else(|| Ok(state.batch(id, "nextBatch")))
    })
}

fn change<T>(state: &watch::Sender<State>, change: impl FnOnce(&mut State) -> T) -> T {
    let mut outcome = None;
    state.send_modify(|state| outcome = Some(change(state)));
    outcome.expect("it was called")
}

fn hello() -> Document {
    doc! {
        "isWritablePrimary": true,
        "ismaster": true,
        "helloOk": true,
        "setName": "rs0",
        "setVersion": 1,
        "me": "127.0.0.1:1",
        "hosts": ["127.0.0.1:1"],
        "primary": "127.0.0.1:1",
        "secondary": false,
        "maxBsonObjectSize": 16 * 1024 * 1024,
        "maxMessageSizeBytes": 48_000_000,
        "maxWriteBatchSize": 100_000,
        "minWireVersion": 0,
        "maxWireVersion": 17,
        "logicalSessionTimeoutMinutes": 30,
        "readOnly": false,
    }
}
