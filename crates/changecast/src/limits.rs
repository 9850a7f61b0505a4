//! Every cap in one place, each with its unit and its reason.
//!
//! A queue, buffer, body, retry or loop that could grow without one of these is a defect.

use std::time::Duration;

// ── Names ──────────────────────────────────────────────────────────────────────────────────────

/// Bytes in a topic or pattern. MongoDB allows 255 for `db.collection`; we allow a little more for
/// a source's own name.
pub const TOPIC_BYTES_MAX: usize = 320;

/// Patterns in one subscription: each costs a comparison per entry.
pub const TOPIC_COUNT_MAX: usize = 100;

// ── Filters ────────────────────────────────────────────────────────────────────────────────────

/// Bytes of a filter's text: as much as one WebSocket message holds.
pub const FILTER_BYTES_MAX: usize = 64 << 10;

/// Documents and arrays inside each other in a filter: the compiler calls itself for each.
pub const FILTER_DEPTH_MAX: usize = 32;

/// Conditions in a filter: each is asked about every event, in the worst case.
pub const FILTER_CONDITIONS_MAX: usize = 256;

/// Values in one `$in`, `$nin` or `$all`: more is a join, which no filter should be.
pub const FILTER_LIST_MAX: usize = 2_000;

/// Names in a path.
pub const FILTER_PATH_PARTS_MAX: usize = 32;

/// Numbers in a path and in those of the `$elemMatch` around it: each may mean a place or a name,
/// so that together they mean 2^n paths.
pub const FILTER_PATH_PLACES_MAX: usize = 8;

/// Bytes of a regular expression.
pub const FILTER_REGEX_BYTES_MAX: usize = 1024;

/// Bytes of a compiled regular expression, and of what it remembers while it is used.
pub const FILTER_REGEX_PROGRAM_BYTES_MAX: usize = 256 << 10;

/// Regular expressions in one filter: they are what takes most memory.
pub const FILTER_REGEX_COUNT_MAX: usize = 16;

/// Values at one path of an event that filters are looked up by; of an event with more, all
/// filters on that path are asked.
pub const EVENT_KEYS_MAX: usize = 1_000;

// ── Log ────────────────────────────────────────────────────────────────────────────────────────

/// Bytes the log keeps before it trims the oldest entries: enough for hours of a busy collection,
/// small enough for a laptop.
pub const LOG_BYTES_MAX: u64 = 1 << 30;

/// Entries the log keeps before it trims the oldest.
pub const LOG_ENTRIES_MAX: u64 = 10_000_000;

/// How long the log keeps an entry: a week's holiday of a client, or of its operator.
pub const LOG_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How often a log that nobody writes to looks for entries that have become too old.
pub const TRIM_EVERY: Duration = Duration::from_secs(60);

/// How often a log that cannot be written tries whether it can again.
pub const LOG_PROBE_EVERY: Duration = Duration::from_secs(2);

/// Bytes that a probe of a failing log writes at least: a disk that has this much room is not full.
pub const LOG_PROBE_BYTES_MIN: usize = 64 << 10;

/// Bytes of a `log.db` that is checked as a whole when it is opened.
pub const LOG_CHECK_BYTES_MAX: u64 = 256 << 20;

/// Damaged entries that are remembered, so that each is reported once.
pub const DAMAGED_ENTRIES_MAX: usize = 10_000;

/// Bytes of recent entries held in memory, so that following does not read the disk.
pub const RECENT_BYTES_MAX: usize = 16 << 20;

/// Appends that may wait for the writer. Each is one batch; sources are paused beyond it.
pub const APPEND_QUEUE_MAX: usize = 64;

/// Bytes in one commit: a group stops growing here, so that the first waiter is not kept long.
pub const COMMIT_BYTES_MAX: usize = 8 << 20;

/// Bytes of one entry, key and event together. MongoDB's largest document is 16 MiB; an update
/// event with both images holds two of them, in JSON, which may double them.
pub const ENTRY_BYTES_MAX: usize = 96 << 20;

