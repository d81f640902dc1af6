// SPDX-License-Identifier: Apache-2.0
//! What is known of single commands. Nothing here decides whether something is a command, but where the capture begins in
//! the middle of a connection: there a line of text is a command only when it begins with the name of one.

/// How a command is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    One,
    /// A confirmation for each channel; none named means every one that is subscribed.
    Confirmations(Subscription),
    /// By design none: CLIENT REPLY OFF and SKIP, and what follows them; REPLCONF ACK.
    None,
}

/// What is subscribed, or no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub space: Space,
    pub ends: bool,
}

/// The three kinds of subscription, which servers count apart (shards) or together (the others).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Space {
    Channel,
    Pattern,
    Shard,
}

/// What a command does to the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    /// CLIENT REPLY ON, OFF, SKIP.
    ReplyOn,
    ReplyOff,
    ReplySkip,
    Monitor,
    Reset,
    /// PSYNC: its answer is a line, then comes the replication stream.
    Psync,
    /// SYNC: its answer is the replication stream.
    Sync,
    ReplicaAcknowledges,
}

/// The subscription that a word names, as a command and in its confirmation.
pub fn subscription(word: &[u8]) -> Option<Subscription> {
    let (space, word) = match word.first()?.to_ascii_lowercase() {
        b'p' => (Space::Pattern, word.get(1..)?),
        // Both "ssubscribe" and "subscribe" begin with an s.
        b's' if word.get(1).is_some_and(|second| second.eq_ignore_ascii_case(&b's')) => (Space::Shard, word.get(1..)?),
        b's' if word.get(1..4).is_some_and(|next| next.eq_ignore_ascii_case(b"uns")) => (Space::Shard, word.get(1..)?),
        _ => (Space::Channel, word),
    };
    if word.eq_ignore_ascii_case(b"subscribe") {
        Some(Subscription { space, ends: false })
    } else if word.eq_ignore_ascii_case(b"unsubscribe") {
        Some(Subscription { space, ends: true })
    } else {
        None
    }
}

/// What the first words of a command do to the connection.
pub fn effect(words: [&[u8]; 3]) -> Effect {
    let is = |index: usize, name: &[u8]| words.get(index).is_some_and(|word| word.eq_ignore_ascii_case(name));
    match words[0].len() {
        4 if is(0, b"SYNC") => Effect::Sync,
        5 if is(0, b"PSYNC") => Effect::Psync,
        5 if is(0, b"RESET") => Effect::Reset,
        6 if is(0, b"CLIENT") && is(1, b"REPLY") => {
            if is(2, b"OFF") {
                Effect::ReplyOff
            } else if is(2, b"SKIP") {
                Effect::ReplySkip
            } else if is(2, b"ON") {
                Effect::ReplyOn
            } else {
                Effect::None
            }
        }
        7 if is(0, b"MONITOR") => Effect::Monitor,
        8 if is(0, b"REPLCONF") && is(1, b"ACK") => Effect::ReplicaAcknowledges,
        _ => Effect::None,
    }
}

