//! What is wrong with a filter, in words for the person who wrote it.

use crate::model::InvalidJson;

/// Why a text is no filter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilterError {
    /// It is no JSON.
    #[error("the filter is {0}")]
    Json(#[from] InvalidJson),
    /// It is JSON, but no object.
    #[error("the filter must be an object such as {{\"fullDocument.status\":\"open\"}}")]
    NotAnObject,
    /// It is larger than a filter may be.
    #[error("the filter has too many {what}: at most {max} are allowed")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        max: usize,
    },
    /// It asks for a field that no event has.
    #[error("\"{path}\" is no field of a change event{}", hint(.nearest, .is_known))]
    UnknownField {
        /// The path as it is written.
        path: String,
        /// A path that may be meant.
        nearest: String,
        /// Whether `nearest` is a slip of the pen away, and not only likely.
        is_known: bool,
    },
    /// A value in Extended JSON is not of the form that its name asks for.
    #[error("{name}{} is not written as Extended JSON has it", at(.path))]
    Literal {
        /// The name, such as `$oid`.
        name: String,
        /// The field it is compared with.
        path: String,
    },
    /// There is no such operator, or not here.
    #[error("operator {operator}{} is not supported{}; supported are {supported}",
        at(.path), did_you_mean(.nearest))]
    UnknownOperator {
        /// The operator.
        operator: String,
        /// What it is to be applied to; empty at the outermost level.
        path: String,
        /// The known one that is nearest.
        nearest: Option<&'static str>,
        /// Those that can stand there.
        supported: String,
    },
    /// An operator cannot work with what it is given.
    #[error("operator {operator}{} {problem}", at(.path))]
    Operand {
        /// The operator.
        operator: String,
        /// What it is to be applied to; empty at the outermost level.
        path: String,
        /// What it needs, as in "needs an array".
        problem: String,
    },
}

fn at(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" at \"{path}\"") }
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map(|nearest| format!(" (did you mean {nearest}?)")).unwrap_or_default()
}

fn hint(nearest: &str, is_known: &bool) -> String {
    if *is_known {
        format!(": did you mean \"{nearest}\"?")
    } else {
        format!(": the document's own fields are under fullDocument, as in \"{nearest}\"")
    }
}

/// The name that `text` most likely is a misspelling of.
pub(super) fn nearest<'n>(text: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    const SLIPS_MAX: usize = 2;
    let longest = text.len().min(64);
    let near = names.map(|name| (distance(text.get(..longest).unwrap_or(text), name), name));
    let (slips, name) = near.min_by_key(|(slips, _)| *slips)?;
    (slips <= SLIPS_MAX.min(name.len() / 2)).then_some(name)
}

/// Insertions, deletions and replacements that make one text of the other, ignoring case.
fn distance(one: &str, two: &str) -> usize {
    let mut row: Vec<usize> = (0..=two.chars().count()).collect();
    for (above_left, left) in one.chars().enumerate() {
        let mut previous = above_left;
        let mut current = above_left + 1;
        let mut next = vec![current];
        for (top, above) in two.chars().zip(row.iter().skip(1)) {
            let replaced = previous + usize::from(!left.eq_ignore_ascii_case(&top));
            current = replaced.min(current + 1).min(above + 1);
            previous = *above;
            next.push(current);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}
