//! The projects of credentials that do not name one: looked up once, and cached.

use std::time::Duration;

use crate::{
    clock::Clock,
    dcs::{Cloud, Error},
    plan::{
        instance::observed::Blocker,
        schedule::{RequeuePolicy, RetryClass},
    },
    single_flight::SingleFlightMap,
};

/// Far above the number of accounts of a cluster.
const MAX_PROJECTS: usize = 10_000;

/// Project ids, by everything that the answer depends on.
#[derive(Debug)]
pub struct Projects(SingleFlightMap<String, String, ProjectError>);

/// Why a project was not found.
#[derive(Debug, Clone)]
pub enum ProjectError {
    /// The credentials do not make a client.
    Connect(Blocker),
    /// The call failed.
    Cloud(Error),
}

// === impl Projects ===

impl Default for Projects {
    fn default() -> Self {
        Self(SingleFlightMap::new(MAX_PROJECTS))
    }
}

impl Projects {
    /// The project's id; `None` while another caller looks it up. `key` holds everything that the answer depends on,
    /// and no secret; `connect` makes the client if the answer is not cached. With `retry`, the user asks to try again.
    ///
    /// # Errors
    /// `ProjectError`. Failed calls are cached for a while, since calls with wrong credentials lock them.
    pub async fn find<C: Cloud>(
        &self,
        key: String,
        connect: impl FnOnce() -> Result<C, Blocker>,
        clock: &dyn Clock,
        requeue: &RequeuePolicy,
        retry: bool,
    ) -> Option<Result<String, ProjectError>> {
        let ttl = |found: &Result<_, ProjectError>, failures| match found {
            Ok(_) => Some(Duration::MAX),
            Err(ProjectError::Connect(_)) => None,
            Err(ProjectError::Cloud(error)) => {
                Some(requeue.retry_delay(RetryClass::after(error.class()), failures))
            }
        };
        let look_up = || async {
            let cloud = connect().map_err(ProjectError::Connect)?;
            cloud.find_project().await.map_err(ProjectError::Cloud)
        };
        let project = self.0.entry(key);
        if retry {
            // Many objects may ask for it together, as after a restart.
            project.shorten_failure(requeue.operation_check_interval);
        }
        project.try_get(clock, ttl, look_up).await
    }
}
