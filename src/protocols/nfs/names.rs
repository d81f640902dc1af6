// SPDX-License-Identifier: Apache-2.0
//! Names of procedures, operations and statuses, as Packetbeat spells them (Packetbeat behaviour, section 4.10).
//!
//! Packetbeat has no names for NFSv2 and for the operations and statuses of RFC 8276: those are of the documents.

use std::fmt;

/// A name, or the number of what has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Known(&'static str),
    /// What a number without a name is called, and the number.
    Unknown(&'static str, u32),
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Known(name) => formatter.write_str(name),
            Name::Unknown(kind, number) => write!(formatter, "{kind} ({number})"),
        }
    }
}

const ILLEGAL: &str = "ILLEGAL";

/// RFC 1094, section 2.2.
const PROCEDURES_V2: [&str; 18] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "ROOT",
    "LOOKUP",
    "READLINK",
    "READ",
    "WRITECACHE",
    "WRITE",
    "CREATE",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "MKDIR",
    "RMDIR",
    "READDIR",
    "STATFS",
];

/// RFC 1813, section 3.
const PROCEDURES_V3: [&str; 22] = [
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYM_LINK",
    "MKNODE",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHINFO",
    "COMMIT",
];

/// Operations from 3 on (RFC 8881, section 18; RFC 7862, section 15; RFC 8276, section 8.4).
const OPERATIONS: [&str; 73] = [
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
    "BACKCHANNEL_CTL",
    "BIND_CONN_TO_SESSION",
    "EXCHANGE_ID",
    "CREATE_SESSION",
    "DESTROY_SESSION",
    "FREE_STATEID",
    "GET_DIR_DELEGATION",
    "GETDEVICEINFO",
    "GETDEVICELIST",
    "LAYOUTCOMMIT",
    "LAYOUTGET",
    "LAYOUTRETURN",
    "SECINFO_NO_NAME",
    "SEQUENCE",
    "SET_SSV",
    "TEST_STATEID",
    "WANT_DELEGATION",
    "DESTROY_CLIENTID",
    "RECLAIM_COMPLETE",
    "ALLOCATE",
    "COPY",
    "COPY_NOTIFY",
    "DEALLOCATE",
    "IO_ADVISE",
    "LAYOUTERROR",
    "LAYOUTSTATS",
    "OFFLOAD_CANCEL",
    "OFFLOAD_STATUS",
    "READ_PLUS",
    "SEEK",
    "WRITE_SAME",
    "CLONE",
    "GETXATTR",
    "SETXATTR",
    "LISTXATTRS",
    "REMOVEXATTR",
];
const FIRST_OPERATION: u32 = 3;

/// Statuses from 10001 on (RFC 7530, section 13; RFC 8881, section 15; RFC 7862, section 11; RFC 8276, section 8.5).
const STATUSES_V4: [&str; 96] = [
    "NFSERR_BADHANDLE",
    "NFSERR_NOT_SYNC",
    "NFSERR_BAD_COOKIE",
    "NFSERR_NOTSUPP",
    "NFSERR_TOOSMALL",
    "NFSERR_SERVERFAULT",
    "NFSERR_BADTYPE",
    "NFSERR_DELAY",
    "NFSERR_SAME",
    "NFSERR_DENIED",
    "NFSERR_EXPIRED",
    "NFSERR_LOCKED",
    "NFSERR_GRACE",
    "NFSERR_FHEXPIRED",
    "NFSERR_SHARE_DENIED",
    "NFSERR_WRONGSEC",
    "NFSERR_CLID_INUSE",
    "NFSERR_RESOURCE",
    "NFSERR_MOVED",
    "NFSERR_NOFILEHANDLE",
    "NFSERR_MINOR_VERS_MISMATCH",
    "NFSERR_STALE_CLIENTID",
    "NFSERR_STALE_STATEID",
    "NFSERR_OLD_STATEID",
    "NFSERR_BAD_STATEID",
    "NFSERR_BAD_SEQID",
    "NFSERR_NOT_SAME",
    "NFSERR_LOCK_RANGE",
    "NFSERR_SYMLINK",
    "NFSERR_RESTOREFH",
    "NFSERR_LEASE_MOVED",
    "NFSERR_ATTRNOTSUPP",
    "NFSERR_NO_GRACE",
    "NFSERR_RECLAIM_BAD",
    "NFSERR_RECLAIM_CONFLICT",
    "NFSERR_BADXDR",
    "NFSERR_LOCKS_HELD",
    "NFSERR_OPENMODE",
    "NFSERR_BADOWNER",
    "NFSERR_BADCHAR",
    "NFSERR_BADNAME",
    "NFSERR_BAD_RANGE",
    "NFSERR_LOCK_NOTSUPP",
    "NFSERR_OP_ILLEGAL",
    "NFSERR_DEADLOCK",
    "NFSERR_FILE_OPEN",
    "NFSERR_ADMIN_REVOKED",
    "NFSERR_CB_PATH_DOWN",
    "NFSERR_BADIOMODE",
    "NFSERR_BADLAYOUT",
    "NFSERR_BAD_SESSION_DIGEST",
    "NFSERR_BADSESSION",
    "NFSERR_BADSLOT",
    "NFSERR_COMPLETE_ALREADY",
    "NFSERR_CONN_NOT_BOUND_TO_SESSION",
    "NFSERR_DELEG_ALREADY_WANTED",
    "NFSERR_BACK_CHAN_BUSY",
    "NFSERR_LAYOUTTRYLATER",
    "NFSERR_LAYOUTUNAVAILABLE",
    "NFSERR_NOMATCHING_LAYOUT",
    "NFSERR_RECALLCONFLICT",
    "NFSERR_UNKNOWN_LAYOUTTYPE",
    "NFSERR_SEQ_MISORDERED",
    "NFSERR_SEQUENCE_POS",
    "NFSERR_REQ_TOO_BIG",
    "NFSERR_REP_TOO_BIG",
    "NFSERR_REP_TOO_BIG_TO_CACHE",
    "NFSERR_RETRY_UNCACHED_REP",
    "NFSERR_UNSAFE_COMPOUND",
    "NFSERR_TOO_MANY_OPS",
    "NFSERR_OP_NOT_IN_SESSION",
    "NFSERR_HASH_ALG_UNSUPP",
    "NFSERR_CONN_BINDING_NOT_ENFORCED",
    "NFSERR_CLIENTID_BUSY",
    "NFSERR_PNFS_IO_HOLE",
    "NFSERR_SEQ_FALSE_RETRY",
    "NFSERR_BAD_HIGH_SLOT",
    "NFSERR_DEADSESSION",
    "NFSERR_ENCR_ALG_UNSUPP",
    "NFSERR_PNFS_NO_LAYOUT",
    "NFSERR_NOT_ONLY_OP",
    "NFSERR_WRONG_CRED",
    "NFSERR_WRONG_TYPE",
    "NFSERR_DIRDELEG_UNAVAIL",
    "NFSERR_REJECT_DELEG",
    "NFSERR_RETURNCONFLICT",
    "NFS4ERR_DELEG_REVOKED",
    "NFS4ERR_PARTNER_NOTSUPP",
    "NFS4ERR_PARTNER_NO_AUTH",
    "NFS4ERR_UNION_NOTSUPP",
    "NFS4ERR_OFFLOAD_DENIED",
    "NFS4ERR_WRONG_LFS",
    "NFS4ERR_BADLABEL",
    "NFS4ERR_OFFLOAD_NO_REQS",
    "NFS4ERR_NOXATTR",
    "NFS4ERR_XATTR2BIG",
];
const FIRST_STATUS_V4: u32 = 10_001;

