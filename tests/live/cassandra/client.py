# SPDX-License-Identifier: Apache-2.0
"""The DataStax driver: statements, prepared ones, batches, pages, many requests in flight, errors."""

from client import SERVER


def work(log):
    from cassandra.cluster import Cluster
    from cassandra.query import BatchStatement, SimpleStatement

    for round in range(2):
        cluster = Cluster([SERVER], protocol_version=4, schema_metadata_enabled=False, token_metadata_enabled=False, connect_timeout=30, control_connection_timeout=30)
        session = cluster.connect()
        session.default_timeout = 30
        run(log, session, "DROP KEYSPACE IF EXISTS shop")
        run(log, session, "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")
        run(log, session, "CREATE TABLE shop.users (id int PRIMARY KEY, name text, notes text)")
        for number in range(30):
            run(log, session, f"INSERT INTO shop.users (id, name, notes) VALUES ({number}, 'name {number}', '{'n' * (number * 100)}')")
            run(log, session, f"SELECT * FROM shop.users WHERE id = {number}")
        run(log, session, "SELECT * FROM shop.no_such_table")
        run(log, session, "this is no CQL")
        insert = session.prepare("INSERT INTO shop.users (id, name) VALUES (?, ?)")
        log("PREPARE", None, "OK")
        for future in [session.execute_async(insert, (1000 + number, "in flight")) for number in range(60)]:
            future.result()
            log("EXECUTE", None, "OK")
        batch = BatchStatement()
        for number in range(10):
            batch.add(insert, (2000 + number, "batch"))
        session.execute(batch)
        log("BATCH", None, "OK")
        statement = SimpleStatement("SELECT * FROM shop.users", fetch_size=25)
        answer = session.execute(statement)
        log("QUERY", statement.query_string, "OK")
        while answer.has_more_pages:
            answer.fetch_next_page()
            log("QUERY", statement.query_string, "OK")
        cluster.shutdown()


def run(log, session, query):
    from cassandra import DriverException
    from cassandra.protocol import ErrorMessage

    try:
        session.execute(query)
        log("QUERY", query[:120], "OK")
    except (ErrorMessage, DriverException):
        log("QUERY", query[:120], "Error")


def describe(event):
    operation = event.get("cassandra", {}).get("request", {}).get("headers", {}).get("op")
    query = event.get("cassandra", {}).get("request", {}).get("query")
    if operation not in ("QUERY", "PREPARE", "EXECUTE", "BATCH") or query and " system" in query:
        return None
    return [operation, query[:120] if operation == "QUERY" and query else None, event["status"]]
