# SPDX-License-Identifier: Apache-2.0
"""dnspython: queries over UDP, sent again with their number when no answer comes, and over TCP."""

import dns.exception
import dns.message
import dns.query
import dns.rcode

from client import SERVER

NAMES = [
    ("www.rec.test", "A"), ("six.rec.test", "AAAA"), ("six.rec.test", "A"), ("alias.rec.test", "A"), ("rec.test", "MX"), ("txt.rec.test", "TXT"), ("_sip._udp.rec.test", "SRV"),
    ("1.2.0.192.in-addr.arpa", "PTR"), ("nothing.rec.test", "A"), ("www.rec.test", "AAAA"), ("elsewhere.example", "A"),
]


def work(log):
    number = 1000
    for _ in range(15):
        for name, kind in NAMES:
            number += 1
            ask(log, number, name, kind, "udp")
    for name, kind in NAMES * 3 + [("many.rec.test", "TXT")] * 5:
        number += 1
        ask(log, number, name, kind, "tcp")


def ask(log, number, name, kind, transport):
    query = dns.message.make_query(name, kind)
    query.id = number
    for _ in range(8):
        try:
            answer = dns.query.udp(query, SERVER, timeout=0.5) if transport == "udp" else dns.query.tcp(query, SERVER, timeout=20)
            break
        except dns.exception.Timeout:
            continue
    log(number, name, kind, transport, dns.rcode.to_text(answer.rcode()), sum(map(len, answer.answer)))


def describe(event):
    dns = event["dns"]
    return [dns.get("id"), dns["question"]["name"], dns["question"]["type"], event["network"]["transport"], dns.get("response_code"), dns.get("answers_count", 0)]


def merge(event):
    return event["dns"]["id"] if event["network"]["transport"] == "udp" else None
