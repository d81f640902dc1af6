# SPDX-License-Identifier: Apache-2.0
"""The client that Thrift's compiler makes of users.thrift, framed and unframed: every method, exceptions, long values."""

from client import SERVER


def work(log):
    for port in (9090, 9091):
        for _ in range(3):
            calls(log, port)


def calls(log, port):
    from thrift.protocol import TBinaryProtocol
    from thrift.transport import TSocket, TTransport
    from users import Users
    from users.ttypes import User

    bare = TSocket.TSocket(SERVER, port)
    transport = TTransport.TFramedTransport(bare) if port == 9090 else TTransport.TBufferedTransport(bare)
    client = Users.Client(TBinaryProtocol.TBinaryProtocol(transport))
    transport.open()
    call(log, port, client.ping)
    for number in range(20):
        call(log, port, client.store, User(number, f"user {number}", ["a"] * number, {f"s{score}": 0.5 for score in range(number)}))
        call(log, port, client.get, number)
        call(log, port, client.touch, number)
        call(log, port, client.log, f"line {number}")
    call(log, port, client.search, "user")
    call(log, port, client.get, 12345)
    call(log, port, client.fail, "on purpose")
    call(log, port, client.blob, 60000)
    transport.close()


def call(log, port, method, *arguments):
    from thrift.Thrift import TException

    try:
        method(*arguments)
        log(port, method.__name__, "OK")
    except TException:
        log(port, method.__name__, "Error")


def describe(event):
    return [event["destination"]["port"], event.get("method"), event["status"]]
