"""psycopg's cursors on the server, those that outlive their transaction too, and statements that are prepared in SQL."""

import json
import sys

import psycopg

host, port, password = sys.argv[1:]


def held(connection):
    told = {}
    with connection.cursor("held", withhold=True) as cursor:
        cursor.itersize = 10
        cursor.execute("SELECT id, name FROM numbers ORDER BY id")
        told["columns"] = [[column.name, column.type_code] for column in cursor.description]
        told["first"] = cursor.fetchmany(5)
        connection.commit()
        connection.execute("INSERT INTO numbers VALUES (0, 'late'), (99, 'late')")
        connection.commit()
        told["next"] = cursor.fetchone()
        told["rest"] = [list(row) for row in cursor]
    connection.commit()
    cursor = connection.cursor("lost", withhold=True)
    cursor.execute("SELECT 1")
    connection.rollback()
    try:
        cursor.fetchone()
    except psycopg.errors.InvalidCursorName as error:
        told["lost"] = error.sqlstate
        connection.rollback()
    told["left"] = connection.execute("SELECT count(*) FROM pg_cursors WHERE is_holdable").fetchone()
    connection.commit()
    return told


def within(connection):
    told = {}
    with connection.cursor("within", binary=True, scrollable=False) as cursor:
        cursor.execute("SELECT id, name FROM numbers WHERE id > %s ORDER BY id", [20])
        told["rows"] = cursor.fetchall()
    connection.commit()
    with connection.cursor("gone") as cursor:
        cursor.execute("SELECT 1")
        connection.commit()
        try:
            cursor.fetchone()
        except psycopg.errors.InvalidCursorName as error:
            told["gone"] = error.sqlstate
            connection.rollback()
    return told


def saved(connection):
    """What was declared after a savepoint ends with what was done after it."""
    for statement in ["DECLARE before CURSOR FOR SELECT 1", "SAVEPOINT one", "DECLARE after CURSOR WITH HOLD FOR SELECT 2"]:
        connection.execute(statement)
    for statement in ["SAVEPOINT two", "CLOSE before", "DECLARE last CURSOR FOR SELECT 3", "ROLLBACK TO two"]:
        connection.execute(statement)
    told = {"two": connection.execute("SELECT name FROM pg_cursors ORDER BY name").fetchall()}
    connection.execute("DECLARE before CURSOR FOR SELECT 4")
    connection.execute("ROLLBACK TO one")
    told["one"] = connection.execute("SELECT name FROM pg_cursors ORDER BY name").fetchall()
    connection.rollback()
    return told


def alone(connection):
    connection.autocommit = True
    with connection.cursor("alone", withhold=True) as cursor:
        cursor.execute("SELECT id FROM numbers WHERE id BETWEEN 1 AND 3 ORDER BY id")
        rows = [cursor.fetchone(), cursor.fetchmany(5)]
    connection.autocommit = False
    return {"rows": rows}


def prepared(connection):
    connection.execute("PREPARE named (integer) AS SELECT name FROM numbers WHERE id = $1")
    result = connection.pgconn.exec_prepared(b"named", [b"7"])
    described = connection.pgconn.describe_prepared(b"named")
    told = {
        "sql": connection.execute("EXECUTE named(3)").fetchone(),
        "protocol": result.get_value(0, 0).decode(),
        "types": [described.param_type(0), described.ftype(0)],
    }
    query = "SELECT name FROM numbers WHERE id = %s"
    told["again"] = [connection.execute(query, [id], prepare=True).fetchone()[0] for id in (4, 5)]
    told["counted"] = connection.execute("SELECT from_sql, count(*) FROM pg_prepared_statements GROUP BY 1 ORDER BY 1").fetchall()
    connection.execute("DEALLOCATE ALL")
    told["left"] = connection.execute("SELECT count(*) FROM pg_prepared_statements").fetchone()
    connection.commit()
    return told


with psycopg.connect(host=host, port=int(port), user="caudal", password=password, dbname="caudal") as connection:
    connection.autocommit = True
    connection.execute("CREATE TABLE numbers (id integer PRIMARY KEY, name text)")
    connection.execute("INSERT INTO numbers SELECT n, 'n' || n FROM generate_series(1, 25) AS s(n)")
    connection.autocommit = False
    parts = [held, within, saved, alone, prepared]
    told = {part.__name__: part(connection) for part in parts}
print(json.dumps(told))
