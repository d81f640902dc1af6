// SPDX-License-Identifier: Apache-2.0
//! The index template (`setup.template.*`): how the server stores the fields that `fields.yml` declares.

use serde_json::{Map, Value, json};

use crate::event::field::PROPERTIES_JSON;

/// What is loaded on connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateOptions {
    /// `setup.template.name`, evaluated.
    pub name: String,
    /// `setup.template.pattern`, evaluated.
    pub pattern: String,
    /// Whether a template of that name is replaced (`setup.template.overwrite`).
    pub existing: ExistingTemplate,
    /// `setup.template.settings.index`, over the built-in ones.
    pub index_settings: Value,
    /// `setup.template.settings._source`.
    pub source: Option<Value>,
    /// For `_meta`.
    pub version: String,
}

/// What happens to a template that is there already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingTemplate {
    #[default]
    Kept,
    Replaced,
}

impl TemplateOptions {
    /// The template of Packetbeat's default data stream.
    pub fn new(version: &str) -> TemplateOptions {
        TemplateOptions {
            name: format!("packetbeat-{version}"),
            pattern: format!("packetbeat-{version}"),
            existing: ExistingTemplate::Kept,
            index_settings: json!({ "number_of_shards": 1 }),
            source: None,
            version: version.to_owned(),
        }
    }

    /// The body of `PUT _index_template/<name>`.
    pub fn body(&self) -> Value {
        let properties: Value = serde_json::from_str(PROPERTIES_JSON).unwrap_or_default();
        let properties = properties.get("properties").cloned().unwrap_or_else(|| json!({}));
        let mut mappings = json!({
            "_meta": { "beat": "packetbeat", "version": self.version },
            "date_detection": false,
            "dynamic_templates": [
                {
                    "strings_as_keyword": {
                        "match_mapping_type": "string",
                        "mapping": { "type": "keyword", "ignore_above": 1024 },
                    },
                },
            ],
            "properties": properties,
        });
        if let Some(source) = &self.source {
            mappings["_source"] = source.clone();
        }
        let mut index = json!({
            "mapping": { "total_fields": { "limit": 10_000 } },
            "max_docvalue_fields_search": 200,
            "refresh_interval": "5s",
        });
        merge(&mut index, &self.index_settings);
        // As Packetbeat's own template: what matches becomes a data stream, also under a name of the user's.
        json!({
            "index_patterns": [self.pattern],
            "priority": 150,
            "data_stream": {},
            "template": { "settings": { "index": index }, "mappings": mappings },
        })
    }
}

/// Puts `over` on `base`: objects are merged, everything else replaced.
fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Object(Map::new())), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}
