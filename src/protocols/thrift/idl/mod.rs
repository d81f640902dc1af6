// SPDX-License-Identifier: Apache-2.0
//! Thrift IDL files: the services, and the names of their methods' parameters and exceptions.
//!
//! The whole language is read and checked for its form (Thrift interface description language); types are not looked up.
//! `include` names files that are not read: as in Packetbeat each file is listed in `idl_files`.

mod grammar;
mod lexer;

use std::path::Path;

/// What is known of a method.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    pub service: String,
    pub name: String,
    pub is_oneway: bool,
    parameters: Vec<Named>,
    exceptions: Vec<Named>,
}

/// A field's id and name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    id: i16,
    name: String,
}

impl Method {
    pub fn parameter(&self, id: i16) -> Option<&str> {
        name_of(&self.parameters, id)
    }

    pub fn exception(&self, id: i16) -> Option<&str> {
        name_of(&self.exceptions, id)
    }
}

fn name_of(fields: &[Named], id: i16) -> Option<&str> {
    fields.iter().find(|field| field.id == id).map(|field| field.name.as_str())
}

/// The methods of all files.
#[derive(Clone, Debug, Default)]
pub struct Idl {
    /// In the order of their names, those of one name in the order of the files.
    methods: Vec<Method>,
}

impl Idl {
    /// Adds the services of a file. The error is a sentence with file and line.
    pub fn read(&mut self, path: &Path) -> Result<(), String> {
        let file = path.display().to_string();
        let text = std::fs::read(path).map_err(|error| format!("the IDL file {file} cannot be read: {error}"))?;
        self.add(&file, &String::from_utf8_lossy(&text))
    }

    /// Adds the services of a file's text.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), String> {
        self.methods.extend(grammar::methods(file, text)?);
        self.methods.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(())
    }

    pub fn method(&self, number: usize) -> Option<&Method> {
        self.methods.get(number)
    }

    /// Number of the method that a message names. A multiplexed call has `Service:` before it.
    pub fn find(&self, name: &[u8]) -> Option<usize> {
        let colon = name.iter().rposition(|byte| *byte == b':');
        let (service, name) = match colon {
            Some(colon) => (name.get(..colon), name.get(colon + 1..)?),
            None => (None, name),
        };
        let start = self.methods.partition_point(|method| method.name.as_bytes() < name);
        let same = self.methods.get(start..)?.iter().take_while(|method| method.name.as_bytes() == name);
        let (mut first, mut of_service) = (None, None);
        for (index, method) in same.enumerate() {
            first.get_or_insert(start + index);
            if service == Some(method.service.as_bytes()) {
                of_service.get_or_insert(start + index);
            }
        }
        of_service.or(first)
    }
}
