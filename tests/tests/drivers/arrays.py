"""asyncpg with arrays of all kinds: it asks the catalogue what each type is, and sends and reads them in binary."""

import asyncio
import datetime
import decimal
import json
import sys

import asyncpg

host, port, password = sys.argv[1:]
UTC = datetime.timezone.utc
AT = datetime.datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)

MADE = """CREATE TABLE listed (id bigint PRIMARY KEY, small integer, name text, price numeric(8, 2), ratio double precision,
    day date, at timestamptz, flag boolean, numbers integer[], bigs bigint[], names text[], prices numeric(8, 2)[],
    moments timestamptz[])"""

# What each kind of array is found by, and what to look for.
WANTED = {
    "integers": ("small = ANY($1)", [10, 30, 50]),
    "bigs": ("id = ANY($1)", [1, 3]),
    "texts": ("name = ANY($1)", ["n2", "n9"]),
    "prices": ("price = ANY($1::numeric[])", [decimal.Decimal("2.50"), None]),
    "ratios": ("ratio = ANY($1)", [0.5, 1.5]),
    "days": ("day = ANY($1)", [datetime.date(2026, 2, 2)]),
    "moments": ("at = ANY($1)", [AT, AT + datetime.timedelta(hours=3)]),
    "flags": ("flag = ANY($1)", [True]),
}
ARRAYS = ["numbers", "bigs", "names", "prices", "moments"]


async def main():
    connection = await asyncpg.connect(host=host, port=int(port), user="caudal", password=password, database="caudal")
    await connection.execute(MADE)
    insert = "INSERT INTO listed VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    for number in range(1, 5):
        price = decimal.Decimal(number) * decimal.Decimal("1.25")
        at = AT + datetime.timedelta(hours=number - 1)
        arrays = [[number, None], [1 << 40, number], ["", None, "a b"], [price, None], [at, at]]
        row = (number, number * 10, f"n{number}", price, number / 2, datetime.date(2026, 2, number), at, number % 2 == 0)
        await connection.execute(insert, *row, *(arrays if number != 3 else [[], None, [], None, []]))
    told = {"found": {}, "types": {}, "rows": {}}
    for name, (condition, wanted) in WANTED.items():
        prepared = await connection.prepare(f"SELECT id FROM listed WHERE {condition} ORDER BY id")
        told["types"][name] = [[of.name, of.kind] for of in prepared.get_parameters()]
        told["found"][name] = [row["id"] for row in await prepared.fetch(wanted)]
    for name in ARRAYS:
        told["rows"][name] = str([row[0] for row in await connection.fetch(f"SELECT {name} FROM listed ORDER BY id")])
    aggregated = "SELECT array_agg(id ORDER BY id), array_agg(at ORDER BY id), array_agg(name ORDER BY id) FROM listed"
    told["rows"]["aggregated"] = [str(cell) for cell in await connection.fetchrow(aggregated)]
    await connection.close()
    print(json.dumps(told))


asyncio.run(main())
