// SPDX-License-Identifier: Apache-2.0
//! Which part of a name was registered, by the public suffix list that the `psl` crate holds.

use arrayvec::ArrayVec;

use super::name::MAX_PRINTED_BYTES;

/// Parts of a printed name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts<'a> {
    /// Whether the list knows a suffix with a label before it; else the name has two labels and is itself a suffix.
    pub listed: Listed,
    pub registered: &'a str,
    pub top_level: &'a str,
    pub subdomain: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    Registrable,
    Suffix,
}

/// Takes a name apart as Packetbeat does, except that case is ignored (resolvers mix it on purpose). None for the root,
/// single labels, and long suffixes.
pub fn parts(name: &str) -> Option<Parts<'_>> {
    if name == "." {
        return None;
    }
    let mut lower: ArrayVec<u8, MAX_PRINTED_BYTES> = ArrayVec::new();
    lower.try_extend_from_slice(name.as_bytes()).ok()?;
    lower.make_ascii_lowercase();
    let registered = psl::domain(&lower)
        .and_then(|domain| name.len().checked_sub(domain.as_bytes().len()))
        .and_then(|start| name.split_at_checked(start));
    match registered {
        Some((subdomain, registered)) => Some(Parts {
            listed: Listed::Registrable,
            registered,
            top_level: registered.split_once('.').map_or("", |(_, rest)| rest),
            subdomain: subdomain.trim_end_matches('.'),
        }),
        None => {
            let (_, top_level) = name.split_once('.')?;
            if top_level.contains('.') {
                return None;
            }
            Some(Parts { listed: Listed::Suffix, registered: name, top_level, subdomain: "" })
        }
    }
}
