//! The `dcs-operator` binary.

fn main() {}