/// Whether a subscribed client of RESP2 may send the command.
pub fn is_allowed_when_subscribed(name: &[u8]) -> bool {
    subscription(name).is_some()
        || [&b"PING"[..], b"QUIT", b"RESET"].iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether the command's second word is part of its name. Packetbeat has the first four; PUBSUB, OBJECT and SLOWLOG,
/// which are such too, are one word there and here.
pub fn has_two_words(name: &[u8]) -> bool {
    const CONTAINERS: [&[u8]; 13] = [
        b"CLIENT",
        b"CONFIG",
        b"DEBUG",
        b"SCRIPT",
        b"ACL",
        b"CLUSTER",
        b"COMMAND",
        b"FUNCTION",
        b"LATENCY",
        b"MEMORY",
        b"MODULE",
        b"XGROUP",
        b"XINFO",
    ];
    CONTAINERS.iter().any(|container| name.eq_ignore_ascii_case(container))
}

/// Whether it is the name of a command of Redis 7.
pub fn is_known(name: &[u8]) -> bool {
    KNOWN.iter().any(|line| line.split(|byte| *byte == b' ').any(|known| name.eq_ignore_ascii_case(known)))
}

/// By group, as in the command reference.
const KNOWN: [&[u8]; 15] = [
    b"AUTH CLIENT ECHO HELLO PING QUIT RESET SELECT",
    b"APPEND DECR DECRBY GET GETDEL GETEX GETRANGE GETSET INCR INCRBY INCRBYFLOAT LCS MGET MSET MSETNX PSETEX SET SETEX",
    b"SETNX SETRANGE STRLEN SUBSTR",
    b"COPY DEL DUMP EXISTS EXPIRE EXPIREAT EXPIRETIME KEYS MIGRATE MOVE OBJECT PERSIST PEXPIRE PEXPIREAT PEXPIRETIME PTTL",
    b"RANDOMKEY RENAME RENAMENX RESTORE SCAN SORT SORT_RO TOUCH TTL TYPE UNLINK WAIT WAITAOF",
    b"BLMOVE BLMPOP BLPOP BRPOP BRPOPLPUSH LINDEX LINSERT LLEN LMOVE LMPOP LPOP LPOS LPUSH LPUSHX LRANGE LREM LSET LTRIM",
    b"RPOP RPOPLPUSH RPUSH RPUSHX SADD SCARD SDIFF SDIFFSTORE SINTER SINTERCARD SINTERSTORE SISMEMBER SMEMBERS",
    b"SMISMEMBER SMOVE SPOP SRANDMEMBER SREM SSCAN SUNION SUNIONSTORE",
    b"HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HMSET HRANDFIELD HSCAN HSET HSETNX HSTRLEN HVALS",
    b"BZMPOP BZPOPMAX BZPOPMIN ZADD ZCARD ZCOUNT ZDIFF ZDIFFSTORE ZINCRBY ZINTER ZINTERCARD ZINTERSTORE ZLEXCOUNT ZMPOP \
ZMSCORE ZPOPMAX ZPOPMIN ZRANDMEMBER ZRANGE ZRANGEBYLEX ZRANGEBYSCORE ZRANGESTORE ZRANK ZREM ZREMRANGEBYLEX \
ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE ZREVRANGEBYLEX ZREVRANGEBYSCORE ZREVRANK ZSCAN ZSCORE ZUNION ZUNIONSTORE",
    b"BITCOUNT BITFIELD BITFIELD_RO BITOP BITPOS GETBIT SETBIT PFADD PFCOUNT PFDEBUG PFMERGE PFSELFTEST GEOADD GEODIST \
GEOHASH GEOPOS GEORADIUS GEORADIUSBYMEMBER GEOSEARCH GEOSEARCHSTORE",
    b"XACK XADD XAUTOCLAIM XCLAIM XDEL XGROUP XINFO XLEN XPENDING XRANGE XREAD XREADGROUP XREVRANGE XSETID XTRIM",
    b"PSUBSCRIBE PUBLISH PUBSUB PUNSUBSCRIBE SPUBLISH SSUBSCRIBE SUBSCRIBE SUNSUBSCRIBE UNSUBSCRIBE",
    b"DISCARD EXEC MULTI UNWATCH WATCH EVAL EVALSHA EVALSHA_RO EVAL_RO FCALL FCALL_RO FUNCTION SCRIPT",
    b"ACL BGREWRITEAOF BGSAVE COMMAND CONFIG DBSIZE DEBUG FAILOVER FLUSHALL FLUSHDB INFO LASTSAVE LATENCY LOLWUT MEMORY \
MODULE MONITOR PSYNC REPLCONF REPLICAOF ROLE SAVE SHUTDOWN SLAVEOF SLOWLOG SWAPDB SYNC TIME CLUSTER ASKING READONLY \
READWRITE",
];
