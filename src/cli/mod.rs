//! The command line: what can be said, and what is printed back.

mod args;
pub mod table;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

pub use self::args::{Args, Command, LogFormat, LogLevel, Output, ReadFrom, Serve};
use self::args::{CatalogueOutput, CheckConfig, Scan};
use crate::config::Config;
use crate::metrics;
use crate::scan;
use crate::web::config::WebConfig;

/// Exit status for a wrong command line or configuration (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;

/// A failure of a command, with the exit status that it asks for.
#[derive(Debug)]
pub struct Failure {
    /// What was attempted, on what, and why it failed.
    pub message: String,
    usage: bool,
}

impl Failure {
    /// The user's command line or configuration is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), usage: true }
    }

    /// Something failed at run time.
    pub fn runtime(message: impl Into<String>) -> Self {
        Self { message: message.into(), usage: false }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let args = match Args::read() {
        Ok(args) => args,
        Err(e) => {
            // Help and version are answers, not mistakes.
            let code = if e.use_stderr() { USAGE } else { 0 };
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    match run(args.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("zai-exporter: {}", failure.message);
            ExitCode::from(if failure.usage { USAGE } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(serve) => crate::app::serve(*serve),
        Command::Scan(args) => scan_files(&args),
        Command::Catalogue(args) => {
            let config = Config::load(args.config_file.as_deref()).map_err(|e| Failure::usage(e.to_string()))?;
            let catalogue = &config.recogniser.catalogue;
            print(&match args.output {
                CatalogueOutput::Table => table::catalogue(catalogue),
                CatalogueOutput::Json => table::catalogue_json(catalogue),
                CatalogueOutput::Yaml => table::catalogue_yaml(catalogue),
            })
        }
        Command::CheckConfig(args) => check_config(&args),
    }
}

/// All files are checked, whatever is found in the first.
fn check_config(args: &CheckConfig) -> Result<(), Failure> {
    let config = args.file.as_deref().map(|file| {
        let config = Config::load(Some(file)).map_err(|e| e.to_string())?;
        let (sources, rows) = (config.sources.len(), config.recogniser.catalogue.rows().len());
        Ok(format!("{}: valid; {sources} sources, {rows} rows in the catalogue\n", file.display()))
    });
    let web = args.web_config.as_deref().map(|file| {
        let config = WebConfig::load(file).map_err(|e| e.to_string())?;
        Ok(format!("{}: valid; {}\n", file.display(), config.summary()))
    });
    let (good, bad): (Vec<_>, Vec<_>) = [config, web].into_iter().flatten().partition(Result::is_ok);
    print(&good.into_iter().flatten().collect::<String>())?;
    let mistakes: Vec<String> = bad.into_iter().filter_map(Result::<String, String>::err).collect();
    if mistakes.is_empty() { Ok(()) } else { Err(Failure::usage(mistakes.join("\n"))) }
}

fn scan_files(args: &Scan) -> Result<(), Failure> {
    let config = Config::load(args.config_file.as_deref()).map_err(|e| Failure::usage(e.to_string()))?;
    let catalogue = Arc::clone(&config.recogniser.catalogue);
    let found = scan::scan(&args.files, &config);
    print(&match args.output {
        Output::Table => table::scan(&found, &catalogue),
        Output::Json => table::scan_json(&found, &catalogue),
        Output::Prometheus => {
            let out = metrics::render_data(Arc::clone(&found.snapshot), catalogue);
            let out = out.map_err(|e| Failure::runtime(format!("cannot print the metrics: {e}")))?;
            String::from_utf8_lossy(&out).into_owned()
        }
    })?;
    if found.failed.is_empty() { Ok(()) } else { Err(Failure::runtime(found.failed.join("\nzai-exporter: "))) }
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // A reader that has seen enough (`| head`) is no failure.
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::runtime(format!("cannot write to standard output: {e}")))
        }
        _ => Ok(()),
    }
}
