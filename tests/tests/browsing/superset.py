"""What Superset shows of a database, which is what SQLAlchemy's inspector says: host, port and password are given."""

import json
import sys

import sqlalchemy
from sqlalchemy.engine.reflection import ObjectKind

host, port, password = sys.argv[1:]
url = sqlalchemy.URL.create(
    "postgresql+psycopg", "caudal", password, database="caudal", query={"host": host, "port": port}
)
engine = sqlalchemy.create_engine(url)
inspector = sqlalchemy.inspect(engine)
told = {"schemas": [name for name in inspector.get_schema_names() if name != "caudal"]}
for schema in ["public", "shop"]:
    lists = ["get_table_names", "get_view_names", "get_materialized_view_names", "get_sequence_names"]
    lists += ["get_foreign_table_names", "get_enums", "get_domains"]
    told[schema] = {name: sorted(getattr(inspector, name)(schema=schema)) for name in lists}
for table in ["readings", "strong", "per_circuit"]:
    about = ["get_columns", "get_pk_constraint", "get_foreign_keys", "get_indexes", "get_unique_constraints"]
    told[table] = {name: repr(getattr(inspector, name)(table, schema="public")) for name in about}
    told[table]["comment"] = inspector.get_table_comment(table, schema="public")
    checks = inspector.get_check_constraints(table, schema="public")
    # PostgreSQL writes an expression anew, the node as it was written.
    told[table]["checks"] = [check["name"] for check in checks]
for name in ["columns", "pk_constraint", "indexes", "foreign_keys", "unique_constraints", "table_comment"]:
    many = getattr(inspector, "get_multi_" + name)(schema="public", kind=ObjectKind.ANY)
    told["multi " + name] = repr(sorted(many.items()))
metadata = sqlalchemy.MetaData()
metadata.reflect(engine, schema="public", views=True)
told["reflected"] = sorted(metadata.tables)
assert "SELECT" in inspector.get_view_definition("strong", schema="public")
with engine.connect() as connection:
    rows = connection.execute(sqlalchemy.select(metadata.tables["public.readings"]).order_by("circuit"))
    told["rows"] = [repr(row) for row in rows]
print(json.dumps(told))
