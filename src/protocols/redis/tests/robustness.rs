// SPDX-License-Identifier: Apache-2.0
//! Bytes in pieces, cut, changed; the memory that stays.

use std::path::PathBuf;
use std::time::Instant;

use super::*;
use crate::protocols::replay;

const THEMES: &[&str] =
    &["commands", "errors", "inline", "large", "pipeline", "pubsub", "redis-cli", "resp3", "transactions"];

fn factory() -> Redis {
    Redis { options: Arc::new(options()) }
}

#[test]
fn segmentation_changes_nothing() {
    for theme in THEMES {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/redis").join(format!("{theme}.pcap"));
        let whole = replay::events(&file, &factory(), Some(6379), usize::MAX);
        assert!(!whole.is_empty());
        for size in if matches!(*theme, "large" | "redis-cli") { vec![1000] } else { vec![1, 2, 7] } {
            assert_eq!(replay::events(&file, &factory(), Some(6379), size), whole, "{theme} in pieces of {size}");
        }
    }
}

/// A conversation with something of everything.
fn conversation() -> Vec<(Direction, Vec<u8>)> {
    let ask = |line: &str| (ToServer, command(line));
    let answer = |bytes: &[u8]| (ToClient, bytes.to_vec());
    vec![
        ask("HELLO 3"),
        answer(b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nmodules\r\n*0\r\n"),
        (ToServer, [command("MULTI"), command("SET key value"), command("EXEC")].concat()),
        answer(b"+OK\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR no\r\n"),
        (ToServer, b"GET 'in line'\r\nPING\n".to_vec()),
        answer(b"$?\r\n;2\r\nab\r\n;0\r\n|1\r\n+ttl\r\n:1\r\n+PONG\r\n"),
        ask("SUBSCRIBE a b"),
        answer(b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"),
        answer(b">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"),
        ask("UNSUBSCRIBE"),
        answer(b">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n"),
        ask("MONITOR"),
        answer(b"+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"),
        ask("CLIENT REPLY SKIP"),
        ask("PING"),
        ask("LRANGE l 0 -1"),
        answer(b"*3\r\n,1.5\r\n#t\r\n=7\r\ntxt:abc\r\n"),
        (ToServer, b"*1\r\n$-5\r\n".to_vec()),
        answer(b"-ERR Protocol error\r\n"),
    ]
}

fn play(conversation: &[(Direction, Vec<u8>)], length: usize, size: usize) -> Bench {
    let mut bench = bench();
    let mut left = length;
    for (direction, bytes) in conversation {
        let part = &bytes[..bytes.len().min(left)];
        left -= part.len();
        bench.send_in(*direction, part, size);
    }
    bench.finish();
    bench
}

#[test]
fn every_prefix_of_a_conversation() {
    let conversation = conversation();
    let total = conversation.iter().map(|(_, bytes)| bytes.len()).sum();
    let shown =
        |bench: &Bench| pairs(bench).into_iter().map(|(query, answer)| (query.to_owned(), answer)).collect::<Vec<_>>();
    let mut events = 0;
    for length in 0..=total {
        let whole = play(&conversation, length, usize::MAX);
        let pieces = play(&conversation, length, 1);
        assert_eq!(shown(&whole), shown(&pieces), "{length}");
        assert!(whole.events().len() >= events, "{length}");
        events = whole.events().len();
        assert_eq!(whole.parser.deadline_ns(), None);
    }
    assert_eq!(events, 13);
}

#[test]
fn mutations_are_harmless() {
    let mut random = fastrand::Rng::with_seed(0x0072_6564_6973);
    let conversation = conversation();
    for _ in 0..1000 {
        let mut bench = bench();
        for (direction, bytes) in &conversation {
            let payload = bench
                .damaged(&mut random, (*direction, bytes), 4, |random| b"*$%>|;.-:\r\n0123456789"[random.usize(..21)]);
            bench.send(*direction, &payload);
            match random.u8(..60) {
                0 => bench.fin(*direction),
                1 => bench.wait(11_000_000_000),
                _ => {}
            }
        }
        bench.wait(20_000_000_000);
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn random_bytes_are_harmless() {
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..1000 {
        let mut bench = bench();
        for _ in 0..20 {
            let direction = if random.bool() { ToServer } else { ToClient };
            let alphabet = b"*$%>|;.-+:_#,(!=~\r\n\r\n\r\n0123456789abPING '\"";
            let payload: Vec<u8> = (0..random.usize(1..40)).map(|_| alphabet[random.usize(..alphabet.len())]).collect();
            bench.send(direction, &payload);
        }
        bench.finish();
        assert_eq!(bench.parser.deadline_ns(), None);
    }
}

#[test]
fn long_headers_in_single_bytes_are_not_quadratic() {
    let begun = Instant::now();
    let mut bench = bench();
    bench.send(ToServer, &command("PING"));
    bench.send(ToClient, b"+PONG\r\n");
    bench.send_in(ToServer, &[&b"ECHO "[..], &[b'x'; 60_000], b"\r\n"].concat(), 1);
    bench.send_in(ToClient, &[&b"-"[..], &[b'x'; 900_000], b"\r\n"].concat(), 1);
    assert_eq!(bench.events()[1]["redis"]["error"].as_str().unwrap().len(), 900_000);
    // Quadratic work would be 4e11 steps.
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn memory_returns_to_its_base() {
    let mut parser = RedisParser::new(Arc::new(options()));
    let base = |parser: &RedisParser| parser.kept_bytes();
    let flow = bench().flow;
    struct Nobody(crate::event::Event);
    impl crate::protocols::Publisher for Nobody {
        fn begin(&mut self) -> &mut crate::event::Event {
            self.0.clear();
            &mut self.0
        }
        fn publish(&mut self) {}
        fn count(&mut self, _: ProtocolCounter, _: u64) {}
    }
    let mut nobody = Nobody(crate::event::Event::new(Arc::new(crate::event::Schema::new([]))));
    let mut kept = Vec::new();
    for round in 0..4 {
        let mut context = crate::protocols::Context { now_ns: round, flow, publisher: &mut nobody };
        for _ in 0..5000 {
            parser.data(&mut context, ToServer, &command("SET some-key some-value-of-some-length"));
        }
        parser.data(&mut context, ToServer, &[&b"*2\r\n$3\r\nGET\r\n$500000\r\n"[..], &[b'k'; 500_002]].concat());
        parser.data(&mut context, ToClient, &[&b"$500000\r\n"[..], &[b'v'; 500_000]].concat());
        parser.finish(&mut context);
        kept.push(base(&parser));
    }
    assert!(kept.iter().all(|bytes| *bytes <= 200 << 10), "{kept:?}");
    assert!(kept.windows(2).all(|pair| pair[1] <= pair[0]), "{kept:?}");
}
