//! The control API under `/_simulator`: inspects and changes the simulated cloud. It has no authentication.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use secrecy::SecretString;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    directory::AccessKey,
    journal::Filter,
    message::{Delivery, DeliveryKind, Request, Response, insert_common_headers},
    service::Service,
    state::Simulator,
};
use crate::dcs::model::{BackupStatus, BackupType, InstanceStatus};

const PREFIX: &str = "/_simulator";

/// Routes and their help texts.
const HELP: [(&str, &str); 25] = [
    ("GET /_simulator", "list all routes"),
    ("GET /_simulator/health", "status, project, region and number of instances"),
    ("GET /_simulator/journal", "list calls, oldest first; ?operation=NAME, ?since=SEQUENCE, ?limit=N"),
    ("GET /_simulator/journal/counts", "count the journal entries per operation"),
    ("DELETE /_simulator/journal", "clear the journal"),
    ("GET /_simulator/faults", "list the fault rules with their counters"),
    (
        "POST /_simulator/faults",
        "add a rule or a list of rules: {operation, after, count, probability, fault}",
    ),
    ("DELETE /_simulator/faults", "remove all fault rules"),
    ("DELETE /_simulator/faults/ID", "remove a fault rule"),
    ("GET /_simulator/clock", "show the simulated time, the speed and the next automatic transition"),
    ("POST /_simulator/clock/step", "advance the clock: {seconds}"),
    ("POST /_simulator/clock/speed", "set the speed; 0 stops the clock: {speed}"),
    ("GET /_simulator/instances", "list all instances: id, name, status"),
    ("POST /_simulator/instances/ID/status", "override the status of an instance: {status, seconds?}"),
    ("PATCH /_simulator/instances/ID", "change fields of an instance without an API call: {field: value}"),
    ("DELETE /_simulator/instances/ID", "remove an instance immediately"),
    (
        "POST /_simulator/instances/ID/backups",
        "back up an instance as the console or the backup policy does: {type: manual|auto, remark?}",
    ),
    (
        "POST /_simulator/instances/ID/backups/BACKUP",
        "end a running backup or remove one that has ended: {status: succeed|failed|expired|deleted}",
    ),
    ("POST /_simulator/fail-next-backups", "make the next backups fail: {count}"),
    ("POST /_simulator/fail-next-restores", "make the next restores fail and keep the data: {count}"),
    ("POST /_simulator/fail-next-creations", "make the next creations end as CREATEFAILED: {count}"),
    ("POST /_simulator/zones/CODE", "set whether a zone is sold out: {soldOut}"),
    (
        "POST /_simulator/keys",
        "add or replace an access key: {accessKey, secretKey, securityToken?, expiresInSeconds?}",
    ),
    ("DELETE /_simulator/keys/ACCESS-KEY", "revoke an access key"),
    ("DELETE /_simulator/tokens", "revoke every IAM token"),
];

