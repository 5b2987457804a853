-- A quarter of an hour: what demand is billed by. All zones of today are whole quarters away from UTC, so that local hours and
-- days are made of these.

CREATE MATERIALIZED VIEW energy.measured_quarters AS
SELECT customer_id, circuit, quarter,
       sum(CASE WHEN interval_s <= 900 AND NOT is_gap THEN kwh END)::NUMERIC(18, 6) AS kwh,
       count(power_w) AS samples, sum(power_w)::NUMERIC(20, 3) AS sum_w, round(sum(power_w) / nullif(count(power_w), 0), 3)::NUMERIC(12, 3) AS mean_w, min(power_w) AS min_w, max(power_w) AS max_w,
       count(power_factor) AS power_factor_samples, sum(power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(power_factor) / nullif(count(power_factor), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       sum(CASE WHEN is_gap THEN extract(epoch FROM least(until, quarter + INTERVAL '15 minutes') - at)::NUMERIC(15, 3) ELSE 0 END
           + CASE WHEN extract(epoch FROM at - since)::NUMERIC(15, 3) > interval_s * 1.5 AND (since < quarter OR is_first)
                  THEN extract(epoch FROM at - greatest(since, quarter))::NUMERIC(15, 3) ELSE 0 END)::NUMERIC(15, 3) AS gap_s
FROM (SELECT *, date_bin(INTERVAL '15 minutes', at) AS quarter FROM energy.steps) AS steps
GROUP BY customer_id, circuit, quarter;

COMMENT ON MATERIALIZED VIEW energy.measured_quarters IS 'Each quarter of an hour of a circuit in which there is a reading';
COMMENT ON COLUMN energy.measured_quarters.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.measured_quarters.circuit IS 'The circuit';
COMMENT ON COLUMN energy.measured_quarters.quarter IS 'When the quarter of an hour begins';
COMMENT ON COLUMN energy.measured_quarters.kwh IS 'Energy, kWh: of steps that are no gaps, where the circuit sends each quarter or more often; NULL: none';
COMMENT ON COLUMN energy.measured_quarters.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.measured_quarters.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.measured_quarters.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.measured_quarters.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.measured_quarters.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.measured_quarters.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.measured_quarters.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.measured_quarters.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.measured_quarters.gap_s IS 'Seconds of it in gaps';

CREATE VIEW energy.circuit_quarters AS
SELECT customer_id, circuit, quarter, kwh, samples, sum_w, mean_w, min_w, max_w, power_factor_samples, sum_power_factor, mean_power_factor, gap_s
FROM energy.measured_quarters
UNION ALL
SELECT customer_id, circuit, quarter, NULL, 0, NULL, NULL, NULL, NULL, 0, NULL, NULL, gap_s FROM energy.gap_quarters;

COMMENT ON VIEW energy.circuit_quarters IS 'Consumption of a circuit by the quarter of an hour, gaps included';
COMMENT ON COLUMN energy.circuit_quarters.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_quarters.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_quarters.quarter IS 'When the quarter of an hour begins';
COMMENT ON COLUMN energy.circuit_quarters.kwh IS 'Energy, kWh, without that of gaps; NULL: none was measured';
COMMENT ON COLUMN energy.circuit_quarters.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.circuit_quarters.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.circuit_quarters.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.circuit_quarters.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.circuit_quarters.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.circuit_quarters.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.circuit_quarters.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.circuit_quarters.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.circuit_quarters.gap_s IS 'Seconds of it in gaps';
