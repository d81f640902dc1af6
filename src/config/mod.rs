// SPDX-License-Identifier: Apache-2.0
//! Settings: YAML files, `-E` and `${…}` in, typed and checked values out.
//!
//! The way of a setting: `load` chooses and reads files and the `keystore`, `yaml` and `scalar` make a `tree` of it, `overrides` puts
//! `-E` on top, `expand` replaces references, `section` reads typed values and remembers which, `unused` warns of the
//! others. What a setting means is the business of the module that reads it. Limits of size and depth hold
//! everywhere; no input makes the program panic or grow without end.

mod error;
mod expand;
mod export;
pub mod keystore;
pub mod known;
mod load;
mod overrides;
mod relaxed;
pub(crate) mod scalar;
mod section;
mod tree;
mod unused;
mod yaml;

#[cfg(test)]
mod tests;

pub use error::ConfigError;
pub use expand::Environment;
pub use keystore::Keystore;
pub use load::{DEFAULT_FILES, PathFlags, Paths, PermissionCheck, Sources, load};
pub use section::Section;
pub use tree::{MAXIMUM_DEPTH, MAXIMUM_NODES, Node, Origin, Value};
pub use unused::UsedKeys;

/// The merged settings of one run.
#[derive(Debug)]
pub struct Configuration {
    /// As written, references in place.
    written: Node,
    /// References replaced.
    expanded: Node,
    used: UsedKeys,
    warnings: Vec<String>,
    paths: Paths,
    keystore: Keystore,
}

impl Configuration {
    /// Settings from text, with no environment: for the tests of modules that read settings.
    pub fn from_text(name: &str, text: &str) -> Result<Self, ConfigError> {
        load::from_text(name, text, &|_| None)
    }

    /// All settings.
    pub fn root(&self) -> Section<'_> {
        Section::root(&self.expanded, &self.used)
    }

    /// The section at a dotted path, when it is there and a map.
    pub fn section(&self, path: &str) -> Result<Option<Section<'_>>, ConfigError> {
        self.root().section(path)
    }

    /// `path.home`, `path.config`, `path.data` and `path.logs`.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// The secrets that references may name (`keystore.path`, else `packetbeat.keystore` in `path.data`).
    pub fn keystore(&self) -> &Keystore {
        &self.keystore
    }

    /// What deserves a warning so far: keys written twice, and every setting that nobody has read. Call it after all
    /// modules have read theirs.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.iter().cloned().chain(self.unused()).collect()
    }

    /// One sentence for each setting that nobody has read.
    pub fn unused(&self) -> Vec<String> {
        unused::warnings(&self.expanded, &self.used)
    }

    /// The settings as YAML, references unresolved and secrets hidden (`export config`).
    pub fn export(&self) -> String {
        export::yaml(&self.written)
    }
}

/// The process's environment, for [`load`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
