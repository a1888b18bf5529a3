//! The `dcs-operator` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    dcs_operator::cli::main()
}
