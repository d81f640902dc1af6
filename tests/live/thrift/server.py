# SPDX-License-Identifier: Apache-2.0
"""server.py PORT: the service of users.thrift, kept in memory, framed."""

import sys

from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.transport import TSocket, TTransport
from users import Users
from users.ttypes import NotFound


class Handler:
    def __init__(self):
        self.users = {}

    def ping(self):
        return "pong"

    def store(self, user):
        self.users[user.id] = user
        return user.id

    def get(self, id):
        if id not in self.users:
            raise NotFound(id)
        return self.users[id]

    def search(self, text):
        return [user for user in self.users.values() if text in user.name]

    def touch(self, id):
        pass

    def log(self, line):
        pass

    def blob(self, size):
        return bytes(place % 256 for place in range(size))

    def fail(self, how):
        raise RuntimeError(how)


socket = TSocket.TServerSocket("0.0.0.0", int(sys.argv[1]))
factories = TTransport.TFramedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()
TServer.TThreadedServer(Users.Processor(Handler()), socket, *factories, daemon=True).serve()
