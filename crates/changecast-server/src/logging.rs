//! Where log lines go: standard error, a rotated file, or both.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use file_rotate::compression::Compression;
use file_rotate::suffix::AppendCount;
use file_rotate::{ContentLimit, FileRotate, TimeFrequency};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::args::{Level, LogFormat, RotateMode, RotateWhen};
use crate::config::{LogFile, Logging};

/// Installs the process's subscriber.
pub(crate) fn start(config: &Logging) {
    let level = match config.level {
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
        Level::None => LevelFilter::OFF,
    };
    // Libraries speak up only when something is wrong.
    let filter =
        Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("changecast", level);
    let file = config.file.as_ref().map(|file| lines(config.format, LogTo::file(file)));
    let stderr = config.to_stderr.then(|| lines(config.format, LogTo::Stderr));
    let layers = stderr.into_iter().chain(file).collect::<Vec<_>>();
    tracing_subscriber::registry().with(layers.with_filter(filter)).init();
}

fn lines(format: LogFormat, to: LogTo) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Text => {
            use std::io::IsTerminal;
            let is_terminal = matches!(to, LogTo::Stderr) && io::stderr().is_terminal();
            layer().with_writer(to).with_target(false).with_ansi(is_terminal).boxed()
        }
        LogFormat::Json => layer().with_writer(to).with_target(false).json().boxed(),
    }
}

#[derive(Clone)]
enum LogTo {
    Stderr,
    File(Arc<Mutex<FileRotate<AppendCount>>>),
}

impl LogTo {
    fn file(config: &LogFile) -> Self {
        let limit = match (config.mode, config.when) {
            (RotateMode::Size, _) => ContentLimit::BytesSurpassed(config.max_size.max(1)),
            (RotateMode::Time, RotateWhen::Hourly) => ContentLimit::Time(TimeFrequency::Hourly),
            (RotateMode::Time, RotateWhen::Midnight) => ContentLimit::Time(TimeFrequency::Daily),
            (RotateMode::Time, RotateWhen::Weekly) => ContentLimit::Time(TimeFrequency::Weekly),
        };
        let suffixes = AppendCount::new(config.backup_count);
        let file = FileRotate::new(&config.path, suffixes, limit, Compression::None, None);
        Self::File(Arc::new(Mutex::new(file)))
    }
}

impl Write for LogTo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr => io::stderr().write(bytes),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stderr => io::stderr().flush(),
            Self::File(file) => file.lock().unwrap_or_else(PoisonError::into_inner).flush(),
        }
    }
}

impl<'a> MakeWriter<'a> for LogTo {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
