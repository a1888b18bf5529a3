//! Maps a request to its operation, using the client's operation table.

use http::Method;
use percent_encoding::percent_decode_str;

use super::{call::Reply, error_response};
use crate::dcs::operation::{self, Operation};

/// An operation with its path parameters.
pub(super) type Route = (&'static Operation, Vec<(&'static str, String)>);

/// Returns the operation of `path`, or the gateway's response for an unknown path or method.
pub(super) fn route(method: &Method, path: &str) -> Result<Route, Reply> {
    let mut other_method = false;
    let mut found: Option<Route> = None;
    for operation in operation::ALL {
        let Some(arguments) = matches(operation.path, path) else { continue };
        // A literal segment takes precedence over a placeholder: `instances/status` is not an instance.
        let closer = found.as_ref().is_none_or(|(_, others)| arguments.len() < others.len());
        if operation.method != *method {
            other_method = true;
        } else if closer {
            found = Some((operation, arguments));
        }
    }
    found.ok_or_else(|| {
        let status = if other_method { 405 } else { 404 };
        let message = "The API does not exist or has not been published in the environment";
        error_response::gateway(status, "APIGW.0101", message)
    })
}

fn matches(pattern: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let mut arguments = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(_) if segment.is_empty() => return None,
            Some(name) => {
                let value = percent_decode_str(segment).decode_utf8().ok()?;
                arguments.push((name, value.into_owned()));
            }
            None if wanted == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(method: Method, path: &str) -> Result<&'static str, u16> {
        route(&method, path).map(|(operation, _)| operation.name).map_err(|reply| reply.status)
    }

    #[test]
    fn every_operation_is_found_by_its_own_path() {
        for operation in operation::ALL {
            let path = operation.path.replace('{', "a").replace('}', "b");
            let (found, arguments) = route(&operation.method, &path).expect(operation.name);
            assert_eq!(found.name, operation.name);
            assert_eq!(arguments.len(), operation.path.matches('{').count());
        }
    }

    #[test]
    fn unknown_paths_and_methods_are_rejected() {
        let cases = [
            (Method::GET, "/v2/p/instances/status", Ok("ListNumberOfInstancesInDifferentStatus")),
            (Method::GET, "/v2/p/instances/i", Ok("ShowInstance")),
            (Method::GET, "/v2/p/instances/", Err(404)),
            (Method::GET, "/v2/p/instances/i/", Err(404)),
            (Method::GET, "/v2/p/other", Err(404)),
            (Method::GET, "/", Err(404)),
            (Method::PATCH, "/v2/p/instances", Err(405)),
            (Method::DELETE, "/v3/auth/tokens", Err(405)),
        ];
        for (method, path, expected) in cases {
            assert_eq!(name(method, path), expected, "{path}");
        }
    }

    #[test]
    fn path_parameters_are_decoded() {
        let (_, arguments) = route(&Method::GET, "/v2/p%2Fq/instances/%E4%B8%80").expect("a route");
        assert_eq!(arguments, [("project_id", "p/q".to_owned()), ("instance_id", "一".to_owned())]);
    }
}
