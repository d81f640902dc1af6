// SPDX-License-Identifier: Apache-2.0
//! Tests on literal bytes and on recorded conversations.
