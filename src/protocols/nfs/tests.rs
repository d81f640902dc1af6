// SPDX-License-Identifier: Apache-2.0
//! Tests of NFS: recorded captures, and messages written by hand.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;

use serde_json::{Value as Json, json};

use super::message::{Message, User};
use super::names::{self, Name};
use super::parser::NfsParser;
use super::record::HEAD_BYTES;
use super::waiting::{MAX_WAITING, MAX_WAITING_BYTES};
use super::{Nfs, Options};
use crate::protocols::Direction::{self, ToClient, ToServer};
use crate::protocols::bench::Bench;
use crate::protocols::{Carrier, Context, End, Parser, ProtocolCounter, Step, replay};

mod losses;
mod recorded;

const OPTIONS: Options = Options { transaction_timeout_ns: 60_000_000_000 };
const SECOND_NS: i64 = 1_000_000_000;
const LOOKUP: u32 = 3;
const WRITE: u32 = 7;
const COMPOUND: u32 = 1;

fn tcp() -> Bench {
    Bench::new(Box::new(NfsParser::new(OPTIONS)), Carrier::Tcp, 2049)
}

fn udp() -> Bench {
    Bench::new(Box::new(NfsParser::new(OPTIONS)), Carrier::Udp, 2049)
}

/// A parser in a bench that can be looked into.
fn watched(carrier: Carrier) -> (Bench, Rc<RefCell<NfsParser>>) {
    let parser = Rc::new(RefCell::new(NfsParser::new(OPTIONS)));
    (Bench::new(Box::new(Watched(Rc::clone(&parser))), carrier, 2049), parser)
}

struct Watched(Rc<RefCell<NfsParser>>);

impl Parser for Watched {
    fn data(&mut self, context: &mut Context<'_>, direction: Direction, bytes: &[u8]) -> Step {
        self.0.borrow_mut().data(context, direction, bytes)
    }

    fn end(&mut self, context: &mut Context<'_>, direction: Direction, pending: &[u8], end: End) {
        self.0.borrow_mut().end(context, direction, pending, end);
    }

    fn datagram(&mut self, context: &mut Context<'_>, direction: Direction, payload: &[u8], wire_length: usize) {
        self.0.borrow_mut().datagram(context, direction, payload, wire_length);
    }

    fn deadline_ns(&self) -> Option<i64> {
        self.0.borrow().deadline_ns()
    }

    fn finish(&mut self, context: &mut Context<'_>) {
        self.0.borrow_mut().finish(context);
    }

