# SPDX-License-Identifier: Apache-2.0
"""pika: topology, messages of many sizes published, fetched, consumed, acknowledged and refused, transactions, errors."""

import logging

import pika

from client import SERVER


def work(log):
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    for _ in range(3):
        connection = pika.BlockingConnection(pika.ConnectionParameters(SERVER, heartbeat=0, socket_timeout=20))
        topology(log, connection.channel())
        messages(log, connection.channel())
        transactions(log, connection.channel())
        errors(log, connection)
        connection.close()


def topology(log, channel):
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange_declare(f"x.{kind}", kind)
        log("exchange.declare", "OK", f"x.{kind}")
    channel.queue_declare("q")
    log("queue.declare", "OK", "q")
    channel.queue_bind("q", "x.direct", "key")
    log("queue.bind", "OK", "q")
    channel.basic_qos(prefetch_count=10)  # no event, as in Packetbeat
    channel.queue_purge("q")
    log("queue.purge", "OK", "q")
    channel.queue_unbind("q", "x.direct", "key")
    log("queue.unbind", "OK", "q")
    channel.queue_delete("q")
    log("queue.delete", "OK", "q")
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange_delete(f"x.{kind}")
        log("exchange.delete", "OK", f"x.{kind}")


def messages(log, channel):
    channel.queue_declare("work")
    log("queue.declare", "OK", "work")
    for number in range(30):
        channel.basic_publish("", "work", b"m" * (number * number * 20), pika.BasicProperties(content_type="text/plain", headers={"number": number}))
        log("basic.publish", "OK", None)
    for _ in range(10):
        method, _, body = channel.basic_get("work")
        log("basic.get", "OK", "work")
        channel.basic_ack(method.delivery_tag)
        log("basic.ack", "OK", None)
    taken = []

    def take(channel, method, _, body):
        log("basic.deliver", "OK", None)
        taken.append(body)
        channel.basic_ack(method.delivery_tag)
        log("basic.ack", "OK", None)

    tag = channel.basic_consume("work", take)
    log("basic.consume", "OK", "work")
    while len(taken) < 20:
        channel.connection.process_data_events(1)
    channel.basic_cancel(tag)
    log("basic.cancel", "OK", None)
    channel.queue_delete("work")
    log("queue.delete", "OK", "work")


def transactions(log, channel):
    channel.queue_declare("tx")
    log("queue.declare", "OK", "tx")
    channel.tx_select()
    log("tx.select", "OK", None)
    for end in ("commit", "rollback"):
        channel.basic_publish("", "tx", b"in a transaction")
        log("basic.publish", "OK", None)
        getattr(channel, f"tx_{end}")()
        log(f"tx.{end}", "OK", None)
    channel.queue_delete("tx")
    log("queue.delete", "OK", "tx")


def errors(log, connection):
    for method, arguments, options in (("queue_declare", ("missing",), {"passive": True}), ("basic_get", ("missing",), {}), ("exchange_declare", ("amq.mine", "direct"), {})):
        try:
            getattr(connection.channel(), method)(*arguments, **options)
        except pika.exceptions.ChannelClosedByBroker:
            log(method.replace("_", "."), "Error", arguments[0])


def describe(event):
    method, amqp = event.get("method", ""), event.get("amqp", {})
    if method.startswith(("connection.", "channel.")):
        return None
    name = method.split(".")[0]
    subject = amqp.get("queue") if name == "queue" or method in ("basic.get", "basic.consume") else amqp.get("exchange") if name == "exchange" else None
    return [method, event["status"], subject]
