//! What can be said on the command line. Options follow the Prometheus exporters; each is an environment variable too.

use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};

/// Counts the failed Z.ai / BigModel (GLM) API calls found in client logs, for Prometheus.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true, max_term_width = 110)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Args {
    /// What was said on this process's command line and in its environment.
    pub fn read() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        let mut args = Self::from_arg_matches(&matches)?;
        if let (Command::Serve(serve), Some((_, given))) = (&mut args.command, matches.subcommand())
            && given.value_source("paths") == Some(ValueSource::EnvVariable)
        {
            // Only there must several stand in one text; on the command line a comma is part of a name.
            serve.paths = serve.paths.iter().flat_map(|paths| paths.split(',')).map(ToString::to_string).collect();
        }
        Ok(args)
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Follow the logs and serve their errors as metrics.
    Serve(Box<Serve>),
    /// Read logs once and print what they hold.
    Scan(Scan),
    /// Print every documented error code.
    Catalogue(CatalogueArgs),
    /// Check configuration files; each mistake is named with its line.
    CheckConfig(CheckConfig),
}

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Serve {
    /// Files and globs (`**` for any number of folders) to follow; may be left out where the configuration names sources. In
    /// the environment they are parted by commas.
    #[arg(env = "ZAI_EXPORTER_PATHS", value_name = "PATH|GLOB")]
    pub paths: Vec<String>,
    /// Address to listen on: `:port`, `host:port` or `[ipv6]:port`.
    #[arg(
        long = "web.listen-address",
        env = "ZAI_EXPORTER_WEB_LISTEN_ADDRESS",
        default_value = ":10064",
        value_name = "ADDRESS"
    )]
    pub listen: String,
    /// Path of the metrics.
    #[arg(
        long = "web.telemetry-path",
        env = "ZAI_EXPORTER_WEB_TELEMETRY_PATH",
        default_value = "/metrics",
        value_name = "PATH"
    )]
    pub telemetry_path: String,
    /// The most connections at once; beyond it, the one that waits longest for a request makes room.
    #[arg(
        long = "web.max-connections",
        env = "ZAI_EXPORTER_WEB_MAX_CONNECTIONS",
        default_value = "128",
        value_name = "NUMBER",
        value_parser = max_connections
    )]
    pub max_connections: usize,
    /// File with TLS and basic authentication, in the format of the Prometheus exporter toolkit.
    #[arg(long = "web.config.file", env = "ZAI_EXPORTER_WEB_CONFIG_FILE", value_name = "FILE")]
    pub web_config: Option<PathBuf>,
    /// Configuration file (YAML).
    #[arg(long = "config.file", env = "ZAI_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
    /// Directory in which counts and positions are kept, so that a restart loses nothing and counts nothing twice.
    #[arg(long = "state.dir", env = "ZAI_EXPORTER_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Where to start in files that are there at the first start.
    #[arg(
        long = "log.read-from",
        env = "ZAI_EXPORTER_LOG_READ_FROM",
        default_value = "beginning",
        value_name = "WHERE"
    )]
    pub read_from: ReadFrom,
    /// The least severe messages of the exporter's own log.
    #[arg(long = "log.level", env = "ZAI_EXPORTER_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    pub log_level: LogLevel,
    /// The format of the exporter's own log.
    #[arg(long = "log.format", env = "ZAI_EXPORTER_LOG_FORMAT", default_value = "logfmt", value_name = "FORMAT")]
    pub log_format: LogFormat,
}

/// What `check-config` checks.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub struct CheckConfig {
    /// Configuration file (YAML).
    pub file: Option<PathBuf>,
    /// File with TLS and basic authentication; the certificates and keys that it names are read too.
    #[arg(long = "web.config.file", value_name = "FILE")]
    pub web_config: Option<PathBuf>,
}

/// Options of `scan`.
#[derive(Debug, clap::Args)]
pub struct Scan {
    /// Files and globs to read, `.gz` too; `-` for standard input.
    #[arg(required = true, value_name = "FILE|-")]
    pub files: Vec<String>,
    /// What to print.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: Output,
    /// Configuration file (YAML).
    #[arg(long = "config.file", env = "ZAI_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

/// Options of `catalogue`.
#[derive(Debug, clap::Args)]
pub struct CatalogueArgs {
    /// What to print.
    #[arg(long, short, default_value = "table", value_name = "FORMAT")]
    pub output: CatalogueOutput,
    /// Configuration file (YAML), whose rows are laid over the built-in ones.
    #[arg(long = "config.file", env = "ZAI_EXPORTER_CONFIG_FILE", value_name = "FILE")]
    pub config_file: Option<PathBuf>,
}

/// A scraper needs one, and whoever looks after it another.
fn max_connections(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n >= 2).ok_or_else(|| "must be a whole number of at least 2".to_string())
}

/// Forms of a scan's result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// As `/metrics` would show it.
    Prometheus,
}

/// Forms of the catalogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CatalogueOutput {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// As the configuration's `catalogue` takes it.
    Yaml,
}

/// Where to start reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReadFrom {
    /// At the first byte: in a pod the file is this pod's.
    Beginning,
    /// At what is written from now on.
    End,
}

/// Levels of the exporter's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
}

/// Formats of the exporter's own log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `key=value` pairs.
    Logfmt,
    /// One JSON object a line.
    Json,
}
