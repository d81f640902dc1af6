// SPDX-License-Identifier: Apache-2.0
//! Flags may stand before or after the command, as in Packetbeat: this puts the command in front of them.
//!
//! `-E a=1 test -e config` becomes `test config -E=a=1 -e`; without a command `run` is put in. Which flags take the
//! next argument as their value is read from the clap definition. Limit: it judges nothing; clap refuses what is wrong.

use clap::Command;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// An argument line with the command first.
#[derive(Debug, PartialEq, Eq)]
pub struct Ordered {
    /// The words that are no flags: the command and what follows it.
    pub words: Vec<OsString>,
    /// The flags, each joined with its value.
    pub flags: Vec<OsString>,
    /// What follows `--`.
    pub rest: Vec<OsString>,
}

/// Separates words and flags; `arguments` does not hold the program's name.
pub fn order(arguments: impl Iterator<Item = OsString>, definition: &Command) -> Ordered {
    let mut with_value = FlagsWithValue::default();
    with_value.collect(definition);
    let mut ordered = Ordered { words: Vec::new(), flags: Vec::new(), rest: Vec::new() };
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        if bytes == b"--" {
            ordered.rest.extend(arguments.by_ref());
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            let takes_next = with_value.takes_next(bytes);
            let mut flag = argument;
            if takes_next && let Some(value) = arguments.next() {
                // Joined, because a value may begin with a dash: `-l -1`, `-E -x`.
                flag.push("=");
                flag.push(value);
            }
            ordered.flags.push(flag);
        } else {
            ordered.words.push(argument);
        }
    }
    ordered
}

#[derive(Default)]
struct FlagsWithValue {
    long: Vec<String>,
    short: Vec<char>,
}

impl FlagsWithValue {
    fn collect(&mut self, command: &Command) {
        for argument in command.get_arguments() {
            // Booleans take a value after `=` only.
            if !argument.get_action().takes_values() || argument.is_require_equals_set() {
                continue;
            }
            self.long.extend(argument.get_long().map(str::to_owned));
            self.short.extend(argument.get_short());
        }
        for subcommand in command.get_subcommands() {
            self.collect(subcommand);
        }
    }

    /// Whether the value of this flag is the next argument.
    fn takes_next(&self, flag: &[u8]) -> bool {
        if let Some(name) = flag.strip_prefix(b"--") {
            return self.long.iter().any(|long| long.as_bytes() == name);
        }
        let cluster = flag.get(1..).unwrap_or_default();
        let takes_value = |byte: &u8| self.short.contains(&char::from(*byte));
        // In a cluster the first flag with a value takes what is left of it.
        cluster.iter().position(takes_value) == cluster.len().checked_sub(1)
    }
}
