//! Who we are, for as long as it holds: the token, fetched once and kept; the project's id, looked up once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};

use super::{
    account::{AccountConfig, Credentials},
    dispatch::{AccessKey, Authentication, Dispatcher, Request, Session},
    error::{Class, Error, Failure},
    model::time,
    operation, response,
    retry::Retry,
    transport::HttpResponse,
};
use crate::clock::Clock;

/// A token is replaced this long before it expires.
const MARGIN: Duration = Duration::from_secs(300);
/// How long a token is kept whose answer does not say how long it lives (24 h as a rule).
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(1800);

/// No call waits longer than this for a token or the project's id: what it came for has its own time.
const LONGEST_OPENING: Duration = Duration::from_secs(20);
/// A name and password that were refused are not tried again for this long: repeated failures lock the user.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// Keeps what proves who we are.
#[derive(Debug)]
pub(crate) struct Sessions {
    account: AccountConfig,
    clock: Arc<dyn Clock>,
    project: OnceCell<String>,
    login: Mutex<Login>,
    /// How many logins have ended; whoever waited while one did shares its outcome.
    logins: AtomicU64,
}

/// What the latest login came to.
#[derive(Debug)]
enum Login {
    /// There was none, or its token was refused since.
    None,
    Token(Token),
    Failed {
        error: Error,
        /// On the monotonic clock.
        at: Duration,
    },
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
    pub(crate) fn new(account: AccountConfig, clock: Arc<dyn Clock>) -> Self {
        let (project, login, logins) = (OnceCell::new(), Mutex::new(Login::None), AtomicU64::new(0));
        Self { account, clock, project, login, logins }
    }

    /// The values no text may hold.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        self.account.credentials.secrets()
    }

    /// What a call to the cache service needs, fetched by `deadline` where it is not known yet.
    pub(crate) async fn open(&self, dispatcher: &Dispatcher, deadline: Duration) -> Result<Session, Error> {
        let deadline = deadline.min(self.clock.monotonic().saturating_add(LONGEST_OPENING));
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

    /// Forgets the token of `authentication`, which was refused; `false` if it is none. Whoever came first has replaced it
    /// already.
    pub(crate) async fn forget(&self, authentication: &Authentication) -> bool {
        let Authentication::Token(refused) = authentication else { return false };
        let mut login = self.login.lock().await;
        if let Login::Token(token) = &*login
            && token.value.expose_secret() == refused.expose_secret()
        {
            *login = Login::None;
        }
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

    /// The token kept from the latest login, or one of a new login.
    async fn token(
        &self,
        dispatcher: &Dispatcher,
        names: [&str; 2],
        password: &SecretString,
        deadline: Duration,
    ) -> Result<Token, Error> {
        let seen = self.logins.load(Ordering::Relaxed);
        // Held while logging in: callers that come together share one login, however it ends.
        let mut login = self.login.lock().await;
        let shared = self.logins.load(Ordering::Relaxed) != seen;
        let now = self.clock.monotonic();
        match &*login {
            Login::Token(token) if now < token.renew_at => return Ok(token.clone()),
            Login::Failed { error, at }
                if shared || error.class() == Class::Credentials && now < at.saturating_add(REFUSED_FOR) =>
            {
                return Err(error.clone());
            }
            Login::None | Login::Token(_) | Login::Failed { .. } => {}
        }
        let outcome = self.fetch_token(dispatcher, names, password, deadline).await;
        self.logins.fetch_add(1, Ordering::Relaxed);
        *login = match &outcome {
            Ok(token) => Login::Token(token.clone()),
            Err(error) => Login::Failed { error: error.clone(), at: self.clock.monotonic() },
        };
        outcome
    }

    /// Asks IAM for a token of the project, known by id or by the region's name (API reference 3.2).
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
        // Both ends of its life by IAM's clock: ours may differ.
        let time = |text: Option<String>| time::parse(&text?);
        let issued = time(token.issued_at).or_else(|| response::date(&answer.headers));
        let lifetime =
            time(token.expires_at).zip(issued).and_then(|(expires, issued)| (expires - issued).to_std().ok());
        let keep = lifetime.map_or(UNKNOWN_LIFETIME, |lifetime| lifetime.saturating_sub(MARGIN));
        Ok(Token {
            value: SecretString::from(value),
            project_id: token.project.map(|project| project.id),
            renew_at: self.clock.monotonic().saturating_add(keep),
        })
    }

    /// The id of the project that bears the region's name.
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
                "{} projects are named {region:?}: say which by its id",
                more.saturating_add(1)
            ))),
            (None, _) => Err(refuse(format!(
                "these credentials see no project named {region:?}: check the region, or give the project's id"
            ))),
        }
    }

    fn iam(&self, authentication: Authentication) -> Session {
        Session { base: self.account.iam_endpoint.clone(), project_id: None, authentication }
    }
}
