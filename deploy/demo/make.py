#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes traffic.pcap: captures of real servers that this project recorded (tests/recorded), laid over each other so that
each begins within the first seconds and all take about as long as the demo shows them."""
import struct
import sys
from pathlib import Path

THEMES = ["express/users", "http/methods", "dns/types", "icmp/echo", "mysql/statements"]
SECONDS = 20.0

def records(path):
    data = path.read_bytes()
    magic, = struct.unpack_from("<I", data)
    unit = {0xA1B2C3D4: 1e-6, 0xA1B23C4D: 1e-9}[magic]
    offset = 24
    while offset + 16 <= len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, offset)
        yield seconds + fraction * unit, length, data[offset + 16:offset + 16 + captured]
        offset += 16 + captured

def main():
    here = Path(__file__).resolve().parent
    packets = []
    for place, theme in enumerate(THEMES):
        theme_packets = list(records(here.parents[1] / "tests" / "recorded" / f"{theme}.pcap"))
        first, last = theme_packets[0][0], theme_packets[-1][0]
        stretch = max(last - first, 0.001)
        for time, length, frame in theme_packets:
            at = place * 0.3 + (time - first) / stretch * (SECONDS - place * 0.3)
            packets.append((at, length, frame))
    packets.sort(key=lambda packet: packet[0])
    out = bytearray(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
    base = 1_760_000_000
    for at, length, frame in packets:
        micros = int(at * 1e6)
        out += struct.pack("<IIII", base + micros // 1_000_000, micros % 1_000_000, len(frame), length) + frame
    (here / "traffic.pcap").write_bytes(out)
    print(f"{len(packets)} packets, {len(out)} bytes", file=sys.stderr)

main()
