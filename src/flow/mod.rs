// SPDX-License-Identifier: Apache-2.0
//! Flows: their key, the table with its expiry by packet time, and their reports. Knows no protocol.

mod base64;
pub mod community_id;
pub mod identity;
mod index;
pub mod key;
pub mod perimeter;
pub mod realm;
pub mod record;
pub mod table;
mod wheel;

#[cfg(test)]
mod tests;

pub use community_id::{CommunityId, Selector, community_id};
pub use identity::Identity;
pub use key::{FlowKey, Orientation, Secret};
pub use realm::{KeyParts, Passage, realm};
pub use record::RecordSettings;
pub use table::{FlowIndex, FlowTable};
