-- AMPds as readings of the energy pack: what each hour took becomes a counter of each of the 22 meters, read at its end. M_E,
-- the mains, is WHE + RSE; the others are branches of WHE.
WITH hours AS (
    SELECT circuit, to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)) AS began,
        CASE circuit
            WHEN 'M_E' THEN M_E WHEN 'RSE' THEN RSE WHEN 'WHE' THEN WHE WHEN 'B1E' THEN B1E
            WHEN 'B2E' THEN B2E WHEN 'BME' THEN BME WHEN 'CDE' THEN CDE WHEN 'CWE' THEN CWE
            WHEN 'DNE' THEN DNE WHEN 'DWE' THEN DWE WHEN 'EBE' THEN EBE WHEN 'EQE' THEN EQE
            WHEN 'FGE' THEN FGE WHEN 'FRE' THEN FRE WHEN 'GRE' THEN GRE WHEN 'HPE' THEN HPE
            WHEN 'HTE' THEN HTE WHEN 'OFE' THEN OFE WHEN 'OUE' THEN OUE WHEN 'TVE' THEN TVE
            WHEN 'UTE' THEN UTE WHEN 'WOE' THEN WOE
        END AS energy_wh
    FROM (VALUES
        ('M_E'), ('RSE'), ('WHE'), ('B1E'), ('B2E'), ('BME'), ('CDE'), ('CWE'), ('DNE'), ('DWE'), ('EBE'),
        ('EQE'), ('FGE'), ('FRE'), ('GRE'), ('HPE'), ('HTE'), ('OFE'), ('OUE'), ('TVE'), ('UTE'), ('WOE')
    ) AS meter(circuit) CROSS JOIN file
), counted AS (SELECT circuit, began, CAST(energy_wh AS DECIMAL(15, 3)) / 1000 AS kwh FROM hours)
SELECT 'ampds' AS customer_id, circuit, began + INTERVAL '1 hour' AS at, sum(kwh) OVER (PARTITION BY circuit ORDER BY began) AS energy_kwh
FROM counted
UNION ALL
SELECT 'ampds', circuit, min(began), 0 FROM counted GROUP BY circuit
