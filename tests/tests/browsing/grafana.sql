-- What Grafana's data source for PostgreSQL asks, in our words: its editor's lists, then panels with its macros written out.

-- version: rows
SELECT current_setting('server_version_num')::int / 100 / 100 AS version;

-- TimescaleDB
SELECT extversion FROM pg_extension WHERE extname = 'timescaledb';

-- schemas: rows
SELECT schema_name AS "name" FROM information_schema.schemata
WHERE schema_name NOT IN ('information_schema', 'pg_catalog', 'pg_toast', '_timescaledb_cache', 'caudal') ORDER BY schema_name;

-- tables: rows
SELECT CASE WHEN quote_ident(table_schema) IN (
        SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
        FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
            string_to_array(current_setting('search_path'), ',') s)
    THEN quote_ident(table_name) ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS "table"
FROM information_schema.tables
WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog', '_timescaledb_cache', 'caudal')
ORDER BY CASE WHEN quote_ident(table_schema) IN (
        SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
        FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
            string_to_array(current_setting('search_path'), ',') s) THEN 0 ELSE 1 END, 1;

-- tables of a schema: rows
SELECT quote_ident(table_name) AS "table" FROM information_schema.tables WHERE quote_ident(table_schema) = 'shop' ORDER BY 1;

-- columns: rows
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('readings'), 1) = 2
    THEN quote_ident(table_schema) = (parse_ident('readings'))[1] AND quote_ident(table_name) = (parse_ident('readings'))[2]
    ELSE quote_ident(table_name) = 'readings' AND quote_ident(table_schema) IN (
        SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
        FROM generate_series(array_lower(string_to_array(current_setting('search_path'), ','), 1),
                array_upper(string_to_array(current_setting('search_path'), ','), 1)) AS i,
            string_to_array(current_setting('search_path'), ',') s) END
ORDER BY ordinal_position;

-- columns of another schema's table: rows
SELECT quote_ident(column_name) AS "column", data_type AS "type" FROM information_schema.columns
WHERE CASE WHEN array_length(parse_ident('shop.items'), 1) = 2
    THEN quote_ident(table_schema) = (parse_ident('shop.items'))[1] AND quote_ident(table_name) = (parse_ident('shop.items'))[2]
    ELSE quote_ident(table_name) = 'shop.items' END
ORDER BY ordinal_position;

-- a time series, of $__time and $__timeFilter: rows
SELECT "at" AS "time", power_w FROM readings
WHERE "at" BETWEEN '2026-01-01T00:00:00Z' AND '2026-12-31T23:59:59.999Z' ORDER BY 1;

-- in steps, of $__timeGroupAlias: rows
SELECT floor(extract(epoch FROM "at") / 300) * 300 AS "time", avg(power_w) AS value, circuit AS metric FROM readings
WHERE "at" BETWEEN '2026-01-01T00:00:00Z' AND '2026-12-31T00:00:00Z' GROUP BY 1, 3 ORDER BY 1, 3;

-- of $__unixEpochFilter and $__timeFrom: rows
SELECT count(*) FROM readings WHERE extract(epoch FROM "at") >= 1767225600 AND extract(epoch FROM "at") <= 1798761599
    AND "at" >= to_timestamp(1767225600);

-- a variable: rows
SELECT DISTINCT circuit AS __text, circuit AS __value FROM readings ORDER BY 1;

-- annotations: rows
SELECT extract(epoch FROM "at")::bigint AS time, circuit AS text, ARRAY['a', circuit]::text AS tags FROM readings ORDER BY 1, 2;
