"""psycopg 3, and SQLAlchemy's reflection over it: what the node says of its tables is what was made."""

import datetime
import decimal
import json
import sys

import psycopg
import psycopg.types.json
from sqlalchemy import MetaData, create_engine, func, insert, inspect, select, text

address = f"caudal:caudal@127.0.0.1:{sys.argv[1]}/caudal"
engine = create_engine(f"postgresql+psycopg://{address}")
inspector = inspect(engine)
told = {
    "tables": inspector.get_table_names(),
    "views": inspector.get_view_names(),
    "materialized": inspector.get_materialized_view_names(),
    "columns": [
        [column["name"], str(column["type"]), column["nullable"], column["comment"]]
        for column in inspector.get_columns("readings")
    ],
    "view": [[column["name"], str(column["type"])] for column in inspector.get_columns("strong")],
    "key": inspector.get_pk_constraint("readings")["constrained_columns"],
    "indexes": [index["column_names"] for index in inspector.get_indexes("per_circuit")],
    "foreign": inspector.get_foreign_keys("readings"),
    "comment": inspector.get_table_comment("readings")["text"],
    "query": inspector.get_view_definition("strong"),
}
metadata = MetaData()
metadata.reflect(engine)
readings = metadata.tables["readings"]
at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
with engine.begin() as connection:
    rows = [
        {"circuit": "fridge", "at": at, "power_w": 1.5, "price": decimal.Decimal("2.50")},
        {"circuit": "oven", "at": at, "power_w": None, "price": None},
    ]
    connection.execute(insert(readings), rows)
with engine.connect() as connection:
    query = select(readings.c.circuit, readings.c.price, func.count().over()).order_by(readings.c.circuit)
    told["rows"] = [[circuit, price and str(price), count] for circuit, price, count in connection.execute(query)]
    query = text("SELECT count(*) FROM readings WHERE circuit = ANY(:names)")
    told["any"] = connection.execute(query, {"names": ["fridge", "lamp"]}).scalar()

with psycopg.connect(f"postgresql://{address}") as connection:
    with connection.transaction():
        connection.execute("INSERT INTO readings VALUES ('lamp', %s, 3, 1)", [at])
        try:
            with connection.transaction():
                connection.execute("INSERT INTO readings VALUES ('gone', %s, 3, 1)", [at])
                connection.execute("SELECT 1 / 0")
        except psycopg.errors.DivisionByZero:
            told["savepoint"] = "rolled back"
    with connection.cursor(binary=True) as cursor:
        cursor.execute("SELECT circuit, at, power_w, price, ARRAY[1, 2], INTERVAL '1 day 2 hours' FROM readings ORDER BY circuit")
        told["binary"] = [[str(cell) for cell in row] for row in cursor]
        document = psycopg.types.json.Jsonb({"b": [1, 2.5], "a": {"n": None}})
        cursor.execute("SELECT %s::jsonb, %s::json ->> 'b'", [document, document])
        told["document"] = cursor.fetchone()
print(json.dumps(told))
