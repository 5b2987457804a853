"""What pgcli completes from: host, port and password are given."""

import json
import sys

from pgcli.pgexecute import PGExecute

host, port, password = sys.argv[1:]
client = PGExecute("caudal", "caudal", password, host, port, None)


def ours(rows):
    return sorted(repr(row) for row in rows if row[0] in ("public", "shop"))


print(json.dumps({
    "path": client.search_path(),
    "schemas": [name for name in client.schemata() if name in ("public", "shop", "pg_catalog", "information_schema")],
    "tables": ours(client.tables()),
    "views": ours(client.views()),
    "columns": ours(client.table_columns()),
    "columns of views": ours(client.view_columns()),
    "keys": [repr(key) for key in client.foreignkeys()],
    "functions": [function.func_name for function in client.functions() if function.schema_name == "public"],
    "types": ours(client.datatypes()),
    "database": "caudal" in client.databases(),
    "zone": client.get_timezone(),
    "query": "SELECT" in client.view_definition("strong"),
}))
