// SPDX-License-Identifier: Apache-2.0
//! `setup` and the exports that concern Elasticsearch and Kibana: index template, lifecycle policy, index pattern.
//!
//! Limits: the template names no lifecycle policy and `setup` loads none, because OpenSearch and serverless projects have
//! none; `setup.template.settings.index.lifecycle.name` names one. Ingest pipelines and dashboards are not there.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use serde_json::{Value as Json, json};

use super::io_core;
use super::settings::sensor_name;
use crate::cli::{COMPATIBLE_PACKETBEAT, Publishing, TemplateOptions};
use crate::config::Configuration;
use crate::outputs::config::{self, Known};

/// `export template`.
pub fn template(configuration: &Configuration, options: &TemplateOptions) -> Result<String, String> {
    if let Some(version) = &options.elasticsearch_version {
        check_version(version)?;
    }
    let root = configuration.root();
    let name = sensor_name(&root).map_err(|error| error.to_string())?;
    let known = Known { version: COMPATIBLE_PACKETBEAT, name: &name };
    let template = config::template(&root, &known).map_err(|error| error.to_string())?;
    give(&template.body(), options.directory.as_deref(), "template", &template.name)
}

/// `export ilm-policy`: that of `setup.ilm.policy_file`, else Packetbeat's built-in one.
pub fn lifecycle_policy(configuration: &Configuration, directory: Option<&Path>) -> Result<String, String> {
    let root = configuration.root();
    let text = |key: &str| root.string(key).map_err(|error| error.to_string());
    let policy = match text("setup.ilm.policy_file")?.filter(|file| !file.is_empty()) {
        None => {
            let rollover = json!({ "max_age": "30d", "max_primary_shard_size": "50gb" });
            json!({ "policy": { "phases": { "hot": { "actions": { "rollover": rollover } } } } })
        }
        Some(file) => {
            let refuse = |problem: String| root.refuse_key("setup.ilm.policy_file", problem).to_string();
            let path = configuration.paths().config.join(&file);
            let bytes = std::fs::read(&path).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
            serde_json::from_slice(&bytes).map_err(|error| refuse(format!("{} is no JSON: {error}", path.display())))?
        }
    };
    let name = text("setup.ilm.policy_name")?.unwrap_or_else(|| "packetbeat".to_string());
    give(&policy, directory, "policy", &name)
}

/// `export index-pattern`: a saved object that Kibana imports; it looks up the fields itself.
pub fn index_pattern(configuration: &Configuration) -> Result<String, String> {
    let index = configuration.root().string("setup.dashboards.index").map_err(|error| error.to_string())?;
    let index = index.filter(|index| !index.is_empty()).unwrap_or_else(|| "packetbeat-*".to_string());
    let pattern = json!({
        "type": "index-pattern",
        "id": index,
        "attributes": { "title": index, "timeFieldName": "@timestamp" },
        "references": [],
    });
    Ok(format!("{pattern}\n"))
}

/// `setup`: loads the index template with the connection of the output.
pub fn load_template(configuration: &Configuration) -> Result<String, String> {
    let output = io_core::settings(configuration, Publishing::On)?;
    let loaded = match output.load_template()? {
        Some((name, host)) => format!("Loaded index template {name} into {host}\n"),
        None => "Loading of the index template is switched off (setup.template.enabled)\n".to_string(),
    };
    Ok(format!("{loaded}Index setup finished.\n"))
}

/// What is loaded are composable index templates, which Elasticsearch has since 7.8.
fn check_version(version: &str) -> Result<(), String> {
    let refuse = || format!("--es.version: found {version:?}, expected a version from 7.8.0 on such as 9.0.0");
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().map_err(|_| refuse()));
    let (major, minor) = (numbers.next().unwrap_or(Ok(0))?, numbers.next().unwrap_or(Ok(0))?);
    if (major, minor) >= (7, 8) { Ok(()) } else { Err(refuse()) }
}

/// Prints a document, or writes it to `directory/kind/name.json`.
fn give(document: &Json, directory: Option<&Path>, kind: &str, name: &str) -> Result<String, String> {
    let text = format!("{document:#}\n");
    let Some(directory) = directory else { return Ok(text) };
    if name.contains('/') {
        return Err(format!("{name:?} is no name of a file"));
    }
    let folder = directory.join(kind);
    let file = folder.join(format!("{name}.json"));
    let failed = |error: std::io::Error| format!("{}: {error}", file.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    let mut opened =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file).map_err(failed)?;
    opened.write_all(text.as_bytes()).map_err(failed)?;
    Ok(String::new())
}
