//! The state file: read at the start, atomically replaced after changes and at the end.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Simulator, http::Shared, service::Service};
use crate::clock::Clock;

const FORMAT: &str = "dcs-operator simulator";
const VERSION: u32 = 1;
/// Delay between a change and writing it, so that one write covers several changes.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// The state could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file operation failed.
    #[error("state file {path}: {source}")]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: io::Error,
    },
    /// The file is not a valid state file. It is left unchanged.
    #[error(
        "state file {path} is not a valid simulator state ({reason}) and was left unchanged: choose another file or move it away"
    )]
    InvalidFile {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        reason: String,
    },
    /// The state belongs to another project or region.
    #[error(
        "state file {path} belongs to project {stored}, not {wanted}: set --project-id and --region accordingly or choose another file"
    )]
    ProjectMismatch {
        /// Path of the file.
        path: PathBuf,
        /// Stored project and region.
        stored: String,
        /// Configured project and region.
        wanted: String,
    },
    /// The state could not be serialized.
    #[error("cannot serialize the state: {0}")]
    Serialize(#[from] serde_json::Error),
}

/// Format marker, checked before the state, so that unrelated files are reported as such.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Header {
    format: String,
    version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored<'a> {
    format: &'a str,
    version: u32,
    project_id: &'a str,
    region: &'a str,
    cloud_time: DateTime<Utc>,
    service: &'a Service,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Loaded {
    project_id: String,
    region: String,
    cloud_time: DateTime<Utc>,
    service: Service,
}

/// Loads the state of `path` into `simulator`; `false` if the file does not exist. The simulated clock resumes at the
/// stored time, or at the wall clock's time if that is later and the clock runs. The options of `simulator` replace
/// the stored ones.
///
/// # Errors
/// [`StateError`] if the file cannot be read or does not belong to this project.
pub fn load(path: &Path, simulator: &mut Simulator, monotonic: Duration) -> Result<bool, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(StateError::Io { path: path.to_owned(), source }),
    };
    let invalid = |reason: String| StateError::InvalidFile { path: path.to_owned(), reason };
    let header: Header = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(invalid(format!("format {:?}, version {}", header.format, header.version)));
    }
    let loaded: Loaded = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    if (&loaded.project_id, &loaded.region) != (&simulator.project_id, &simulator.region) {
        return Err(StateError::ProjectMismatch {
            path: path.to_owned(),
            stored: format!("{} in {}", loaded.project_id, loaded.region),
            wanted: format!("{} in {}", simulator.project_id, simulator.region),
        });
    }
    simulator.clock.resume_from(monotonic, loaded.cloud_time);
    let chosen = simulator.service.options().clone();
    simulator.service = loaded.service;
    simulator.service.set_options(chosen);
    Ok(true)
}

/// Serializes the state.
///
/// # Errors
/// [`StateError::Serialize`] if the state has no JSON representation.
fn serialize(simulator: &Simulator, monotonic: Duration) -> Result<Vec<u8>, StateError> {
    Ok(serde_json::to_vec(&Stored {
        format: FORMAT,
        version: VERSION,
        project_id: &simulator.project_id,
        region: &simulator.region,
        cloud_time: simulator.clock.now(monotonic),
        service: &simulator.service,
    })?)
}

/// Replaces the file at `path` atomically.
///
/// # Errors
/// [`StateError::Io`] if a file operation fails.
fn write(path: &Path, state: &[u8]) -> Result<(), StateError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let replace = || {
        // The state may contain data that only its owner may read.
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    replace().map_err(|source| StateError::Io { path: path.to_owned(), source })
}

/// Writes the state after each change; runs until it is cancelled.
///
/// # Errors
/// [`StateError`] if a write fails.
pub async fn save_on_change(path: Arc<Path>, shared: Shared) -> Result<(), StateError> {
    let clock: Arc<dyn Clock> = Arc::clone(shared.clock());
    loop {
        shared.changed().await;
        clock.sleep(WRITE_DELAY).await;
        save(Arc::clone(&path), &shared).await?;
    }
}

/// Writes the state once.
///
/// # Errors
/// [`StateError`] if the write fails.
pub async fn save(path: Arc<Path>, shared: &Shared) -> Result<(), StateError> {
    let state = serialize(&shared.lock(), shared.clock().monotonic())?;
    let shown = path.to_path_buf();
    match tokio::task::spawn_blocking(move || write(&path, &state)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(StateError::Io { path: shown, source: io::Error::other(error) }),
    }
}
