//! The triggers of one table, as SQL.
//!
//! An image is a row's values in column order, each as a literal, with commas between them: SQL's
//! own `quote`, which keeps types and knows neither a count of columns nor JSON. Text that holds a
//! NUL, where `quote` would end, is `t` and its bytes in hex; a value too large to be sent is `!`.
//!
//! | statement | changelog |
//! |---|---|
//! | `INSERT`, `UPDATE`, `DELETE`, `ON CONFLICT DO UPDATE` | `insert`, `update`, `delete`, `update` |
//! | `REPLACE` of a row with this key | `replace` |
//! | `REPLACE`, of a row that is in the way by another unique column | `delete` of that one first |
//! | `UPDATE` of the key | `delete` of the old, `insert` of the new |
//! | what leaves a row as it was | nothing |
//!
//! They use nothing newer than SQLite 3.32, and nothing in them can meet a conflict: an `OR …` of
//! the statement would take the place of their own.

use super::inspect::{Table, identifier};
use crate::limits;
use crate::source::sqlite::schema::NOW;

/// The triggers of `table` that write rows of this `layout`, each with its name.
pub(super) fn of(table: &Table, layout: i64) -> Vec<(String, String)> {
    let sql = Sql { table, layout };
    [
        ("before_insert", sql.before_insert()),
        ("after_insert", sql.after_insert()),
        ("before_move", sql.before_move()),
        ("after_move", sql.after_move()),
        ("after_update", sql.after_update()),
        ("after_delete", sql.after_delete()),
    ]
    .into_iter()
    .zip(names(layout))
    .map(|((_, body), name)| {
        let head = format!("CREATE TRIGGER {name} ");
        (name, head + &body)
    })
    .collect()
}

/// The names of the triggers that write rows of this `layout`.
pub(super) fn names(layout: i64) -> [String; 6] {
    ["before_insert", "after_insert", "before_move", "after_move", "after_update", "after_delete"]
        .map(|what| format!("changecast_{layout}_{what}"))
}

struct Sql<'t> {
    table: &'t Table,
    layout: i64,
}

