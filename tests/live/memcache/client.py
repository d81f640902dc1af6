# SPDX-License-Identifier: Apache-2.0
"""pymemcache (text over TCP): storing, fetching, counting, misses, long values; and a bare socket over UDP, which asks
again with the same number when no answer comes."""

import socket
import struct

from pymemcache.client.base import Client

from client import SERVER


def work(log):
    for round in range(3):
        connection = Client((SERVER, 11211), timeout=20, no_delay=True, default_noreply=False)
        for number in range(30):
            call(log, connection, "set", f"key{number}", "v" * (number * 100))
            call(log, connection, "get", f"key{number}")
            call(log, connection, "get", f"missing{number}")
            call(log, connection, "add", f"key{number}", "again")
            call(log, connection, "append", f"key{number}", "tail")
        call(log, connection, "set", "counter", "5")
        call(log, connection, "incr", "counter", 3)
        call(log, connection, "decr", "counter", 1)
        call(log, connection, "set", "large", "x" * 200000)
        call(log, connection, "get", "large")
        connection.get_many([f"key{number}" for number in range(20)])
        log("get", "key0")
        call(log, connection, "delete", "counter")
        call(log, connection, "touch", "key1", 100)
        connection.close()
    udp(log)


def call(log, connection, command, key, *arguments):
    getattr(connection, command)(key, *arguments)
    log(command, key)


def udp(log):
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
        connection.connect((SERVER, 11211))
        connection.settimeout(0.5)
        for round in range(40):
            for command in (b"set udp%d 0 0 5\r\nhello\r\n" % round, b"get udp%d\r\n" % round):
                number += 1
                for _ in range(8):
                    connection.send(struct.pack(">HHHH", number, 0, 1, 0) + command)
                    try:
                        while struct.unpack(">H", connection.recv(2000)[:2])[0] != number:
                            pass
                        break
                    except TimeoutError:
                        continue
                log(command[:3].decode(), f"udp{round}")


def describe(event):
    request = event.get("memcache", {}).get("request", {})
    return [request.get("command"), (request.get("keys") or [None])[0]]


def merge(event):
    return str(describe(event)) if event["network"]["transport"] == "udp" else None
