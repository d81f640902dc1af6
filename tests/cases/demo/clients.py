# SPDX-License-Identifier: Apache-2.0
"""The demo's clients. `probe URL` sends one request; `send URL` sends some hundred over several seconds and prints what it
has sent and been answered, as JSON: requests per second of the clock, responses per status, and SELECTs of all users."""

import collections
import http.client
import json
import sys
import time
import urllib.parse

PROBE = "/hello/probe"
REQUESTS = [
    ("GET", "/users", None, 200),
    ("GET", "/users/1", None, 200),
    ("GET", "/users/99", None, 404),
    ("GET", "/hello/world", None, 200),
    ("GET", "/users", None, 200),
    ("POST", "/users", '{"name":"Edsger","email":"edsger@example.com"}', 201),
    ("GET", "/fail", None, 500),
    ("GET", "/nowhere", None, 404),
]
SECONDS = 8


def main():
    command, url = sys.argv[1:]
    address = urllib.parse.urlsplit(url).netloc
    if command == "probe":
        ask(http.client.HTTPConnection(address, timeout=10), "GET", PROBE, None, 200)
    else:
        print(json.dumps(send(address)))


def send(address):
    """Sends only in the middle of each second, so that the clock that stamps the packets cannot disagree about the second."""
    connections = [http.client.HTTPConnection(address, timeout=30) for _ in range(3)]
    truth = {"requests": collections.Counter(), "statuses": collections.Counter(), "selects": 0}
    first = int(time.time()) + 1
    number = 0
    for second in range(first, first + SECONDS):
        time.sleep(max(0.0, second + 0.2 - time.time()))
        for _ in range(20 + 15 * (second % 3)):
            if not second + 0.1 < time.time() < second + 0.8:
                break
            method, path, body, status = REQUESTS[number % len(REQUESTS)]
            ask(connections[number % len(connections)], method, path, body, status)
            truth["requests"][second] += 1
            truth["statuses"][status] += 1
            truth["selects"] += (method, path) == ("GET", "/users")
            number += 1
    if len(truth["requests"]) < SECONDS // 2 or number < 40:
        sys.exit(f"The machine was too slow: only {number} requests in {len(truth['requests'])} seconds.")
    for connection in connections:
        connection.close()
    return truth


def ask(connection, method, path, body, wanted):
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    response = connection.getresponse()
    text = response.read()
    if response.status != wanted:
        sys.exit(f"{method} {path} was answered with {response.status} instead of {wanted}: {text[:200]!r}")


main()