    fn reset(&mut self) {
        self.0.borrow_mut().reset();
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

fn opaque(bytes: &[u8]) -> Vec<u8> {
    let mut out = words(&[bytes.len() as u32]);
    out.extend_from_slice(bytes);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// AUTH_SYS of user 1000 and groups 100, 4 and 27 on `machine`.
fn auth_sys(machine: &str) -> Vec<u8> {
    let body = [words(&[7]), opaque(machine.as_bytes()), words(&[1000, 100, 2, 4, 27])].concat();
    [words(&[1]), opaque(&body)].concat()
}

fn call_with(xid: u32, version: u32, procedure: u32, credential: &[u8], arguments: &[u8]) -> Vec<u8> {
    // xid, call, RPC 2, program, version, procedure; the verifier is empty.
    let fixed = words(&[xid, 0, 2, 100_003, version, procedure]);
    [&fixed, credential, &words(&[0, 0]), arguments].concat()
}

fn call(xid: u32, version: u32, procedure: u32, arguments: &[u8]) -> Vec<u8> {
    call_with(xid, version, procedure, &auth_sys("work"), arguments)
}

/// An accepted reply with an empty verifier.
fn reply(xid: u32, accept_status: u32, results: &[u8]) -> Vec<u8> {
    [&words(&[xid, 1, 0, 0, 0, accept_status]), results].concat()
}

fn record(message: &[u8]) -> Vec<u8> {
    [&words(&[1 << 31 | message.len() as u32]), message].concat()
}

/// The message in fragments of `size` bytes.
fn fragments(message: &[u8], size: usize) -> Vec<u8> {
    let last = message.chunks(size).count() - 1;
    let one =
        |(index, part): (usize, &[u8])| [&words(&[u32::from(index == last) << 31 | part.len() as u32]), part].concat();
    message.chunks(size).enumerate().flat_map(one).collect()
}

fn compound(tag: &str, minor_version: u32, count: u32, operations: &[u8]) -> Vec<u8> {
    [&opaque(tag.as_bytes()), &words(&[minor_version, count]), operations].concat()
}

fn opcode_of(arguments: &[u8]) -> Json {
    let mut bench = udp();
    bench.datagram(ToServer, &call(1, 4, COMPOUND, arguments));
    bench.finish();
    bench.events()[0]["nfs"].clone()
}

mod pairing {
    use super::*;

    #[test]
    fn a_call_and_its_reply_are_one_event() {
        let mut bench = tcp();
        let asked = record(&call(0x0a19_75d0, 3, LOOKUP, &[0; 8]));
        let answered = record(&reply(0x0a19_75d0, 0, &words(&[2, 0])));
        bench.send(ToServer, &asked);
        bench.send(ToClient, &answered);
        let event = &bench.events()[0];
        assert_eq!(bench.events().len(), 1);
        assert_eq!(
            event["rpc"],
            json!({
                "xid": "0a1975d0", "status": "success", "auth_flavor": "unix",
                "cred": {"uid": 1000, "gid": 100, "gids": [4, 27], "stamp": 7, "machinename": "work"},
            })
        );
        assert_eq!(event["nfs"], json!({"version": 3, "opcode": "LOOKUP", "status": "NFSERR_NOENT"}));
        assert_eq!((&event["user.id"], &event["group.id"]), (&json!(1000), &json!(100)));
        assert_eq!((&event["host.hostname"], &event["source"]["domain"]), (&json!("work"), &json!("work")));
        assert_eq!(event["client"]["domain"], "work");
        assert_eq!((&event["status"], &event["network"]["protocol"]), (&json!("OK"), &json!("nfsv3")));
        assert_eq!(event["event"]["action"], "nfs.LOOKUP");
        assert!(event["event"].get("outcome").is_none());
        assert_eq!(event["event"]["duration"], 1_000_000);
        assert_eq!(event["source"]["bytes"], asked.len() - 4);
        assert_eq!(event["destination"]["bytes"], answered.len() - 4);
    }

    #[test]
    fn replies_come_in_any_order_and_from_either_side() {
        for requests in [ToServer, ToClient] {
            let mut bench = tcp();
            let calls = [1, 2, 3].map(|xid| record(&call(xid, 3, xid, &[0; 8]))).concat();
            bench.send(requests, &calls);
            let replies = [3, 1, 2].map(|xid| record(&reply(xid, 0, &words(&[0])))).concat();
            bench.send(requests.opposite(), &replies);
            let seen: Vec<_> = bench.events().iter().map(|event| event["nfs"]["opcode"].clone()).collect();
            assert_eq!(seen, ["LOOKUP", "GETATTR", "SETATTR"]);
            let caller = if requests == ToServer { 40_000 } else { 2049 };
            assert!(bench.events().iter().all(|event| event["source"]["port"] == caller));
        }
    }

    #[test]
    fn both_sides_may_use_the_same_xid() {
        let mut bench = tcp();
        bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[0; 8])));
        bench.send(ToClient, &record(&call(1, 3, 0, &[])));
        bench.send(ToServer, &record(&reply(1, 0, &[])));
        bench.send(ToClient, &record(&reply(1, 0, &words(&[70]))));
        assert_eq!(bench.events()[0]["nfs"], json!({"version": 3, "opcode": "NULL", "status": "NFS_OK"}));
        assert_eq!(bench.events()[1]["nfs"], json!({"version": 3, "opcode": "LOOKUP", "status": "NFSERR_STALE"}));
    }

    #[test]
    fn datagrams_are_messages_and_repetitions_are_merged() {
        let mut bench = udp();
        let asked = call(9, 3, LOOKUP, &[0; 8]);
        bench.datagram(ToServer, &asked);
        bench.datagram(ToServer, &asked);
        bench.datagram(ToClient, &reply(9, 0, &words(&[0])));
        bench.datagram(ToClient, &reply(9, 0, &words(&[0])));
        bench.finish();
        assert_eq!(bench.events().len(), 1);
        assert_eq!(bench.events()[0]["event"]["duration"], 2_000_000);
        assert_eq!(bench.events()[0]["source"]["bytes"], asked.len());
        assert_eq!(bench.events()[0]["network"]["transport"], "udp");
        assert_eq!(bench.count(ProtocolCounter::DuplicateRequests), 1);
        assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
    }

