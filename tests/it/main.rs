//! The integration tests, in one binary: every additional binary would link kube again.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

/// As in the operator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod client_calls;
mod client_faults;
mod client_identity;
mod client_limits;
mod cloud_command;
mod cluster_contract;
mod cluster_control_plane;
mod cluster_kinds;
mod contract;
mod contract_backups;
mod crds;
mod crds_backup;
mod crds_restore;
mod crds_rules;
mod crds_schedule;
mod docs;
mod layering;
mod leader;
mod loop_backups;
mod loop_counts;
mod loop_faults;
mod loop_kinds;
mod loop_leaders;
mod loop_lease;
mod loop_life;
mod loop_ownership;
mod loop_passwords;
mod loop_random;
mod loop_restores;
mod loop_schedules;
mod loop_tenants;
mod loop_truth;
mod model_variants;
mod operator_faults;
mod operator_hostile;
mod operator_input;
mod operator_kills;
mod operator_life;
mod operator_ownership;
mod operator_passwords;
mod operator_scale;
mod operator_silence;
mod operator_stop;
mod operator_tenants;
mod operator_truth;
mod readme;
mod simulator_faults;
mod simulator_http;
mod support;