/// Entries in one page read from the log.
pub const PAGE_ENTRIES_MAX: usize = 1024;

/// Bytes in one page: what one subscriber's catching up may hold in memory. A single larger entry
/// still makes a page of its own.
pub const PAGE_BYTES_MAX: usize = 1 << 20;

/// Topics whose per-topic indexes are merged; for more, one scan of the log is cheaper.
pub const MERGED_TOPICS_MAX: usize = 16;

/// Rows that one page's scan looks at before it hands back what it has, so that a rare topic's
/// reader does not hold a connection for the whole log.
pub const SCAN_ROWS_MAX: usize = 50_000;

/// Connections that read `log.db` at once.
pub const LOG_READERS_MAX: usize = 4;

/// The largest N of `since=last:N`.
pub const LAST_MAX: u32 = 10_000;

// ── Sources ────────────────────────────────────────────────────────────────────────────────────

/// Changes that a driver may be ahead of the runner.
pub const DELIVERIES_MAX: usize = 1024;

/// Bytes of events that a driver may be ahead of the runner; a single larger one goes alone.
pub const DELIVERIES_BYTES_MAX: usize = 64 << 20;

/// Changes in one append.
pub const BATCH_CHANGES_MAX: usize = 1024;

/// Bytes in one append, save that a single larger change goes alone.
pub const BATCH_BYTES_MAX: usize = 4 << 20;

/// The first wait after a source failed.
pub const BACKOFF_MIN: Duration = Duration::from_millis(250);

/// The longest wait between two attempts; attempts never end.
pub const BACKOFF_MAX: Duration = Duration::from_secs(15);

/// Connections to one MongoDB: one for each stream that waits, and a few for questions between.
pub const MONGO_CONNECTIONS_MAX: u32 = 1024;

/// How long connecting to PostgreSQL and logging in may take, each.
pub const POSTGRES_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long PostgreSQL may take for one answer; longer than it takes to give up by itself.
pub const POSTGRES_QUERY_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes of one message of PostgreSQL: it can make none that is larger.
pub const POSTGRES_MESSAGE_BYTES_MAX: usize = 1 << 30;

/// Bytes of a row, above which its largest values are left out: as JSON it may become six times
/// as large, and come twice in one event.
pub const POSTGRES_ROW_BYTES_MAX: usize = 7 << 20;

/// Bytes of the values that are kept then.
pub const POSTGRES_VALUE_BYTES_MAX: usize = 64 << 10;

/// How often PostgreSQL is told what is durable, if that is news.
pub const POSTGRES_STATUS_EVERY: Duration = Duration::from_secs(1);

/// How long PostgreSQL may be silent: it asks every 15 s whether we are there.
pub const POSTGRES_SILENCE_MAX: Duration = Duration::from_secs(45);

/// How often PostgreSQL is asked how far it has come, while somebody waits for it to come so far.
pub const POSTGRES_ASK_EVERY: Duration = Duration::from_millis(20);

/// Transactions that were told and that a list makes sure of: each session has one that is committed
/// and not to be seen yet, and few servers have more sessions.
pub const POSTGRES_TOLD_MAX: usize = 4_096;

/// How often it is asked whether all that is watched is still published. A table that was made anew
/// is silent until then.
pub const POSTGRES_PUBLICATION_LOOK_EVERY: Duration = Duration::from_secs(5);

/// How often a stream is opened again where it was, one time after the other, without an answer in
/// between: then it counts as broken. The waits between are those of every retry.
pub const RESUMES_MAX: u32 = 4;

/// How long a source that only an operator can mend waits before it looks again by itself.
pub const OPERATOR_RETRY: Duration = Duration::from_secs(10);

/// How often a position is saved that moves although nothing changes.
pub const IDLE_POSITION_EVERY: Duration = Duration::from_secs(5);

