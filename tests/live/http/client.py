# SPDX-License-Identifier: Apache-2.0
"""http.client, and a bare socket that pipelines, against nginx: kept connections, closed ones, bodies both ways, HEAD,
chunked and gzip, a body that is refused."""

import http.client
import socket

from client import SERVER

PATHS = ["/", "/large.txt", "/missing", "/teapot", "/moved", "/nothing", "/broken", "/numbers.txt"]


def work(log):
    for round in range(6):
        connection = http.client.HTTPConnection(SERVER, timeout=20)
        for number in range(25):
            path = PATHS[number % len(PATHS)]
            method = ("GET", "GET", "HEAD")[number % 3]
            headers = {"Accept-Encoding": "gzip"} if number % 2 else {}
            ask(log, connection, method, path, None, f"number={number}&round={round}", headers)
            ask(log, connection, "POST", "/take", b"a" * (number * 1500), "", {})
        connection.close()
    for number in range(30):
        connection = http.client.HTTPConnection(SERVER, timeout=20)
        ask(log, connection, "GET", PATHS[number % len(PATHS)], None, "", {"Connection": "close"})
        connection.close()
    connection = http.client.HTTPConnection(SERVER, timeout=20)
    ask(log, connection, "PUT", "/take", chunks(), "", {})
    ask(log, connection, "DELETE", "/index.html", None, "", {})
    connection.close()
    pipeline(log)


def ask(log, connection, method, path, body, query, headers):
    connection.request(method, f"{path}?{query}" if query else path, body, headers)
    answer = connection.getresponse()
    answer.read()
    log(method, path, query, answer.status)


def chunks():
    for number in range(20):
        yield b"%d" % number * 300


def pipeline(log):
    with socket.create_connection((SERVER, 80), 20) as connection:
        paths = ["/", "/missing", "/numbers.txt", "/teapot"] * 10
        connection.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: live\r\n\r\n" % path.encode() for path in paths))
        file = connection.makefile("rb")
        for path in paths:
            answer = http.client.HTTPResponse(connection)
            answer.fp.close()
            answer.fp = file
            answer.begin()
            answer.fp = Borrowed(file)
            answer.read()
            log("GET", path, "", answer.status)


class Borrowed:
    """The file of a connection that an answer must not close."""

    def __init__(self, file):
        self.file = file

    def __getattr__(self, name):
        return getattr(self.file, name)

    def close(self):
        pass


def describe(event):
    url, answer = event.get("url", {}), event.get("http", {}).get("response", {})
    return [event.get("method"), url.get("path"), url.get("query", ""), answer.get("status_code")]
