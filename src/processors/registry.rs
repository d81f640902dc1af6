// SPDX-License-Identifier: Apache-2.0
//! The processors by name: those that are built, and those that Packetbeat has besides.

use super::condition::Condition;
use super::{Event, Outcome, Prepared, Processor};
use super::{
    add_fields, add_host_metadata, add_id, add_locale, add_network_direction, add_observer_metadata, add_tags, append,
    community_id, convert, copy_fields, decode_base64_field, decode_duration, decode_json_fields,
    decompress_gzip_field, detect_mime_type, dissect, drop_event, drop_fields, extract_array, fingerprint,
    include_fields, key_case, move_fields, now, rate_limit, registered_domain, rename, replace, truncate_fields,
    urldecode,
};
use crate::config::{ConfigError, Section};
use crate::event::Place;

type Reader = fn(&Section<'_>) -> Result<Prepared, ConfigError>;

const BUILT: &[(&str, Reader)] = &[
    ("add_fields", add_fields::read),
    ("add_host_metadata", add_host_metadata::read),
    ("add_id", add_id::read),
    ("add_labels", add_fields::read_labels),
    ("add_locale", add_locale::read),
    ("add_network_direction", add_network_direction::read),
    ("add_observer_metadata", add_observer_metadata::read),
    ("add_tags", add_tags::read),
    ("append", append::read),
    ("community_id", community_id::read),
    ("convert", convert::read),
    ("copy_fields", copy_fields::read),
    ("decode_base64_field", decode_base64_field::read),
    ("decode_duration", decode_duration::read),
    ("decode_json_fields", decode_json_fields::read),
    ("decompress_gzip_field", decompress_gzip_field::read),
    ("detect_mime_type", detect_mime_type::read),
    ("dissect", dissect::read),
    ("drop_event", drop_event::read),
    ("drop_fields", drop_fields::read),
    ("extract_array", extract_array::read),
    ("fingerprint", fingerprint::read),
    ("include_fields", include_fields::read),
    ("lowercase", key_case::read_lowercase),
    ("move_fields", move_fields::read),
    ("now", now::read),
    ("rate_limit", rate_limit::read),
    ("registered_domain", registered_domain::read),
    ("rename", rename::read),
    ("replace", replace::read),
    ("truncate_fields", truncate_fields::read),
    ("uppercase", key_case::read_uppercase),
    ("urldecode", urldecode::read),
];

/// Packetbeat knows them, Wirebeat says that they have no effect.
const UNBUILT: &[&str] = &[
    "add_agent_metadata",
    "add_cloud_metadata",
    "add_cloudfoundry_metadata",
    "add_docker_metadata",
    "add_formatted_index",
    "add_kubernetes_metadata",
    "add_nomad_metadata",
    "add_process_metadata",
    "decode_xml",
    "decode_xml_wineventlog",
    "dns",
    "extract_field",
    "script",
    "syslog",
    "translate_ldap_attribute",
    "translate_sid",
];

/// Reads an item `{name: options}`; None for a processor that is not built.
pub(super) fn read(item: &Section<'_>, warnings: &mut Vec<String>) -> Result<Option<Prepared>, ConfigError> {
    let entries = item.all_entries();
    let [(name, options)] = entries.as_slice() else {
        let names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        return Err(item.refuse(match names.as_slice() {
            [] => "found no processor, expected a map with one processor's name as its key".to_owned(),
            names => format!("found {} ({}), expected one processor", names.len(), names.join(", ")),
        }));
    };
    if UNBUILT.contains(name) {
        options.ignore_rest();
        let sentence = format!("processor {name} is not built yet and has no effect");
        if !warnings.iter().any(|warning| warning.ends_with(&sentence)) {
            warnings.push(format!("{}: {sentence}", item.origin()));
        }
        return Ok(None);
    }
    let Some((_, reader)) = BUILT.iter().find(|(known, _)| known == name) else {
        return Err(item.refuse_key(name, unknown(name)));
    };
    // A condition in any processor; `tag` only names one in Packetbeat's log.
    options.string("tag")?;
    let prepared = reader(options)?;
    let Some(when) = options.section("when")? else {
        return Ok(Some(prepared));
    };
    Ok(Some(conditional(Condition::read(&when)?, prepared)))
}

fn unknown(name: &str) -> String {
    let known = || BUILT.iter().map(|(known, _)| *known).chain(UNBUILT.iter().copied());
    let nearest = known().map(|known| (strsim::osa_distance(known, name), known)).min();
    match nearest {
        Some((distance, known)) if distance <= 3 => {
            format!("there is no processor of this name; did you mean {known}?")
        }
        _ => format!("there is no processor of this name; known are {}", known().collect::<Vec<_>>().join(", ")),
    }
}

fn conditional(condition: Condition<String>, prepared: Prepared) -> Prepared {
    let mut names = condition.names();
    names.extend(prepared.names);
    let bind = prepared.bind;
    Prepared::new(names, move |schema| When { condition: condition.bind(schema), processor: bind(schema) })
}

/// A processor with `when`.
struct When {
    condition: Condition<Place>,
    processor: Box<dyn Processor>,
}

impl Processor for When {
    fn process(&self, event: &mut Event) -> Outcome {
        if self.condition.holds(event) { self.processor.process(event) } else { Outcome::Keep }
    }
}
