//! What a subscriber gets of an event.

use super::Filter;
use super::event::{Event, Image, Scene};
use super::truth::Truth;

/// What to do with an event, for one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send it as it is: it matches, or nobody can tell.
    Deliver,
    /// Its document matched before the change and does not any more: send [`Event::leave`].
    Leave,
    /// It does not concern the subscriber.
    Drop,
}

impl Filter {
    /// What a subscriber with this filter gets of the event.
    #[must_use]
    pub fn judge(&self, event: &Event<'_>) -> Verdict {
        if !event.is_event() {
            return Verdict::Deliver;
        }
        match self.see(event, Image::After) {
            Truth::True => return Verdict::Deliver,
            // Whether an update's document matches now, its former state does not tell. A deleted
            // document has no other.
            Truth::Undecidable if !(event.is_delete() && event.has_before()) => {
                return Verdict::Deliver;
            }
            Truth::False if !event.has_before() => return Verdict::Drop,
            _ => {}
        }
        match self.see(event, Image::Before) {
            Truth::True => Verdict::Leave,
            Truth::Undecidable => Verdict::Deliver,
            Truth::False => Verdict::Drop,
        }
    }

    fn see(&self, event: &Event<'_>, image: Image) -> Truth {
        self.parts.condition.evaluate(&Scene { event, image }, &self.parts.tree)
    }
}
