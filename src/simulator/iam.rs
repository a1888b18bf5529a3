//! The part of IAM that DCS clients use: tokens and projects.

use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    call::Reply,
    directory::{Directory, Project, Token},
    error_response,
    hash::stable_id,
};

/// Token request with the password method (API reference 3.2).
#[derive(Deserialize)]
struct TokenRequest {
    auth: Auth,
}

#[derive(Deserialize)]
struct Auth {
    identity: Identity,
    #[serde(default)]
    scope: Scope,
}

#[derive(Deserialize)]
struct Identity {
    methods: Vec<String>,
    password: Password,
}

#[derive(Deserialize)]
struct Password {
    user: User,
}

#[derive(Deserialize)]
struct User {
    name: String,
    password: String,
    domain: Named,
}

#[derive(Deserialize, Default)]
struct Scope {
    project: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: Option<String>,
    name: Option<String>,
}

/// Issues a token for a user name and password. Signatures are ignored: the vendor's client signs this request too.
pub(super) fn create_token(
    directory: &mut Directory,
    seed: u64,
    wall: DateTime<Utc>,
    endpoint: &str,
    body: &Value,
) -> (Reply, HeaderMap) {
    let bare = |reply| (reply, HeaderMap::new());
    let Ok(TokenRequest { auth }) = TokenRequest::deserialize(body) else {
        return bare(error_response::iam(400, "Bad Request", "The request body is invalid."));
    };
    let Identity { methods, password: Password { user } } = auth.identity;
    if !methods.iter().any(|method| method == "password") {
        return bare(error_response::iam(400, "Bad Request", "The authentication method is not supported."));
    }
    let domain = user.domain.name.as_deref() == Some(directory.domain_name())
        || user.domain.id.as_deref() == Some(&domain_id(directory));
    if !domain || !directory.verify_password(&user.name, &user.password) {
        return bare(error_response::iam(401, "Unauthorized", "The username or password is wrong."));
    }
    let project = match auth.scope.project {
        None => None,
        Some(wanted) => match find(directory.projects(), &wanted) {
            Some(project) => Some(project.clone()),
            None => {
                let message = "The project does not exist or does not belong to the account.";
                return bare(error_response::iam(401, "Unauthorized", message));
            }
        },
    };
    let id = project.as_ref().map(|project| project.id.clone());
    let (value, token) = directory.issue_token(seed, wall, &user.name, id);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(HeaderName::from_static("x-subject-token"), value);
    }
    let body = describe_token(directory, &token, project.as_ref(), endpoint);
    (Reply { status: 201, body, effect: "issued a token".to_owned() }, headers)
}

/// Lists projects, optionally filtered by name or id (API reference 7.3).
pub(super) fn list_projects(directory: &Directory, endpoint: &str, query: &[(String, String)]) -> Reply {
    let wanted = |key: &str| query.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let (name, id) = (wanted("name"), wanted("id"));
    let chosen = directory.projects().iter().filter(|project| {
        name.is_none_or(|name| project.name == name) && id.is_none_or(|id| project.id == id)
    });
    let projects: Vec<_> =
        chosen.map(|project| describe_project(&domain_id(directory), project, endpoint)).collect();
    let links = json!({ "next": null, "previous": null, "self": format!("{endpoint}/v3/projects") });
    Reply { status: 200, body: json!({ "projects": projects, "links": links }), effect: String::new() }
}

fn find<'a>(projects: &'a [Project], wanted: &Named) -> Option<&'a Project> {
    let fits = |project: &&Project| match wanted {
        Named { id: Some(id), .. } => project.id == *id,
        Named { id: None, name: Some(name) } => project.name == *name,
        Named { id: None, name: None } => false,
    };
    projects.iter().find(fits)
}

fn describe_project(domain_id: &str, project: &Project, endpoint: &str) -> Value {
    let Project { id, name } = project;
    json!({
        "id": id,
        "name": name,
        "domain_id": domain_id,
        "parent_id": domain_id,
        "is_domain": false,
        "enabled": true,
        "description": "",
        "links": { "next": null, "previous": null, "self": format!("{endpoint}/v3/projects/{id}") },
    })
}

fn describe_token(directory: &Directory, token: &Token, project: Option<&Project>, endpoint: &str) -> Value {
    let domain = json!({ "id": domain_id(directory), "name": directory.domain_name() });
    let mut described = json!({
        "methods": ["password"],
        "issued_at": time(token.issued_at),
        "expires_at": time(token.expires_at),
        "user": {
            "id": stable_id(&token.user),
            "name": token.user,
            "domain": domain,
            "password_expires_at": "",
        },
        "roles": [{ "id": "0", "name": "te_admin" }, { "id": "0", "name": "dcs_adm" }],
        "catalog": catalog(project, endpoint),
    });
    // A token is scoped to a project or, without one, to the domain.
    let (scope, value) = match project {
        Some(Project { id, name }) => ("project", json!({ "id": id, "name": name, "domain": domain })),
        None => ("domain", domain),
    };
    if let Some(fields) = described.as_object_mut() {
        fields.insert(scope.to_owned(), value);
    }
    json!({ "token": described })
}

/// Service catalogue of a token, with DCS only.
fn catalog(project: Option<&Project>, endpoint: &str) -> Value {
    let Some(Project { id, name }) = project else { return json!([]) };
    json!([{
        "id": stable_id("dcs"),
        "name": "dcs",
        "type": "dcs",
        "endpoints": [{
            "id": stable_id("dcs endpoint"),
            "interface": "public",
            "region": name,
            "region_id": name,
            "url": format!("{endpoint}/v2/{id}"),
        }],
    }])
}

/// IAM formats times with microseconds.
fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn domain_id(directory: &Directory) -> String {
    stable_id(directory.domain_name())
}
