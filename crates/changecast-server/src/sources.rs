//! Which databases to watch, by URL or by the original's `--mongo` and `--ns`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use changecast::source::http::{HttpConfig, HttpSource};
use changecast::source::mongodb::{MongoConfig, MongoSource, Scope};
use changecast::source::postgres::{PostgresConfig, PostgresSource};
use changecast::source::redis::{RedisConfig, RedisSource, Watched};
use changecast::source::sqlite::{SqliteFile, SqliteFileConfig, SqliteStore};
use changecast::source::{Source, SourceError};
use changecast::telemetry::Telemetry;

use crate::Failure;

/// The embedded store's source, as in the original's default namespace.
const EMBEDDED_NAME: &str = "test";

/// One source, checked.
#[derive(Debug)]
pub(crate) enum SourceConfig {
    Embedded,
    Mongo(MongoConfig),
    Postgres(PostgresConfig),
    Redis(RedisConfig),
    Http(HttpConfig),
    SqliteFile(SqliteFileConfig),
}

impl SourceConfig {
    /// The source that `url` names.
    pub(crate) fn of_url(url: &str) -> Result<Self, Failure> {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        match scheme {
            Some("mongodb" | "mongodb+srv") => {
                Self::mongo(MongoConfig::from_url(url).map_err(configuration)?)
            }
            Some("redis" | "rediss" | "redis+unix" | "valkey" | "valkeys") => {
                let config = RedisConfig::from_url(url).map_err(configuration)?;
                RedisSource::new(config.clone(), Arc::default()).map_err(configuration)?;
                Ok(Self::Redis(config))
            }
            Some("http" | "https") => {
                Ok(Self::Http(HttpConfig::from_url(url).map_err(configuration)?))
            }
            Some("postgres" | "postgresql") => {
                Ok(Self::Postgres(PostgresConfig::from_url(url).map_err(configuration)?))
            }
            Some("sqlite") => {
                let config = SqliteFileConfig::from_url(url).map_err(configuration)?;
                SqliteFile::new(config.clone()).map_err(configuration)?;
                Ok(Self::SqliteFile(config))
            }
            Some(scheme) => Err(Failure::Configuration(format!(
                "--source cannot watch {scheme}://: it takes mongodb://, postgres://, redis://, sqlite:// and https://"
            ))),
            None => Err(Failure::Configuration(
                "--source takes a URL such as mongodb://localhost/shop?collection=orders".into(),
            )),
        }
    }

    /// One source per database: several namespaces of one share a cursor. `*` is all of them.
    pub(crate) fn of_namespaces(uri: &str, namespaces: &[String]) -> Result<Vec<Self>, Failure> {
        if namespaces.iter().any(|namespace| namespace == "*") {
            return Ok(vec![Self::mongo(MongoConfig::cluster(uri))?]);
        }
        let mut databases: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for namespace in namespaces {
            let (database, collection) = split_namespace(namespace)?;
            databases.entry(database).or_default().push(collection);
        }
        let sources = databases.into_iter().map(|(database, mut collections)| {
            collections.sort_unstable();
            collections.dedup();
            let scope = match &collections[..] {
                all if all.contains(&"*") => Scope::Database,
                [one] => Scope::Collection((*one).to_owned()),
                several => {
                    Scope::Collections(several.iter().map(|&name| name.to_owned()).collect())
                }
            };
            Self::mongo(MongoConfig::new(uri, database, scope))
        });
        sources.collect()
    }

