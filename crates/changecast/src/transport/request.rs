//! What a subscriber asks for: the query parameters of `/events`, `/ws` and `/socket`.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Uri};

use super::format::Format;
use super::problem::Problem;
use super::sse::Blocks;
use crate::filter::Filter;
use crate::hub::{Codec, Mode, Selection, Span, Start, Subscribe};
use crate::limits;
use crate::model::{EventId, TopicPattern, TopicSet};

/// The parameters that are known; any other is refused, so that a typo fails loudly.
const PARAMETERS: [&str; 10] = [
    "topic",
    "since",
    "match",
    "mode",
    "format",
    "wait",
    "bookmarks",
    "envelope",
    "last_event_id",
    "lastEventId",
];

/// A checked request to follow.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) selection: Selection,
    pub(super) start: Start,
    pub(super) mode: Mode,
    /// How changes look, where the client says so.
    pub(super) format: Option<Format>,
    /// How long a long poll waits.
    pub(super) wait: Option<Duration>,
    /// What an event of SSE is.
    pub(super) blocks: Blocks,
}

impl Request {
    /// What it asks the hub for, in this format and for so long.
    pub(super) fn by(self, codec: Arc<dyn Codec>, span: Span) -> Subscribe {
        let Self { selection, start, mode, .. } = self;
        Subscribe { selection, start, codec, mode, span }
    }

    /// Reads the query and the `Last-Event-ID` header.
    ///
    /// A browser that reconnects repeats the URL and adds the header, so the header wins.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut topics = Vec::new();
        let (mut start, mut filter, mut mode, mut wait) = (None, None, None, None);
        let mut format = None;
        let mut blocks = Blocks::default();
        let mut resumed = resume_header(headers);
        let query = uri.query().unwrap_or("").as_bytes();
        for (name, value) in form_urlencoded::parse(query) {
            match &*name {
                "topic" => topics.push(read_topic(&value)?),
                "since" => set_once(&mut start, read_since(&value)?, "since")?,
                "match" => set_once(&mut filter, read_match(&value)?, "match")?,
                "mode" => set_once(&mut mode, read_mode(&value)?, "mode")?,
                "format" => set_once(&mut format, read_format(&value)?, "format")?,
                "wait" => set_once(&mut wait, read_wait(&value)?, "wait")?,
                "last_event_id" | "lastEventId" if value.is_empty() => {}
                "last_event_id" | "lastEventId" => {
                    resumed.get_or_insert_with(|| resume_from(&value));
                }
                // The envelope has bookmarks, too, whatever comes first.
                "bookmarks" if value == "event" && blocks == Blocks::Enveloped => {}
                "bookmarks" if value == "event" => blocks = Blocks::BookmarksToo,
                "envelope" if value == "true" => blocks = Blocks::Enveloped,
                "envelope" => return Err(bad("envelope", &value, "the only value is true")),
                "bookmarks" => return Err(bad("bookmarks", &value, "the only value is event")),
                unknown => return Err(unknown_parameter(unknown)),
            }
        }
        if topics.len() > limits::TOPIC_COUNT_MAX {
            let detail = format!("more than {} topics", limits::TOPIC_COUNT_MAX);
            return Err(Problem::bad_request("topic", detail));
        }
        let start = resumed.or(start).unwrap_or(Start::Now);
        let selection = Selection::new(TopicSet::new(topics), filter);
        let mode = mode.unwrap_or_default();
        Ok(Self { selection, start, mode, format, wait, blocks })
    }
}

/// From where a request wants to go on, if it says so: for handlers that serve one thing, in
/// somebody else's routes. Other parameters are somebody else's, too.
pub(crate) fn read_start(uri: &Uri, headers: &HeaderMap) -> Result<Option<Start>, Problem> {
    let mut start = None;
    let mut resumed = resume_header(headers);
    for (name, value) in form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()) {
        match &*name {
            "since" => set_once(&mut start, read_since(&value)?, "since")?,
            "last_event_id" | "lastEventId" if !value.is_empty() => {
                resumed.get_or_insert_with(|| resume_from(&value));
            }
            _ => {}
        }
    }
    Ok(resumed.or(start))
}

fn resume_header(headers: &HeaderMap) -> Option<Start> {
    let value = headers.get("last-event-id")?;
    match value.to_str() {
        Ok("") => None,
        Ok(text) => Some(resume_from(text)),
        Err(_) => Some(Start::Unreadable),
    }
}

/// The id of a client that reconnects: it cannot be asked to correct itself, so an id that nobody
/// can read becomes a gap.
fn resume_from(text: &str) -> Start {
    event_id(text).map_or(Start::Unreadable, Start::After)
}

/// A message may have an id of its own, which then stands behind ours and a slash.
fn event_id(text: &str) -> Option<EventId> {
    text.split('/').next()?.parse().ok()
}

fn read_topic(text: &str) -> Result<TopicPattern, Problem> {
    TopicPattern::parse(text).map_err(|error| bad("topic", text, error))
}

