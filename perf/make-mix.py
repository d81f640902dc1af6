#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes a mixed capture of real traffic: the project's recorded captures, again and again with fresh addresses, interleaved.

    perf/make-mix.py OUT.pcap [PACKETS]        200,000 packets unless told otherwise
    perf/make-mix.py --flows OUT.pcap [FLOWS]  one 60-byte frame a flow, half UDP, half TCP SYN; 1,000,000 flows
"""
import heapq
import random
import struct
import sys
from pathlib import Path

RECORDED = Path(__file__).resolve().parents[1] / "tests" / "recorded"

def records(path):
    data = path.read_bytes()
    magic, = struct.unpack_from("<I", data)
    unit = {0xA1B2C3D4: 1_000, 0xA1B23C4D: 1}[magic]
    offset, packets = 24, []
    while offset + 16 <= len(data):
        seconds, fraction, captured, length = struct.unpack_from("<IIII", data, offset)
        packets.append((seconds * 1_000_000_000 + fraction * unit, data[offset + 16:offset + 16 + captured]))
        offset += 16 + captured
    first = packets[0][0]
    return [(time - first, frame) for time, frame in packets]

def moved(frame, number):
    """The frame with addresses of its own for this repetition."""
    frame = bytearray(frame)
    if frame[12:14] == b"\x08\x00":
        for place in (26, 30):
            frame[place + 1] ^= number & 0xFF
            frame[place + 2] ^= number >> 8 & 0xFF
    elif frame[12:14] == b"\x86\xdd":
        for place in (22, 38):
            frame[place + 6] ^= number & 0xFF
            frame[place + 7] ^= number >> 8 & 0xFF
    return bytes(frame)

def write(path, packets):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for time, frame in packets:
            micros = time // 1_000
            out.write(struct.pack("<IIII", micros // 1_000_000, micros % 1_000_000, len(frame), len(frame)) + frame)

def mix(path, wanted):
    themes = [records(theme) for theme in sorted(RECORDED.glob("*/*.pcap"))]
    per_round = sum(map(len, themes))
    rounds = wanted // per_round + 1
    generator = random.Random(1)
    streams = []
    for number in range(rounds):
        for theme in themes:
            start = 1_760_000_000_000_000_000 + number * 200_000_000 + generator.randrange(200_000_000)
            # Every theme within two seconds, so that many are open at once.
            span = max(theme[-1][0], 1)
            streams.append([(start + time * 2_000_000_000 // span, moved(frame, number)) for time, frame in theme])
    merged = heapq.merge(*streams, key=lambda packet: packet[0])
    write(path, (packet for packet, _ in zip(merged, range(wanted))))

def flows(path, count):
    def packets():
        for number in range(count):
            addresses = struct.pack(">II", 0x0A000000 + (number & 0xFFFFFF), 0xC0A80001 + (number >> 16))
            ethernet = bytes(12) + b"\x08\x00"
            if number & 1:
                transport = struct.pack(">HHIIBBHHH", 1024 + number % 60_000, 443, number, 0, 0x50, 2, 65535, 0, 0)
                protocol = 6
            else:
                transport = struct.pack(">HHHH", 1024 + number % 60_000, 9999, 26, 0) + bytes(18)
                protocol = 17
            ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(transport), number & 0xFFFF, 0, 64, protocol, 0) + addresses
            yield 1_760_000_000_000_000_000 + number * 1_000, (ethernet + ip + transport).ljust(60, b"\0")
    write(path, packets())

def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--flows"] and len(arguments) in (2, 3):
        flows(arguments[1], int(arguments[2]) if len(arguments) == 3 else 1_000_000)
    elif len(arguments) in (1, 2) and not arguments[0].startswith("-"):
        mix(arguments[0], int(arguments[1]) if len(arguments) == 2 else 200_000)
    else:
        sys.exit(__doc__)

main()