/// Changelog rows kept in a SQLite file when nobody reads it.
pub const CHANGELOG_ROWS_MAX: u64 = 1_000_000;

/// The same in a database of somebody else's, unless its installation says otherwise.
pub const FILE_CHANGELOG_ROWS_MAX: u64 = 100_000;

/// Bytes of one value of a row that are sent, as many as a MongoDB document has at most: a larger
/// one is named as unavailable.
pub const COLUMN_BYTES_MAX: usize = 16 << 20;

/// Rows of it that are kept although they have been acknowledged: for somebody who looks.
pub const CHANGELOG_KEPT_ROWS: i64 = 1_000;

/// Acknowledged rows that gather before the changelog is pruned: not at every acknowledgement.
pub const PRUNE_EVERY_ROWS: i64 = 1_000;

/// Rows pruned at once: more would keep the writers waiting.
pub const PRUNE_ROWS_MAX: i64 = 10_000;

/// How long a connection waits for another program's transaction to end.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often it is tried again within that time where SQLite does not wait by itself.
pub const BUSY_RETRY_EVERY: Duration = Duration::from_millis(10);

/// Bytes of all the paths in one `updateDescription`: long keys deep inside would multiply.
pub const DESCRIPTION_BYTES_MAX: usize = 16 << 20;

/// How often the file is asked whether another process has committed: 1.5 µs each time, but waking
/// a thread for it costs ten times as much or more.
pub const DATA_VERSION_EVERY: Duration = Duration::from_millis(5);

/// The same once nothing has been committed for [`FILE_CHECK_EVERY`]: a server that only passes on
/// messages need not spend a hundredth of a core on a file that nobody writes.
pub const DATA_VERSION_QUIET_EVERY: Duration = Duration::from_millis(25);

/// How long nothing may be committed before it is looked whether the file is still there.
pub const FILE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// Streams, channels and patterns in one Redis source: each is named in every position.
pub const REDIS_WATCHED_MAX: usize = 100;

/// How long Redis may take to answer what it can answer at once; a server that hangs is noticed so.
pub const REDIS_ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long Redis may take to send entries, beside the time that it waits for one: a batch that
/// never arrived in time would never arrive at all.
pub const REDIS_READ_TIMEOUT: Duration = Duration::from_secs(15);

/// How long Redis waits for an entry before it answers that there is none: then what has been
/// trimmed or deleted is looked at, too.
pub const REDIS_PAUSE: Duration = Duration::from_secs(1);

/// Entries of a stream in the first read, before their size is known.
pub const REDIS_FIRST_COUNT: usize = 16;

/// Members of a list, set or hash that is served as a document.
pub const REDIS_MEMBERS_MAX: u64 = 10_000;

/// Keys that Redis is asked to look at in one step of a list: nobody else is served meanwhile.
pub const REDIS_SCAN_COUNT: usize = 100;

/// Steps of one page of a list: where few keys fit a pattern, the page ends with few of them.
pub const REDIS_SCANS_MAX: usize = 200;

/// How often an HTTP source asks, unless it is told otherwise.
pub const HTTP_EVERY: Duration = Duration::from_secs(30);

/// The shortest time between two questions: whoever needs less wants a stream.
pub const HTTP_EVERY_MIN: Duration = Duration::from_millis(100);

/// The longest.
pub const HTTP_EVERY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a reader who asks whether there is something gets an answer between two questions.
pub const HTTP_ANSWER_EVERY: Duration = Duration::from_secs(1);

/// How long a server may take for everything: name, connection, redirects and body.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(20);

/// How long one of its addresses may take to accept a connection before the next one is tried.
pub const HTTP_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest time that a server may ask for by `Retry-After`.
pub const HTTP_RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// Redirects in a row.
pub const HTTP_REDIRECTS_MAX: usize = 5;

/// Bytes of an answer's headers.
pub const HTTP_HEADER_BYTES_MAX: usize = 64 << 10;

/// Bytes of an answer's body, before a pointer picks its part.
pub const HTTP_BODY_BYTES_MAX: usize = 8 << 20;

