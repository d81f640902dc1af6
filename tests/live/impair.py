# SPDX-License-Identifier: Apache-2.0
"""A bad wire between two interfaces: loses 1 %, repeats 1 % and delays 5 % of the frames past their followers.

    impair.py INTERFACE INTERFACE

Kernels without netem need no module for it. The seed is fixed, so that two runs differ by timing only. ARP passes unharmed.
"""

import heapq
import random
import select
import socket
import sys
import time

LOSS, REPEAT, REORDER, LATE_SECONDS = 0.01, 0.01, 0.05, 0.004


def main():
    left, right = map(open_interface, sys.argv[1:3])
    peer = {left: right, right: left}
    random.seed(42)
    waiting, order = [], 0
    while True:
        pause = max(0.0, waiting[0][0] - time.monotonic()) if waiting else None
        for source in select.select([left, right], [], [], pause)[0]:
            frame, address = source.recvfrom(65536)
            if address[2] == socket.PACKET_OUTGOING:
                continue
            chance = 1.0 if frame[12:14] == b"\x08\x06" else random.random()
            if chance < LOSS:
                continue
            if chance < LOSS + REPEAT:
                peer[source].send(frame)
            if LOSS + REPEAT <= chance < LOSS + REPEAT + REORDER:
                order += 1
                heapq.heappush(waiting, (time.monotonic() + LATE_SECONDS, order, peer[source], frame))
                continue
            peer[source].send(frame)
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, target, frame = heapq.heappop(waiting)
            target.send(frame)


def open_interface(name):
    interface = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    interface.bind((name, 0))
    return interface


main()
