//! The operators that test one value.

use super::super::condition::{Comparison, List, Test, Types};
use super::super::error::FilterError;
use super::super::number::Number;
use super::super::order::compare;
use super::super::path::Path;
use super::super::regex::Pattern;
use super::super::tree::{At, Fields, Value};
use super::{Compiler, LOGICAL, operand, too_large, unknown_operator};
use crate::limits;

/// Operators that stand under a path.
const OPERATORS: [&str; 17] = [
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$type",
    "$regex",
    "$options",
    "$mod",
    "$size",
    "$all",
    "$elemMatch",
    "$not",
];

/// Fields of a reference to a document, which is a value although its names look like operators.
const REFERENCE: [&str; 3] = ["$ref", "$id", "$db"];

/// Whether an object is one of operators, and not a value to be equal to.
fn operators(value: Value<'_>) -> Option<Fields<'_>> {
    let Value::Object(fields) = value else { return None };
    let first = fields.into_iter().next()?.key();
    (first.starts_with('$') && !REFERENCE.contains(&first)).then_some(fields)
}

impl Compiler {
    /// What stands after a path: operators, or else a value to be equal to.
    pub(super) fn tests(&mut self, path: &Path, at: At<'_>) -> Result<Vec<Test>, FilterError> {
        if let Some(fields) = operators(at.value()) {
            return self.operators(path, fields);
        }
        let test = match at.value() {
            Value::Regex { pattern, options } => self.regex("$regex", path, pattern, options)?,
            _ => comparison("$eq", Comparison::Equal, path, at)?,
        };
        Ok(vec![test])
    }

    fn operators(&mut self, path: &Path, fields: Fields<'_>) -> Result<Vec<Test>, FilterError> {
        let mut tests = Vec::new();
        for field in fields {
            self.count_condition()?;
            if field.key() == "$options" {
                if fields.find("$regex").is_none() {
                    return Err(operand("$options", path, "needs a $regex next to it"));
                }
                continue;
            }
            tests.push(self.operator(path, field, fields)?);
        }
        Ok(tests)
    }

    fn operator(
        &mut self,
        path: &Path,
        field: At<'_>,
        siblings: Fields<'_>,
    ) -> Result<Test, FilterError> {
        let name = field.key();
        Ok(match name {
            "$eq" => comparison(name, Comparison::Equal, path, field)?,
            "$ne" => not(comparison(name, Comparison::Equal, path, field)?),
            "$gt" => comparison(name, Comparison::Greater, path, field)?,
            "$gte" => comparison(name, Comparison::GreaterOrEqual, path, field)?,
            "$lt" => comparison(name, Comparison::Less, path, field)?,
            "$lte" => comparison(name, Comparison::LessOrEqual, path, field)?,
            "$in" => self.list(path, field)?,
            "$nin" => not(self.list(path, field)?),
            "$exists" if is_true(field.value()) => Test::Exists,
            "$exists" => not(Test::Exists),
            "$type" => Test::Type(types(path, field.value())?),
            "$regex" => self.regex_operator(path, field, siblings)?,
            "$mod" => modulo(path, field.value())?,
            "$size" => size(path, field.value())?,
            "$all" => self.every(path, field.value())?,
            "$elemMatch" => self.element(path, field.value())?,
            "$not" => self.not(path, field)?,
            _ => return Err(unknown_operator(name, &path.to_string(), &OPERATORS)),
        })
    }

    fn list(&mut self, path: &Path, field: At<'_>) -> Result<Test, FilterError> {
        let name = field.key();
        let Value::Array(items) = field.value() else {
            return Err(operand(name, path, "needs an array"));
        };
        let mut list = List::default();
        let mut values = Vec::new();
        for item in items {
            if values.len() + list.patterns.len() == limits::FILTER_LIST_MAX {
                return Err(too_large("values in a list", limits::FILTER_LIST_MAX));
            }
            match item.value() {
                Value::Undefined => return Err(operand(name, path, "cannot list undefined")),
                value if operators(value).is_some() => {
                    return Err(operand(name, path, "lists values, which operators are not"));
                }
                Value::Regex { pattern, options } => {
                    list.patterns.push(self.pattern(name, path, pattern, options)?);
                }
                value => {
                    list.has_null |= matches!(value, Value::Null);
                    values.push(item);
                }
            }
        }
        values.sort_by(|one, two| compare(one.value(), two.value()));
        values.dedup_by(|one, two| compare(one.value(), two.value()).is_eq());
        list.values = values.into_iter().map(At::index).collect();
        Ok(Test::In(Box::new(list)))
    }

    fn regex_operator(
        &mut self,
        path: &Path,
        field: At<'_>,
        siblings: Fields<'_>,
    ) -> Result<Test, FilterError> {
        let options = match siblings.find("$options").map(At::value) {
            Some(Value::String(options)) => Some(options),
            Some(_) => return Err(operand("$options", path, "needs a string of i, m, s and x")),
            None => None,
        };
        match (field.value(), options) {
            (Value::String(pattern), options) => {
                self.regex("$regex", path, pattern, options.unwrap_or(""))
            }
            (Value::Regex { pattern, options: own }, None | Some("")) => {
                self.regex("$regex", path, pattern, own)
            }
            (Value::Regex { pattern, options: "" }, Some(options)) => {
                self.regex("$regex", path, pattern, options)
            }
            (Value::Regex { .. }, Some(_)) => {
                Err(operand("$options", path, "cannot add to the expression's own options"))
            }
            _ => Err(operand("$regex", path, "needs a string or a $regularExpression")),
        }
    }

    fn regex(
        &mut self,
        name: &str,
        path: &Path,
        pattern: &str,
        options: &str,
    ) -> Result<Test, FilterError> {
        Ok(Test::Regex(Box::new(self.pattern(name, path, pattern, options)?)))
    }

    fn pattern(
        &mut self,
        name: &str,
        path: &Path,
        pattern: &str,
        options: &str,
    ) -> Result<Pattern, FilterError> {
        self.patterns += 1;
        if self.patterns > limits::FILTER_REGEX_COUNT_MAX {
            return Err(too_large("regular expressions", limits::FILTER_REGEX_COUNT_MAX));
        }
        Pattern::compile(pattern, options).map_err(|why| {
            operand(name, path, format!("cannot use the regular expression /{pattern}/: {why}"))
        })
    }

    fn not(&mut self, path: &Path, field: At<'_>) -> Result<Test, FilterError> {
        let is_regex = matches!(field.value(), Value::Regex { .. });
        if is_regex || operators(field.value()).is_some() {
            return Ok(Test::Not(self.tests(path, field)?.into()));
        }
        Err(operand(
            "$not",
            path,
            r#"needs operators, as in {"$not":{"$gt":5}}, or a $regularExpression"#,
        ))
    }

    fn every(&mut self, path: &Path, value: Value<'_>) -> Result<Test, FilterError> {
        let Value::Array(items) = value else {
            return Err(operand("$all", path, "needs an array"));
        };
        let is_element = |item: At<'_>| {
            operators(item.value()).is_some_and(|fields| fields.find("$elemMatch").is_some())
        };
        let are_elements = items.into_iter().next().is_some_and(is_element);
        let mut tests = Vec::new();
        for item in items {
            self.count_condition()?;
            match operators(item.value()) {
                Some(fields)
                    if are_elements && is_element(item) && fields.into_iter().count() == 1 =>
                {
                    tests.extend(self.operators(path, fields)?);
                }
                None if !are_elements => tests.extend(self.tests(path, item)?),
                _ => {
                    let problem = "lists either values, or nothing but documents of $elemMatch";
                    return Err(operand("$all", path, problem));
                }
            }
        }
        Ok(if tests.is_empty() { Test::Nothing } else { Test::Every(tests.into()) })
    }

    /// Conditions on a value's own fields, or operators for the value itself.
    fn element(&mut self, path: &Path, value: Value<'_>) -> Result<Test, FilterError> {
        let Value::Object(fields) = value else {
            return Err(operand("$elemMatch", path, "needs a document"));
        };
        let first = operators(value).and_then(|mut fields| fields.next()).map(At::key);
        match first {
            Some(first) if !LOGICAL.contains(&first) => {
                Ok(Test::AnyValue(self.operators(path, fields)?.into()))
            }
            _ => Ok(Test::AnyDocument(Box::new(self.document(fields, None)?))),
        }
    }
}

