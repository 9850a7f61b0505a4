//! What the command line, the environment and the file add up to, checked and typed.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use changecast::log::{self, LogOptions, Retention};
use serde::Deserialize;

use crate::Failure;
use crate::age::Age;
use crate::args::{
    Documents, Durability, Level, LogFormat, LoggingArguments, RotateMode, RotateWhen,
    ServeArguments,
};
use crate::sources::SourceConfig;

const DEFAULT_MONGO: &str = "mongodb://localhost";
const DEFAULT_NS: &str = "test.test";

/// Everything the server needs to know.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) data: Data,
    pub(crate) log: LogOptions,
    pub(crate) sources: Vec<SourceConfig>,
    pub(crate) documents: Documents,
    pub(crate) publish: bool,
    pub(crate) allow_origin: Vec<String>,
    pub(crate) allow_host: Vec<String>,
    pub(crate) cache_size: u32,
    pub(crate) debug: bool,
    pub(crate) logging: Logging,
}

#[derive(Debug)]
pub(crate) enum Data {
    Directory(PathBuf),
    /// Gone with the process.
    Temporary,
}

#[derive(Debug)]
pub(crate) struct Logging {
    pub(crate) level: Level,
    pub(crate) format: LogFormat,
    pub(crate) to_stderr: bool,
    pub(crate) file: Option<LogFile>,
}

#[derive(Debug)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) max_size: usize,
    pub(crate) backup_count: usize,
    pub(crate) mode: RotateMode,
    pub(crate) when: RotateWhen,
}

/// What the file says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    port: Option<u16>,
    address: Option<IpAddr>,
    mongo: Option<String>,
    #[serde(default)]
    ns: Vec<String>,
    data: Option<PathBuf>,
    retention_bytes: Option<NonZeroU64>,
    retention_entries: Option<NonZeroU64>,
    retention_age: Option<Age>,
    durability: Option<Durability>,
    cache_size: Option<u32>,
    documents: Option<Documents>,
    publish: Option<bool>,
    #[serde(default)]
    allow_origin: Vec<String>,
    #[serde(default)]
    allow_host: Vec<String>,
    debug: Option<bool>,
    logging: Option<Level>,
    log_format: Option<LogFormat>,
    log_to_stderr: Option<bool>,
    log_file_prefix: Option<PathBuf>,
    log_file_max_size: Option<usize>,
    log_file_num_backups: Option<usize>,
    log_rotate_mode: Option<RotateMode>,
    log_rotate_when: Option<RotateWhen>,
    #[serde(default)]
    source: Vec<SourceTable>,
}

/// A `[[source]]` table: the URL's options may stand beside it as keys.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTable {
    url: String,
    name: Option<String>,
    #[serde(default)]
    collection: Vec<String>,
    #[serde(default)]
    table: Vec<String>,
    slot: Option<String>,
    publication: Option<String>,
    pipeline: Option<String>,
    full_document: Option<String>,
    full_document_before_change: Option<String>,
    #[serde(default)]
    stream: Vec<String>,
    #[serde(default)]
    channel: Vec<String>,
    #[serde(default)]
    keyspace: Vec<String>,
    topic: Option<String>,
    every: Option<String>,
    pointer: Option<String>,
    allow_private: Option<bool>,
}

impl Config {
    /// Checks what is `given` against the file that it names, if it names one. A demo keeps its data
    /// for as long as it runs.
    pub(crate) fn load(given: ServeArguments, is_demo: bool) -> Result<Self, Failure> {
        let file = given.config.as_deref().map(File::read).transpose()?.unwrap_or_default();
        let data = given.data.clone().or(file.data.clone());
        let data = match data {
            Some(directory) => Data::Directory(directory),
            None if is_demo => Data::Temporary,
            None => Data::Directory("changecast-data".into()),
        };
        let sources = sources(&given, &file)?;
        let log = log_options(&given, &file);
        let debug = given.debug.or(file.debug).unwrap_or(false);
        let logging = Logging::of(given.logging.clone(), file.logging_part(), debug);
        let origins = first_given(given.allow_origin, file.allow_origin);
        for origin in &origins {
            check_origin(origin)?;
        }
        Ok(Self {
            address: given.address.or(file.address).unwrap_or(Ipv4Addr::LOCALHOST.into()),
            port: given.port.or(file.port).unwrap_or(8888),
            data,
            log,
            sources,
            documents: given.documents.or(file.documents).unwrap_or(Documents::Off),
            publish: given.publish.or(file.publish).unwrap_or(false),
            allow_origin: origins,
            allow_host: first_given(given.allow_host, file.allow_host),
            cache_size: given.cache_size.or(file.cache_size).unwrap_or(5),
            debug,
            logging,
        })
    }
}