    #[test]
    fn another_call_with_the_xid_of_one_that_waits_ends_that() {
        let mut bench = udp();
        bench.datagram(ToServer, &call(9, 3, LOOKUP, &[0; 8]));
        bench.datagram(ToServer, &call(9, 3, 1, &[0; 8]));
        bench.datagram(ToClient, &reply(9, 0, &words(&[0])));
        let seen: Vec<_> = bench.events().iter().map(|event| (&event["nfs"]["opcode"], &event["status"])).collect();
        assert_eq!(seen, [(&json!("LOOKUP"), &json!("NO_REPLY")), (&json!("GETATTR"), &json!("OK"))]);
    }

    #[test]
    fn calls_without_reply_are_published_after_the_time_out_and_at_the_end() {
        let mut bench = tcp();
        bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[0; 8])));
        bench.wait(20 * SECOND_NS);
        bench.send(ToServer, &record(&call(2, 4, COMPOUND, &compound("", 1, 1, &words(&[25])))));
        bench.wait(39 * SECOND_NS);
        assert!(bench.events().is_empty());
        bench.wait(2 * SECOND_NS);
        assert_eq!(bench.events().len(), 1);
        let event = &bench.events()[0];
        assert_eq!(event["status"], "NO_REPLY");
        assert_eq!(event["nfs"], json!({"version": 3, "opcode": "LOOKUP"}));
        assert!(event["rpc"].get("status").is_none());
        assert!(event["event"].get("end").is_none() && event["destination"].get("bytes").is_none());
        // Too late.
        bench.send(ToClient, &record(&reply(1, 0, &words(&[0]))));
        assert_eq!(bench.count(ProtocolCounter::UnmatchedResponses), 1);
        bench.finish();
        assert_eq!(bench.events()[1]["nfs"]["opcode"], "READ");
        assert_eq!(bench.events()[1]["status"], "NO_REPLY");
        assert_eq!(bench.count(ProtocolCounter::UnmatchedRequests), 2);
    }

    #[test]
    fn the_end_of_the_replies_ends_the_waiting() {
        for end in 0..3 {
            let mut bench = tcp();
            bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[0; 8])));
            match end {
                0 => bench.fin(ToClient),
                1 => bench.reset(ToClient),
                _ => bench.reset(ToServer),
            }
            assert_eq!(bench.events().len(), 1, "{end}");
            assert_eq!(bench.events()[0]["status"], "NO_REPLY");
        }
        let mut bench = tcp();
        bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[0; 8])));
        bench.fin(ToServer);
        bench.send(ToClient, &record(&reply(1, 0, &words(&[0]))));
        assert_eq!(bench.events()[0]["status"], "OK");
    }

    #[test]
    fn calls_of_other_programs_are_passed_over() {
        let mut bench = tcp();
        let mut other = call(1, 3, LOOKUP, &[0; 8]);
        other[12..16].copy_from_slice(&100_227u32.to_be_bytes());
        bench.send(ToServer, &record(&other));
        bench.send(ToClient, &record(&reply(1, 0, &words(&[0]))));
        bench.finish();
        assert!(bench.events().is_empty());
    }

    #[test]
    fn waiting_calls_are_bounded() {
        let mut bench = udp();
        for xid in 0..MAX_WAITING as u32 + 10 {
            bench.datagram(ToServer, &call(xid, 3, LOOKUP, &[0; 8]));
        }
        assert_eq!(bench.count(ProtocolCounter::EvictedRequests), 10);
        assert_eq!(bench.events().len(), 10);
        assert_eq!(bench.events()[9]["rpc"]["xid"], "00000009");

        let (mut bench, parser) = watched(Carrier::Udp);
        let tag = "t".repeat(8000);
        for xid in 0..100 {
            bench.datagram(ToServer, &call(xid, 4, COMPOUND, &compound(&tag, 0, 1, &words(&[25]))));
            assert!(parser.borrow().held_bytes() < MAX_WAITING_BYTES + HEAD_BYTES);
        }
        assert!(bench.count(ProtocolCounter::EvictedRequests) > 60);
        bench.finish();
        assert_eq!((bench.events().len(), parser.borrow().held_bytes()), (100, 0));
    }
}

mod replies {
    use super::*;

    fn answered(call: &[u8], reply: &[u8]) -> Json {
        let mut bench = udp();
        bench.datagram(ToServer, call);
        bench.datagram(ToClient, reply);
        bench.events()[0].clone()
    }

