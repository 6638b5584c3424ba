//! `zai-exporter`: argv to exit status; everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    zai_exporter::cli::main()
}
