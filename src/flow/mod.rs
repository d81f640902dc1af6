// SPDX-License-Identifier: Apache-2.0
//! Flows: what identifies one.

pub mod community_id;
