-- A minute in which there is a reading. Whatever begins in a window counts in it: what is on a boundary is in the window
-- that begins there, so that meters that send at the full quarter or hour fill just that one.

CREATE MATERIALIZED VIEW energy.circuit_minutes AS
SELECT customer_id, circuit, minute,
       sum(CASE WHEN interval_s <= 60 AND NOT is_gap THEN kwh END)::NUMERIC(18, 6) AS kwh,
       count(power_w) AS samples, sum(power_w)::NUMERIC(20, 3) AS sum_w, round(sum(power_w) / nullif(count(power_w), 0), 3)::NUMERIC(12, 3) AS mean_w, min(power_w) AS min_w, max(power_w) AS max_w,
       count(power_factor) AS power_factor_samples, sum(power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(power_factor) / nullif(count(power_factor), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       sum(CASE WHEN is_gap THEN extract(epoch FROM least(until, minute + INTERVAL '1 minute') - at)::NUMERIC(15, 3) ELSE 0 END
           + CASE WHEN extract(epoch FROM at - since)::NUMERIC(15, 3) > interval_s * 1.5 AND (since < minute OR is_first)
                  THEN extract(epoch FROM at - greatest(since, minute))::NUMERIC(15, 3) ELSE 0 END)::NUMERIC(15, 3) AS gap_s
FROM (SELECT *, date_bin(INTERVAL '1 minute', at) AS minute FROM energy.steps) AS steps
GROUP BY customer_id, circuit, minute;

COMMENT ON MATERIALIZED VIEW energy.circuit_minutes IS 'Each minute of a circuit in which there is a reading';
COMMENT ON COLUMN energy.circuit_minutes.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_minutes.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_minutes.minute IS 'When the minute begins';
COMMENT ON COLUMN energy.circuit_minutes.kwh IS 'Energy, kWh: of steps that are no gaps, where the circuit sends each minute or more often; NULL: none';
COMMENT ON COLUMN energy.circuit_minutes.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.circuit_minutes.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.circuit_minutes.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.circuit_minutes.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.circuit_minutes.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.circuit_minutes.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.circuit_minutes.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.circuit_minutes.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.circuit_minutes.gap_s IS 'Seconds of it in gaps';
