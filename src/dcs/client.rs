//! The [`Cloud`] port over HTTP, with the credentials of one account.

use std::{sync::Arc, time::Duration};

use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    account::{AccountConfig, InvalidAccount},
    cloud::Cloud,
    dispatch::{Dispatcher, Request, Session},
    error::{self, Class, Error, Failure, Refusal},
    model::{
        AvailabilityZones, BackupLinks, BackupPage, CreateBackup, CreateInstance, CreatedBackup,
        CreatedInstance, CreatedInstances, CreatedRestore, Flavor, FlavorQuery, Flavors, InstanceDetail,
        InstancePage, InstanceQuery, InstanceStatistic, Job, LinksRequest, MaintenanceWindow,
        MaintenanceWindows, PasswordReset, QuotaResource, Quotas, RecordQuery, ResetOutcome, ResetPassword,
        ResizeInstance, RestoreBackup, RestorePage, Statistics, StatusCounts, TagsChange, TaskPage,
        TaskProgress, TaskQuery, UpdateInstance, text::is_uuid,
    },
    operation::{self, Operation},
    redact,
    request_observer::RequestObserver,
    response::{self, Nothing},
    retry::{Retry, RetryPolicy},
    session::Sessions,
    transport::{HttpResponse, HttpTransport, Transport},
};
use crate::clock::Clock;

/// A client for one account in one region. Cheap to clone; clones share connections, token and clock correction.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    dispatcher: Dispatcher,
    sessions: Sessions,
}

// === impl Client ===

impl Client {
    /// A client with an HTTP client of its own; makes no call. `seed` seeds the jitter of retries. See
    /// [`HttpClients`](super::HttpClients) for a shared HTTP client.
    ///
    /// # Errors
    /// [`InvalidAccount`] if the certificates cannot be read or the HTTP client cannot be built.
    pub fn new(
        account: AccountConfig,
        policy: RetryPolicy,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Result<Self, InvalidAccount> {
        let http = HttpTransport::new(&account, Arc::clone(&clock))?;
        Ok(Self::over(Arc::new(http), account, policy, clock, seed))
    }

    /// A client that sends its requests through `transport`.
    pub fn over(
        transport: Arc<dyn Transport>,
        account: AccountConfig,
        policy: RetryPolicy,
        clock: Arc<dyn Clock>,
        seed: u64,
    ) -> Self {
        let dispatcher = Dispatcher::new(transport, Arc::clone(&clock), policy, seed);
        Self { inner: Arc::new(Inner { dispatcher, sessions: Sessions::new(account, clock) }) }
    }

    /// Reports the requests of this client to `observer`. Call it before cloning; later it has no effect.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn RequestObserver>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            inner.dispatcher.set_observer(observer);
        }
        self
    }

    /// Calls an operation, and replaces a refused token once, all within one deadline. `secrets` are values of the
    /// request to redact from errors.
    async fn call<T: DeserializeOwned + Send>(
        &self,
        request: &Request<'_>,
        secrets: &[&str],
    ) -> Result<T, Error> {
        self.call_or_empty(request, secrets, |_| None).await
    }

    /// As [`Client::call`]; `empty` gives the value of an answer that states emptiness by its status.
    async fn call_or_empty<T: DeserializeOwned + Send>(
        &self,
        request: &Request<'_>,
        secrets: &[&str],
        empty: fn(&HttpResponse) -> Option<T>,
    ) -> Result<T, Error> {
        let deadline = self.inner.dispatcher.deadline(request.operation);
        let (outcome, session) = self.attempt(request, secrets, deadline, empty).await?;
        match outcome {
            Err(error)
                if error.class() == Class::Credentials
                    && self.inner.sessions.forget(&session.authentication).await =>
            {
                self.attempt(request, secrets, deadline, empty).await?.0
            }
            outcome => outcome,
        }
    }

    async fn attempt<T: DeserializeOwned + Send>(
        &self,
        request: &Request<'_>,
        secrets: &[&str],
        deadline: Duration,
        empty: fn(&HttpResponse) -> Option<T>,
    ) -> Result<(Result<T, Error>, Session), Error> {
        let Inner { dispatcher, sessions } = &*self.inner;
        let session = sessions.open(dispatcher, deadline).await?;
        let of_session = sessions.secrets().into_iter().chain(session.authentication.secrets());
        let secrets = of_session.chain(secrets.iter().copied());
        let read = |answer: &_, at| {
            empty(answer).map_or_else(|| response::interpret(answer, at, secrets.clone()), Ok)
        };
        let outcome = dispatcher.call(request, &session, deadline, read).await;
        Ok((outcome, session))
    }

    async fn get<T: DeserializeOwned + Send>(
        &self,
        operation: &'static Operation,
        arguments: Vec<(&'static str, &str)>,
        query: Vec<(&'static str, String)>,
    ) -> Result<T, Error> {
        let request = Request { operation, arguments, query, body: vec![], retry: Retry::Allowed };
        self.call(&request, &[]).await
    }

    /// One page of a list that HTTP 204 states to be empty.
    async fn records<T: DeserializeOwned + Default + Send>(
        &self,
        operation: &'static Operation,
        instance_id: &str,
        query: &RecordQuery,
    ) -> Result<T, Error> {
        let (arguments, query) = (instance(instance_id), query.parameters());
        let request = Request { operation, arguments, query, body: vec![], retry: Retry::Allowed };
        self.call_or_empty(&request, &[], response::empty).await
    }

    async fn change<T: DeserializeOwned + Send>(
        &self,
        operation: &'static Operation,
        arguments: Vec<(&'static str, &str)>,
        body: &(impl Serialize + Sync),
        secrets: &[&str],
        retry: Retry,
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| Error::new(operation, Failure::NotAttempted(error.to_string()), 0))?;
        self.call(&Request { operation, arguments, query: vec![], body, retry }, secrets).await
    }
}

fn instance(id: &str) -> Vec<(&'static str, &str)> {
    vec![("instance_id", id)]
}

fn backup<'a>(instance_id: &'a str, backup_id: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("instance_id", instance_id), ("backup_id", backup_id)]
}