    /// Checks now what would otherwise fail once the server starts.
    fn mongo(config: MongoConfig) -> Result<Self, Failure> {
        MongoSource::new(config.clone(), Arc::default()).map_err(configuration)?;
        Ok(Self::Mongo(config))
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Embedded => EMBEDDED_NAME,
            Self::Mongo(config) => &config.name,
            Self::Postgres(config) => &config.name,
            Self::Redis(config) => &config.name,
            Self::Http(config) => &config.name,
            Self::SqliteFile(config) => &config.name,
        }
    }

    /// What the banner says of it.
    pub(crate) fn describe(&self, data: &Path) -> String {
        match self {
            Self::SqliteFile(config) => {
                let tables = &config.tables;
                let tables = if tables.is_empty() { "*".into() } else { tables.join(", ") };
                format!("SQLite, {}, {tables}", config.path.display())
            }
            Self::Embedded => format!("the embedded store in {}", data.display()),
            Self::Mongo(config) => {
                let collections = match &config.scope {
                    Scope::Cluster => return "MongoDB, all databases".to_owned(),
                    Scope::Collection(name) => name.clone(),
                    Scope::Collections(names) => names.join(", "),
                    _ => "*".to_owned(),
                };
                format!("MongoDB, {}.{collections}", config.database)
            }
            Self::Postgres(config) => {
                format!("PostgreSQL, {}: {}", config.database, config.describe_tables())
            }
            Self::Redis(config) => {
                let watched = match &config.watched {
                    Watched::Streams(streams) => format!("streams {}", streams.join(", ")),
                    Watched::Live { channels, keys } => {
                        let all: Vec<_> = channels.iter().chain(keys).map(String::as_str).collect();
                        format!("{}, only while it runs", all.join(", "))
                    }
                    _ => "*".to_owned(),
                };
                format!("Redis at {}, {watched}", config.address())
            }
            Self::Http(config) => format!("{}, every {:?}", config.address(), config.every),
        }
    }

    /// Its driver, in one word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Mongo(_) => "mongodb",
            Self::Postgres(_) => "postgres",
            Self::Redis(_) => "redis",
            Self::SqliteFile(_) => "sqlite",
            Self::Http(_) => "http",
        }
    }

    pub(crate) fn build(
        self,
        data: &Path,
        telemetry: &Arc<Telemetry>,
    ) -> Result<Arc<dyn Source>, Failure> {
        Ok(match self {
            Self::Embedded => {
                let file = data.join("store.db");
                let store = SqliteStore::open(&file, EMBEDDED_NAME);
                Arc::new(store.map_err(|error| cannot_open(&file, &error))?)
            }
            Self::SqliteFile(config) => Arc::new(SqliteFile::new(config).map_err(configuration)?),
            Self::Mongo(config) => {
                let source = MongoSource::new(config, Arc::clone(telemetry));
                Arc::new(source.map_err(configuration)?)
            }
            Self::Postgres(config) => Arc::new(PostgresSource::new(config, Arc::clone(telemetry))),
            Self::Redis(config) => {
                let source = RedisSource::new(config, Arc::clone(telemetry));
                Arc::new(source.map_err(configuration)?)
            }
            Self::Http(config) => Arc::new(HttpSource::new(config).map_err(configuration)?),
        })
    }
}

fn split_namespace(namespace: &str) -> Result<(&str, &str), Failure> {
    let Some((database, collection)) = namespace.split_once('.') else {
        return Err(Failure::Configuration(format!(
            "Invalid ns {namespace:?}, must contain a \".\""
        )));
    };
    let empty = match (database, collection) {
        ("*", _) => {
            let hint = "a star stands alone, for all databases, or after the dot";
            return Err(Failure::Configuration(format!("Invalid ns {namespace:?}: {hint}")));
        }
        ("", _) => "the database, before the dot,",
        (_, "") => "the collection, after the dot,",
        _ => return Ok((database, collection)),
    };
    Err(Failure::Configuration(format!("Invalid ns {namespace:?}: {empty} is empty")))
}

fn cannot_open(file: &Path, error: &SourceError) -> Failure {
    let advice = error.advice().map(|advice| format!("; {advice}")).unwrap_or_default();
    Failure::Run(format!("cannot open {}: {error}{advice}", file.display()))
}

fn configuration(error: impl std::fmt::Display) -> Failure {
    Failure::Configuration(error.to_string())
}