// ── Documents ──────────────────────────────────────────────────────────────────────────────────

/// Bytes of a document written over HTTP.
pub const DOCUMENT_BYTES_MAX: usize = 1 << 20;

/// Documents in one page of a list.
pub const LIST_COUNT_MAX: usize = 1_000;

/// Documents in one page of a list unless the client asks for another number.
pub const LIST_COUNT: usize = 100;

/// Bytes of documents in one page of a list, which is built in memory; a single larger one still
/// makes a page of its own.
pub const LIST_BYTES_MAX: usize = 8 << 20;

/// How long a read or write of documents may keep an external database busy.
pub const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Requests for documents of one SQLite file that are worked on at once: each holds a thread, for as
/// long as [`BUSY_TIMEOUT`] where another program holds a lock.
pub const FILE_DOCUMENTS_AT_ONCE: usize = 4;

/// How long the check of one source may take: a server that is not there is looked for until then.
pub const CHECK_TIMEOUT: Duration = Duration::from_secs(20);

/// Collections that one check reports on, each with a command.
pub const CHECK_COLLECTIONS_MAX: usize = 50;

/// How often a patch is tried anew because somebody else has written the document in between.
pub const PATCH_TRIES_MAX: usize = 16;

/// Objects and arrays inside one another in a document, as in MongoDB; JSON parsers, ours for one,
/// often stop at 128.
pub const DOCUMENT_DEPTH_MAX: usize = 100;

/// Bytes of a document's id.
pub const DOCUMENT_ID_BYTES_MAX: usize = 1024;

/// Bytes of an idempotency key: the longest that common clients make are a few UUIDs.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 1024;

/// Bytes of a collection's name.
pub const COLLECTION_BYTES_MAX: usize = 255;

/// Writes that may wait for the store's writer.
pub const WRITE_QUEUE_MAX: usize = 256;

// ── Watchers ───────────────────────────────────────────────────────────────────────────────────

/// The shortest time between two questions of a watcher: less would only keep a core busy.
pub const WATCHER_EVERY_MIN: Duration = Duration::from_millis(1);

/// How long a watcher's function may take, unless it is told otherwise.
pub const WATCHER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a watcher on demand goes on after its last subscriber: longer than a browser takes to
/// reconnect, so that one that only does so starts nothing anew.
pub const WATCHER_LINGER: Duration = Duration::from_secs(5);

// ── Hub and sessions ───────────────────────────────────────────────────────────────────────────

/// Bytes of encoded frames a view keeps for its followers; who is further behind reads the log.
pub const VIEW_BYTES_MAX: usize = 4 << 20;

/// Bytes of encoded frames that all views together keep; the largest is cut first.
pub const VIEWS_BYTES_MAX: usize = 64 << 20;

/// Bytes of encoded pages kept for subscribers that are behind at the same place.
pub const PAGES_BYTES_MAX: usize = 32 << 20;

/// Pages being read at once, or given up, before the latter are swept away.
pub const PAGES_UNFINISHED_MAX: usize = 1024;

/// Bytes that subscribers may hold which they have not read yet; whoever holds most is cut off
/// first, and resumes.
pub const HELD_BYTES_MAX: usize = 256 << 20;

/// Bytes handed to one subscriber's socket at once.
pub const WRITE_BYTES_MAX: usize = 64 << 10;

/// Views at once, one for each distinct (topics, filter, format): room for a filter of its own for
/// every connection.
pub const VIEW_COUNT_MAX: usize = 20_000;

/// How long a stream stays silent before it gets a bookmark: proxies commonly cut at 60 s.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(15);

/// How long a stream over HTTP may live before its client is asked to come back: a proxy may keep
/// one open for a browser that is long gone. Each has its own time in this range.
pub const LIFE_SECONDS: std::ops::Range<u64> = 1_200..1_800;

