//! The program `backup`; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    backup::cli::main()
}
