# SPDX-License-Identifier: Apache-2.0
"""SIPp as the calling side: calls over UDP and over TCP. Its statistics say how many succeeded; each has one INVITE with
180 and 200, an ACK, and a BYE with 200."""

import csv
import os
import subprocess
import tempfile

from client import CLIENT, SERVER


def work(log):
    for transport, kind, calls in (("u1", "udp", 30), ("t1", "tcp", 20)):
        with tempfile.TemporaryDirectory() as folder:
            statistics = os.path.join(folder, "statistics.csv")
            done = subprocess.run(
                ["sipp", SERVER, "-sn", "uac", "-i", CLIENT, "-p", "5060" if kind == "udp" else "5070", "-t", transport, "-m", str(calls), "-r", "20", "-d", "50", "-s", "bob",
                 "-trace_stat", "-stf", statistics, "-nostdin", "-default_behaviors", "all,-abortunexp"],
                capture_output=True, text=True, cwd=folder, env={**os.environ, "TERM": "dumb"})
            with open(statistics) as file:
                last = list(csv.DictReader(file, delimiter=";"))[-1]
        assert int(last["SuccessfulCall(C)"]) == calls, (done.returncode, last)
        for call in range(1, calls + 1):
            for what in ("INVITE", "INVITE 180", "INVITE 200", "ACK", "BYE", "BYE 200"):
                log(kind, call, what)


def describe(event):
    sip = event.get("sip", {})
    code = f" {sip['code']}" if sip.get("type") == "response" else ""
    return [event["network"]["transport"], int(sip.get("call_id", "0").split("-")[0]), f"{sip['cseq']['method']}{code}"]


def merge(event):
    return str(describe(event)) if event["network"]["transport"] == "udp" else None
