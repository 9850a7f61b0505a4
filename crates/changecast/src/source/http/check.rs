//! Whether the address answers, and whether what is watched is in the answer.

use std::sync::Arc;

use super::HttpSource;
use super::client::Answer;
use super::document::Document;
use super::fault::Fault;
use super::position::Validators;
use crate::source::Finding;

impl HttpSource {
    pub(super) async fn findings(&self) -> Vec<Finding> {
        let address = self.shared.config.address();
        // Each stream holds one. The server is not asked more often than it was agreed.
        if Arc::strong_count(&self.shared) > 1 {
            return vec![Finding::ok("reachable", format!("{address} is being asked"))];
        }
        let answer = match self.shared.ask(&Validators::default()).await {
            Ok(answer) => answer,
            Err(fault) => return vec![self.failed("reachable", fault)],
        };
        let reachable = Finding::ok("reachable", format!("{address} answers"));
        vec![reachable, self.document(answer)]
    }

    fn document(&self, answer: Answer) -> Finding {
        let config = &self.shared.config;
        let Answer::Body { bytes, is_html, .. } = answer else {
            return Finding::ok("document", "it is as it was");
        };
        match Document::read(&bytes, &config.pointer) {
            Ok(document) => {
                let place = if config.pointer.is_empty() { "/" } else { &config.pointer };
                let detail = format!("{} bytes of JSON at {place:?}", document.json.len());
                Finding::ok("document", detail)
            }
            Err(_) if is_html => self.failed("document", Fault::Html(config.address())),
            Err(why) => self.failed("document", Fault::Document { address: config.address(), why }),
        }
    }

    /// What failed, with the command that shows what is answered. It leaves out the query, which
    /// may hold a key.
    fn failed(&self, about: &'static str, fault: Fault) -> Finding {
        let mut finding = Finding::failed(about, &fault.into_error());
        let address = crate::source::check::shell_word(&self.shared.config.address());
        let look = format!("see what it answers: curl -i {address}");
        finding.mend = Some(match finding.mend {
            Some(advice) => format!("{advice}; {look}"),
            None => look,
        });
        finding
    }
}
