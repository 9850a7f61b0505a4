//! Dotted paths, and the values they lead to.
//!
//! A path goes through arrays: `items.price` leads to the price of every item, and `items.0.price`
//! to that of the first, but also to the field `0` of every item. A path may lead to several
//! values, to "missing", or to nothing at all.

use std::fmt;
use std::sync::Arc;

use super::tree::{Fields, Value};

/// A dotted path such as `fullDocument.items.0.price`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    parts: Arc<[Part]>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Part {
    name: Box<str>,
    /// The place in an array that it names, if it does.
    place: Option<u32>,
}

/// Whether a condition on a path that ends at an array is about the array's values as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    ArrayAndItems,
    ArrayOnly,
}

/// What a condition is asked about; none where something is missing.
pub(super) type Found<'t> = Option<Value<'t>>;

impl Path {
    pub(super) fn parse(text: &str) -> Self {
        Self { parts: text.split('.').map(Part::new).collect() }
    }

    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The first name.
    pub(super) fn root(&self) -> &str {
        self.parts.first().map_or("", |part| &*part.name)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.parts.iter().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            f.write_str(&part.name)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Path({self})")
    }
}

impl Part {
    fn new(name: &str) -> Self {
        // As MongoDB names the values of an array: `01` names none.
        let place = name.parse::<u32>().ok().filter(|place| place.to_string() == name);
        Self { name: name.into(), place }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn is_place(&self) -> bool {
        self.place.is_some()
    }
}

/// Where a path starts, and what is left of it.
#[derive(Clone, Copy)]
pub(super) struct Walk<'p> {
    pub(super) rest: &'p [Part],
    pub(super) leaf: Leaf,
}

impl Walk<'_> {
    /// Whether `test` holds for anything that the path leads to from inside a document.
    pub(super) fn any_in_document<'t>(
        self,
        document: Fields<'t>,
        test: &mut impl FnMut(Found<'t>) -> bool,
    ) -> bool {
        let Some((first, rest)) = self.rest.split_first() else { return false };
        let found = document.find(&first.name).map(|field| field.value());
        Walk { rest, leaf: self.leaf }.any_from(found, test)
    }

    /// The same from inside an array that is taken for a document with the names 0, 1, 2, ….
    pub(super) fn any_in_array<'t>(
        self,
        array: Fields<'t>,
        test: &mut impl FnMut(Found<'t>) -> bool,
    ) -> bool {
        let Some((first, rest)) = self.rest.split_first() else { return false };
        let mut items = array;
        let found = first.place.and_then(|place| items.nth(place as usize));
        Walk { rest, leaf: self.leaf }.any_from(found.map(|item| item.value()), test)
    }

    /// The same from a value that part of the path has led to.
    pub(super) fn any_from<'t>(
        self,
        found: Found<'t>,
        test: &mut impl FnMut(Found<'t>) -> bool,
    ) -> bool {
        match found {
            Some(Value::Array(items)) => self.any_item(items, found, test),
            _ if self.rest.is_empty() => test(found),
            Some(Value::Object(document)) => self.any_in_document(document, test),
            _ => test(None),
        }
    }

    fn any_item<'t>(
        self,
        mut items: Fields<'t>,
        array: Found<'t>,
        test: &mut impl FnMut(Found<'t>) -> bool,
    ) -> bool {
        let Some((first, rest)) = self.rest.split_first() else {
            let asks_items = self.leaf == Leaf::ArrayAndItems;
            return (asks_items && items.any(|item| test(Some(item.value())))) || test(array);
        };
        let after_place = Walk { rest, leaf: self.leaf };
        (0..).zip(items).any(|(place, item)| {
            let value = item.value();
            let is_inside = match value {
                Value::Object(document) => self.any_in_document(document, test),
                _ => false,
            };
            is_inside || (first.place == Some(place) && after_place.any_at_place(value, test))
        })
    }

    /// From the value of an array that the path named by its place.
    fn any_at_place<'t>(self, value: Value<'t>, test: &mut impl FnMut(Found<'t>) -> bool) -> bool {
        match value {
            _ if self.rest.is_empty() => test(Some(value)),
            Value::Array(items) => self.any_item(items, Some(value), test),
            Value::Object(document) => self.any_in_document(document, test),
            _ => false,
        }
    }
}
