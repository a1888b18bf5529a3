//! What a call needs besides its request: the token, fetched once and kept until it expires, and the id of the
//! project, looked up once.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::OnceCell;

use super::{
    account::{AccountConfig, Credentials},
    dispatch::{AccessKey, Authentication, Dispatcher, Request, Session},
    error::{Class, Error, Failure},
    model::{self, time},
    operation, response,
    retry::Retry,
    transport::HttpResponse,
};
use crate::{clock::Clock, single_flight::SingleFlight};

/// How long before its expiry a token is replaced.
const RENEWAL_MARGIN: Duration = Duration::from_secs(300);
/// Lifetime of a token whose answer states none; usual are 24 h.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(1800);

/// The longest wait for a token or the project's id; the call itself needs the rest of its time.
const MAX_OPENING: Duration = Duration::from_secs(20);
/// How long a refused name and password are not tried again: repeated failures lock the user.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// The sessions of one account.
#[derive(Debug)]
pub(crate) struct Sessions {
    account: AccountConfig,
    clock: Arc<dyn Clock>,
    project: OnceCell<String>,
    /// Callers that come together share one login, however it ends.
    token: SingleFlight<Token, Error>,
}

#[derive(Debug, Clone)]
struct Token {
    value: SecretString,
    /// The project it is for.
    project_id: Option<String>,
    /// How long to use it.
    ttl: Duration,
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
    #[serde(deserialize_with = "model::id")]
    id: String,
    #[serde(default)]
    name: Option<String>,
}

// === impl Sessions ===

impl Sessions {
    pub(crate) fn new(account: AccountConfig, clock: Arc<dyn Clock>) -> Self {
        // The HTTP client has read the bundle; a private authority's can be large.
        let account = AccountConfig { ca_bundle: None, ..account };
        Self { account, clock, project: OnceCell::new(), token: SingleFlight::default() }
    }

    /// The values that no text may contain.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.account.credentials.secrets()
    }

    /// The session for a call to DCS. Token and project are fetched by `deadline` if they are not known yet.
    pub(crate) async fn open(&self, dispatcher: &Dispatcher, deadline: Duration) -> Result<Session, Error> {
        let deadline = deadline.min(self.clock.monotonic().saturating_add(MAX_OPENING));
        let (authentication, project_of_token) = self.authentication(dispatcher, deadline).await?;
        let known = self.account.project_id.clone().or(project_of_token);
        let project_id = match known {
            Some(id) => id,
            None => {
                let found =
                    self.project.get_or_try_init(|| self.find_project(dispatcher, &authentication, deadline));
                match found.await {
                    Ok(id) => id.clone(),
                    Err(error) => {
                        if error.class() == Class::Credentials {
                            self.forget(&authentication).await;
                        }
                        return Err(error);
                    }
                }
            }
        };
        Ok(Session { base: self.account.endpoint.clone(), project_id: Some(project_id), authentication })
    }

    /// Drops the token of `authentication`, which was refused; `false` if that is no token. Another caller may have
    /// replaced the token already.
    pub(crate) async fn forget(&self, authentication: &Authentication) -> bool {
        let Authentication::Token(refused) = authentication else { return false };
        self.token.invalidate(|token| token.value.expose_secret() == refused.expose_secret()).await;
        true
    }

    async fn authentication(
        &self,
        dispatcher: &Dispatcher,
        deadline: Duration,
    ) -> Result<(Authentication, Option<String>), Error> {
        match &self.account.credentials {
            Credentials::AccessKey { id, secret, security_token } => {
                let authentication = Authentication::Signature {
                    access_key: AccessKey(id.clone()),
                    secret: secret.clone(),
                    security_token: security_token.clone(),
                };
                Ok((authentication, None))
            }
            Credentials::Password { domain_name, user_name, password } => {
                let names = [domain_name.as_str(), user_name];
                let token = self.token(dispatcher, names, password, deadline).await?;
                Ok((Authentication::Token(token.value), token.project_id))
            }
        }
    }

    /// The token of the latest login, or of a new one.
    async fn token(
        &self,
        dispatcher: &Dispatcher,
        names: [&str; 2],
        password: &SecretString,
        deadline: Duration,
    ) -> Result<Token, Error> {
        let ttl = |login: &Result<Token, Error>, _| match login {
            Ok(token) => Some(token.ttl),
            Err(error) if error.class() == Class::Credentials => Some(REFUSED_PAUSE),
            Err(_) => Some(Duration::ZERO),
        };
        let login = || self.fetch_token(dispatcher, names, password, deadline);
        self.token.get(&*self.clock, ttl, login).await
    }

    /// Requests a token of IAM for the project, by its id or by the region's name (API reference 3.2).
    async fn fetch_token(
        &self,
        dispatcher: &Dispatcher,
        [domain_name, user_name]: [&str; 2],
        password: &SecretString,
        deadline: Duration,
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
            retry: Retry::Allowed,
        };
        let read = |answer: &HttpResponse, at| self.read_token(answer, at);
        dispatcher.call(&request, &self.iam(Authentication::None), deadline, read).await
    }

    fn read_token(&self, answer: &HttpResponse, asked_at: DateTime<Utc>) -> Result<Token, Failure> {
        let TokenAnswer { token } = response::interpret(answer, asked_at, self.secrets().into_iter())?;
        let value =
            response::header(&answer.headers, "x-subject-token").ok_or_else(|| Failure::Unreadable {
                status: answer.status,
                reason: "it has no X-Subject-Token header".to_owned(),
            })?;
        // Both times are by IAM's clock; the local clock may differ.
        let time = |text: Option<String>| time::parse(&text?);
        let issued = time(token.issued_at).or_else(|| response::date(&answer.headers));
        let lifetime =
            time(token.expires_at).zip(issued).and_then(|(expires, issued)| (expires - issued).to_std().ok());
        Ok(Token {
            value: SecretString::from(value),
            project_id: token.project.map(|project| project.id),
            ttl: lifetime.map_or(UNKNOWN_LIFETIME, |lifetime| lifetime.saturating_sub(RENEWAL_MARGIN)),
        })
    }

    /// The id of the project that is named as the region.
    async fn find_project(
        &self,
        dispatcher: &Dispatcher,
        authentication: &Authentication,
        deadline: Duration,
    ) -> Result<String, Error> {
        let region = &self.account.region;
        let request = Request {
            operation: &operation::LIST_PROJECTS,
            arguments: vec![],
            query: vec![("name", region.clone())],
            body: vec![],
            retry: Retry::Allowed,
        };
        let secrets = self.secrets().into_iter().chain(authentication.secrets());
        let read = |answer: &HttpResponse, at| response::interpret::<Projects>(answer, at, secrets.clone());
        let Projects { projects } =
            dispatcher.call(&request, &self.iam(authentication.clone()), deadline, read).await?;
        // A site that ignores the filter answers with every project.
        let mut named = projects.into_iter().filter(|p| p.name.as_ref().is_none_or(|name| name == region));
        let refuse = |reason| Error::new(request.operation, Failure::NotAttempted(reason), 1);
        match (named.next(), named.count()) {
            (Some(project), 0) => Ok(project.id),
            (Some(_), more) => Err(refuse(format!(
                "{} projects are named {region:?}: set the project's id",
                more.saturating_add(1)
            ))),
            (None, _) => Err(refuse(format!(
                "these credentials see no project named {region:?}: correct the region, or set the project's id"
            ))),
        }
    }

    fn iam(&self, authentication: Authentication) -> Session {
        Session { base: self.account.iam_endpoint.clone(), project_id: None, authentication }
    }
}