    #[test]
    fn accept_statuses_but_success_are_failures() {
        let names = ["prog_unavail", "prog_mismatch", "proc_unavail", "garbage_args", "system_err", "unknown (6)"];
        for (status, name) in (1..).zip(names) {
            let event = answered(&call(1, 3, LOOKUP, &[]), &reply(1, status, &[]));
            assert_eq!((&event["rpc"]["status"], &event["status"]), (&json!(name), &json!("OK")));
            assert_eq!(event["event"]["outcome"], "failure");
            assert!(event["nfs"].get("status").is_none());
        }
    }

    #[test]
    fn rejected_calls_are_errors_that_say_why() {
        let event = answered(&call(1, 3, LOOKUP, &[]), &words(&[1, 1, 1, 1, 5]));
        assert_eq!((&event["rpc"]["status"], &event["status"]), (&json!("auth_error"), &json!("Error")));
        assert_eq!(event["error"]["message"], "The server rejected the credentials: AUTH_TOOWEAK");
        assert_eq!(event["event"]["outcome"], "failure");
        let event = answered(&call(1, 3, LOOKUP, &[]), &words(&[1, 1, 1, 0, 2, u32::MAX]));
        assert_eq!(event["rpc"]["status"], "rpc_mismatch");
        assert_eq!(event["error"]["message"], "The server speaks RPC versions 2 to 4294967295");
        let event = answered(&call(1, 3, LOOKUP, &[]), &words(&[1, 1, 1, 1, u32::MAX]));
        let message = "The server rejected the credentials: auth_stat (4294967295)";
        assert_eq!(event["error"]["message"], message);
    }

    #[test]
    fn statuses_have_packetbeats_names() {
        for (number, name) in [
            (0, "NFS_OK"),
            (2, "NFSERR_NOENT"),
            (99, "NFSERR_WFLUSH"),
            (10_001, "NFSERR_BADHANDLE"),
            (10_004, "NFSERR_NOTSUPP"),
            (10_020, "NFSERR_NOFILEHANDLE"),
            (10_030, "NFSERR_RESTOREFH"),
            (10_040, "NFSERR_BADCHAR"),
            (10_050, "NFSERR_BADLAYOUT"),
            (10_060, "NFSERR_NOMATCHING_LAYOUT"),
            (10_070, "NFSERR_TOO_MANY_OPS"),
            (10_080, "NFSERR_PNFS_NO_LAYOUT"),
            (10_087, "NFS4ERR_DELEG_REVOKED"),
            (10_094, "NFS4ERR_OFFLOAD_NO_REQS"),
            (10_096, "NFS4ERR_XATTR2BIG"),
        ] {
            assert_eq!(names::status(number), Name::Known(name));
        }
        assert_eq!(names::status(10_097).to_string(), "unknown (10097)");
        assert_eq!(names::status(3).to_string(), "unknown (3)");
        assert_eq!(names::status(u32::MAX).to_string(), "unknown (4294967295)");
    }

    #[test]
    fn procedures_without_results_succeed() {
        for version in [2, 3, 4] {
            let event = answered(&call(1, version, 0, &[]), &reply(1, 0, &[]));
            assert_eq!(event["nfs"], json!({"version": version, "opcode": "NULL", "status": "NFS_OK"}));
        }
    }
}

mod calls {
    use super::*;

    #[test]
    fn procedures_and_protocols_follow_the_version() {
        for (version, procedure, protocol, opcode) in [
            (2, 17, "nfs", "STATFS"),
            (3, 10, "nfsv3", "SYM_LINK"),
            (3, 20, "nfsv3", "PATHINFO"),
            (3, 21, "nfsv3", "COMMIT"),
            (3, 22, "nfsv3", "ILLEGAL"),
            (4, 2, "nfsv4", "ILLEGAL"),
            (9, 0, "nfs", "NULL"),
            (9, 1, "nfs", "ILLEGAL"),
        ] {
            let mut bench = udp();
            bench.datagram(ToServer, &call(1, version, procedure, &[]));
            bench.finish();
            let event = &bench.events()[0];
            assert_eq!((&event["network"]["protocol"], &event["nfs"]["opcode"]), (&json!(protocol), &json!(opcode)));
            assert_eq!((&event["type"], &event["event"]["dataset"]), (&json!("nfs"), &json!("nfs")));
        }
    }