/// How long a long poll may wait.
pub const POLL_MAX: Duration = Duration::from_secs(120);

/// How long a browser waits before it reconnects: each connection is told its own time in this
/// range, so that a restart does not bring all of them at once.
pub const RETRY_MILLIS: std::ops::Range<u64> = 1_000..3_000;

/// The same while the server drains or is full: they should come a little later.
pub const RETRY_DRAIN_MILLIS: std::ops::Range<u64> = 2_000..10_000;

// ── Transport ──────────────────────────────────────────────────────────────────────────────────

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 16_000;

/// Connections that wait to be accepted: what Linux allows at most, unless told otherwise.
pub const LISTEN_BACKLOG: u32 = 4096;

/// Bytes of a request's line and headers.
pub const HEADER_BYTES_MAX: usize = 16 << 10;

/// How long a client may take to send its headers, and how long an idle connection is kept.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the embedding program may take to say whether somebody may do something.
pub const AUTHORIZE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may take to send its body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of one message from a WebSocket client: it only sends small commands.
pub const WEBSOCKET_MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Bytes that the fragments of a message have to hold on average, once it has as many as the longest
/// may have: each costs work, however little it holds. So 4,096 for our clients.
pub const WEBSOCKET_FRAGMENT_BYTES: usize = 16;

/// Bytes taken from a WebSocket's socket at once: more than its client's commands have.
pub const WEBSOCKET_READ_BYTES: usize = 4 << 10;

/// Bytes of frames written to a WebSocket at once; what is longer is not copied for it.
pub const WEBSOCKET_WRITE_BYTES: usize = 16 << 10;

/// How often a WebSocket is pinged.
pub const PING_EVERY: Duration = Duration::from_secs(25);

/// How long a WebSocket's close may take.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the whole server may take to end once asked to.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a health probe may take.
pub const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes of an event that the original page's frame repeats as HTML.
pub const HTML_BYTES_MAX: usize = 256 << 10;

/// Bytes of that once it is indented: an event of many small values deep inside grows a
/// hundredfold.
pub const HTML_INDENTED_BYTES_MAX: usize = 1 << 20;

/// How long one write may be stuck before the connection is given up: its client resumes.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection may be silent before the kernel asks whether the peer is still there.
pub const TCP_IDLE: Duration = Duration::from_secs(30);

/// How often it asks.
pub const TCP_PROBE_EVERY: Duration = Duration::from_secs(10);

/// How many unanswered questions end the connection.
pub const TCP_PROBES: u32 = 3;

/// Bytes of the kernel's memory that one connection's unread data may take (Linux doubles it for
/// its own bookkeeping); left alone, it grows to 4 MiB for each client that does not read.
pub const SOCKET_SEND_BYTES: usize = 64 << 10;

/// Bytes written to one subscriber of a shard before the others have their turn.
pub const TURN_BYTES_MAX: usize = 256 << 10;

/// Times that one client of a shard is read from before the others have their turn.
pub const TURN_READS_MAX: usize = 8;

/// Followers that a shard walks to before it looks at its sockets and its mail again.
pub const SHARD_SLICE: usize = 256;

/// Events that a shard takes from epoll at once.
pub const SHARD_EVENTS: usize = 1024;

/// Bytes that a shard reads from a client at once.
pub const READ_BYTES: usize = 16 << 10;

// ── Stores ─────────────────────────────────────────────────────────────────────────────────────

/// Messages that a store in memory keeps for those who come back, unless it is told otherwise.
pub const STORE_HISTORY_COUNT: u64 = 1_000;

/// Bytes of messages that a store in memory keeps, whatever their number.
pub const STORE_HISTORY_BYTES_MAX: u64 = 16 << 20;

/// Values that a store of one value keeps in memory: for subscribers that are on their way to the
/// newest.
pub const STORE_VALUES_MAX: u64 = 64;

/// Bytes of a message's own id, or of its event's name.
pub const MESSAGE_NAME_BYTES_MAX: usize = 256;
