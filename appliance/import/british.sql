-- A British smart meter as readings of the energy pack: what each hour took becomes a counter, read at its end.
WITH hours AS (SELECT to_timestamp(start) AS began, CAST(value AS DECIMAL(15, 3)) AS kwh FROM file)
SELECT 'british' AS customer_id, 'mains' AS circuit, began + INTERVAL '1 hour' AS at, sum(kwh) OVER (ORDER BY began) AS energy_kwh FROM hours
UNION ALL
SELECT 'british', 'mains', min(began), 0 FROM hours
