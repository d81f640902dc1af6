# SPDX-License-Identifier: Apache-2.0
"""pymongo: documents written, found, counted and removed, cursors of many batches, errors. The log is that of the driver's
own listener, for every command that it sends but those of its handshake and its watch on the server."""

import pymongo
import pymongo.errors
import pymongo.monitoring

from client import SERVER

OWN = ("ismaster", "hello", "endsessions", "buildinfo")


class Listener(pymongo.monitoring.CommandListener):
    def __init__(self, log):
        self.log, self.collections = log, {}

    def started(self, event):
        named = event.command.get("collection") if event.command_name == "getMore" else event.command.get(event.command_name)
        self.collections[event.request_id] = named if isinstance(named, str) else None

    def succeeded(self, event):
        self.ended(event, "Error" if "writeErrors" in event.reply else "OK")

    def failed(self, event):
        self.ended(event, "Error")

    def ended(self, event, status):
        if event.command_name.lower() not in OWN:
            self.log(event.command_name, self.collections[event.request_id], status)


def work(log):
    for _ in range(3):
        client = pymongo.MongoClient(SERVER, 27017, event_listeners=[Listener(log)], retryWrites=False, retryReads=False, serverSelectionTimeoutMS=20000, heartbeatFrequencyMS=60000)
        users = client.shop.users
        users.create_index("email", unique=True)
        for number in range(30):
            users.insert_one({"name": f"name {number}", "email": f"{number}@example.test", "notes": "n" * (number * 100)})
            list(users.find({"name": f"name {number}"}))
            users.update_one({"email": f"{number}@example.test"}, {"$set": {"age": number}})
        users.insert_many([{"name": "many", "email": f"many-{number}", "notes": "x" * 100} for number in range(500)])
        list(users.find({"name": "many"}, batch_size=60))
        users.count_documents({"age": {"$gt": 5}})
        list(users.aggregate([{"$group": {"_id": "$name", "count": {"$sum": 1}}}]))
        refused(lambda: users.insert_one({"email": "1@example.test"}))
        refused(lambda: client.shop.command("noSuchCommand"))
        users.delete_many({"age": {"$lt": 5}})
        client.drop_database("shop")
        client.close()


def refused(call):
    try:
        call()
    except pymongo.errors.PyMongoError:
        pass


def describe(event):
    method = event.get("method", "")
    if method.lower() in OWN:
        return None
    return [method, event.get("mongodb", {}).get("collection"), event["status"]]
