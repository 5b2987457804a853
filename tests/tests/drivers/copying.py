"""COPY as psycopg 3 and asyncpg do it, in text and in binary, both ways: what a server is given, and what it gives back."""

import asyncio
import datetime
import decimal
import io
import json
import struct
import sys

import asyncpg
import psycopg
from psycopg.types.json import Jsonb

host, port, password = sys.argv[1:]
account = {"host": host, "port": int(port), "user": "caudal", "password": password}
UTC = datetime.timezone.utc

MADE = """CREATE TABLE kinds (id integer PRIMARY KEY, flag boolean, big bigint, ratio double precision, price numeric(12, 4),
    name text, raw bytea, doc jsonb, day date, local timestamp, at timestamptz, numbers integer[], names text[],
    prices numeric(6, 2)[])"""
TYPES = "int4 bool int8 float8 numeric text bytea jsonb date timestamp timestamptz int4[] text[] numeric[]".split()
ROWS = "COPY (SELECT * FROM kinds ORDER BY id) TO STDOUT (FORMAT binary)"


def row(number, document):
    """One of each kind."""
    local = datetime.datetime(2026, 3, 29, 1, 59, 59, number)
    return (
        number,
        number % 2 == 0,
        -(number << 40),
        number / 3,
        decimal.Decimal(number * 12345) / 10000,
        f"añ\t\n\\.{number}",
        bytes([0, 255, number]),
        document({"b": [1, 2.5, None], "a": {"n": number}}),
        datetime.date(2026, 2, 28) + datetime.timedelta(days=number),
        local,
        local.replace(tzinfo=UTC),
        [number, None, -number],
        ["", 'a "b", {c}', None, "null"],
        [decimal.Decimal("1.50"), decimal.Decimal(number)],
    )


def extremes(number, document):
    """The ends of what there is, and what is no number."""
    return (
        number,
        None,
        -(1 << 63),
        float("nan") if number % 2 else float("-inf"),
        decimal.Decimal("-99999999.9999"),
        "",
        b"",
        document("a text"),
        datetime.date(1, 1, 2),
        datetime.datetime(1900, 1, 1),
        datetime.datetime(2999, 12, 31, 23, 59, 59, 999999, UTC),
        [],
        [],
        None,
    )


def binary(*cells, header=b"PGCOPY\n\xff\r\n\0" + bytes(8), count=None, trailer=b"\xff\xff"):
    """A row as it is on the wire, or what is none."""
    sent = [struct.pack(">i", -1) if cell is None else struct.pack(">i", len(cell)) + cell for cell in cells]
    return header + struct.pack(">h", len(cells) if count is None else count) + b"".join(sent) + trailer


def with_psycopg(connection):
    told = {}
    with connection.cursor() as cursor:
        with cursor.copy("COPY kinds FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(TYPES)
            for written in [row(1, Jsonb), row(2, Jsonb), extremes(3, Jsonb), (4, *[None] * 13)]:
                copy.write_row(written)
        told["copied"] = cursor.rowcount
        with cursor.copy("COPY kinds (id, name, at) FROM STDIN") as copy:
            copy.write_row((5, "a\tb\\", datetime.datetime(2026, 1, 1, tzinfo=UTC)))
        with cursor.copy("COPY kinds FROM STDIN BINARY") as copy:
            copy.set_types(TYPES)
            copy.write_row((6, *[None] * 13))
        with cursor.copy(ROWS) as copy:
            told["bytes"] = b"".join(copy).hex()
        with cursor.copy(ROWS) as copy:
            copy.set_types(TYPES)
            told["rows"] = [[str(cell) for cell in read] for read in copy.rows()]
        with cursor.copy("COPY (SELECT * FROM kinds ORDER BY id) TO STDOUT") as copy:
            told["lines"] = b"".join(copy).decode()
        with cursor.copy("COPY (SELECT id FROM kinds WHERE id > %s) TO STDOUT (FORMAT binary)", [9]) as copy:
            told["none"] = b"".join(copy).hex()
    return told


def refusals(connection):
    """The codes of what is not taken; the session goes on."""
    told = {}

    def refused(what, statement, data):
        try:
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                copy.write(data)
        except psycopg.Error as error:
            told[what] = error.sqlstate
        else:
            told[what] = "taken"

    number, into = struct.pack(">i", 70), "COPY kinds (id, name) FROM STDIN (FORMAT binary)"
    refused("signature", into, b"1\tone\n")
    refused("nothing", into, b"")
    refused("object ids", into, binary(number, b"x", header=b"PGCOPY\n\xff\r\n\0\0\1\0\0\0\0\0\0"))
    refused("flags", into, binary(number, b"x", header=b"PGCOPY\n\xff\r\n\0\1\0\0\0\0\0\0\0"))
    refused("count", into, binary(number, b"x", count=3))
    refused("length", into, binary(number, count=2, trailer=struct.pack(">i", -5)))
    refused("cut", into, binary(number, b"x", trailer=b"")[:-1])
    refused("behind", into, binary(number, b"x") + b"x")
    refused("wide", into, binary(number + number, b"x"))
    refused("encoding", into, binary(number, b"\xff"))
    refused("no trailer", into, binary(number, b"x", trailer=b""))
    for option in ["DELIMITER ','", "NULL ''", "HEADER"]:
        refused(option, f"COPY kinds FROM STDIN (FORMAT binary, {option})", b"")
    refused("format", "COPY kinds FROM STDIN (FORMAT parquet)", b"")
    told["left"] = connection.execute("SELECT id, name FROM kinds WHERE id >= 70").fetchall()
    return told


async def with_asyncpg():
    connection = await asyncpg.connect(**account, database="caudal")
    told = {}
    records = [row(11, json.dumps), row(12, json.dumps), extremes(13, json.dumps), (14, *[None] * 13)]
    told["copied"] = await connection.copy_records_to_table("kinds", records=records)
    told["columns"] = await connection.copy_records_to_table("kinds", columns=["name", "id"], records=[("x", 15)])
    text = b"16\ta\\tb\n17\t\\N\n"
    told["text"] = await connection.copy_to_table("kinds", source=io.BytesIO(text), columns=["id", "name"])
    out = io.BytesIO()
    query = "SELECT * FROM kinds WHERE id > $1 ORDER BY id"
    told["query"] = await connection.copy_from_query(query, 10, output=out, format="binary")
    told["bytes"] = out.getvalue().hex()
    out = io.BytesIO()
    told["table"] = await connection.copy_from_table("kinds", columns=["id", "at"], output=out, format="binary")
    told["table's bytes"] = out.getvalue().hex()
    out = io.BytesIO()
    await connection.copy_from_table("kinds", columns=["id", "name"], output=out, format="csv", header=True)
    told["lines"] = out.getvalue().decode()
    told["rows"] = [str(read) for read in await connection.fetch(query, 10)]
    await connection.close()
    return told


with psycopg.connect(**account, dbname="caudal", autocommit=True) as connection:
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(MADE)
    told = {"psycopg": with_psycopg(connection), "asyncpg": asyncio.run(with_asyncpg()), "refused": refusals(connection)}
print(json.dumps(told))
