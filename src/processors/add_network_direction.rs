// SPDX-License-Identifier: Apache-2.0
//! `add_network_direction`: whether source and destination lie inside given networks.

use std::net::IpAddr;

use super::{Event, Outcome, Prepared, Processor, options};
use crate::config::{ConfigError, Section, Value as Setting};
use crate::event::{Place, Value};
use crate::flow::perimeter::Network;

pub(super) fn read(options: &Section<'_>) -> Result<Prepared, ConfigError> {
    let source = options::required(options, "source")?;
    let destination = options::required(options, "destination")?;
    let target = options::required(options, "target")?;
    let mut networks = Vec::new();
    for item in options.list("internal_networks")? {
        let node = item.node()?;
        if node.value != Setting::Null {
            networks.push(options::network(node).map_err(|message| item.refuse(message))?);
        }
    }
    if networks.is_empty() {
        return Err(options::missing(options, "internal_networks"));
    }
    let names = vec![source.clone(), destination.clone(), target.clone()];
    Ok(Prepared::new(names, move |schema| AddNetworkDirection {
        source: Place::new(schema, &source),
        destination: Place::new(schema, &destination),
        target: Place::new(schema, &target),
        networks,
    }))
}

struct AddNetworkDirection {
    source: Place,
    destination: Place,
    target: Place,
    networks: Vec<Network>,
}

impl AddNetworkDirection {
    fn is_internal(&self, event: &Event, place: &Place) -> Option<bool> {
        let address = address(event, place)?;
        Some(self.networks.iter().any(|network| network.contains(address)))
    }
}

impl Processor for AddNetworkDirection {
    fn process(&self, event: &mut Event) -> Outcome {
        let ends = self.is_internal(event, &self.source).zip(self.is_internal(event, &self.destination));
        if let Some(ends) = ends {
            let direction = match ends {
                (true, true) => "internal",
                (true, false) => "outbound",
                (false, true) => "inbound",
                (false, false) => "external",
            };
            // Only a value above the target that is no object refuses; then there is no direction.
            let _ = event.put(&self.target, Value::Static(direction));
        }
        Outcome::Keep
    }
}

/// The IP address at a place, also when it is text.
pub(super) fn address(event: &Event, place: &Place) -> Option<IpAddr> {
    match event.at(place)? {
        Value::Address(address) => Some(address),
        other => std::str::from_utf8(event.text_of(other)?).ok()?.parse().ok(),
    }
}
