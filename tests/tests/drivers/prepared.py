"""asyncpg: everything is prepared and binary, and the node infers the parameters' types."""

import asyncio
import datetime
import decimal
import json
import sys

import asyncpg

UTC = datetime.timezone.utc


async def main():
    connection = await asyncpg.connect(f"postgresql://caudal:caudal@127.0.0.1:{sys.argv[1]}/caudal")
    told = {"version": connection.get_server_version().major}
    insert = "INSERT INTO readings VALUES ($1, $2, $3, $4)"
    day = [datetime.datetime(2026, 1, number, tzinfo=UTC) for number in range(1, 6)]
    await connection.executemany(insert, [("d", at, float(at.day), decimal.Decimal("1.25")) for at in day])
    limited = await connection.fetch("SELECT at, price FROM readings WHERE circuit = $1 ORDER BY at LIMIT $2", "d", 2)
    told["limited"] = [[row["at"].isoformat(), str(row["price"])] for row in limited]
    prepared = await connection.prepare("SELECT circuit, count(*) FROM readings WHERE at > $1 AND power_w >= $2 GROUP BY circuit")
    told["parameters"] = [parameter.name for parameter in prepared.get_parameters()]
    told["columns"] = [[column.name, column.type.name] for column in prepared.get_attributes()]
    told["counted"] = [list(row) for row in await prepared.fetch(day[0], 0.0)]
    told["any"] = await connection.fetchval("SELECT count(*) FROM readings WHERE circuit = ANY($1)", ["d", "e"])
    async with connection.transaction():
        cursor = await connection.cursor("SELECT power_w FROM readings ORDER BY at")
        told["parts"] = [[row[0] for row in await cursor.fetch(3)] for _ in range(2)]
    try:
        async with connection.transaction(readonly=True):
            await connection.execute(insert, "x", day[0], 1.0, None)
    except asyncpg.ReadOnlySQLTransactionError as error:
        told["read only"] = error.sqlstate
    kinds = "SELECT INTERVAL '1 day 2 hours', TIME '03:04:05', DATE '2026-01-02', 'x'::bytea, 1.5, true, NULL, ARRAY['a', NULL]"
    told["kinds"] = [str(cell) for cell in await connection.fetchrow(kinds)]
    told["catalogue"] = list(map(str, await connection.fetchrow("SELECT oid, typname, typtype FROM pg_type WHERE typname = 'int4'")))
    document = '{"b": [1, 2.50], "a": {"n": null}}'
    found = "SELECT $1::jsonb, $1::jsonb -> 'a', $1::jsonb #>> '{b,1}', $1::jsonb @> $2::jsonb"
    told["document"] = list(await connection.fetchrow(found, document, '{"b": [2.5]}'))
    try:
        await connection.fetch("SELECT 1 / 0")
    except asyncpg.DivisionByZeroError as error:
        told["error"] = error.sqlstate
    await connection.close()
    print(json.dumps(told))


asyncio.run(main())
