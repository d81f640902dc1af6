# SPDX-License-Identifier: Apache-2.0
"""NFSv3 calls and NFSv4 COMPOUNDs written out by hand, so that the log is exact: an entry for each RPC call."""

import os
import socket
import struct

from client import CLIENT, SERVER

STATUS = {0: "NFS_OK", 2: "NFSERR_NOENT", 17: "NFSERR_EXIST", 20: "NFSERR_NOTDIR", 21: "NFSERR_ISDIR", 70: "NFSERR_STALE", 10001: "NFSERR_BADHANDLE"}
OPERATIONS = {"ACCESS": 3, "GETATTR": 9, "GETFH": 10, "LOOKUP": 15, "PUTROOTFH": 24, "READDIR": 26}
NO_CHANGE = struct.pack(">IIIIII", 0, 0, 0, 0, 0, 0)
NFS, MOUNT = 100003, 100005


def work(log):
    mount = Stream(20048, lambda *_: None)
    answer = mount.ask("MNT", 1, opaque(os.environ["EXPORTED"].encode()), program=MOUNT)
    root = opaque(handle(answer, 4))
    for round in range(4):
        version3(Stream(2049, log, 0x7000 + round * 0x1000), root, b"made-%d" % round)
        version4(Stream(2049, log, 0x27000 + round * 0x1000))


def version3(nfs, root, name):
    nfs.ask("NULL", 0)
    nfs.ask("FSINFO", 19, root)
    nfs.ask("FSSTAT", 18, root)
    nfs.ask("PATHCONF", 20, root)
    nfs.ask("ACCESS", 4, root + struct.pack(">I", 0x3F))
    file = opaque(handle(nfs.ask("LOOKUP", 3, root + opaque(b"file-2.txt")), 4))
    nfs.ask("LOOKUP", 3, root + opaque(b"missing"))
    nfs.ask("LOOKUP", 3, file + opaque(b"below"))
    for place in range(10):
        nfs.ask("GETATTR", 1, file)
        nfs.ask("READ", 6, file + struct.pack(">QI", place * 200, 1500))
    nfs.ask("READ", 6, root + struct.pack(">QI", 0, 10))
    nfs.ask("READDIR", 16, root + struct.pack(">QQI", 0, 0, 4000))
    nfs.ask("READDIRPLUS", 17, root + struct.pack(">QQII", 0, 0, 1000, 8000))
    made = nfs.ask("CREATE", 8, root + opaque(name) + struct.pack(">III", 0, 1, 0o644) + struct.pack(">IIIII", 0, 0, 0, 0, 0))
    new = opaque(handle(made, 8))
    nfs.ask("WRITE", 7, new + struct.pack(">QII", 0, 30000, 0) + opaque(b"w" * 30000))
    nfs.ask("WRITE", 7, new + struct.pack(">QII", 5000, 3000, 2) + opaque(b"z" * 3000), pieces=3)
    nfs.ask("COMMIT", 21, new + struct.pack(">QI", 0, 0))
    nfs.ask("MKDIR", 9, root + opaque(name + b"-folder") + NO_CHANGE)
    nfs.ask("MKDIR", 9, root + opaque(name + b"-folder") + NO_CHANGE)
    nfs.ask("RENAME", 14, root + opaque(name) + root + opaque(name + b"-renamed"))
    nfs.ask("REMOVE", 12, root + opaque(name + b"-renamed"))
    nfs.ask("REMOVE", 12, root + opaque(b"never"))
    nfs.ask("RMDIR", 13, root + opaque(name + b"-folder"))
    nfs.ask("GETATTR", 1, opaque(b"not a handle"))


def version4(nfs):
    attributes = struct.pack(">II", 1, 0x1A)
    for _ in range(5):
        nfs.compound(("PUTROOTFH", b""), ("GETFH", b""), ("GETATTR", attributes))
        nfs.compound(("PUTROOTFH", b""), ("LOOKUP", opaque(b"export")), ("GETFH", b""), ("ACCESS", struct.pack(">I", 1)))
        nfs.compound(("PUTROOTFH", b""), ("LOOKUP", opaque(b"nothing")), ("GETFH", b""))


class Stream:
    """One connection; RPC calls that wait for their answer."""

    def __init__(self, port, log, xid=0x1000):
        self.log, self.xid = log, xid
        self.socket = socket.create_connection((SERVER, port), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # PATHINFO is Packetbeat's word for PATHCONF; a COMPOUND is named after its last operation.
    def ask(self, name, procedure, body=b"", program=NFS, version=3, pieces=1):
        self.xid += 1
        credential = struct.pack(">I", 77) + opaque(b"live") + struct.pack(">IIIII", 0, 0, 2, 0, 100)
        message = struct.pack(">IIIIII", self.xid, 0, 2, program, version, procedure) + struct.pack(">I", 1) + opaque(credential) + struct.pack(">II", 0, 0) + body
        size = -(-len(message) // pieces)
        parts = [message[at:at + size] for at in range(0, len(message), size)]
        self.socket.sendall(b"".join(struct.pack(">I", len(part) | (0x80000000 if part is parts[-1] else 0)) + part for part in parts))
        rest = self.receive()[24:]
        status = struct.unpack(">I", rest[:4])[0] if len(rest) >= 4 else 0
        self.log(f"{self.xid:08x}", "PATHINFO" if name == "PATHCONF" else name, STATUS.get(status, status))
        return rest

    def compound(self, *operations):
        body = opaque(b"") + struct.pack(">II", 0, len(operations)) + b"".join(struct.pack(">I", OPERATIONS[name]) + body for name, body in operations)
        self.ask(operations[-1][0], 1, body, version=4)

    def receive(self):
        message, last = b"", False
        while not last:
            mark = struct.unpack(">I", self.read(4))[0]
            message += self.read(mark & 0x7FFFFFFF)
            last = mark & 0x80000000
        return message

    def read(self, count):
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data


def opaque(data):
    return struct.pack(">I", len(data)) + data + bytes(-len(data) % 4)


def handle(answer, place):
    length = struct.unpack(">I", answer[place:place + 4])[0]
    return answer[place + 4:place + 4 + length]


def describe(event):
    nfs = event.get("nfs", {})
    return [event.get("rpc", {}).get("xid"), nfs.get("opcode"), nfs.get("status")]