impl Sql<'_> {
    /// Looks for what the new row may replace: SQLite does not tell.
    fn before_insert(&self) -> String {
        let table = identifier(&self.table.name);
        format!("BEFORE INSERT ON {table} BEGIN {} END", self.look_for_replaced(None))
    }

    fn after_insert(&self) -> String {
        let (table, layout) = (identifier(&self.table.name), self.layout);
        let (image, key) = (self.image("NEW"), self.key("NEW"));
        let (replaced, is_gone) = (self.tell_of_replaced(), self.is_gone());
        format!(
            "AFTER INSERT ON {table} BEGIN {replaced}
             INSERT INTO changecast_changelog (time, op, layout, before, after)
                SELECT {NOW}, iif(p.before IS NULL, 'insert', 'replace'), {layout}, p.before, {image}
                FROM (SELECT 1) LEFT JOIN changecast_pending AS p
                    ON p.layout = {layout} AND p.key = {key} AND {is_gone}
                WHERE p.before IS NOT {image};
             DELETE FROM changecast_pending WHERE layout = {layout}; END"
        )
    }

    fn before_move(&self) -> String {
        let (table, is_moved) = (identifier(&self.table.name), self.is_moved());
        let not_itself = match &self.table.row_id {
            Some(row) => format!("o.{row} <> OLD.{row}"),
            None => format!("{} <> {}", self.key("o"), self.key("OLD")),
        };
        let look = self.look_for_replaced(Some(&not_itself));
        format!("BEFORE UPDATE ON {table} WHEN {is_moved} BEGIN {look} END")
    }

    fn after_move(&self) -> String {
        let (table, layout) = (identifier(&self.table.name), self.layout);
        let (old, new) = (self.image("OLD"), self.image("NEW"));
        let (old_key, new_key) = (self.key("OLD"), self.key("NEW"));
        let (is_moved, replaced, is_gone) =
            (self.is_moved(), self.tell_of_replaced(), self.is_gone());
        format!(
            "AFTER UPDATE ON {table} WHEN {is_moved} BEGIN {replaced}
             INSERT INTO changecast_changelog (time, op, layout, before, after)
                SELECT {NOW}, 'update', {layout}, {old}, {new}
                WHERE {old_key} IS {new_key} AND {old} IS NOT {new};
             INSERT INTO changecast_changelog (time, op, layout, before)
                SELECT {NOW}, 'delete', {layout}, {old} WHERE {old_key} IS NOT {new_key};
             INSERT INTO changecast_changelog (time, op, layout, before, after)
                SELECT {NOW}, iif(p.before IS NULL, 'insert', 'replace'), {layout}, p.before, {new}
                FROM (SELECT 1) LEFT JOIN changecast_pending AS p
                    ON p.layout = {layout} AND p.key = {new_key} AND {is_gone}
                WHERE {old_key} IS NOT {new_key};
             DELETE FROM changecast_pending WHERE layout = {layout}; END"
        )
    }

    fn after_update(&self) -> String {
        let (table, layout, is_moved) =
            (identifier(&self.table.name), self.layout, self.is_moved());
        let (old, new) = (self.image("OLD"), self.image("NEW"));
        format!(
            "AFTER UPDATE ON {table} WHEN NOT ({is_moved}) BEGIN
             INSERT INTO changecast_changelog (time, op, layout, before, after)
                SELECT {NOW}, 'update', {layout}, {old}, {new} WHERE {old} IS NOT {new}; END"
        )
    }

    /// Under `recursive_triggers`, what is replaced comes by here, too, and is told of here.
    fn after_delete(&self) -> String {
        let (table, layout) = (identifier(&self.table.name), self.layout);
        let (image, key) = (self.image("OLD"), self.key("OLD"));
        format!(
            "AFTER DELETE ON {table} BEGIN
             INSERT INTO changecast_changelog (time, op, layout, before)
                VALUES ({NOW}, 'delete', {layout}, {image});
             DELETE FROM changecast_pending WHERE layout = {layout} AND key = {key}; END"
        )
    }

    /// Notes the rows that are in the new one's way, if only it is to replace them. What an earlier
    /// statement has left is never read.
    fn look_for_replaced(&self, also: Option<&str>) -> String {
        let (table, layout) = (identifier(&self.table.name), self.layout);
        let row = self.table.row_id.as_ref().map_or("NULL".into(), |row| format!("o.{row}"));
        let (key, image) = (self.key("o"), self.image("o"));
        let also = also.map(|also| format!(" AND {also}")).unwrap_or_default();
        let selects: Vec<String> = self
            .conflicts()
            .iter()
            .map(|conflict| {
                format!(
                    "SELECT {layout}, {row}, {key}, {image} FROM {table} AS o WHERE {conflict}{also}"
                )
            })
            .collect();
        format!(
            "DELETE FROM changecast_pending WHERE layout = {layout};
             INSERT INTO changecast_pending (layout, row, key, before) {};",
            selects.join(" UNION ")
        )
    }

    fn tell_of_replaced(&self) -> String {
        let (layout, key, is_gone) = (self.layout, self.key("NEW"), self.is_gone());
        format!(
            "INSERT INTO changecast_changelog (time, op, layout, before)
                SELECT {NOW}, 'delete', {layout}, p.before FROM changecast_pending AS p
                WHERE p.layout = {layout} AND p.key <> {key} AND {is_gone};"
        )
    }

    /// Whether what was noted is gone now. Where rows have no id, whatever was in the way must be;
    /// where they have, the new one may have been noted under another than it came to have.
    fn is_gone(&self) -> String {
        let Some(row) = &self.table.row_id else {
            return "1".into();
        };
        let table = identifier(&self.table.name);
        format!(
            "(p.row = NEW.{row} OR NOT EXISTS (SELECT 1 FROM {table} AS o WHERE o.{row} = p.row))"
        )
    }

    /// When a row `o` is in the way of `NEW`: by its row id, or by what is unique.
    fn conflicts(&self) -> Vec<String> {
        let row = self.table.row_id.iter().map(|row| format!("o.{row} = NEW.{row}"));
        let unique = self.table.unique.iter().map(|columns| {
            let parts = columns.iter().map(|(column, collation)| {
                let (column, collation) = (identifier(column), identifier(collation));
                format!("o.{column} = NEW.{column} COLLATE {collation}")
            });
            parts.collect::<Vec<_>>().join(" AND ")
        });
        row.chain(unique).collect()
    }

    /// Whether the row gets another key, or comes where another may be in its way.
    fn is_moved(&self) -> String {
        let mut parts = vec![format!("{} IS NOT {}", self.key("NEW"), self.key("OLD"))];
        parts.extend(self.table.row_id.iter().map(|row| format!("NEW.{row} IS NOT OLD.{row}")));
        let mut columns: Vec<&String> =
            self.table.unique.iter().flatten().map(|(column, _)| column).collect();
        columns.sort();
        columns.dedup();
        parts.extend(columns.into_iter().map(|column| {
            let column = identifier(column);
            format!("NEW.{column} IS NOT OLD.{column} COLLATE BINARY")
        }));
        concat(&parts, " OR ")
    }

    fn image(&self, of: &str) -> String {
        let mut values: Vec<String> =
            (0..self.table.columns.len()).map(|place| self.value(of, place)).collect();
        if self.table.is_keyed_by_row_id() {
            values.push(self.value(of, self.table.columns.len()));
        }
        concat(&values, " || ',' || ")
    }

    fn key(&self, of: &str) -> String {
        let values: Vec<String> =
            self.table.key.iter().map(|place| self.value(of, *place)).collect();
        concat(&values, " || ',' || ")
    }

    fn value(&self, of: &str, place: usize) -> String {
        let Some(column) = self.table.columns.get(place) else {
            let row = self.table.row_id.as_deref().unwrap_or("rowid");
            return format!("quote({of}.{row})");
        };
        let (value, max) = (format!("{of}.{}", identifier(column)), limits::COLUMN_BYTES_MAX);
        format!(
            "CASE WHEN typeof({value}) NOT IN ('text', 'blob') THEN quote({value}) \
             WHEN length(CAST({value} AS BLOB)) > {max} THEN '!' \
             WHEN typeof({value}) = 'text' AND instr(CAST({value} AS BLOB), x'00') > 0 \
             THEN 't' || hex(CAST({value} AS BLOB)) ELSE quote({value}) END"
        )
    }
}

/// Joins expressions as a balanced tree: SQLite counts how deep one is, and takes a thousand.
fn concat(parts: &[String], joint: &str) -> String {
    match parts {
        [] => "''".into(),
        [only] => format!("({only})"),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            format!("({}{joint}{})", concat(left, joint), concat(right, joint))
        }
    }
}
