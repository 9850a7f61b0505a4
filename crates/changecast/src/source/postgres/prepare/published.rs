//! Whether all that is watched is published: asked before a stream is opened, and while it is.

use postgres_protocol::escape::escape_literal;
use tokio::time::sleep;

use super::publication::VERSION_SCHEMAS;
use crate::limits;
use crate::source::SourceError;
use crate::source::postgres::catalog::Control;
use crate::source::postgres::config::PostgresConfig;
use crate::source::postgres::errors::explain;
use crate::source::postgres::scope::Tables;

/// Asks whether there is the publication.
pub(super) fn exists(config: &PostgresConfig) -> String {
    let name = escape_literal(&config.publication);
    format!("SELECT 1 FROM pg_publication WHERE pubname = {name}")
}

/// Asks for what is watched and there, and not published; none where nothing can be missing.
pub(super) fn unpublished(config: &PostgresConfig, version: u32) -> Option<String> {
    // Who made a publication and names no tables chose what it holds.
    let named = config.scope.0.iter();
    let named = named.filter(|it| it.table.is_some() || version >= VERSION_SCHEMAS);
    let named: Vec<String> = named
        .map(|Tables { schema, table }| {
            let table = table.as_deref().map_or("NULL".into(), escape_literal);
            format!("({}, {table}::text)", escape_literal(schema))
        })
        .collect();
    if named.is_empty() {
        return None;
    }
    let whole_schema = if version >= VERSION_SCHEMAS {
        "EXISTS (SELECT 1 FROM pg_publication_namespace WHERE pnpubid = p.oid AND pnnspid = n.oid)"
    } else {
        "false"
    };
    Some(format!(
        "SELECT w.schema, w.name FROM (VALUES {}) w (schema, name)
         JOIN pg_namespace n ON n.nspname = w.schema
         JOIN pg_publication p ON p.pubname = {} AND NOT p.puballtables
         WHERE (w.name IS NULL OR EXISTS (
             SELECT 1 FROM pg_class WHERE relnamespace = n.oid AND relname = w.name
             AND relkind IN ('r', 'p')))
         AND NOT (w.name IS NULL AND {whole_schema})
         AND NOT EXISTS (
             SELECT 1 FROM pg_publication_tables t WHERE t.pubname = p.pubname
             AND t.schemaname = w.schema AND (w.name IS NULL OR t.tablename = w.name))",
        named.join(", "),
        escape_literal(&config.publication)
    ))
}

/// Returns once something that is watched is no longer published: the stream would say nothing of
/// it. What follows is decided where it is opened again.
pub(in crate::source::postgres) async fn until_unpublished(control: &Control) -> SourceError {
    loop {
        sleep(limits::POSTGRES_PUBLICATION_LOOK_EVERY).await;
        // What cannot be asked now is asked the next time: the stream tells how the server is.
        if matches!(is_published(control).await, Ok(false)) {
            let name = &control.config.publication;
            return SourceError::Unavailable(format!(
                "the publication {name:?} no longer holds all that is watched"
            ));
        }
    }
}

async fn is_published(control: &Control) -> Result<bool, SourceError> {
    let client = control.client().await?;
    let failed = |error: tokio_postgres::Error| explain(&control.config, error.into());
    let sql = "SELECT current_setting('server_version_num')::int4";
    let version: i32 =
        client.query_one(sql, &[]).await.and_then(|row| row.try_get(0)).map_err(failed)?;
    let config = &control.config;
    if client.query_opt(&exists(config), &[]).await.map_err(failed)?.is_none() {
        return Ok(false);
    }
    let Some(sql) = unpublished(config, version.unsigned_abs()) else {
        return Ok(true);
    };
    Ok(client.query(&sql, &[]).await.map_err(failed)?.is_empty())
}
