//! What a source of this kind is told. It does not look at the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::{SourceError, percent};

/// Which database to watch, and what of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteFileConfig {
    /// The source's name: the first part of its topics. Holds no dot.
    pub name: Arc<str>,
    /// The database.
    pub path: PathBuf,
    /// The tables; none means all that are installed.
    pub tables: Vec<String>,
}

impl SqliteFileConfig {
    /// Watches all installed tables of the database at `path`, under the file's name without its
    /// ending.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace('.', "_"));
        Self { name: stem.unwrap_or_default().into(), path, tables: Vec::new() }
    }

    /// Reads a source URL: `sqlite:///` and the absolute path (`sqlite://` and a relative one), with
    /// `name=` and `table=` (repeatable) behind it. All of it may be percent-encoded.
    ///
    /// # Errors
    /// [`SourceError::Unsupported`] when it names no file, or has another option.
    pub fn from_url(url: &str) -> Result<Self, SourceError> {
        let rest = url.strip_prefix("sqlite://").ok_or_else(|| {
            unsupported("a SQLite source is sqlite:///path/to/app.db?table=orders")
        })?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = decode(path)?;
        if path.is_empty() || path.ends_with('/') {
            return Err(unsupported(
                "source URL: no file is named, as in sqlite:///path/to/app.db",
            ));
        }
        let mut config = Self::new(Path::new(&path));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "name" => config.name = decode(value)?.into(),
                "table" => config.tables.push(decode(value)?),
                other => {
                    return Err(unsupported(&format!(
                        "source URL: a SQLite source has no option {other:?}: it takes name= and table="
                    )));
                }
            }
        }
        Ok(config)
    }
}

/// As forms encode it, save that a plus sign is one: it stands in many a path.
fn decode(text: &str) -> Result<String, SourceError> {
    let malformed = || unsupported(&format!("source URL: {text:?} is not percent-encoded UTF-8"));
    percent::decode(text).ok_or_else(malformed)
}

fn unsupported(problem: &str) -> SourceError {
    SourceError::Unsupported(problem.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_file_source_and_tables() {
        let url = "sqlite:///srv/my%20app.v2.db?table=orders&table=a%26b&name=app";
        let config = SqliteFileConfig::from_url(url).unwrap();
        assert_eq!(config.path, Path::new("/srv/my app.v2.db"));
        assert_eq!(
            (&*config.name, &config.tables[..]),
            ("app", &["orders", "a&b"].map(String::from)[..])
        );
        let config = SqliteFileConfig::from_url("sqlite://data/my.app.db").unwrap();
        assert_eq!((&*config.name, &*config.path), ("my_app", Path::new("data/my.app.db")));
    }

    #[test]
    fn what_is_no_such_url_is_refused_in_words() {
        for (url, said) in [
            ("sqlite://", "no file"),
            ("sqlite:///data/", "no file"),
            ("sqlite:app.db", "sqlite:///path"),
            ("sqlite:///a.db?tables=x", "tables"),
            ("sqlite:///%zz", "percent"),
        ] {
            let error = SqliteFileConfig::from_url(url).expect_err(url).to_string();
            assert!(error.contains(said), "{url}: {error}");
        }
    }
}
