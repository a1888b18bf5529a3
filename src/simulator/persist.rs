//! The state in a file: read at the start, written after changes and at the end, never half.

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
/// Changes that come together are written together, this long after the first of them.
const WRITE_DELAY: Duration = Duration::from_millis(200);

/// Why a state cannot be read, or not be written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refuses.
    #[error("state file {path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else, or a damaged state. It is left as it is.
    #[error(
        "state file {path} is not a simulator's state ({reason}); it was left as it is: name another file, or move it away"
    )]
    InvalidFile {
        /// Which file.
        path: PathBuf,
        /// How that shows.
        reason: String,
    },
    /// The state is of a cloud with another project or region.
    #[error(
        "state file {path} is of project {stored}, not of {wanted}: give it as --project-id and --region, or name another file"
    )]
    ProjectMismatch {
        /// Which file.
        path: PathBuf,
        /// Its project and region.
        stored: String,
        /// What was asked for.
        wanted: String,
    },
    /// The state cannot be written down.
    #[error("the state cannot be written down: {0}")]
    Serialize(#[from] serde_json::Error),
}

/// What stands before the state, so that a invalid file is told from a damaged one.
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

/// Puts what `path` holds into `simulator`; `false` if there is no such file yet. The cloud's clock goes on where
/// it was, or at the wall clock's time if that is later and the clock runs. What was chosen for `simulator` holds
/// from now on, not what was chosen when the state was stored.
///
/// # Errors
/// [`StateError`] if the file cannot be read or is not a state of this project.
pub fn load(path: &Path, simulator: &mut Simulator, monotonic: Duration) -> Result<bool, StateError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(StateError::Io { path: path.to_owned(), source }),
    };
    let invalid = |reason: String| StateError::InvalidFile { path: path.to_owned(), reason };
    let header: Header = serde_json::from_slice(&text).map_err(|error| invalid(error.to_string()))?;
    if header.format != FORMAT || header.version != VERSION {
        return Err(invalid(format!("it is {:?}, version {}", header.format, header.version)));
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

/// The state as it is stored.
///
/// # Errors
/// [`StateError::Serialize`] if some part of it has no JSON.
pub fn serialize(simulator: &Simulator, monotonic: Duration) -> Result<Vec<u8>, StateError> {
    Ok(serde_json::to_vec(&Stored {
        format: FORMAT,
        version: VERSION,
        project_id: &simulator.project_id,
        region: &simulator.region,
        cloud_time: simulator.clock.now(monotonic),
        service: &simulator.service,
    })?)
}

/// Puts `state` in the place of whatever `path` holds, as a whole or not at all.
///
/// # Errors
/// [`StateError::Io`] as the file system refuses.
pub fn write(path: &Path, state: &[u8]) -> Result<(), StateError> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let replace = || {
        // It may hold what only its owner should read.
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(state)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    replace().map_err(|source| StateError::Io { path: path.to_owned(), source })
}

/// Writes the state after every change, as long as it is awaited.
///
/// # Errors
/// [`StateError`] once it cannot be written.
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
/// [`StateError`] if it cannot be written.
pub async fn save(path: Arc<Path>, shared: &Shared) -> Result<(), StateError> {
    let state = serialize(&shared.lock(), shared.clock().monotonic())?;
    let shown = path.to_path_buf();
    match tokio::task::spawn_blocking(move || write(&path, &state)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(StateError::Io { path: shown, source: io::Error::other(error) }),
    }
}