fn log_options(given: &ServeArguments, file: &File) -> LogOptions {
    let known = Retention::default();
    let bytes = given.retention_bytes.or(file.retention_bytes);
    let entries = given.retention_entries.or(file.retention_entries);
    let age = given.retention_age.or(file.retention_age);
    let retention = Retention {
        bytes_max: bytes.map_or(known.bytes_max, NonZeroU64::get),
        entries_max: entries.map_or(known.entries_max, NonZeroU64::get),
        age_max: age.map_or(known.age_max, |age| age.0),
    };
    let durability = match given.durability.or(file.durability).unwrap_or(Durability::Full) {
        Durability::Full => log::Durability::Full,
        Durability::Normal => log::Durability::Normal,
    };
    LogOptions { retention, durability, ..LogOptions::default() }
}

fn sources(given: &ServeArguments, file: &File) -> Result<Vec<SourceConfig>, Failure> {
    let mut sources = Vec::new();
    let mongo = given.mongo.as_deref().or(file.mongo.as_deref());
    let namespaces = if given.ns.is_empty() { &file.ns } else { &given.ns };
    if mongo.is_some() || !namespaces.is_empty() {
        let default_ns = [DEFAULT_NS.to_owned()];
        let namespaces = if namespaces.is_empty() { &default_ns[..] } else { namespaces };
        sources.extend(SourceConfig::of_namespaces(mongo.unwrap_or(DEFAULT_MONGO), namespaces)?);
    }
    for url in &given.source {
        sources.push(SourceConfig::of_url(url)?);
    }
    for table in &file.source {
        sources.push(SourceConfig::of_url(&table.to_url()?)?);
    }
    if sources.is_empty() {
        sources.push(SourceConfig::Embedded);
    }
    for (index, source) in sources.iter().enumerate() {
        if sources.iter().take(index).any(|other| other.name() == source.name()) {
            return Err(Failure::Configuration(format!(
                "two sources are named {:?}: give one of them another with name=",
                source.name()
            )));
        }
    }
    Ok(sources)
}

impl SourceTable {
    fn to_url(&self) -> Result<String, Failure> {
        let mut options = url::form_urlencoded::Serializer::new(String::new());
        let allow_private = self.allow_private.map(|allowed| allowed.to_string());
        let singles = [
            ("name", &self.name),
            ("slot", &self.slot),
            ("publication", &self.publication),
            ("topic", &self.topic),
            ("every", &self.every),
            ("pointer", &self.pointer),
            ("allow_private", &allow_private),
            ("pipeline", &self.pipeline),
            ("full_document", &self.full_document),
            ("full_document_before_change", &self.full_document_before_change),
        ];
        for (key, value) in singles {
            options.extend_pairs(value.iter().map(|value| (key, value)));
        }
        let lists = [
            ("collection", &self.collection),
            ("table", &self.table),
            ("stream", &self.stream),
            ("channel", &self.channel),
            ("keyspace", &self.keyspace),
        ];
        for (key, values) in lists {
            options.extend_pairs(values.iter().map(|value| (key, value)));
        }
        let options = options.finish();
        if options.is_empty() {
            return Ok(self.url.clone());
        }
        let has_path = self.url.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if !has_path && self.url.starts_with("mongodb") {
            return Err(Failure::Configuration(
                "a source's url lacks the database: write mongodb://host/database".into(),
            ));
        }
        let joint = if self.url.contains('?') { '&' } else { '?' };
        Ok(format!("{}{joint}{options}", self.url))
    }
}

fn first_given(flags: Vec<String>, file: Vec<String>) -> Vec<String> {
    if flags.is_empty() { file } else { flags }
}

