//! Which method of which path a request means.

use std::collections::BTreeMap;

use ::http::Method;
use matchit::Router;
use percent_encoding::percent_decode_str;

use crate::template::{Route, Template};

/// All paths of the API.
pub(super) struct Routes {
    stage: String,
    resources: Vec<Resource>,
    paths: Router<usize>,
}

/// One path of the API.
#[derive(Debug)]
pub(super) struct Resource {
    /// In the template's form.
    pub(super) path: String,
    /// Names of its parameters, in order.
    parameters: Vec<String>,
    methods: BTreeMap<String, Route>,
}

/// A request's place in the API.
pub(super) struct Found<'a> {
    pub(super) resource: &'a Resource,
    /// Path without the stage, as sent.
    pub(super) path: &'a str,
    /// Path with the stage if it was in the URL, as sent.
    pub(super) full_path: &'a str,
    /// Parameters, decoded.
    pub(super) parameters: Vec<(&'a str, String)>,
}

impl Resource {
    /// What the template says for the method.
    pub(super) fn route(&self, method: &Method) -> Option<&Route> {
        self.methods.get(method.as_str()).or_else(|| self.methods.get("ANY"))
    }
}

impl Routes {
    pub(super) fn new(template: &Template) -> Self {
        let mut resources: BTreeMap<&str, Resource> = BTreeMap::new();
        for route in &template.routes {
            let resource = resources.entry(&route.path).or_insert_with(|| Resource {
                path: route.path.clone(),
                parameters: Vec::new(),
                methods: BTreeMap::new(),
            });
            resource.methods.insert(route.method.to_ascii_uppercase(), route.clone());
        }
        let mut routes = Self { stage: template.stage.clone(), resources: Vec::new(), paths: Router::new() };
        for (path, mut resource) in resources {
            let (pattern, parameters) = pattern(path);
            resource.parameters = parameters;
            match routes.paths.insert(pattern, routes.resources.len()) {
                Ok(()) => routes.resources.push(resource),
                Err(error) => tracing::error!(path, %error, "this path is never served"),
            }
        }
        routes
    }

    /// Finds the path, with or without the stage before it.
    pub(super) fn find<'a>(&'a self, full_path: &'a str) -> Option<Found<'a>> {
        let without_stage = full_path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(self.stage.as_str()))
            .filter(|path| path.starts_with('/') && !self.stage.is_empty());
        without_stage.and_then(|path| self.at(path, full_path)).or_else(|| self.at(full_path, full_path))
    }

    fn at<'a>(&'a self, path: &'a str, full_path: &'a str) -> Option<Found<'a>> {
        let matched = self.paths.at(path).ok()?;
        let resource = self.resources.get(*matched.value)?;
        let values = matched.params.iter().map(|(_, value)| decoded(value));
        let parameters = resource.parameters.iter().map(String::as_str).zip(values).collect();
        Some(Found { resource, path, full_path, parameters })
    }
}

fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}

/// The router's form of a path, and the names of its parameters. The router refuses different names in one place, so it
/// gets numbers; API Gateway's own rule against them is the template's concern.
fn pattern(path: &str) -> (String, Vec<String>) {
    let mut names = Vec::new();
    let segments: Vec<String> = path
        .split('/')
        .map(|segment| {
            let Some(name) = segment.strip_prefix('{').and_then(|segment| segment.strip_suffix('}')) else {
                return segment.to_owned();
            };
            let star = if name.ends_with('+') { "*" } else { "" };
            names.push(name.trim_end_matches('+').to_owned());
            format!("{{{star}p{}}}", names.len())
        })
        .collect();
    (segments.join("/"), names)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::template::Mode;

    fn routes(paths: &[(&str, &str)]) -> Routes {
        let routes = paths.iter().map(|(method, path)| Route {
            function: "f".to_owned(),
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            mode: Mode::Buffered,
            timeout: Duration::from_secs(29),
        });
        Routes::new(&Template { stage: "v1".to_owned(), routes: routes.collect(), ..Template::default() })
    }

    fn resource(routes: &Routes, path: &str) -> Option<String> {
        routes.find(path).map(|found| found.resource.path.clone())
    }

    #[test]
    fn exact_paths_win_over_parameters_and_these_over_the_rest() {
        let routes = routes(&[
            ("GET", "/api/conversation/{conversation_id}"),
            ("GET", "/api/conversation/{id}/stream"),
            ("GET", "/api/conversation/recent"),
            ("GET", "/console/{proxy+}"),
            ("GET", "/"),
        ]);
        assert_eq!(resource(&routes, "/api/conversation/recent").unwrap(), "/api/conversation/recent");
        assert_eq!(resource(&routes, "/api/conversation/x").unwrap(), "/api/conversation/{conversation_id}");
        assert_eq!(resource(&routes, "/api/conversation/x/stream").unwrap(), "/api/conversation/{id}/stream");
        assert_eq!(resource(&routes, "/console/a/b.css").unwrap(), "/console/{proxy+}");
        assert_eq!(resource(&routes, "/").unwrap(), "/");
        assert_eq!(resource(&routes, "/console"), None);
        assert_eq!(resource(&routes, "/api/conversation/x/other"), None);
    }

    #[test]
    fn parameters_are_decoded_and_paths_are_not() {
        let routes = routes(&[("GET", "/api/{a}/x/{rest+}")]);
        let found = routes.find("/api/%2B1%20555/x/y/z%2F").unwrap();
        assert_eq!(found.parameters, [("a", "+1 555".to_owned()), ("rest", "y/z/".to_owned())]);
        assert_eq!(found.path, "/api/%2B1%20555/x/y/z%2F");
    }

    #[test]
    fn the_stage_is_optional() {
        let routes = routes(&[("GET", "/health"), ("GET", "/v1x")]);
        let found = routes.find("/v1/health").unwrap();
        assert_eq!((found.path, found.full_path), ("/health", "/v1/health"));
        assert_eq!(routes.find("/health").unwrap().full_path, "/health");
        assert_eq!(resource(&routes, "/v1x").unwrap(), "/v1x");
        assert_eq!(resource(&routes, "/v2/health"), None);
        assert_eq!(resource(&routes, "/v1"), None);
    }

    #[test]
    fn methods_are_those_of_the_template() {
        let routes = routes(&[("get", "/a"), ("ANY", "/b")]);
        assert!(routes.find("/a").unwrap().resource.route(&Method::GET).is_some());
        assert!(routes.find("/a").unwrap().resource.route(&Method::POST).is_none());
        assert!(routes.find("/b").unwrap().resource.route(&Method::DELETE).is_some());
    }
}
