//! `format=data`: the document as it is now, and nothing else.
//!
//! Where there is no document to show, or not all of it, the line is a notice: an object whose first
//! member is `$operation`, a name that no database gives to a field.

use super::parts::{Object, Parts, key_of};
use crate::model::{Change, EventId, Op};

pub(super) fn line(_: EventId, change: &Change, parts: &Parts<'_>) -> String {
    let is_document = matches!(change.op, Op::Insert | Op::Update | Op::Replace | Op::Other);
    match parts.after() {
        Some(document) if is_document && parts.unavailable.is_none() => document.get().to_owned(),
        document => {
            let notice = Object::new().text("$operation", &parts.operation(change));
            let notice = match key_of(change, parts) {
                "null" => notice.maybe("ns", parts.ns),
                key => notice.raw("documentKey", key),
            };
            notice.maybe("fullDocument", document).maybe("unavailable", parts.unavailable).end()
        }
    }
}
