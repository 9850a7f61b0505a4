//! The filters of `crate::filter` against MongoDB's own: both are asked about the same generated
//! documents, ours through the same Extended JSON that events are made of.
//!
//! `CHANGECAST_TEST_SEED` repeats a run; `CHANGECAST_TEST_ROUNDS` makes it longer.

mod documents;
mod queries;

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Bson, RawDocumentBuf};

use self::documents::Documents;
use self::queries::Queries;
use super::super::extended_json::write_document;
use super::*;
use crate::filter::{Filter, FilterError};

const DOCUMENTS: i32 = 200;
const FILTERS: usize = 60;

/// Documents that queries are made from.
const KNOWN: usize = 40;

/// Rounds of a usual run: 96,000 pairs of a document and a filter.
const ROUNDS: u64 = 8;

/// Differences that are shown.
const SHOWN: usize = 20;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn relaxed(document: &Document) -> Vec<u8> {
    let raw = RawDocumentBuf::try_from(document).expect("BSON");
    let mut out = Vec::new();
    let _ = write_document(raw.as_bytes(), &mut out).expect("JSON");
    out
}

/// `bson` sorts the fields of the JSON it makes; their order means something here.
fn canonical(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            let name = |name: &String| serde_json::to_string(name).expect("JSON");
            let fields = document.iter().map(|(key, value)| (name(key), canonical(value)));
            let fields: Vec<_> = fields.map(|(name, value)| format!("{name}:{value}")).collect();
            format!("{{{}}}", fields.join(","))
        }
        Bson::Array(items) => {
            format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        scalar => scalar.clone().into_canonical_extjson().to_string(),
    }
}

/// A filter, as we read it: from relaxed or from canonical Extended JSON.
fn ours(query: &Document, is_canonical: bool) -> Result<Filter, FilterError> {
    if is_canonical {
        return Filter::for_documents(&canonical(&Bson::Document(query.clone())));
    }
    Filter::for_documents(std::str::from_utf8(&relaxed(query)).expect("UTF-8"))
}

async fn theirs(
    collection: &Collection<Document>,
    query: &Document,
) -> mongodb::error::Result<BTreeSet<i32>> {
    let stages = [doc! { "$match": query }, doc! { "$project": { "_id": 1 } }];
    let found: Vec<Document> =
        collection.aggregate(stages).batch_size(1000).await?.try_collect().await?;
    Ok(found.iter().map(|document| document.get_i32("_id").expect("an id")).collect())
}

/// What one query is answered differently for.
async fn differences(
    collection: &Collection<Document>,
    documents: &[(Document, Vec<u8>)],
    query: &Document,
    is_canonical: bool,
) -> Vec<String> {
    let shown = String::from_utf8(relaxed(query)).expect("UTF-8");
    let (filter, found) = match (ours(query, is_canonical), theirs(collection, query).await) {
        (Ok(filter), Ok(found)) => (filter, found),
        (Err(_), Err(_)) => return vec![],
        (Ok(_), Err(error)) => return vec![format!("{shown}: MongoDB refuses: {error}")],
        (Err(error), Ok(_)) => return vec![format!("{shown}: we refuse: {error}")],
    };
    let differs = |(document, text): &&(Document, Vec<u8>)| {
        let id = document.get_i32("_id").expect("an id");
        filter.matches(text) != found.contains(&id)
    };
    let differing = documents.iter().filter(differs);
    let explain = |(_, text): &(Document, Vec<u8>)| {
        let outcome = if filter.matches(text) { "only we match" } else { "only MongoDB matches" };
        format!("{shown}: {outcome} {}", String::from_utf8_lossy(text))
    };
    differing.map(explain).collect()
}

#[tokio::test]
async fn matches_what_mongodb_matches() {
    let seed = number("CHANGECAST_TEST_SEED", 1);
    let rounds = number("CHANGECAST_TEST_ROUNDS", ROUNDS);
    println!("seed {seed}, {rounds} rounds");
    let bed = Bed::new().await;
    let mut found = Vec::new();
    let (mut matched, mut refused) = (0, 0);
    for round in 0..rounds {
        let mut random = fastrand::Rng::with_seed(seed + round);
        let mut documents = Vec::new();
        for id in 0..DOCUMENTS {
            let document = Documents(&mut random).document(id);
            let text = relaxed(&document);
            documents.push((document, text));
        }
        let mut known = Vec::new();
        for (document, _) in documents.iter().take(KNOWN) {
            queries::known("", &Bson::Document(document.clone()), &mut known);
        }
        let collection = bed.database.collection(&format!("round_{round}"));
        let inserted = documents.iter().map(|(document, _)| document);
        collection.insert_many(inserted).await.expect("insert");
        for _ in 0..FILTERS {
            let query = Queries(&mut random, &known).query();
            let is_canonical = random.bool();
            match ours(&query, is_canonical) {
                Ok(filter) => {
                    matched += documents.iter().filter(|(_, text)| filter.matches(text)).count();
                }
                Err(_) => refused += 1,
            }
            found.extend(differences(&collection, &documents, &query, is_canonical).await);
        }
        collection.drop().await.expect("drop");
    }
    bed.database.drop().await.expect("drop");
    let pairs = rounds * FILTERS as u64 * u64::from(DOCUMENTS.unsigned_abs());
    println!("{pairs} pairs, of which {matched} match; {refused} filters refused by both");
    let shown = found.iter().take(SHOWN).map(|line| format!("  {line}\n")).collect::<String>();
    assert!(found.is_empty(), "seed {seed}: {} differences:\n{shown}", found.len());
    assert!(matched as u64 > pairs / 20, "only {matched} of {pairs} match: this proves little");
}
