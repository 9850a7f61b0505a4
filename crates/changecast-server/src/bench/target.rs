//! Where to publish and where to subscribe, and the requests for it.

use std::fmt::Write as _;
use std::net::{SocketAddr, ToSocketAddrs};

use url::Url;

use super::arguments::{BenchArguments, Transport};
use crate::Failure;

/// The server under load.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    /// What is subscribed to, for people.
    pub(super) url: Url,
    host: String,
    /// Path and query.
    subscribe: String,
    publish: String,
}

impl Target {
    pub(super) fn new(arguments: &BenchArguments) -> Result<Self, Failure> {
        let text = &arguments.url;
        let wrong = |why: &str| {
            Failure::Configuration(format!(
                "{text:?} is no server's URL, such as http://127.0.0.1:8888: {why}"
            ))
        };
        let mut url = Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        match url.scheme() {
            "http" | "ws" => {}
            "https" | "wss" => return Err(wrong("bench speaks no TLS: go to the server itself")),
            _ => return Err(wrong("it begins with http:// or ws://")),
        }
        let transport = arguments.transport.unwrap_or_else(|| told_by(&url));
        complete(&mut url, transport, &arguments.topic);
        let port = url.port().unwrap_or(80);
        let name = url.host_str().ok_or_else(|| wrong("it names no host"))?;
        let address = (name.trim_matches(['[', ']']), port).to_socket_addrs();
        let address = address.ok().and_then(|mut all| all.next());
        let address = address.ok_or_else(|| {
            Failure::Unreachable(format!("there is no host {name:?} to be found"))
        })?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            address,
            transport,
            host: format!("{name}:{port}"),
            subscribe: format!("{}{query}", url.path()),
            publish: match &arguments.publish_path {
                Some(path) => path.clone(),
                None => publish_path(&arguments.topic),
            },
            url,
        })
    }

    /// The request that opens a stream.
    pub(super) fn subscription(&self) -> String {
        let Self { subscribe, host, .. } = self;
        let how = match self.transport {
            Transport::Sse => "Accept: text/event-stream\r\n",
            // The key is the RFC's: nobody looks at the answer to it.
            Transport::Websocket => {
                "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            }
        };
        format!("GET {subscribe} HTTP/1.1\r\nHost: {host}\r\n{how}\r\n")
    }

    /// Writes what comes before a message's body.
    pub(super) fn write_publication(&self, body_bytes: usize, request: &mut String) {
        let Self { publish, host, .. } = self;
        // Writing to a String cannot fail.
        let _ = write!(
            request,
            "POST {publish} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {body_bytes}\r\n\r\n"
        );
    }

    pub(super) fn publish_path(&self) -> &str {
        &self.publish
    }
}

fn told_by(url: &Url) -> Transport {
    let is_websocket = url.scheme() == "ws" || url.path().ends_with("/ws");
    if is_websocket { Transport::Websocket } else { Transport::Sse }
}

/// Of changecast's own routes, the path and the topic may be left out.
fn complete(url: &mut Url, transport: Transport, topic: &str) {
    if matches!(url.path(), "" | "/") {
        url.set_path(match transport {
            Transport::Sse => "/events",
            Transport::Websocket => "/ws",
        });
    }
    if matches!(url.path(), "/events" | "/ws") && url.query().is_none() {
        url.query_pairs_mut().append_pair("topic", topic);
    }
}

/// With whatever a path may not hold escaped.
fn publish_path(topic: &str) -> String {
    let mut url = Url::parse("http://localhost/publish").ok();
    if let Some(mut segments) = url.as_mut().and_then(|url| url.path_segments_mut().ok()) {
        segments.push(topic);
    }
    url.map(|url| url.path().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        bench: BenchArguments,
    }

    fn target(arguments: &[&str]) -> Result<Target, Failure> {
        let all = ["bench"].iter().chain(arguments);
        Target::new(&Command::try_parse_from(all).expect("arguments").bench)
    }

    #[test]
    fn the_url_tells_where_and_how() {
        for (arguments, transport, subscribe) in [
            (&["http://127.0.0.1:1"][..], Transport::Sse, "/events?topic=bench.fanout"),
            (&["ws://127.0.0.1:1/"], Transport::Websocket, "/ws?topic=bench.fanout"),
            (&["http://127.0.0.1:1/ws", "--topic=a.b c"], Transport::Websocket, "/ws?topic=a.b+c"),
            (
                &["http://127.0.0.1:1", "--transport=websocket"],
                Transport::Websocket,
                "/ws?topic=bench.fanout",
            ),
            (&["http://127.0.0.1:1/events?topic=*"], Transport::Sse, "/events?topic=*"),
            (&["http://127.0.0.1:1/sub/x?a=b"], Transport::Sse, "/sub/x?a=b"),
            (&["ws://[::1]:1/sub/x"], Transport::Websocket, "/sub/x"),
        ] {
            let target = target(arguments).expect("a target");
            assert_eq!((target.transport, &*target.subscribe), (transport, subscribe));
            assert_eq!(target.address.port(), 1);
        }
        let target = target(&["http://127.0.0.1:1", "--topic=a.b c/d"]).expect("a target");
        assert_eq!(target.publish_path(), "/publish/a.b%20c%2Fd");
        assert!(target.subscription().contains("\r\nHost: 127.0.0.1:1\r\n"));
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, why) in [("localhost", "base"), ("ftp://a", "http://"), ("https://a", "TLS")] {
            let failure = target(&[url]).expect_err(url);
            assert!(failure.to_string().contains(why), "{failure}");
        }
    }
}
