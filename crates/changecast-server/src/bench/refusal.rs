//! What a server says that does not let us in, in words with what to do about it.

use serde::Deserialize;

use super::target::Target;
use crate::Failure;

/// An answer other than the one hoped for.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// What has come of the body.
    pub(super) body: Vec<u8>,
}

impl Refusal {
    /// The detail of a problem, as changecast sends it.
    fn detail(&self) -> String {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        serde_json::from_slice(&self.body)
            .map_or_else(|_| String::new(), |Problem { detail }| format!(": {detail}"))
    }

    pub(super) fn of_subscribing(&self, target: &Target) -> Failure {
        let said = format!("{} answers {}{}", target.url, self.status, self.detail());
        match self.status {
            401 | 403 => Failure::NotAllowed(said),
            404 => {
                Failure::Run(format!("{said}; is the path right? changecast's is /events or /ws"))
            }
            _ => Failure::Run(said),
        }
    }

    pub(super) fn of_publishing(&self, target: &Target) -> Failure {
        let (path, detail) = (target.publish_path(), self.detail());
        let said = format!("POST {path} at {} answers {}{detail}", target.address, self.status);
        match self.status {
            401 | 403 | 404 => Failure::NotAllowed(format!(
                "{said}; changecast takes messages when it is started with --publish, on topics \
                 that no source writes"
            )),
            _ => Failure::Run(said),
        }
    }
}
