//! The eyes.
