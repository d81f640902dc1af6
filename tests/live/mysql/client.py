# SPDX-License-Identifier: Apache-2.0
"""PyMySQL: statements that read, write and fail, long ones and long answers, a refused login; several connections."""

import pymysql

from client import SERVER


def work(log):
    for round in range(4):
        connection = pymysql.connect(host=SERVER, user="ann", password="secret", database="shop", autocommit=True, read_timeout=30)
        with connection.cursor() as cursor:
            for number in range(30):
                run(log, cursor, f"INSERT INTO users (name, email, notes) VALUES ('name {number}', '{round}-{number}@example.test', '{'n' * (number * 200)}')")
                run(log, cursor, f"SELECT id, name, email FROM users WHERE name = 'name {number}' AND email LIKE '{round}-%'")
                run(log, cursor, f"UPDATE users SET name = 'renamed' WHERE email = '{round}-{number}@example.test'")
            run(log, cursor, f"INSERT INTO users (name, email) VALUES ('twice', '{round}-1@example.test')")
            run(log, cursor, "SELECT * FROM users")
            run(log, cursor, "SELECT * FROM no_such_table")
            run(log, cursor, "this is no SQL")
            run(log, cursor, f"SELECT '{'long ' * 20000}'")
            run(log, cursor, "DELETE FROM users")
        connection.close()


def run(log, cursor, query):
    try:
        rows = cursor.execute(query)
        log(query[:120], "OK", rows)
    except pymysql.MySQLError:
        log(query[:120], "Error", None)


def describe(event):
    query = event.get("query", "")
    if query.startswith("SET "):
        return None
    mysql = event.get("mysql", {})
    rows = None if event["status"] == "Error" else mysql.get("num_rows" if query.startswith("SELECT") else "affected_rows")
    return [query[:120], event["status"], rows]