fn read_since(text: &str) -> Result<Start, Problem> {
    match text {
        "now" => return Ok(Start::Now),
        "earliest" => return Ok(Start::Earliest),
        _ => {}
    }
    if let Some(count) = text.strip_prefix("last:") {
        let count = count.parse().ok().filter(|count| *count <= limits::LAST_MAX);
        let range = format!("last:N takes a number from 0 to {}", limits::LAST_MAX);
        return count.map(Start::Last).ok_or_else(|| bad("since", text, range));
    }
    if let Some(id) = event_id(text) {
        return Ok(Start::After(id));
    }
    // A plus sign that was not escaped arrives as a blank.
    let time = text.replace(' ', "+").parse();
    time.map(Start::Since).map_err(|_| {
        let taken = "it takes now, earliest, last:N, an event id such as abcdefgh-42 or a time \
                     such as 2026-11-21T07:50:50Z";
        bad("since", text, taken)
    })
}

fn read_match(text: &str) -> Result<Filter, Problem> {
    Filter::parse(text).map_err(|error| Problem::bad_request("match", error.to_string()))
}

fn read_mode(text: &str) -> Result<Mode, Problem> {
    match text {
        "queue" => Ok(Mode::Queue),
        "latest" => Ok(Mode::Latest),
        _ => Err(bad("mode", text, "it takes queue or latest")),
    }
}

fn read_format(text: &str) -> Result<Format, Problem> {
    let known = || Format::ALL.map(Format::name).join(", ");
    Format::parse(text).ok_or_else(|| bad("format", text, format!("it takes one of {}", known())))
}

fn read_wait(text: &str) -> Result<Duration, Problem> {
    let seconds = text.strip_suffix('s').unwrap_or(text).parse().ok().map(Duration::from_secs);
    seconds.filter(|wait| *wait <= limits::POLL_MAX).ok_or_else(|| {
        let most = limits::POLL_MAX.as_secs();
        bad("wait", text, format!("it takes seconds, such as 30s, up to {most}s"))
    })
}

fn set_once<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Problem> {
    if slot.replace(value).is_some() {
        return Err(Problem::bad_request(name, format!("{name} may be given once")));
    }
    Ok(())
}

fn bad(name: &str, value: &str, why: impl Display) -> Problem {
    let value: String = value.chars().take(100).collect();
    Problem::bad_request(name, format!("{name}={value:?} is not valid: {why}"))
}

fn unknown_parameter(name: &str) -> Problem {
    let name: String = name.chars().take(100).collect();
    let known = PARAMETERS.join(", ");
    Problem::bad_request(
        "parameter",
        format!("unknown query parameter {name:?}; known are {known}"),
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::model::Epoch;

    fn read(query: &str, header: Option<&'static str>) -> Result<Request, Problem> {
        let uri = format!("/events?{query}").parse().expect("a uri");
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert("last-event-id", HeaderValue::from_static(value));
        }
        Request::read(&uri, &headers)
    }

    fn id(seq: u64) -> EventId {
        EventId { epoch: Epoch::from_random(0), seq: crate::model::Seq(seq) }
    }

    #[track_caller]
    fn check_start(query: &str, header: Option<&'static str>, expected: Start) {
        assert_eq!(read(query, header).expect(query).start, expected, "{query} {header:?}");
    }

    #[test]
    fn the_start_is_now_unless_something_else_is_said() {
        check_start("", None, Start::Now);
        check_start("since=earliest", None, Start::Earliest);
        check_start("since=last:5", None, Start::Last(5));
        let time = crate::model::Timestamp(951_782_400_000);
        check_start("since=2000-02-29T00:00:00Z", None, Start::Since(time));
        check_start("since=2000-02-29T01:00:00+01:00", None, Start::Since(time));
        check_start("since=aaaaaaaa-7", None, Start::After(id(7)));
        check_start("lastEventId=aaaaaaaa-7", None, Start::After(id(7)));
    }

    #[test]
    fn the_header_of_a_reconnecting_browser_wins_over_its_url() {
        check_start("since=last:5", Some("aaaaaaaa-9"), Start::After(id(9)));
        check_start("since=earliest&last_event_id=aaaaaaaa-8", None, Start::After(id(8)));
        check_start("last_event_id=aaaaaaaa-8", Some("aaaaaaaa-9"), Start::After(id(9)));
        check_start("since=last:5", Some(""), Start::Last(5));
    }

    #[test]
    fn an_unreadable_id_is_a_gap_for_who_reconnects_and_an_error_for_who_starts() {
        check_start("", Some("garbage"), Start::Unreadable);
        check_start("last_event_id=garbage", None, Start::Unreadable);
        assert!(read("since=garbage", None).is_err());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        for query in [
            "topics=a.b",
            "topic=nodot",
            "since=last:x",
            "since=last:999999999",
            "since=now&since=now",
            "bookmarks=yes",
            "envelope=1",
            "topic=",
            "%00=1",
            "match={",
            "match={}&match={}",
            "match={%22a%22:{%22$eqq%22:1}}",
        ] {
            assert!(read(query, None).is_err(), "{query}");
        }
    }
}
