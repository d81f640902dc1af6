// SPDX-License-Identifier: Apache-2.0
//! The program's NFS events against the logs of the clients that made the calls.

mod recorded_support;

use recorded_support::{Recorded, run};
use serde_json::Value as Json;

const PROTOCOLS: &str = "- type: nfs\n  ports: [2049]\n";

/// One log entry is one RPC call.
#[test]
fn every_call_is_one_event() {
    let Recorded { events, operations } = run("nfs", "calls", PROTOCOLS);
    // The mount protocol has another port.
    let calls: Vec<&Json> = operations.iter().filter(|operation| operation["op"] != "MNT").collect();
    assert_eq!(events.len(), calls.len());
    for (event, call) in events.iter().zip(calls) {
        let context = format!("{call}\n{event:#}");
        assert_eq!(event["rpc"]["xid"], call["xid"], "{context}");
        assert_eq!(event["nfs"]["version"], call["version"], "{context}");
        assert_eq!(event["status"], "OK", "{context}");
        assert_eq!(event["nfs"]["opcode"], opcode(call).as_str(), "{context}");
        assert_eq!(event["event"]["action"], format!("nfs.{}", opcode(call)), "{context}");
        match call["outcome"].as_str().expect("an outcome") {
            "rpc accept 2" => assert_failure(event, "prog_mismatch"),
            "rpc accept 3" => assert_failure(event, "proc_unavail"),
            outcome => {
                assert_eq!(event["rpc"]["status"], "success", "{context}");
                assert_eq!(event["nfs"]["status"], outcome, "{context}");
                assert!(event["event"].get("outcome").is_none(), "{context}");
            }
        }
        if call.get("operations").is_some() {
            assert_eq!(event["nfs"]["tag"], call["tag"], "{context}");
            assert_eq!(event["nfs"]["minor_version"], 0, "{context}");
        }
    }
}

fn assert_failure(event: &Json, status: &str) {
    assert_eq!(event["rpc"]["status"], status, "{event:#}");
    assert_eq!(event["event"]["outcome"], "failure", "{event:#}");
    assert!(event["nfs"].get("status").is_none(), "{event:#}");
}

/// What the log calls an operation, in Packetbeat's words.
fn opcode(call: &Json) -> String {
    const TOWARDS: [&str; 6] = ["PUTROOTFH", "PUTFH", "LOOKUP", "GETFH", "GETATTR", "SEQUENCE"];
    if let Some(operations) = call["operations"].as_array() {
        let names = || operations.iter().filter_map(Json::as_str);
        let main = names().find(|name| !TOWARDS.contains(name)).or(names().next_back());
        return main.expect("an operation").to_owned();
    }
    match call["op"].as_str().expect("a name") {
        "PATHCONF" => "PATHINFO".to_owned(),
        "SYMLINK" => "SYM_LINK".to_owned(),
        "(procedure 99)" => "ILLEGAL".to_owned(),
        name => name.to_owned(),
    }
}

/// One log entry is a call of the client's library, which makes one RPC call of that kind, and others besides.
#[test]
fn what_a_client_did_is_there_in_its_order() {
    for (theme, version, minimum) in [("v3", 3, 31), ("v4", 4, 29)] {
        let Recorded { events, operations } = run("nfs", theme, PROTOCOLS);
        let mut rest = events.iter();
        let mut found = 0;
        for operation in &operations {
            let Some(status) = status(operation) else { continue };
            let function = operation["op"].as_str().expect("a name");
            let Some(name) = procedure(function, version, status == "NFS_OK") else { continue };
            let event = rest.find(|event| event["nfs"]["opcode"] == name && event["nfs"]["status"] == status.as_str());
            let event = event.unwrap_or_else(|| panic!("{theme}: no {name} with {status} in order for {operation}"));
            assert_eq!(event["nfs"]["version"], version, "{theme}: {event:#}");
            found += 1;
        }
        assert!(found >= minimum, "{theme}: only {found} operations could be compared");
        for event in &events {
            assert_eq!((&event["status"], &event["rpc"]["status"]), (&"OK".into(), &"success".into()), "{event:#}");
            assert_eq!(event["rpc"]["cred"]["machinename"], "libnfs", "{event:#}");
        }
    }
}

/// The status that the log's error names. None: the request never left the client.
fn status(operation: &Json) -> Option<String> {
    if operation["outcome"] == "ok" {
        return Some("NFS_OK".to_owned());
    }
    let Some(error) = operation["error"].as_str() else { return Some("NFSERR_NOENT".to_owned()) };
    let start = ["NFS3ERR_", "NFS4ERR_"].iter().find_map(|prefix| Some(error.find(prefix)? + prefix.len()))?;
    let name: String = error[start..].chars().take_while(|letter| letter.is_ascii_alphabetic()).collect();
    Some(format!("NFSERR_{name}"))
}

/// The RPC call that does what a library function promises; where it ends on a wrong name, that fails before.
fn procedure(function: &str, version: u32, succeeded: bool) -> Option<&'static str> {
    Some(match (function, version) {
        ("stat64" | "open" | "nfs-cat", 3) if !succeeded => "LOOKUP",
        ("stat64", 3) => "GETATTR",
        ("stat64", _) => "GETFH",
        ("nfs-cat", _) if succeeded => "READ",
        // NFSv4 looks up, asks for access and opens in one compound.
        ("open" | "nfs-cat", _) | ("creat", 4) => "ACCESS",
        ("mount", 3) => "FSINFO",
        ("mount", _) => "SETCLIENTID",
        ("mkdir", 3) => "MKDIR",
        ("mkdir" | "symlink", 4) => "CREATE",
        ("creat", 3) => "CREATE",
        ("write", _) => "WRITE",
        ("fsync", _) => "COMMIT",
        ("pread", _) => "READ",
        ("rename", _) => "RENAME",
        ("symlink", 3) => "SYM_LINK",
        ("readlink", _) => "READLINK",
        ("link", _) => "LINK",
        ("chmod" | "truncate", _) => "SETATTR",
        ("statvfs", 3) => "FSSTAT",
        ("opendir", 3) => "READDIRPLUS",
        ("opendir", _) => "READDIR",
        ("rmdir", 3) => "RMDIR",
        ("unlink", _) | ("rmdir", _) => "REMOVE",
        ("nfs-ls", 3) => "READDIRPLUS",
        ("nfs-ls", _) => "READDIR",
        _ => return None,
    })
}