fn known<const N: usize>(names: &[&'static str; N], number: u32, first: u32) -> Option<Name> {
    let index = usize::try_from(number.checked_sub(first)?).ok()?;
    names.get(index).map(|name| Name::Known(name))
}

/// Procedure of a version; of NFSv4 there are two (RFC 7530, section 14). The first of every version does nothing.
pub fn procedure(version: u32, number: u32) -> Name {
    let known = match version {
        2 => known(&PROCEDURES_V2, number, 0),
        3 => known(&PROCEDURES_V3, number, 0),
        4 => known(&["NULL", "COMPOUND"], number, 0),
        _ => known(&["NULL"], number, 0),
    };
    known.unwrap_or(Name::Known(ILLEGAL))
}

/// Operation of an NFSv4 compound.
pub fn operation(number: u32) -> Name {
    match number {
        10_044 => Name::Known(ILLEGAL),
        _ => known(&OPERATIONS, number, FIRST_OPERATION).unwrap_or(Name::Unknown(ILLEGAL, number)),
    }
}

/// Status of a procedure or compound.
pub fn status(number: u32) -> Name {
    let name = match number {
        0 => "NFS_OK",
        1 => "NFSERR_PERM",
        2 => "NFSERR_NOENT",
        5 => "NFSERR_IO",
        6 => "NFSERR_NXIO",
        13 => "NFSERR_ACCESS",
        17 => "NFSERR_EXIST",
        18 => "NFSERR_XDEV",
        19 => "NFSERR_NODEV",
        20 => "NFSERR_NOTDIR",
        21 => "NFSERR_ISDIR",
        22 => "NFSERR_INVAL",
        27 => "NFSERR_FBIG",
        28 => "NFSERR_NOSPC",
        30 => "NFSERR_ROFS",
        31 => "NFSERR_MLINK",
        63 => "NFSERR_NAMETOOLONG",
        66 => "NFSERR_NOTEMPTY",
        69 => "NFSERR_DQUOT",
        70 => "NFSERR_STALE",
        71 => "NFSERR_REMOTE",
        99 => "NFSERR_WFLUSH",
        _ => return known(&STATUSES_V4, number, FIRST_STATUS_V4).unwrap_or(Name::Unknown("unknown", number)),
    };
    Name::Known(name)
}

/// `accept_stat` of a reply (RFC 5531, section 9).
pub fn accept_status(number: u32) -> Name {
    let names = ["success", "prog_unavail", "prog_mismatch", "proc_unavail", "garbage_args", "system_err"];
    known(&names, number, 0).unwrap_or(Name::Unknown("unknown", number))
}

/// Authentication flavor of a call (RFC 5531, section 8.2).
pub fn flavor(number: u32) -> Name {
    match number {
        0 => Name::Known("none"),
        1 => Name::Known("unix"),
        6 => Name::Known("rpcsec_gss"),
        _ => Name::Unknown("unknown", number),
    }
}

/// `auth_stat` of a rejected call (RFC 5531, section 9).
pub fn auth_status(number: u32) -> Name {
    let names = [
        "AUTH_OK",
        "AUTH_BADCRED",
        "AUTH_REJECTEDCRED",
        "AUTH_BADVERF",
        "AUTH_REJECTEDVERF",
        "AUTH_TOOWEAK",
        "AUTH_INVALIDRESP",
        "AUTH_FAILED",
        "AUTH_KERB_GENERIC",
        "AUTH_TIMEEXPIRE",
        "AUTH_TKT_FILE",
        "AUTH_DECODE",
        "AUTH_NET_ADDR",
        "RPCSEC_GSS_CREDPROBLEM",
        "RPCSEC_GSS_CTXPROBLEM",
    ];
    known(&names, number, 0).unwrap_or(Name::Unknown("auth_stat", number))
}
