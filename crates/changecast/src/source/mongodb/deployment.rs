//! Which deployment answers, and whether a stored position is one of its own.
//!
//! A fresh replica set at the same address takes any resume token, and stays silent about what it
//! cannot know. So every position names the deployment that it is from, and every opening of a
//! stream asks first who answers. This module asks; it must not open streams.
//!
//! | asked | tells | who may ask |
//! |---|---|---|
//! | `replSetGetConfig` | the replica set's id | the role `clusterMonitor`, or anybody without access control |
//! | `config.version` of a router | the cluster's id | the same |
//! | `replSetGetStatus` | what the primary had seen when it was elected: less than the position, after a restore from a backup | the same |
//! | `$clusterTime` of any answer | since when there is the key that signs it: a younger deployment has a younger key | every user that logs in |

use mongodb::Client;
use mongodb::bson::{Bson, Document, Timestamp, doc};
use mongodb::error::Result;

use super::errors;
use super::position::{Place, Start};
use crate::source::SourceError;

/// How many seconds a server's clock may be behind a token before the token counts as unknown to
/// it: a token may be ahead of the last write by a little,
const AHEAD_SECONDS_MAX: u32 = 2;

/// and of what one router of a sharded cluster has heard of by more.
const AHEAD_SECONDS_MAX_SHARDED: u32 = 30;

/// How long a server signs with a key: three months, by default. A key that comes into use by turn
/// was made at least that long before.
const KEY_SECONDS: u32 = 90 * 24 * 60 * 60;

/// Who answers, and what it is like now.
pub(super) struct Deployment {
    /// The id of the replica set, or of the sharded cluster, if the user may know it.
    pub(super) id: Option<String>,
    hello: Document,
    /// What its primary had seen when it was elected, and when its time as primary began.
    election: Option<(Timestamp, Timestamp)>,
}

impl Deployment {
    /// Asks; `hello` is what the server has just said.
    pub(super) async fn identify(client: &Client, hello: Document) -> Result<Self> {
        let id = known(if is_router(&hello) {
            cluster_id(client).await
        } else {
            replica_set_id(client).await
        })?;
        let election = match id {
            Some(_) if is_primary(&hello) => known(last_election(client).await)?,
            _ => None,
        };
        Ok(Self { id, hello, election })
    }

    /// The time right after everything that it had done when it answered.
    pub(super) fn time_after(&self) -> Option<Timestamp> {
        let done = self.hello.get_timestamp("operationTime").ok()?;
        Some(Timestamp { time: done.time, increment: done.increment.saturating_add(1) })
    }

    /// Refuses a place in a history that is not this deployment's.
    pub(super) fn check(&self, start: &Start) -> std::result::Result<(), SourceError> {
        if let (Some(stored), Some(id)) = (&start.deployment, &self.id)
            && stored != id
        {
            return Err(replaced());
        }
        let time = match &start.place {
            Place::Now => None,
            Place::After(token) => token.time(),
            Place::At(time) => Some(*time),
        };
        let Some(time) = time else {
            return Ok(());
        };
        self.check_clock(time)?;
        if self.is_signed_by_a_younger_key(time) {
            return Err(replaced());
        }
        if self.has_forgotten(time) {
            return Err(restored());
        }
        Ok(())
    }

    /// Refuses a time that the server has not reached yet: a database restored from a backup would
    /// stay silent until it does, and what happens meanwhile would be lost.
    fn check_clock(&self, place: Timestamp) -> std::result::Result<(), SourceError> {
        // A secondary may just be late.
        if !is_primary(&self.hello) {
            return Ok(());
        }
        let is_router = is_router(&self.hello);
        let ahead = if is_router { AHEAD_SECONDS_MAX_SHARDED } else { AHEAD_SECONDS_MAX };
        match self.hello.get_timestamp("operationTime") {
            Ok(now) if place.time > now.time.saturating_add(ahead) => Err(restored()),
            _ => Ok(()),
        }
    }

    /// Whether the key was made after `place`, and cannot be that of a later turn.
    fn is_signed_by_a_younger_key(&self, place: Timestamp) -> bool {
        let signature = self.hello.get_document("$clusterTime");
        let signature = signature.and_then(|time| time.get_document("signature"));
        // An id is the time at which its key was made, the seconds first; none without users.
        let id = signature.and_then(|signature| signature.get_i64("keyId")).unwrap_or(0);
        let made = u32::try_from(id >> 32).unwrap_or(0);
        let now = self.hello.get_timestamp("operationTime").map_or(u32::MAX, |now| now.time);
        made > place.time && now < place.time.saturating_add(KEY_SECONDS)
    }

    /// Whether `place` lies between the last that the primary had seen before its election and the
    /// first that it did: what a majority has, and a stream tells nothing else, is never there.
    fn has_forgotten(&self, place: Timestamp) -> bool {
        self.election.is_some_and(|(seen, began)| {
            place.time > seen.time.saturating_add(AHEAD_SECONDS_MAX) && place.time < began.time
        })
    }
}

fn replaced() -> SourceError {
    SourceError::HistoryLost(
        "the database was replaced: the stored position belongs to another deployment".into(),
    )
}

fn restored() -> SourceError {
    SourceError::HistoryLost(
        "the database is at an earlier time than the stored position: it was restored from a \
         backup, or is another one"
            .into(),
    )
}

fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").unwrap_or(false)
}

fn is_router(hello: &Document) -> bool {
    hello.get_str("msg").is_ok_and(|message| message == "isdbgrid")
}

/// What the server told; nothing if it does not tell that to this user.
fn known<T>(answer: Result<Option<T>>) -> Result<Option<T>> {
    match answer {
        Err(error) if errors::is_refusal(&error) => Ok(None),
        answer => answer,
    }
}

async fn replica_set_id(client: &Client) -> Result<Option<String>> {
    let answer = client.database("admin").run_command(doc! { "replSetGetConfig": 1 }).await?;
    let settings = answer.get_document("config").and_then(|config| config.get_document("settings"));
    Ok(settings.ok().and_then(|settings| id_in(settings, "replicaSetId")))
}

async fn cluster_id(client: &Client) -> Result<Option<String>> {
    let versions = client.database("config").collection::<Document>("version");
    let version = versions.find_one(doc! {}).await?;
    Ok(version.and_then(|version| id_in(&version, "clusterId")))
}

async fn last_election(client: &Client) -> Result<Option<(Timestamp, Timestamp)>> {
    let status = client.database("admin").run_command(doc! { "replSetGetStatus": 1 }).await?;
    let Ok(election) = status.get_document("electionCandidateMetrics") else {
        return Ok(None);
    };
    let seen = election.get_document("lastSeenOpTimeAtElection");
    let seen = seen.and_then(|seen| seen.get_timestamp("ts"));
    let began = election.get_datetime("newTermStartDate");
    let (Ok(seen), Ok(began)) = (seen, began) else {
        return Ok(None);
    };
    let began = u32::try_from(began.timestamp_millis() / 1000).unwrap_or(0);
    Ok(Some((seen, Timestamp { time: began, increment: 0 })))
}

fn id_in(document: &Document, field: &str) -> Option<String> {
    match document.get(field) {
        Some(Bson::ObjectId(id)) => Some(id.to_hex()),
        _ => None,
    }
}
