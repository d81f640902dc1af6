# SPDX-License-Identifier: Apache-2.0
"""The client that Thrift's compiler makes of users.thrift, framed: every method, exceptions, long values."""

from client import SERVER


def work(log):
    for _ in range(4):
        calls(log)


def calls(log):
    from thrift.protocol import TBinaryProtocol
    from thrift.transport import TSocket, TTransport
    from users import Users
    from users.ttypes import User

    transport = TTransport.TFramedTransport(TSocket.TSocket(SERVER, 9090))
    client = Users.Client(TBinaryProtocol.TBinaryProtocol(transport))
    transport.open()
    call(log, client.ping)
    for number in range(20):
        call(log, client.store, User(number, f"user {number}", ["a"] * number, {f"s{score}": 0.5 for score in range(number)}))
        call(log, client.get, number)
        call(log, client.touch, number)
        call(log, client.log, f"line {number}")
    call(log, client.search, "user")
    call(log, client.get, 12345)
    call(log, client.fail, "on purpose")
    call(log, client.blob, 60000)
    transport.close()


def call(log, method, *arguments):
    from thrift.Thrift import TException

    try:
        method(*arguments)
        log(method.__name__, "OK")
    except TException:
        log(method.__name__, "Error")


def describe(event):
    return [event.get("method"), event["status"]]
