-- Gaps: times in which nothing was measured, which are not times without consumption.

CREATE VIEW energy.gaps AS
SELECT customer_id, circuit, at AS began, until AS ended, seconds, kwh, false AS is_start FROM energy.steps WHERE is_gap
UNION ALL
SELECT customer_id, circuit, since, at, extract(epoch FROM at - since)::NUMERIC(15, 3), NULL, true
FROM energy.steps WHERE is_first AND extract(epoch FROM at - since)::NUMERIC(15, 3) > interval_s * 1.5;

COMMENT ON VIEW energy.gaps IS 'Times of more than one and a half intervals without a reading, up to the next one';
COMMENT ON COLUMN energy.gaps.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.gaps.circuit IS 'The circuit';
COMMENT ON COLUMN energy.gaps.began IS 'Time of the last reading before, or of the installation';
COMMENT ON COLUMN energy.gaps.ended IS 'Time of the first reading after';
COMMENT ON COLUMN energy.gaps.seconds IS 'How long it was';
COMMENT ON COLUMN energy.gaps.kwh IS 'Energy that the counter says for it, kWh; NULL: it says nothing';
COMMENT ON COLUMN energy.gaps.is_start IS 'Whether it is from the installation to the first reading';

-- Of a gap the quarters of its first 31 days. The one in which it begins has a reading, but for the one after the installation.
CREATE MATERIALIZED VIEW energy.gap_quarters AS
SELECT customer_id, circuit, first_quarter + n * INTERVAL '15 minutes' AS quarter,
       max(CASE WHEN n = 0 THEN extract(epoch FROM first_quarter + INTERVAL '15 minutes' - began)::NUMERIC(15, 3) ELSE 900 END)::NUMERIC(15, 3) AS gap_s
FROM (SELECT customer_id, circuit, began, date_bin(INTERVAL '15 minutes', began) AS first_quarter, CASE WHEN is_start THEN 0 ELSE 1 END AS first_n,
             least(extract(epoch FROM date_bin(INTERVAL '15 minutes', ended) - date_bin(INTERVAL '15 minutes', began))::BIGINT / 900 - 1, 2976) AS last_n
      FROM energy.gaps) AS gaps, generate_series(gaps.first_n, gaps.last_n) AS n
GROUP BY customer_id, circuit, first_quarter + n * INTERVAL '15 minutes';

COMMENT ON MATERIALIZED VIEW energy.gap_quarters IS 'Quarters of an hour of a circuit without any reading, between two that it sent';
COMMENT ON COLUMN energy.gap_quarters.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.gap_quarters.circuit IS 'The circuit';
COMMENT ON COLUMN energy.gap_quarters.quarter IS 'When the quarter of an hour begins';
COMMENT ON COLUMN energy.gap_quarters.gap_s IS 'Seconds of it in gaps';

CREATE MATERIALIZED VIEW energy.silent_circuits AS
SELECT c.customer_id, c.circuit, c.meter, coalesce(l.at, c.installed_at) AS since
FROM energy.circuits AS c LEFT JOIN energy.latest AS l ON l.customer_id = c.customer_id AND l.circuit = c.circuit
WHERE c.removed_at IS NULL AND coalesce(l.at, c.installed_at) + c.interval_s * INTERVAL '1.5 seconds' < now();

COMMENT ON MATERIALIZED VIEW energy.silent_circuits IS 'Circuits whose next reading should be here by now';
COMMENT ON COLUMN energy.silent_circuits.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.silent_circuits.circuit IS 'The circuit';
COMMENT ON COLUMN energy.silent_circuits.meter IS 'The device that measures it';
COMMENT ON COLUMN energy.silent_circuits.since IS 'Time of the last reading, or of the installation';

CREATE VIEW energy.open_gaps AS
SELECT customer_id, circuit, meter, since AS began, extract(epoch FROM now() - since)::NUMERIC(15, 3) AS seconds FROM energy.silent_circuits;

COMMENT ON VIEW energy.open_gaps IS 'Gaps that have not ended';
COMMENT ON COLUMN energy.open_gaps.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.open_gaps.circuit IS 'The circuit';
COMMENT ON COLUMN energy.open_gaps.meter IS 'The device that measures it';
COMMENT ON COLUMN energy.open_gaps.began IS 'Time of the last reading, or of the installation';
COMMENT ON COLUMN energy.open_gaps.seconds IS 'How long it is by now';
