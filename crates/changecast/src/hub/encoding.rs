//! One entry on its way to the views: its event is parsed once for all filters, and encoded once
//! for each format.

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use bytes::Bytes;

use super::codec::{Action, Codec, Control, Gap, GapScope};
use crate::filter::{Event, Verdict};
use crate::model::{Body, Change, Entry, Epoch, EventId, Op, SourceGap};

/// Format, framing, and whether it is the word that the document has left.
type FrameKey = (&'static str, &'static str, bool);

/// An entry, and what has been made of it so far.
pub(super) struct Encoding<'a> {
    entry: &'a Arc<Entry>,
    id: EventId,
    event: OnceCell<Event<'a>>,
    /// By format and framing, and whether it is the word that the document has left: few enough to
    /// look through.
    frames: RefCell<Vec<(FrameKey, Option<Bytes>)>>,
}

impl<'a> Encoding<'a> {
    pub(super) fn new(entry: &'a Arc<Entry>, epoch: Epoch) -> Self {
        let id = EventId { epoch, seq: entry.seq };
        Self { entry, id, event: OnceCell::new(), frames: RefCell::default() }
    }

    pub(super) fn entry(&self) -> &'a Entry {
        self.entry
    }

    /// The change, if it is one.
    pub(super) fn change(&self) -> Option<&'a Change> {
        match &self.entry.body {
            Body::Change(change) => Some(change),
            Body::Gap(_) => None,
        }
    }

    /// The event of its change, for filters.
    pub(super) fn event(&self, change: &'a Change) -> &Event<'a> {
        self.event.get_or_init(|| Event::parse(&change.event))
    }

    /// What the followers of a view with this format and `verdict` get; none where the format has
    /// no word for it.
    pub(super) fn frame(&self, codec: &dyn Codec, verdict: Verdict) -> Option<Bytes> {
        let key = (codec.name(), codec.framing(), verdict == Verdict::Leave);
        let known = self.frames.borrow().iter().find(|(known, _)| *known == key).cloned();
        known.map_or_else(
            || {
                let frame = self.encode(codec, verdict);
                self.frames.borrow_mut().push((key, frame.clone()));
                frame
            },
            |(_, frame)| frame,
        )
    }

    fn encode(&self, codec: &dyn Codec, verdict: Verdict) -> Option<Bytes> {
        match (&self.entry.body, verdict) {
            (_, Verdict::Drop) => None,
            (Body::Change(change), Verdict::Deliver) => Some(codec.change(self.id, change)),
            (Body::Change(change), Verdict::Leave) => {
                let event = self.event(change).leave();
                let leave = Change { op: Op::Leave, event, ..change.clone() };
                Some(codec.change(self.id, &leave))
            }
            (Body::Gap(gap), _) => codec.control(&Control::Gap(self.gap(gap))),
        }
    }

    fn gap(&self, gap: &SourceGap) -> Gap {
        Gap {
            id: self.id,
            scope: GapScope::Source,
            source: Some(Arc::clone(&self.entry.source)),
            from: None,
            to: None,
            reason: gap.reason.clone(),
            action: Action::Refetch,
        }
    }
}