fn task<'a>(instance_id: &'a str, task_id: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![("instance_id", instance_id), ("task_id", task_id)]
}

/// Whether the deletion of a backup was refused because its files are gone. Lists answer with the same code for a start
/// time in the future.
fn is_already_gone(error: &Error) -> bool {
    let code = error.refusal().and_then(|refusal| refusal.code.as_deref());
    code.and_then(error::lookup).is_some_and(|code| code.names.first() == Some(&"DCS.4031"))
}

fn unreadable(operation: &Operation, reason: &str) -> Error {
    Error::new(operation, Failure::Unreadable { status: 200, reason: reason.to_owned() }, 1)
}

impl Cloud for Client {
    async fn create_instance(&self, request: &CreateInstance) -> Result<CreatedInstance, Error> {
        let operation = &operation::CREATE_INSTANCE;
        let secrets: Vec<_> = request.password.iter().map(|password| password.expose_secret()).collect();
        let created: CreatedInstances =
            self.change(operation, vec![], request, &secrets, Retry::Never).await?;
        let mut instances = created.instances.into_iter();
        match (instances.next(), instances.next()) {
            (Some(instance), None) if is_uuid(&instance.instance_id) => Ok(instance),
            // The tags tell which instance it is.
            (Some(_), None) => Err(unreadable(operation, "it names the instance by an ID that is none")),
            (None, _) => Err(unreadable(operation, "it names no instance")),
            (Some(_), Some(_)) => Err(unreadable(operation, "it names several instances")),
        }
    }

    async fn list_instances(&self, query: &InstanceQuery) -> Result<InstancePage, Error> {
        self.get(&operation::LIST_INSTANCES, vec![], query.parameters()).await
    }

    async fn show_instance(&self, instance_id: &str) -> Result<InstanceDetail, Error> {
        let operation = &operation::SHOW_INSTANCE;
        let detail: InstanceDetail = self.get(operation, instance(instance_id), vec![]).await?;
        if detail.instance_id != instance_id {
            return Err(unreadable(operation, "it shows an instance other than the requested one"));
        }
        Ok(detail)
    }

    async fn update_instance(&self, instance_id: &str, request: &UpdateInstance) -> Result<(), Error> {
        let operation = &operation::UPDATE_INSTANCE;
        // A repeated change might cut all connections or restart the instance again.
        let retry = if request.is_disruptive() { Retry::Never } else { Retry::Allowed };
        let Nothing = self.change(operation, instance(instance_id), request, &[], retry).await?;
        Ok(())
    }

    async fn delete_instance(&self, instance_id: &str) -> Result<(), Error> {
        let Nothing = self.get(&operation::DELETE_INSTANCE, instance(instance_id), vec![]).await?;
        Ok(())
    }

    async fn resize_instance(&self, instance_id: &str, request: &ResizeInstance) -> Result<(), Error> {
        let operation = &operation::RESIZE_INSTANCE;
        let Nothing = self.change(operation, instance(instance_id), request, &[], Retry::Allowed).await?;
        Ok(())
    }

    async fn reset_password(&self, instance_id: &str, request: &ResetPassword) -> Result<(), Error> {
        let operation = &operation::RESET_PASSWORD;
        let secrets: Vec<_> = request.new_password.iter().map(|password| password.expose_secret()).collect();
        let arguments = instance(instance_id);
        let answer: PasswordReset =
            self.change(operation, arguments, request, &secrets, Retry::Allowed).await?;
        // The service answers HTTP 200 also when it refuses the password.
        let (class, message) = match answer.outcome() {
            ResetOutcome::Done => return Ok(()),
            ResetOutcome::Locked => (Class::Busy, "the instance is locked after too many failed attempts"),
            ResetOutcome::Unclear => {
                (Class::Ambiguous, "the answer does not state whether the password was set")
            }
        };
        let said = answer.message.as_deref().unwrap_or(message);
        let code = answer.code.as_deref().map(|code| redact::word(code, secrets.iter().copied()));
        let message = redact::text(said, secrets);
        let refusal = Refusal { status: 200, code, message, ..Refusal::default() };
        Err(Error::with_class(operation, class, Failure::Refused(refusal)))
    }

