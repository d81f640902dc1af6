// SPDX-License-Identifier: Apache-2.0
//! What the value of a command's first key names (MongoDB manual, "Database Commands"). Most texts name a collection.

/// What a text as a command's value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A collection of the database that the command is sent to.
    Collection,
    /// A database and a collection.
    Namespace,
    /// Something else: a user, a role, a shard, a replica set.
    Other,
}

/// What the text beside `command` names.
pub fn named_by(command: &[u8]) -> Names {
    let is_in = |list: &[&str]| list.iter().any(|name| name.as_bytes() == command);
    if is_in(NAMESPACE) {
        Names::Namespace
    } else if is_in(OTHER) {
        Names::Other
    } else {
        Names::Collection
    }
}

const NAMESPACE: &[&str] = &[
    "abortReshardCollection",
    "analyzeShardKey",
    "checkMetadataConsistency",
    "cleanupReshardCollection",
    "clearJumboFlag",
    "commitReshardCollection",
    "configureCollectionBalancing",
    "configureQueryAnalyzer",
    "mergeAllChunksOnShard",
    "mergeChunks",
    "moveChunk",
    "moveCollection",
    "moveRange",
    "refineCollectionShardKey",
    "renameCollection",
    "reshardCollection",
    "shardCollection",
    "split",
    "unshardCollection",
];

const OTHER: &[&str] = &[
    "addShard",
    "addShardToZone",
    "configureFailPoint",
    "createRole",
    "createUser",
    "dropRole",
    "dropUser",
    "enableSharding",
    "getLog",
    "getParameter",
    "grantPrivilegesToRole",
    "grantRolesToRole",
    "grantRolesToUser",
    "movePrimary",
    "removeShard",
    "removeShardFromZone",
    "replSetHeartbeat",
    "revokePrivilegesFromRole",
    "revokeRolesFromRole",
    "revokeRolesFromUser",
    "rolesInfo",
    "setFeatureCompatibilityVersion",
    "updateRole",
    "updateUser",
    "updateZoneKeyRange",
    "usersInfo",
];
