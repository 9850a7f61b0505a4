//! A change event, as filters look at it.
//!
//! Read once, asked by every filter. What the source did not send makes conditions undecidable:
//! anything in a `fullDocument` (or `fullDocumentBeforeChange`) that is missing or null, and what
//! stands at, above or beneath a path that `unavailable` lists.

use super::condition::Test;
use super::evaluate::Subject;
use super::path::{Found, Part, Path};
use super::tree::{At, Fields, Index, Tree, Value};
use super::truth::Truth;

pub(super) const AFTER: &str = "fullDocument";
pub(super) const BEFORE: &str = "fullDocumentBeforeChange";

/// In `unavailable`: whatever else the event had cannot be told.
const ANYTHING: &str = "*";

/// A change event, parsed once and borrowed. Text that is no event makes an event of which nothing
/// is decidable, so that every filter delivers it.
#[derive(Debug)]
pub struct Event<'a> {
    bytes: &'a [u8],
    tree: Tree<'a>,
    /// None if the text is no object.
    places: Option<Places>,
}

/// Where in the tree that stands which every filter asks for.
#[derive(Debug, Clone, Copy, Default)]
struct Places {
    operation: Option<Index>,
    after: Option<Index>,
    before: Option<Index>,
    unavailable: Option<Index>,
}

/// Which image of the document `fullDocument` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Image {
    /// The event's own.
    After,
    /// The one from before the change.
    Before,
}

/// An event, seen with one of its images.
pub(super) struct Scene<'e> {
    pub(super) event: &'e Event<'e>,
    pub(super) image: Image,
}

impl<'a> Event<'a> {
    /// Reads an event.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Self {
        let tree = std::str::from_utf8(bytes).ok().and_then(Tree::parse).unwrap_or_default();
        let places = document(&tree).map(Places::find);
        Self { bytes, tree, places }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn is_event(&self) -> bool {
        self.places.is_some()
    }

    pub(super) fn is_delete(&self) -> bool {
        let operation = self.places.and_then(|places| places.operation);
        operation.is_some_and(|at| matches!(self.tree.at(at).value(), Value::String("delete")))
    }

    #[inline]
    fn field(&self, name: &str) -> Found<'_> {
        let places = self.places?;
        let place = match name {
            AFTER => places.after,
            BEFORE => places.before,
            name => document(&self.tree)?.find(name).map(At::index),
        };
        place.map(|place| self.tree.at(place).value())
    }

    /// The image that stands under `name`, unless it is null.
    fn image(&self, name: &str) -> Found<'_> {
        self.field(name).filter(|image| !matches!(image, Value::Null))
    }

    /// Whether there is a state before the change, or was one that the source could not send.
    pub(super) fn has_before(&self) -> bool {
        self.image(BEFORE).is_some() || self.is_unavailable(BEFORE, &[])
    }

    pub(super) fn has_after(&self) -> bool {
        self.image(AFTER).is_some()
    }

    /// Whether the source said that it did not send what is at the path. A path without a
    /// beginning is one of the document.
    fn is_unavailable(&self, root: &str, rest: &[Part]) -> bool {
        let Some(listed) = self.places.and_then(|places| places.unavailable) else { return false };
        match self.tree.at(listed).value() {
            Value::Array(mut listed) => listed.any(|item| match item.value() {
                Value::String(ANYTHING) => self.field(root).is_none(),
                Value::String(listed) => {
                    touches(listed, Some(root), rest)
                        || (root == AFTER && touches(listed, None, rest))
                }
                _ => true,
            }),
            _ => true,
        }
    }
}

impl Places {
    fn find(fields: Fields<'_>) -> Self {
        let mut places = Self::default();
        for field in fields {
            let place = match field.key() {
                "operationType" => &mut places.operation,
                AFTER => &mut places.after,
                BEFORE => &mut places.before,
                "unavailable" => &mut places.unavailable,
                _ => continue,
            };
            place.get_or_insert(field.index());
        }
        places
    }
}

/// Whether one of two paths is the beginning of the other. Places in arrays do not count: a path
/// may leave them out.
fn touches(listed: &str, root: Option<&str>, rest: &[Part]) -> bool {
    let is_name = |name: &&str| name.parse::<u32>().is_err();
    let names = root.into_iter().chain(rest.iter().map(Part::name)).filter(is_name);
    listed.split('.').filter(is_name).zip(names).all(|(listed, name)| listed == name)
}

impl<'e> Scene<'e> {
    /// Asks about each value at `path`; none if they are not known.
    pub(super) fn any(
        &self,
        path: &Path,
        test: &Test,
        ask: &mut impl FnMut(Found<'e>) -> bool,
    ) -> Option<bool> {
        let (root, rest) = path.parts().split_first()?;
        let name = match (root.name(), self.image) {
            (AFTER, Image::Before) => BEFORE,
            (name, _) => name,
        };
        let is_image = name == AFTER || name == BEFORE;
        let found = if is_image { Some(self.event.image(name)?) } else { self.event.field(name) };
        if self.event.is_unavailable(name, rest) {
            return None;
        }
        Some(test.walk(rest).any_from(found, ask))
    }
}

impl Subject for Scene<'_> {
    #[inline]
    fn ask(&self, path: &Path, test: &Test, operands: &Tree<'_>) -> Truth {
        let passes = &mut |found: Found<'_>| test.passes(found, operands);
        self.any(path, test, passes).map_or(Truth::Undecidable, Truth::from)
    }
}

/// The outermost fields of a document, if the bytes are one.
pub(super) fn document<'t>(tree: &'t Tree<'t>) -> Option<Fields<'t>> {
    match tree.root() {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}