fn not(test: Test) -> Test {
    Test::Not(Box::new([test]))
}

fn comparison(
    name: &str,
    comparison: Comparison,
    path: &Path,
    at: At<'_>,
) -> Result<Test, FilterError> {
    match at.value() {
        Value::Undefined => Err(operand(name, path, "cannot compare with undefined")),
        Value::Regex { .. } if name != "$eq" => {
            let problem = "cannot take a regular expression; $not and $regex can";
            Err(operand(name, path, problem))
        }
        _ => Ok(Test::Compare(comparison, at.index())),
    }
}

/// Whether MongoDB takes the value for true.
fn is_true(value: Value<'_>) -> bool {
    match value {
        Value::Bool(value) => value,
        Value::Null | Value::Undefined => false,
        value => Number::of(value).is_none_or(|number| number.as_integer() != Some(0)),
    }
}

fn types(path: &Path, value: Value<'_>) -> Result<Types, FilterError> {
    let one = |value| match value {
        Value::String(name) => Types::named(name),
        value => Number::of(value)?.as_integer().and_then(Types::numbered),
    };
    let types = match value {
        Value::Array(mut items) if !items.is_empty() => {
            items.try_fold(Types::default(), |types, item| Some(types.with(one(item.value())?)))
        }
        value => one(value),
    };
    types.ok_or_else(|| {
        let names: Vec<&str> = Types::names().collect();
        operand("$type", path, format!("needs one or more of {}", names.join(", ")))
    })
}

fn modulo(path: &Path, value: Value<'_>) -> Result<Test, FilterError> {
    let problem = "needs [divisor, remainder], and a divisor that is not 0";
    let Value::Array(items) = value else { return Err(operand("$mod", path, problem)) };
    let numbers: Option<Vec<i64>> =
        items.map(|item| Number::of(item.value()).and_then(Number::truncate)).collect();
    match numbers.as_deref() {
        Some([divisor, remainder]) if *divisor != 0 => {
            Ok(Test::Modulo { divisor: *divisor, remainder: *remainder })
        }
        _ => Err(operand("$mod", path, problem)),
    }
}

fn size(path: &Path, value: Value<'_>) -> Result<Test, FilterError> {
    let size = Number::of(value).and_then(Number::as_integer);
    let size = size.and_then(|size| u64::try_from(size).ok());
    size.map(Test::Size).ok_or_else(|| operand("$size", path, "needs a whole number, 0 or more"))
}
