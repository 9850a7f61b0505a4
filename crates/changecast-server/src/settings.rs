//! `changecast config print`: every setting with its value and who gave it, as a file that `--config`
//! reads. Invariant: no password is in it, nor what may be one.

use std::fmt::Write as _;

use changecast::log;
use clap::ValueEnum;
use toml::{Table, Value};

use crate::Failure;
use crate::age::Age;
use crate::args::{Durability, Origins, ServeArguments};
use crate::config::{Config, Data, Logging};

/// Stands for what must not be printed.
const SECRET: &str = "***";

/// Parts of the names of options whose values may be secrets.
const SECRET_NAMES: [&str; 7] =
    ["password", "secret", "token", "properties", "key", "header", "credential"];

pub(crate) fn print(given: ServeArguments, origins: &Origins) -> Result<(), Failure> {
    let config = Config::load(given.clone(), false)?;
    // Read before, and found good.
    let file = given.config.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
    let file: Table = file.and_then(|text| toml::from_str(&text).ok()).unwrap_or_default();
    let sheet = Sheet { origins, file: &file };
    let mut text = String::new();
    if let Some(path) = &given.config {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "# file: {}", path.display());
    }
    for (name, value) in values(&config) {
        sheet.line(&mut text, name, value);
    }
    sheet.line(&mut text, "mongo", sheet.mongo(&given));
    sheet.line(&mut text, "ns", sheet.namespaces(&given));
    sheet.sources(&mut text, &given);
    crate::say(&text)
}

/// Where settings come from.
struct Sheet<'a> {
    origins: &'a Origins,
    file: &'a Table,
}

impl Sheet<'_> {
    fn origin(&self, name: &str) -> &'static str {
        let in_file = || if self.file.contains_key(name) { "file" } else { "default" };
        self.origins.of_setting(name).unwrap_or_else(in_file)
    }

    fn line(&self, text: &mut String, name: &str, value: Option<Value>) {
        let origin = self.origin(name);
        let _ = match value {
            Some(value) => writeln!(text, "{name} = {value}  # {origin}"),
            None => writeln!(text, "# {name} is not set"),
        };
    }

    fn mongo(&self, given: &ServeArguments) -> Option<Value> {
        let in_file = || self.file.get("mongo").and_then(Value::as_str);
        given.mongo.as_deref().or_else(in_file).map(|url| without_secrets(url).into())
    }

    fn namespaces(&self, given: &ServeArguments) -> Option<Value> {
        if given.ns.is_empty() { self.file.get("ns").cloned() } else { Some(list(&given.ns)) }
    }

    fn sources(&self, text: &mut String, given: &ServeArguments) {
        let origin = self.origins.of_setting("source").unwrap_or("flag");
        for url in &given.source {
            let url = Value::from(without_secrets(url));
            let _ = writeln!(text, "\n[[source]]  # {origin}\nurl = {url}");
        }
        let tables = self.file.get("source").and_then(Value::as_array);
        for table in tables.into_iter().flatten().filter_map(Value::as_table) {
            let _ = writeln!(text, "\n[[source]]  # file");
            for (name, value) in table {
                let _ = writeln!(text, "{name} = {}", shown(name, value));
            }
        }
    }
}

fn values(config: &Config) -> Vec<(&'static str, Option<Value>)> {
    let retention = &config.log.retention;
    let durability = match config.log.durability {
        log::Durability::Normal => Durability::Normal,
        _ => Durability::Full,
    };
    let data = match &config.data {
        Data::Directory(path) => Some(path.display().to_string().into()),
        Data::Temporary => None,
    };
    let mut values = vec![
        ("address", Some(config.address.to_string().into())),
        ("port", Some(i64::from(config.port).into())),
        ("data", data),
        ("retention_bytes", number(retention.bytes_max)),
        ("retention_entries", number(retention.entries_max)),
        ("retention_age", Some(Age(retention.age_max).to_string().into())),
        ("durability", name(&durability)),
        ("cache_size", Some(i64::from(config.cache_size).into())),
        ("documents", name(&config.documents)),
        ("publish", Some(config.publish.into())),
        ("allow_origin", Some(list(&config.allow_origin))),
        ("allow_host", Some(list(&config.allow_host))),
        ("debug", Some(config.debug.into())),
    ];
    values.extend(logging(&config.logging));
    values
}

fn logging(logging: &Logging) -> Vec<(&'static str, Option<Value>)> {
    let file = logging.file.as_ref();
    let count = |count: usize| number(u64::try_from(count).unwrap_or(u64::MAX));
    vec![
        ("logging", name(&logging.level)),
        ("log_format", name(&logging.format)),
        ("log_to_stderr", Some(logging.to_stderr.into())),
        ("log_file_prefix", file.map(|file| file.path.display().to_string().into())),
        ("log_file_max_size", file.and_then(|file| count(file.max_size))),
        ("log_file_num_backups", file.and_then(|file| count(file.backup_count))),
        ("log_rotate_mode", file.and_then(|file| name(&file.mode))),
        ("log_rotate_when", file.and_then(|file| name(&file.when))),
    ]
}

fn number(value: u64) -> Option<Value> {
    Some(i64::try_from(value).unwrap_or(i64::MAX).into())
}

fn name(value: &impl ValueEnum) -> Option<Value> {
    value.to_possible_value().map(|value| value.get_name().into())
}

fn list(texts: &[String]) -> Value {
    texts.iter().cloned().map(Value::from).collect::<Vec<_>>().into()
}

fn shown(name: &str, value: &Value) -> Value {
    match value {
        Value::String(url) if name == "url" => without_secrets(url).into(),
        value if !is_secret(name) => value.clone(),
        _ => SECRET.into(),
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// A URL without its user and password, and without options that may hold secrets.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest
        .rsplit_once('@')
        .map_or_else(|| rest.to_owned(), |(_, rest)| format!("{SECRET}@{rest}"));
    let (base, query) = rest.split_once('?').unwrap_or((&rest, ""));
    let options: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={SECRET}"),
            _ => pair.to_owned(),
        })
        .collect();
    let joint = if query.is_empty() { "" } else { "?" };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{base}{joint}{}", options.join("&"))
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn no_secret_is_left_in_a_url() {
        for (url, expected) in [
            ("mongodb://localhost", "mongodb://localhost"),
            ("mongodb://a:b@h1,h2/shop?x=1", "mongodb://***@h1,h2/shop?x=1"),
            ("mongodb://a:p@ss@h/shop", "mongodb://***@h/shop"),
            (
                "mongodb://h/s?tlsCertificateKeyFilePassword=b&x=1&authMechanismProperties=AWS_SESSION_TOKEN:t",
                "mongodb://h/s?tlsCertificateKeyFilePassword=***&x=1&authMechanismProperties=***",
            ),
            ("https://h/s?api_key=b", "https://h/s?api_key=***"),
        ] {
            assert_eq!(without_secrets(url), expected);
        }
    }
}