    #[test]
    fn flavors_have_names() {
        for (flavor, body, name) in
            [(0, vec![], "none"), (2, words(&[1]), "unknown (2)"), (6, words(&[1, 0, 5, 1, 0]), "rpcsec_gss")]
        {
            let mut bench = udp();
            let credential = [words(&[flavor]), opaque(&body)].concat();
            bench.datagram(ToServer, &call_with(1, 3, LOOKUP, &credential, &[]));
            bench.finish();
            let event = &bench.events()[0];
            assert_eq!(event["rpc"]["auth_flavor"], name);
            assert!(event["rpc"].get("cred").is_none() && event.get("user.id").is_none());
            assert!(event["source"].get("domain").is_none());
        }
    }

    #[test]
    fn a_machine_without_name_has_its_address() {
        let mut bench = udp();
        bench.datagram(ToServer, &call_with(1, 3, LOOKUP, &auth_sys(""), &[]));
        bench.finish();
        let event = &bench.events()[0];
        for value in [&event["rpc"]["cred"]["machinename"], &event["host.hostname"], &event["source"]["domain"]] {
            assert_eq!(value, "10.0.0.1");
        }
    }

    #[test]
    fn credentials_that_are_too_long_or_broken_are_left_out() {
        let long = [words(&[7]), opaque(&[b'x'; 390]), words(&[1, 1, 0])].concat();
        assert!(User::parse(&long).is_none());
        let groups_missing = [words(&[7]), opaque(b"x"), words(&[1, 1, 9])].concat();
        assert!(User::parse(&groups_missing).is_none());
        let none = [words(&[7]), opaque(b"xyz"), words(&[1, 2, 0])].concat();
        let user = User::parse(&none).expect("a user");
        assert_eq!((user.machine_name, user.uid, user.gid, user.groups().count()), (&b"xyz"[..], 1, 2, 0));
    }

    #[test]
    fn the_main_operation_is_the_first_that_is_not_on_the_way() {
        // SEQUENCE, PUTFH of 5 bytes, LOOKUP "name", GETATTR of two words, VERIFY, RENEW, then CLONE.
        let way = [
            words(&[53, 0, 0, 0, 0, 1, 2, 3, 4]),
            words(&[22]),
            opaque(b"12345"),
            words(&[15]),
            opaque(b"name"),
            words(&[9, 2, 0xffff, 0xffff]),
            words(&[37, 1, 1]),
            opaque(b"attributes"),
            words(&[30, 0, 1]),
            words(&[10, 16, 23, 24, 31, 32]),
        ]
        .concat();
        let nfs = opcode_of(&compound("tag", 2, 14, &[way.clone(), words(&[71])].concat()));
        assert_eq!(nfs, json!({"version": 4, "minor_version": 2, "tag": "tag", "opcode": "CLONE"}));
        // Without one it is the last.
        assert_eq!(opcode_of(&compound("", 1, 12, &way))["opcode"], "SAVEFH");
        assert_eq!(opcode_of(&compound("", 1, 1, &words(&[10_044])))["opcode"], "ILLEGAL");
        assert_eq!(opcode_of(&compound("", 1, 1, &words(&[90])))["opcode"], "ILLEGAL (90)");
        assert_eq!(opcode_of(&compound("", 2, 1, &words(&[72])))["opcode"], "GETXATTR");
        assert_eq!(opcode_of(&compound("", 1, 0, &[]))["opcode"], "COMPOUND");
        // A count that lies.
        assert_eq!(opcode_of(&compound("", 1, u32::MAX, &words(&[24, 24])))["opcode"], "PUTROOTFH");
        assert_eq!(opcode_of(&words(&[u32::MAX])), json!({"version": 4, "opcode": "COMPOUND"}));
    }

    #[test]
    fn what_rpcsec_gss_protects_is_read_or_left_out() {
        // Version 1, data, sequence number 5, service, handle of no bytes.
        let credential = |service| [words(&[6]), opaque(&words(&[1, 0, 5, service, 0]))].concat();
        let arguments = compound("tag", 1, 2, &words(&[24, 25]));
        let protected = [words(&[arguments.len() as u32 + 4, 5]), arguments].concat();
        let results = words(&[8, 5, 13, 0]);
        let run = |service| {
            let mut bench = udp();
            bench.datagram(ToServer, &call_with(1, 4, COMPOUND, &credential(service), &protected));
            bench.datagram(ToClient, &reply(1, 0, &results));
            bench.events()[0]["nfs"].clone()
        };
        let whole = json!({
            "version": 4, "minor_version": 1, "tag": "tag", "opcode": "READ", "status": "NFSERR_ACCESS",
        });
        assert_eq!(run(2), whole);
        assert_eq!(run(3), json!({"version": 4, "opcode": "COMPOUND"}));
    }
}

