//! Who we are, for as long as it holds: the token, fetched once and kept; the project's id, looked up once.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use super::{
    account::{Account, Credentials},
    answer,
    dispatch::{AccessKey, Dispatcher, Proof, Request, Session},
    error::{Error, Failure},
    model::time,
    operation,
    retry::Retry,
    transport::Answer,
};
use crate::clock::Clock;

/// A token is replaced this long before it expires.
const MARGIN: Duration = Duration::from_secs(300);
/// How long a token is kept whose answer does not say how long it lives (24 h as a rule).
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(1800);

/// Keeps what proves who we are.
#[derive(Debug)]
pub(crate) struct Sessions {
    account: Account,
    clock: Arc<dyn Clock>,
    project: OnceCell<String>,
    token: Mutex<Option<Token>>,
}

#[derive(Debug, Clone)]
struct Token {
    value: SecretString,
    /// The project it is for.
    project_id: Option<String>,
    /// On the monotonic clock.
    renew_at: Duration,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: TokenDetails,
}

#[derive(Deserialize)]
struct TokenDetails {
    #[serde(default)]
    issued_at: Option<String>,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Projects {
    projects: Vec<Project>,
}

#[derive(Deserialize)]
struct Project {
    id: String,
    #[serde(default)]
    name: Option<String>,
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(account: Account, clock: Arc<dyn Clock>) -> Self {
        Self { account, clock, project: OnceCell::new(), token: Mutex::new(None) }
    }

    /// The values no text may hold.
    pub(crate) fn secrets(&self) -> Vec<&SecretString> {
        self.account.credentials.secrets()
    }

    /// What a call to the cache service needs, fetched where it is not known yet.
    pub(crate) async fn open(&self, dispatcher: &Dispatcher) -> Result<Session, Error> {
        let (proof, project_of_token) = self.proof(dispatcher).await?;
        let known = self.account.project_id.clone().or(project_of_token);
        let project_id = match known {
            Some(id) => id,
            None => self.project.get_or_try_init(|| self.find_project(dispatcher, &proof)).await?.clone(),
        };
        Ok(Session { base: self.account.endpoint.clone(), project_id: Some(project_id), proof })
    }

    /// Forgets the token of `session`, which was refused; `false` if it has none. Whoever came first has
    /// replaced it already.
    pub(crate) async fn forget(&self, session: &Session) -> bool {
        let Proof::Token(refused) = &session.proof else { return false };
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|token| token.value.expose_secret() == refused.expose_secret()) {
            *kept = None;
        }
        true
    }

    async fn proof(&self, dispatcher: &Dispatcher) -> Result<(Proof, Option<String>), Error> {
        match &self.account.credentials {
            Credentials::AccessKey { id, secret, security_token } => {
                let proof = Proof::Signature {
                    access_key: AccessKey(id.clone()),
                    secret: secret.clone(),
                    security_token: security_token.clone(),
                };
                Ok((proof, None))
            }
            Credentials::Password { domain_name, user_name, password } => {
                // Held while fetching: callers that come together share one token.
                let mut kept = self.token.lock().await;
                let current = kept.take().filter(|token| self.clock.monotonic() < token.renew_at);
                let token = match current {
                    Some(token) => token,
                    None => self.fetch_token(dispatcher, domain_name, user_name, password).await?,
                };
                *kept = Some(token.clone());
                Ok((Proof::Token(token.value), token.project_id))
            }
        }
    }

    /// Asks IAM for a token of the project, known by id or by the region's name (API reference 3.2).
    async fn fetch_token(
        &self,
        dispatcher: &Dispatcher,
        domain_name: &str,
        user_name: &str,
        password: &SecretString,
    ) -> Result<Token, Error> {
        let project = match &self.account.project_id {
            Some(id) => json!({ "id": id }),
            None => json!({ "name": self.account.region }),
        };
        let user = json!({
            "name": user_name,
            "password": password.expose_secret(),
            "domain": { "name": domain_name },
        });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": project },
        }});
        let request = Request {
            operation: &operation::CREATE_TOKEN,
            arguments: vec![],
            query: vec![],
            body: body.to_string().into_bytes(),
            secrets: vec![password],
            retry: Retry::Allowed,
        };
        dispatcher.call(&request, &self.iam(Proof::None), |answer, at| self.read_token(answer, at)).await
    }

    fn read_token(&self, answer: &Answer, asked_at: DateTime<Utc>) -> Result<Token, Failure> {
        let TokenAnswer { token } = answer::interpret(answer, asked_at, self.secrets())?;
        let value =
            answer::header(&answer.headers, "x-subject-token").ok_or_else(|| Failure::Unreadable {
                status: answer.status,
                reason: "it has no X-Subject-Token header".to_owned(),
            })?;
        // Both ends of its life by IAM's clock: ours may differ.
        let time = |text: Option<String>| time::parse(&text?);
        let issued = time(token.issued_at).or_else(|| answer::date(&answer.headers));
        let lifetime =
            time(token.expires_at).zip(issued).and_then(|(expires, issued)| (expires - issued).to_std().ok());
        let keep = lifetime.map_or(UNKNOWN_LIFETIME, |lifetime| lifetime.saturating_sub(MARGIN));
        Ok(Token {
            value: SecretString::from(value),
            project_id: token.project.map(|project| project.id),
            renew_at: self.clock.monotonic() + keep,
        })
    }

    /// The id of the project that bears the region's name.
    async fn find_project(&self, dispatcher: &Dispatcher, proof: &Proof) -> Result<String, Error> {
        let region = &self.account.region;
        let request = Request {
            operation: &operation::LIST_PROJECTS,
            arguments: vec![],
            query: vec![("name", region.clone())],
            body: vec![],
            secrets: vec![],
            retry: Retry::Allowed,
        };
        let read = |answer: &Answer, at| answer::interpret::<Projects>(answer, at, self.secrets());
        let Projects { projects } = dispatcher.call(&request, &self.iam(proof.clone()), read).await?;
        // A site that ignores the filter answers with every project.
        let mut named = projects.into_iter().filter(|p| p.name.as_ref().is_none_or(|name| name == region));
        let refuse = |reason| Error::new(request.operation, Failure::NotAttempted(reason), 1);
        match (named.next(), named.count()) {
            (Some(project), 0) => Ok(project.id),
            (Some(_), more) => Err(refuse(format!(
                "{} projects are named {region:?}: say which by its id",
                more.saturating_add(1)
            ))),
            (None, _) => Err(refuse(format!(
                "these credentials see no project named {region:?}: check the region, or give the project's id"
            ))),
        }
    }

    fn iam(&self, proof: Proof) -> Session {
        Session { base: self.account.iam_endpoint.clone(), project_id: None, proof }
    }
}
