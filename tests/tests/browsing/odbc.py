"""What Tableau, Excel and others see over psqlODBC: the driver's file, host, port and password are given."""

import json
import sys

import pyodbc

driver, host, port, password = sys.argv[1:]
connection = pyodbc.connect(
    f"DRIVER={driver};Servername={host};Port={port};Database=caudal;Uid=caudal;Pwd={password};SSLmode=disable",
    autocommit=True,
)


def told(cursor):
    names = [column[0] for column in cursor.description]
    # Numbers of relations are each server's own.
    kept = [at for at, name in enumerate(names) if name.lower() != "table oid"]
    rows = sorted(repr([row[at] for at in kept]) for row in cursor.fetchall())
    return [[names[at] for at in kept], rows]


def ask(method, *args, **kwargs):
    return told(getattr(connection.cursor(), method)(*args, **kwargs))


def query(text, *parameters):
    return told(connection.cursor().execute(text, *parameters))


print(json.dumps({
    "tables": ask("tables", schema="public"),
    "of one type": ask("tables", schema="shop", tableType="TABLE,VIEW"),
    "columns": ask("columns", table="readings", schema="public"),
    "columns of a view": ask("columns", table="strong"),
    "key": ask("primaryKeys", table="readings", schema="public"),
    "foreign keys": ask("foreignKeys", table="readings"),
    "indexes": ask("statistics", table="readings", schema="public"),
    "unique": ask("statistics", table="readings", unique=True),
    "row": ask("rowIdColumns", "readings"),
    "version": ask("rowVerColumns", "readings"),
    "procedures": ask("procedures", schema="public"),
    "their columns": ask("procedureColumns", schema="public"),
    "types": ask("getTypeInfo"),
    "rows": query("SELECT circuit, at, power_w, price, n, ok FROM readings ORDER BY 1"),
    "parameters": query("SELECT circuit FROM readings WHERE power_w > ? AND circuit = ?", 100.0, "oven"),
    "a sum as Tableau asks it": query(
        'SELECT "readings"."circuit" AS "circuit", SUM("readings"."power_w") AS "sum:power_w:ok" '
        'FROM "public"."readings" "readings" GROUP BY 1 HAVING (COUNT(1) > 0)'
    ),
    "months as Tableau asks them": query(
        'SELECT DATE_TRUNC( \'MONTH\', CAST("readings"."at" AS DATE) ) AS "tmn:at:ok", '
        'COUNT(DISTINCT "readings"."circuit") AS "ctd:circuit:ok" FROM "public"."readings" "readings" GROUP BY 1'
    ),
    "escape": query("SELECT {fn UCASE(circuit)}, {d '2026-01-02'} FROM readings"),
}))