    async fn change_tags(&self, instance_id: &str, request: &TagsChange) -> Result<(), Error> {
        let operation = &operation::CHANGE_TAGS;
        let Nothing = self.change(operation, instance(instance_id), request, &[], Retry::Allowed).await?;
        Ok(())
    }

    async fn count_instances(&self, include_failures: bool) -> Result<StatusCounts, Error> {
        let query = vec![("include_failure", include_failures.to_string())];
        self.get(&operation::COUNT_INSTANCES, vec![], query).await
    }

    async fn list_statistics(&self) -> Result<Vec<InstanceStatistic>, Error> {
        let answer: Statistics = self.get(&operation::LIST_STATISTICS, vec![], vec![]).await?;
        Ok(answer.statistics)
    }

    async fn create_backup(&self, instance_id: &str, request: &CreateBackup) -> Result<String, Error> {
        let operation = &operation::CREATE_BACKUP;
        let created: CreatedBackup =
            self.change(operation, instance(instance_id), request, &[], Retry::Never).await?;
        Ok(created.backup_id)
    }

    async fn list_backups(&self, instance_id: &str, query: &RecordQuery) -> Result<BackupPage, Error> {
        self.records(&operation::LIST_BACKUPS, instance_id, query).await
    }

    async fn delete_backup(&self, instance_id: &str, backup_id: &str) -> Result<(), Error> {
        let arguments = backup(instance_id, backup_id);
        match self.get(&operation::DELETE_BACKUP, arguments, vec![]).await {
            Ok(Nothing) => Ok(()),
            Err(error) if is_already_gone(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn backup_links(
        &self,
        instance_id: &str,
        backup_id: &str,
        request: &LinksRequest,
    ) -> Result<BackupLinks, Error> {
        let arguments = backup(instance_id, backup_id);
        self.change(&operation::LIST_BACKUP_LINKS, arguments, request, &[], Retry::Allowed).await
    }

    async fn restore_instance(&self, instance_id: &str, request: &RestoreBackup) -> Result<String, Error> {
        let operation = &operation::RESTORE_INSTANCE;
        let created: CreatedRestore =
            self.change(operation, instance(instance_id), request, &[], Retry::Never).await?;
        Ok(created.restore_id)
    }

    async fn list_restores(&self, instance_id: &str, query: &RecordQuery) -> Result<RestorePage, Error> {
        self.records(&operation::LIST_RESTORES, instance_id, query).await
    }

    async fn list_tasks(&self, instance_id: &str, query: &TaskQuery) -> Result<TaskPage, Error> {
        self.get(&operation::LIST_TASKS, instance(instance_id), query.parameters()).await
    }

    async fn delete_task(&self, instance_id: &str, task_id: &str) -> Result<(), Error> {
        let Nothing = self.get(&operation::DELETE_TASK, task(instance_id, task_id), vec![]).await?;
        Ok(())
    }

    async fn show_task_progress(&self, instance_id: &str, task_id: &str) -> Result<TaskProgress, Error> {
        self.get(&operation::SHOW_TASK_PROGRESS, task(instance_id, task_id), vec![]).await
    }

    async fn show_job(&self, job_id: &str) -> Result<Job, Error> {
        self.get(&operation::SHOW_JOB, vec![("job_id", job_id)], vec![]).await
    }

    async fn list_flavors(&self, query: &FlavorQuery) -> Result<Vec<Flavor>, Error> {
        let answer: Flavors = self.get(&operation::LIST_FLAVORS, vec![], query.parameters()).await?;
        Ok(answer.flavors)
    }

    async fn list_maintenance_windows(&self) -> Result<Vec<MaintenanceWindow>, Error> {
        let answer: MaintenanceWindows =
            self.get(&operation::LIST_MAINTENANCE_WINDOWS, vec![], vec![]).await?;
        Ok(answer.maintain_windows)
    }

    async fn show_quota(&self) -> Result<Vec<QuotaResource>, Error> {
        let answer: Quotas = self.get(&operation::SHOW_QUOTA, vec![], vec![]).await?;
        Ok(answer.quotas.resources)
    }

    async fn find_project(&self) -> Result<String, Error> {
        let Inner { dispatcher, sessions } = &*self.inner;
        let deadline = dispatcher.deadline(&operation::LIST_PROJECTS);
        let session = sessions.open(dispatcher, deadline).await?;
        session.project_id.ok_or_else(|| unreadable(&operation::LIST_PROJECTS, "it names no project"))
    }

    async fn list_availability_zones(&self) -> Result<AvailabilityZones, Error> {
        self.get(&operation::LIST_AVAILABILITY_ZONES, vec![], vec![]).await
    }
}
