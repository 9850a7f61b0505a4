//! The embedded store, over HTTP.

use serde_json::json;

use super::Failure;
use crate::ledger::Fact;

/// Putting the same once more changes nothing, and deleting it once more neither.
pub(super) async fn write(
    client: &reqwest::Client,
    url: &str,
    fact: Fact,
    padding: &str,
) -> Result<(), Failure> {
    let url = format!("{url}/{}/{}", fact.collection_name(), fact.id());
    let request = match fact.is_delete() {
        true => client.delete(url),
        false => client.put(url).json(&json!({ "v": fact.version, "pad": padding })),
    };
    let status = request.send().await?.status();
    let is_done = status.is_success() || (fact.is_delete() && status == 404);
    is_done.then_some(()).ok_or_else(|| status.to_string().into())
}
