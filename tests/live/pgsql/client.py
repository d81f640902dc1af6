# SPDX-License-Identifier: Apache-2.0
"""psycopg2 (simple queries) and psycopg 3 (Parse, Bind, Execute, prepared statements), with errors and long answers."""

import psycopg
import psycopg2

from client import SERVER

ADDRESS = f"host={SERVER} user=postgres dbname=postgres sslmode=disable gssencmode=disable"


def work(log):
    for round in range(3):
        simple(log, round)
        extended(log, round)


def simple(log, round):
    connection = psycopg2.connect(ADDRESS)
    connection.autocommit = True
    cursor = connection.cursor()
    run(log, cursor, "CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT, email TEXT UNIQUE)")
    for number in range(25):
        run(log, cursor, f"INSERT INTO users (name, email) VALUES ('name; {number}', '{round}-{number}@example.test')")
        run(log, cursor, f"SELECT id, name, email FROM users WHERE id <= {number}")
        run(log, cursor, f"UPDATE users SET name = 'renamed' WHERE email = '{round}-{number}@example.test'")
    run(log, cursor, f"INSERT INTO users (name, email) VALUES ('twice', '{round}-1@example.test')")
    run(log, cursor, "SELECT * FROM no_such_table")
    run(log, cursor, "SELECT 1 / 0")
    run(log, cursor, "SELECT n, repeat('x', 50) FROM generate_series(1, 2000) AS n")
    run(log, cursor, f"SELECT '{'long ' * 20000}'")
    run(log, cursor, "DROP TABLE users")
    connection.close()


def extended(log, round):
    connection = psycopg.connect(ADDRESS, autocommit=True)
    cursor = connection.cursor()
    run(log, cursor, "CREATE TABLE users (id SERIAL PRIMARY KEY, name TEXT, email TEXT UNIQUE)")
    for number in range(20):
        run(log, cursor, "INSERT INTO users (name, email) VALUES (%s, %s)", (f"name {number}", f"{round}-{number}"), prepare=number > 10)
        run(log, cursor, "SELECT id, name FROM users WHERE id <= %s", (number,), prepare=True)
    run(log, cursor, "INSERT INTO users (name, email) VALUES (%s, %s)", ("twice", f"{round}-1"))
    run(log, cursor, "SELECT 1 / %s::int", (0,))
    run(log, cursor, "SELECT * FROM no_such_table WHERE id = %s", (1,))
    run(log, cursor, "DROP TABLE users")
    connection.close()


def run(log, cursor, query, *parameters, **options):
    text = query
    for number in range(1, query.count("%s") + 1):
        text = text.replace("%s", f"${number}", 1)
    try:
        cursor.execute(query, *parameters, **options)
        log(text[:120], "OK", cursor.rowcount if query.startswith("SELECT") else None)
    except (psycopg.Error, psycopg2.Error):
        log(text[:120], "Error", None)


def describe(event):
    query = event.get("query", "")
    if query == "DEALLOCATE ALL":
        return None
    ok = event["status"] == "OK" and query.startswith("SELECT")
    return [query[:120], event["status"], event.get("pgsql", {}).get("num_rows") if ok else None]