/// A JSON body, or an HTTP status and an error message.
type ControlResult = Result<Value, (u16, String)>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    seconds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Speed {
    speed: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceStatus {
    status: InstanceStatus,
    #[serde(default)]
    seconds: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Failures {
    count: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MakeBackup {
    r#type: BackupType,
    #[serde(default)]
    remark: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForceBackup {
    status: BackupStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Zone {
    sold_out: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewKey {
    access_key: String,
    secret_key: String,
    #[serde(default)]
    security_token: Option<String>,
    #[serde(default)]
    expires_in_seconds: Option<u32>,
}

/// Returns the path below `/_simulator`, or `None` for any other path.
pub(super) fn strip_prefix(path: &str) -> Option<&str> {
    path.strip_prefix(PREFIX).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Handles a request to `/_simulator`.
pub(super) fn handle(
    simulator: &mut Simulator,
    wall: DateTime<Utc>,
    monotonic: Duration,
    path: &str,
    request: &Request,
) -> Delivery {
    let segments: Vec<_> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let mut api = ControlApi { simulator, wall, monotonic, request };
    let (status, body) = match api.answer(&segments) {
        Ok(body) => (200, body),
        Err((status, message)) => (status, json!({ "error": message })),
    };
    let mut headers = HeaderMap::new();
    insert_common_headers(&mut headers, wall, "simulator");
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = Response { status, headers, body: format!("{body}\n").into_bytes() };
    Delivery { delay: Duration::ZERO, kind: DeliveryKind::Full(response) }
}

/// One control request with the state that it operates on.
struct ControlApi<'a> {
    simulator: &'a mut Simulator,
    wall: DateTime<Utc>,
    monotonic: Duration,
    request: &'a Request,
}

// === impl ControlApi ===

impl ControlApi<'_> {
    fn answer(&mut self, segments: &[&str]) -> ControlResult {
        let method = &self.request.method;
        match segments {
            [] if method == Method::GET => {
                let help: Map<_, _> =
                    HELP.iter().map(|(route, text)| ((*route).to_owned(), Value::from(*text))).collect();
                Ok(Value::Object(help))
            }
            ["health"] if method == Method::GET => Ok(self.health()),
            ["journal", rest @ ..] => self.journal(rest),
            ["faults", rest @ ..] => self.faults(rest),
            ["clock", rest @ ..] => self.clock(rest),
            ["instances", rest @ ..] => self.instances(rest),
            ["fail-next-creations"] if method == Method::POST => self.fail_next(Service::fail_next_creations),
            ["fail-next-backups"] if method == Method::POST => self.fail_next(Service::fail_next_backups),
            ["fail-next-restores"] if method == Method::POST => self.fail_next(Service::fail_next_restores),
            ["zones", code] if method == Method::POST => {
                let Zone { sold_out } = self.body()?;
                self.simulator.mutate(self.monotonic, |service, _| service.sell_out(code, sold_out));
                Ok(json!({ "zone": code, "soldOut": sold_out }))
            }
            ["keys", rest @ ..] => self.keys(rest),
            ["tokens"] if method == Method::DELETE => {
                Ok(json!({ "revoked": self.simulator.directory.revoke_tokens() }))
            }
            _ => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> (u16, String) {
        let Request { method, path, .. } = self.request;
        (404, format!("no route {method} {path}: GET {PREFIX} lists all routes"))
    }

    /// Deserializes the request body.
    fn body<T: DeserializeOwned>(&self) -> Result<T, (u16, String)> {
        let mut deserializer = serde_json::Deserializer::from_slice(&self.request.body);
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
            let place = error.path().to_string();
            let place = if place == "." { "the body".to_owned() } else { place };
            (400, format!("{place}: {}", error.inner()))
        })
    }

    fn health(&self) -> Value {
        json!({
            "status": "serving",
            "projectId": self.simulator.project_id,
            "region": self.simulator.region,
            "instances": self.simulator.service.instances().count(),
            "cloudTime": self.simulator.clock.now(self.monotonic),
        })
    }

    fn journal(&mut self, rest: &[&str]) -> ControlResult {
        let journal = &mut self.simulator.journal;
        match rest {
            [] if self.request.method == Method::GET => {
                let filter = filter(&self.request.parameters())?;
                let entries: Vec<_> = journal.entries(&filter).collect();
                let (last, dropped) = (journal.last(), journal.dropped());
                Ok(json!({ "entries": entries, "last": last, "dropped": dropped }))
            }
            [] if self.request.method == Method::DELETE => {
                journal.clear();
                Ok(json!({ "last": journal.last() }))
            }
            ["counts"] if self.request.method == Method::GET => Ok(json!(journal.counts())),
            _ => Err(self.unknown()),
        }
    }

    fn faults(&mut self, rest: &[&str]) -> ControlResult {
        match rest {
            [] if self.request.method == Method::GET => Ok(json!({ "rules": self.simulator.faults.rules() })),
            [] if self.request.method == Method::POST => {
                let script = self.body::<Value>()?;
                let ids = self.simulator.add_faults(self.monotonic, &script).map_err(|error| (400, error))?;
                Ok(json!({ "ids": ids }))
            }
            [] if self.request.method == Method::DELETE => {
                self.simulator.clear_faults();
                Ok(json!({ "rules": [] }))
            }
            [id] if self.request.method == Method::DELETE => {
                let removed = id.parse().is_ok_and(|id| self.simulator.faults.remove(id));
                found(removed, || format!("no fault rule {id}"))
            }
            _ => Err(self.unknown()),
        }
    }

    fn clock(&mut self, rest: &[&str]) -> ControlResult {
        match rest {
            [] if self.request.method == Method::GET => {}
            ["step"] if self.request.method == Method::POST => {
                let Step { seconds } = self.body()?;
                let duration = duration(seconds)?;
                self.simulator.step(self.monotonic, duration);
            }
            ["speed"] if self.request.method == Method::POST => {
                let Speed { speed } = self.body()?;
                let set = self.simulator.set_speed(self.monotonic, speed);
                set.map_err(|error| (400, error.to_string()))?;
            }
            _ => return Err(self.unknown()),
        }
        Ok(json!({
            "cloudTime": self.simulator.clock.now(self.monotonic),
            "wallTime": self.wall,
            "speed": self.simulator.clock.speed(),
            "nextTransition": self.simulator.service.next_transition(),
        }))
    }

    fn instances(&mut self, rest: &[&str]) -> ControlResult {
        let monotonic = self.monotonic;
        match rest {
            [] if self.request.method == Method::GET => {
                self.simulator.advance(monotonic);
                let instances: Vec<_> = self
                    .simulator
                    .service
                    .instances()
                    .map(|instance| {
                        json!({ "id": instance.id, "name": instance.name, "status": instance.status() })
                    })
                    .collect();
                Ok(json!({ "instances": instances }))
            }
            [id, "status"] if self.request.method == Method::POST => {
                let ForceStatus { status, seconds } = self.body()?;
                let lasting = seconds.map(duration).transpose()?;
                let forced = self
                    .simulator
                    .mutate(monotonic, |service, now| service.force_status(now, id, status, lasting));
                found(forced, || format!("no instance {id}"))
            }
            [id, "backups", rest @ ..] => self.backups(id, rest),
            [id] if self.request.method == Method::PATCH => {
                let fields = self.body::<Map<String, Value>>()?;
                let altered = self.simulator.mutate(monotonic, |service, _| service.alter(id, &fields));
                altered.map(|()| json!({})).map_err(|error| (400, error))
            }
            [id] if self.request.method == Method::DELETE => {
                let removed = self.simulator.mutate(monotonic, |service, _| service.remove(id));
                found(removed, || format!("no instance {id}"))
            }
            _ => Err(self.unknown()),
        }
    }

    fn fail_next(&mut self, fail: fn(&mut Service, u32)) -> ControlResult {
        let Failures { count } = self.body()?;
        self.simulator.mutate(self.monotonic, |service, _| fail(service, count));
        Ok(json!({ "count": count }))
    }

    fn backups(&mut self, id: &str, rest: &[&str]) -> ControlResult {
        let monotonic = self.monotonic;
        match rest {
            [] if self.request.method == Method::POST => {
                let MakeBackup { r#type, remark } = self.body()?;
                let made =
                    self.simulator.mutate(monotonic, |service, _| service.make_backup(id, r#type, remark));
                made.map(|backup| json!({ "id": backup })).map_err(|error| (400, error))
            }
            [backup] if self.request.method == Method::POST => {
                let ForceBackup { status } = self.body()?;
                let forced =
                    self.simulator.mutate(monotonic, |service, _| service.force_backup(id, backup, &status));
                forced.map(|()| json!({})).map_err(|error| (400, error))
            }
            _ => Err(self.unknown()),
        }
    }

    fn keys(&mut self, rest: &[&str]) -> ControlResult {
        match rest {
            [] if self.request.method == Method::POST => {
                let NewKey { access_key, secret_key, security_token, expires_in_seconds } = self.body()?;
                let lifetime = expires_in_seconds.map(|seconds| TimeDelta::seconds(seconds.into()));
                let expires_at = lifetime.and_then(|lifetime| self.wall.checked_add_signed(lifetime));
                let key = AccessKey {
                    secret: SecretString::from(secret_key),
                    security_token: security_token.map(SecretString::from),
                    expires_at,
                };
                self.simulator.directory.put_key(&access_key, key);
                Ok(json!({}))
            }
            [id] if self.request.method == Method::DELETE => {
                let removed = self.simulator.directory.remove_key(id);
                found(removed, || "no such access key".to_owned())
            }
            _ => Err(self.unknown()),
        }
    }
}

/// An empty object if the target exists, and 404 otherwise.
fn found(exists: bool, message: impl FnOnce() -> String) -> ControlResult {
    if exists { Ok(json!({})) } else { Err((404, message())) }
}

fn duration(seconds: f64) -> Result<Duration, (u16, String)> {
    Duration::try_from_secs_f64(seconds).map_err(|error| (400, format!("seconds: {error}")))
}

fn filter(query: &[(String, String)]) -> Result<Filter, (u16, String)> {
    let mut filter = Filter::default();
    for (name, value) in query {
        let number = || value.parse().map_err(|_| (400, format!("{name}: {value:?} is not a number")));
        match name.as_str() {
            "operation" => filter.operation = Some(value.clone()),
            "since" => filter.since = number()?,
            "limit" => filter.limit = Some(usize::try_from(number()?).unwrap_or(usize::MAX)),
            _ => return Err((400, format!("{name}: expected operation, since or limit"))),
        }
    }
    Ok(filter)
}
