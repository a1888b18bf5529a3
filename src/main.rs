//! The `dcs-operator` binary.

use std::process::ExitCode;

/// Gives memory back after a burst: the system's allocator keeps what the answers of many accounts needed at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    dcs_operator::cli::main()
}
