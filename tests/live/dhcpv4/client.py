# SPDX-License-Identifier: Apache-2.0
"""udhcpc, under one Ethernet address after the other: discover, offer, request, ack."""

import subprocess

from client import CLIENT

OWN = "02:77:00:00:00:02"


def work(log):
    subprocess.run(["ip", "address", "flush", "dev", "eth0"], check=True)
    try:
        for number in range(30):
            address = f"02:77:00:00:01:{number:02x}"
            subprocess.run(["ip", "link", "set", "eth0", "address", address], check=True)
            lease(log, address)
    finally:
        subprocess.run(["ip", "link", "set", "eth0", "address", OWN], check=True)
        subprocess.run(["ip", "address", "add", f"{CLIENT}/24", "dev", "eth0"], check=True)


def lease(log, address):
    """A message that was repeated on a bad wire counts once: `merge` puts the events together in the same way."""
    command = ["udhcpc", "-f", "-q", "-n", "-t", "10", "-T", "1", "-A", "1", "-i", "eth0", "-s", "/bin/true"]
    subprocess.run(command, capture_output=True, check=True, timeout=50)
    for message in ("discover", "offer", "request", "ack"):
        log(address.replace(":", "-"), message)


def describe(event):
    dhcp = event["dhcpv4"]
    return [dhcp["client_mac"].lower(), dhcp["option"]["message_type"]]


def merge(event):
    return str(describe(event))