mod records {
    use super::*;

    #[test]
    fn fragments_of_any_size_are_one_record() {
        let asked = call(1, 3, WRITE, &[7; 20_000]);
        let answered = reply(1, 0, &[0; 400]);
        for size in [1, 3, 4, 24, 700, 30_000] {
            let mut bench = tcp();
            bench.send(ToServer, &fragments(&asked, size));
            bench.send(ToClient, &fragments(&answered, size));
            assert_eq!(bench.events().len(), 1, "{size}");
            let event = &bench.events()[0];
            assert_eq!(event["source"]["bytes"], asked.len(), "{size}");
            assert_eq!(event["destination"]["bytes"], answered.len(), "{size}");
            assert_eq!(event["nfs"], json!({"version": 3, "opcode": "WRITE", "status": "NFS_OK"}), "{size}");
        }
    }

    #[test]
    fn segmentation_changes_nothing() {
        let stream = [
            record(&call(1, 3, WRITE, &[7; 20_000])),
            fragments(&call(2, 4, COMPOUND, &compound("tag", 1, 1, &words(&[25]))), 10),
            record(&call(3, 3, LOOKUP, &[])),
        ]
        .concat();
        let answers = [3, 2, 1].map(|xid| record(&reply(xid, 0, &words(&[0])))).concat();
        let run = |size| {
            let mut bench = tcp();
            for (direction, bytes) in [(ToServer, &stream), (ToClient, &answers)] {
                for part in bytes.chunks(size) {
                    bench.now_ns = 1_700_000_000_000_000_000;
                    bench.send(direction, part);
                }
            }
            (bench.events().to_vec(), bench.stream_counters().discarded_bytes)
        };
        let whole = run(usize::MAX);
        assert_eq!((whole.0.len(), whole.1), (3, 0));
        for size in [1, 2, 3, 5, 19, 1448] {
            assert_eq!(run(size), whole, "{size}");
        }
    }

    #[test]
    fn times_are_those_of_the_first_byte_of_the_call_and_the_last_of_the_reply() {
        let mut bench = tcp();
        // 1 ms a segment: the call takes 2 ms, then the reply 3 ms.
        let asked = record(&call(1, 3, WRITE, &[7; 2000]));
        bench.send_in(ToServer, &asked, asked.len().div_ceil(3));
        let answered = record(&reply(1, 0, &[0; 300]));
        bench.send_in(ToClient, &answered, answered.len().div_ceil(3));
        assert_eq!(bench.events()[0]["event"]["duration"], 5_000_000);
    }

    #[test]
    fn large_data_is_counted_and_not_kept() {
        let mut bench = tcp();
        let asked = record(&call(1, 3, WRITE, &vec![7; 4 << 20]));
        bench.send_in(ToServer, &asked[..asked.len() - 4], 1448);
        assert!(bench.stream_counters().copied_bytes < 1448);
        bench.send(ToServer, &asked[asked.len() - 4..]);
        bench.finish();
        assert_eq!(bench.events()[0]["source"]["bytes"], asked.len() - 4);
    }

    #[test]
    fn the_head_of_a_message_is_enough() {
        // The main operation lies behind what is read: the last operation before it is taken, however it comes.
        let lookups: Vec<u8> = (0..40).flat_map(|_| [words(&[15]), opaque(&[b'n'; 252])].concat()).collect();
        assert!(lookups.len() > HEAD_BYTES);
        let asked = call(1, 4, COMPOUND, &compound("", 1, 41, &[lookups, words(&[25])].concat()));
        for size in [usize::MAX, 1000] {
            let mut bench = tcp();
            bench.send_in(ToServer, &record(&asked), size);
            bench.finish();
            assert_eq!(bench.events()[0]["nfs"]["opcode"], "LOOKUP");
            assert!(bench.events()[0].get("error").is_none());
        }
    }

    #[test]
    fn tls_and_foreign_bytes_are_left_alone() {
        let mut bench = tcp();
        bench.send(
            ToServer,
            &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        );
        bench.send(ToServer, &record(&call(1, 3, LOOKUP, &[])));
        bench.finish();
        assert!(bench.events().is_empty());

        let mut bench = tcp();
        for _ in 0..20 {
            bench.send(ToServer, &[b'x'; 100_000]);
        }
        assert!(bench.stream_counters().ignored_bytes > 0);
        bench.finish();
        assert!(bench.events().is_empty());
    }
}
