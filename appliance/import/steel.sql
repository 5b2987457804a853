-- UCI 851 as readings of the energy pack: what each quarter of an hour took becomes a counter, read at its end; before the first
-- one it is at nothing. The quarter that ends at 24:00 is stamped with 00:00 of its own day.
WITH quarters AS (
    SELECT to_timestamp(date, '%d/%m/%Y %H:%M') + CASE WHEN NSM = '0' THEN INTERVAL '1 day' ELSE INTERVAL '0 days' END AS at,
           CAST(Usage_kWh AS DECIMAL(15, 3)) AS kwh
    FROM file
)
SELECT 'steel' AS customer_id, 'mains' AS circuit, at, sum(kwh) OVER (ORDER BY at) AS energy_kwh FROM quarters
UNION ALL
SELECT 'steel', 'mains', min(at) - INTERVAL '15 minutes', 0 FROM quarters
