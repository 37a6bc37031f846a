//! Why a template cannot be run.

use std::path::PathBuf;

/// Why `template.yaml` cannot be run locally.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The file cannot be read.
    #[error("cannot read the template {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not YAML.
    #[error("the template is not valid YAML")]
    Yaml(#[from] yaml_serde::Error),
    /// Something in it is wrong, or unknown to the local cloud.
    #[error("template.yaml, {place}: {problem}")]
    Content {
        /// Keys from the top, with dots: `Resources.CoreTable.Type`.
        place: String,
        /// What is the matter.
        problem: String,
    },
}

impl TemplateError {
    pub(super) fn at(place: &str, problem: impl Into<String>) -> Self {
        let place = if place.is_empty() { "top level" } else { place };
        Self::Content { place: place.to_owned(), problem: problem.into() }
    }
}