fn check_origin(origin: &str) -> Result<(), Failure> {
    let is_origin = origin.split_once("://").is_some_and(|(scheme, host)| {
        matches!(scheme, "http" | "https") && !host.is_empty() && !host.contains(['/', '?', '#'])
    });
    if origin == "*" || is_origin {
        return Ok(());
    }
    Err(Failure::Configuration(format!(
        "--allow-origin {origin:?} is no origin: write scheme and host, such as https://example.org"
    )))
}

impl Logging {
    fn of(flags: LoggingArguments, file: LoggingArguments, debug: bool) -> Self {
        let default_level = if debug { Level::Debug } else { Level::Info };
        let path = flags.log_file_prefix.or(file.log_file_prefix);
        let to_stderr = flags.log_to_stderr.or(file.log_to_stderr).unwrap_or(path.is_none());
        let max_size = flags.log_file_max_size.or(file.log_file_max_size);
        let backup_count = flags.log_file_num_backups.or(file.log_file_num_backups);
        let mode = flags.log_rotate_mode.or(file.log_rotate_mode);
        let when = flags.log_rotate_when.or(file.log_rotate_when);
        Self {
            level: flags.logging.or(file.logging).unwrap_or(default_level),
            format: flags.log_format.or(file.log_format).unwrap_or(LogFormat::Text),
            to_stderr,
            file: path.map(|path| LogFile {
                path,
                max_size: max_size.unwrap_or(100_000_000),
                backup_count: backup_count.unwrap_or(10),
                mode: mode.unwrap_or(RotateMode::Size),
                when: when.unwrap_or(RotateWhen::Midnight),
            }),
        }
    }
}

impl File {
    fn read(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Failure::Configuration(format!("cannot read {shown}: {error}")))?;
        toml::from_str(&text).map_err(|error| {
            let line = error.span().map_or(0, |span| {
                text.bytes().take(span.start).filter(|byte| *byte == b'\n').count() + 1
            });
            let message = error.message();
            let hint = nearest_field(message).map(|name| format!(" (did you mean {name}?)"));
            let hint = hint.unwrap_or_default();
            Failure::Configuration(format!("{shown}, line {line}: {message}{hint}"))
        })
    }

    fn logging_part(&self) -> LoggingArguments {
        LoggingArguments {
            logging: self.logging,
            log_format: self.log_format,
            log_to_stderr: self.log_to_stderr,
            log_file_prefix: self.log_file_prefix.clone(),
            log_file_max_size: self.log_file_max_size,
            log_file_num_backups: self.log_file_num_backups,
            log_rotate_mode: self.log_rotate_mode,
            log_rotate_when: self.log_rotate_when,
        }
    }
}

/// The known name that is closest to the unknown one in serde's "unknown field `x`, expected one
/// of `a`, `b`".
fn nearest_field(message: &str) -> Option<&str> {
    let mut names = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field").then(|| names.next()).flatten()?;
    nearest(unknown, names)
}

/// The name among `known` that somebody probably meant.
pub(crate) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::damerau_levenshtein(unknown, known), known))
        .filter(|(distance, _)| *distance <= 3)
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Age, Durability, File, ServeArguments, log, log_options, nearest_field};

    #[test]
    fn what_the_log_keeps_comes_from_flags_then_the_file_then_the_defaults() {
        let file = "retention_age = \"90s\"\nretention_entries = 5\ndurability = \"normal\"";
        let file: File = toml::from_str(file).expect("a file");
        let given = ServeArguments {
            retention_age: Some(Age(Duration::from_secs(7))),
            ..ServeArguments::default()
        };
        let options = log_options(&given, &file);
        assert_eq!(options.retention.age_max, Duration::from_secs(7));
        assert_eq!(options.retention.entries_max, 5);
        assert_eq!(options.retention.bytes_max, 1 << 30);
        assert_eq!(options.durability, log::Durability::Normal);
        let given =
            ServeArguments { durability: Some(Durability::Full), ..ServeArguments::default() };
        assert_eq!(log_options(&given, &file).durability, log::Durability::Full);
    }

    #[test]
    fn a_misspelt_key_is_recognised() {
        let message = "unknown field `prot`, expected one of `port`, `address`, `ns`";
        assert_eq!(nearest_field(message), Some("port"));
        let message = "unknown field `colour`, expected one of `port`, `address`, `ns`";
        assert_eq!(nearest_field(message), None);
    }
}
