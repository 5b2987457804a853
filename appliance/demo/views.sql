-- Views that are always up to date: each reading changes one row of each.

-- Per circuit and minute. A reading is the mean of a second, so 3,600 of them at one watt are a watt-hour.
CREATE MATERIALIZED VIEW IF NOT EXISTS circuit_minute AS
SELECT circuit, date_bin(INTERVAL '1 minute', at) AS minute, count(*) AS readings,
       avg(power_w) AS mean_w, min(power_w) AS min_w, max(power_w) AS max_w, sum(power_w) / 3600 AS energy_wh
FROM readings
GROUP BY circuit, date_bin(INTERVAL '1 minute', at);

-- Per circuit and quarter of an hour: what utilities bill by.
CREATE MATERIALIZED VIEW IF NOT EXISTS circuit_quarter AS
SELECT circuit, date_bin(INTERVAL '15 minutes', at) AS quarter, count(*) AS readings,
       avg(power_w) AS mean_w, max(power_w) AS max_w, sum(power_w) / 3600 AS energy_wh
FROM readings
GROUP BY circuit, date_bin(INTERVAL '15 minutes', at);

-- Per circuit and day.
CREATE MATERIALIZED VIEW IF NOT EXISTS circuit_day AS
SELECT circuit, date_bin(INTERVAL '1 day', at) AS day, count(*) AS readings,
       avg(power_w) AS mean_w, max(power_w) AS max_w, sum(power_w) / 3600 AS energy_wh
FROM readings
GROUP BY circuit, date_bin(INTERVAL '1 day', at);

-- Per circuit since the beginning; the demo finds in `last_at` where to go on after it was killed.
CREATE MATERIALIZED VIEW IF NOT EXISTS circuit_total AS
SELECT circuit, count(*) AS readings, min(at) AS first_at, max(at) AS last_at, sum(power_w) / 3600 AS energy_wh
FROM readings
GROUP BY circuit;

-- Per room and quarter of an hour: a view on a view, joined with a table.
CREATE MATERIALIZED VIEW IF NOT EXISTS room_quarter AS
SELECT c.room, q.quarter, sum(q.energy_wh) AS energy_wh, sum(q.readings) AS readings
FROM circuit_quarter q
JOIN circuits c ON c.circuit = q.circuit
GROUP BY c.room, q.quarter;
