//! One `$changeStream` cursor of the server, answer by answer.
//!
//! The driver's own change streams resume by themselves: without a bound, without a pause, and
//! without a look at who answers then. This cursor never does, and shows each answer as it came,
//! with the resume token that the server put at its end. It must not know what a change is.

use futures_util::StreamExt;
use mongodb::bson::{RawArray, RawDocument};
use mongodb::error::{Error, Result};
use mongodb::raw_batch_cursor::{RawBatch, RawBatchCursor};

use super::position::Token;

/// A cursor that the server keeps until this is dropped, also while it is being asked.
pub(super) struct Cursor(RawBatchCursor);

/// One answer: the events that came with it, mostly none.
pub(super) struct Batch(RawBatch);

impl Cursor {
    /// The cursor that `aggregate` has opened, and what came with it.
    pub(super) async fn open(mut batches: RawBatchCursor) -> Result<(Self, Option<Batch>)> {
        let first = batches.next().await.transpose()?;
        Ok((Self(batches), first.map(Batch)))
    }

    /// Asks once. `None` after the server has ended the cursor.
    pub(super) async fn next(&mut self) -> Option<Result<Batch>> {
        let batch = self.0.next().await?;
        Some(batch.map(Batch))
    }
}

impl Batch {
    /// The events, in order.
    pub(super) fn events(&self) -> Result<impl Iterator<Item = Result<&RawDocument>>> {
        let events: &RawArray = self.0.doc_slices()?;
        Ok(events.into_iter().map(|event| {
            let event = event?;
            event.as_document().ok_or_else(|| Error::custom("the server sent no document"))
        }))
    }

    /// Everything up to here has been told, in this answer and those before.
    pub(super) fn token(&self) -> Option<Token> {
        let cursor = self.0.as_raw_document().get_document("cursor").ok()?;
        cursor.get_document("postBatchResumeToken").ok().map(Token::of_server)
    }
}
