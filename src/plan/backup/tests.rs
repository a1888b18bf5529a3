//! Tables and properties of the planner of DcsBackups.
