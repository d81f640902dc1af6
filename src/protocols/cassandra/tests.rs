// SPDX-License-Identifier: Apache-2.0
//! Tests on frames made of literal bytes.
