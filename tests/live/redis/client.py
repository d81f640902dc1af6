# SPDX-License-Identifier: Apache-2.0
"""redis-py: single commands of every data type, errors, pipelines, transactions, long values; several connections."""

import redis

from client import SERVER

LINES = [
    "SET greeting hello", "GET greeting", "GET missing", "INCR number", "INCR greeting", "APPEND greeting !", "MSET a 1 b 2", "MGET a b missing",
    "LPUSH list x y z", "LRANGE list 0 -1", "HSET hash f v", "HGETALL hash", "HGET list f", "SADD set m n", "SMEMBERS set", "ZADD scores 1 one 2 two",
    "ZRANGE scores 0 -1 WITHSCORES", "NOSUCHCOMMAND a b", "GET", "TTL number", "DBSIZE", "XADD stream * field value", "XLEN stream", "MULTI", "SET t 1", "INCR t", "EXEC",
]


def work(log):
    for _ in range(5):
        connection = redis.Redis(SERVER, 6379, single_connection_client=True, socket_timeout=20)
        connection.response_callbacks.clear()
        for line in LINES:
            run(log, connection, *line.split())
        for size in (1, 3000, 70000):
            run(log, connection, "SET", "large", "v" * size)
            run(log, connection, "GET", "large")
        pipeline = connection.pipeline(transaction=False)
        commands = [("SET", f"key:{number}", "v" * (number * 7)) for number in range(80)] + [("GET", f"key:{number}") for number in range(80)] + [("INCR", "greeting")]
        for command in commands:
            pipeline.execute_command(*command)
        for command, answer in zip(commands, pipeline.execute(raise_on_error=False)):
            log(" ".join(command), "Error" if isinstance(answer, Exception) else "OK", length(answer))
        run(log, connection, "FLUSHDB")
        connection.close()


def run(log, connection, *command):
    try:
        answer = connection.execute_command(*command)
        log(" ".join(command), "OK", length(answer))
    except redis.RedisError:
        log(" ".join(command), "Error", None)


def length(answer):
    return len(answer) if isinstance(answer, bytes) and not answer.isdigit() and b"-" not in answer else None


def describe(event):
    query = event.get("query", "")
    if query.startswith(("CLIENT SETINFO", "HELLO")):
        return None
    answer = event.get("redis", {}).get("return_value")
    return [query, event["status"], len(answer) if query.startswith("GET ") and answer not in (None, "nil") and not answer.isdigit() else simple(query, answer)]


def simple(query, answer):
    """What redis-py gives as bytes: status lines."""
    return len(answer) if answer in ("OK", "QUEUED", "PONG") else None
