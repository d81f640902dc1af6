# SPDX-License-Identifier: Apache-2.0
"""Python's ssl, which is OpenSSL: TLS 1.2 and 1.3, several suites, resumption by session, ticket and pre-shared key, ALPN,
and handshakes that fail in the clear."""

import socket
import ssl

from client import SERVER

V = ssl.TLSVersion


def work(log):
    for _ in range(3):
        for name in ("www.rec.test", "other.test", None):
            shake(log, 443, V.TLSv1_3, name)
            shake(log, 443, V.TLSv1_2, name)
        for suite in ("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "AES256-GCM-SHA384", "DHE-RSA-AES128-SHA256"):
            shake(log, 995, V.TLSv1_2, "www.rec.test", suite=suite)
        for port, version in ((995, V.TLSv1_2), (443, V.TLSv1_2), (443, V.TLSv1_3)):
            context = settings(version)
            session = shake(log, port, version, "www.rec.test", context)
            for _ in range(2):
                session = shake(log, port, version, "www.rec.test", context, session) or session
        shake(log, 443, V.TLSv1_2, "www.rec.test", suite="ECDHE-ECDSA-AES128-SHA")
        shake(log, 995, V.TLSv1_3, "www.rec.test")


def settings(version, suite=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["http/1.1"])
    if suite:
        context.set_ciphers(suite)
    return context


def shake(log, port, version, name, context=None, session=None, suite=None):
    context = context or settings(version, suite)
    try:
        with socket.create_connection((SERVER, port), 20) as bare, context.wrap_socket(bare, server_hostname=name, session=session) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            try:
                while connection.recv(65536):
                    pass
            except ssl.SSLEOFError:
                pass
            log(port, name, connection.version()[4:], True, connection.session_reused)
            return connection.session
    except (ssl.SSLError, ConnectionError):
        log(port, name, None, False, False)


def describe(event):
    tls = event.get("tls", {})
    established = tls.get("established")
    return [event["destination"]["port"], tls.get("client", {}).get("server_name"), tls.get("version") if established else None, established, tls.get("resumed", False)]
