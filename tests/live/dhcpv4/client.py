# SPDX-License-Identifier: Apache-2.0
"""udhcpc with one client identifier after the other: discover, offer, request, ack, release. It says what it sends."""

import re
import subprocess

from client import CLIENT

WORDS = (("discover", ["discover", "offer"]), ("select", ["request", "ack"]), ("unicasting a release", ["release"]))


def work(log):
    subprocess.run(["ip", "address", "flush", "dev", "eth0"], check=True)
    try:
        for number in range(12):
            lease(log, number)
    finally:
        subprocess.run(["ip", "address", "add", f"{CLIENT}/24", "dev", "eth0"], check=True)


def lease(log, number):
    """A request that was repeated on a bad wire counts once: `merge` puts the events together in the same way."""
    done = subprocess.run(
        ["udhcpc", "-f", "-q", "-R", "-n", "-t", "10", "-T", "1", "-A", "1", "-i", "eth0", "-s", "/bin/true", "-x", f"0x3d:00{number:02x}", "-x", f"hostname:host{number}"],
        capture_output=True, text=True, timeout=50)
    said = done.stderr + done.stdout
    assert done.returncode == 0, said
    for words, messages in WORDS:
        if re.search(words, said):
            for message in messages:
                log(f"00{number:02x}", message)


def describe(event):
    dhcp = event["dhcpv4"]
    return [dhcp.get("option", {}).get("client_id"), dhcp.get("option", {}).get("message_type")]


def merge(event):
    return str(describe(event))
