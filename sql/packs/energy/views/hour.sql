-- A local hour. The one that comes twice in autumn is two.

CREATE VIEW energy.zoned_circuits AS
SELECT c.customer_id, c.circuit, c.role, u.zone FROM energy.circuits AS c JOIN energy.customers AS u ON u.customer_id = c.customer_id;

COMMENT ON VIEW energy.zoned_circuits IS 'Circuits of registered customers, with the zone that they are in';
COMMENT ON COLUMN energy.zoned_circuits.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.zoned_circuits.circuit IS 'The circuit';
COMMENT ON COLUMN energy.zoned_circuits.role IS 'mains, branch or generation';
COMMENT ON COLUMN energy.zoned_circuits.zone IS 'Time zone of the property';

CREATE VIEW energy.long_steps AS
SELECT s.customer_id, s.circuit, s.at, s.until, s.seconds, s.kwh, z.zone,
       NOT s.is_gap AND s.interval_s <= 3600
           OR local_hour(s.at, z.zone) = local_hour(s.until - INTERVAL '1 millisecond', z.zone) AS is_of_hour
FROM energy.steps AS s JOIN energy.zoned_circuits AS z ON z.customer_id = s.customer_id AND z.circuit = s.circuit
WHERE s.kwh IS NOT NULL AND (s.is_gap OR s.interval_s > 900);

COMMENT ON VIEW energy.long_steps IS 'Steps whose energy counts in no quarter of an hour: over gaps, and of meters that send less often';
COMMENT ON COLUMN energy.long_steps.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.long_steps.circuit IS 'The circuit';
COMMENT ON COLUMN energy.long_steps.at IS 'When it begins';
COMMENT ON COLUMN energy.long_steps.until IS 'When it ends';
COMMENT ON COLUMN energy.long_steps.seconds IS 'How long it is';
COMMENT ON COLUMN energy.long_steps.kwh IS 'Its energy, kWh';
COMMENT ON COLUMN energy.long_steps.zone IS 'Time zone of the property';
COMMENT ON COLUMN energy.long_steps.is_of_hour IS 'Whether it counts in the hour in which it begins; else it counts in days';

CREATE MATERIALIZED VIEW energy.circuit_hours AS
SELECT customer_id, circuit, hour, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(samples)::BIGINT AS samples,
       sum(sum_w)::NUMERIC(20, 3) AS sum_w, round(sum(sum_w) / nullif(sum(samples), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       sum(gap_s)::NUMERIC(15, 3) AS gap_s, (max(quarter_kwh) * 4000)::NUMERIC(12, 3) AS peak_w
FROM (SELECT q.customer_id, q.circuit, local_hour(q.quarter, z.zone) AS hour, q.kwh, q.samples, q.sum_w, q.min_w, q.max_w,
             q.power_factor_samples, q.sum_power_factor, q.gap_s, q.kwh AS quarter_kwh
      FROM energy.circuit_quarters AS q JOIN energy.zoned_circuits AS z ON z.customer_id = q.customer_id AND z.circuit = q.circuit
      UNION ALL
      SELECT customer_id, circuit, local_hour(at, zone), kwh, 0, NULL, NULL, NULL, 0, NULL, 0, NULL
      FROM energy.long_steps WHERE is_of_hour) AS parts
GROUP BY customer_id, circuit, hour;

COMMENT ON MATERIALIZED VIEW energy.circuit_hours IS 'Consumption of a circuit by the local hour';
COMMENT ON COLUMN energy.circuit_hours.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_hours.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_hours.hour IS 'When the local hour begins';
COMMENT ON COLUMN energy.circuit_hours.kwh IS 'Energy, kWh, with that of gaps within the hour; NULL: none was measured';
COMMENT ON COLUMN energy.circuit_hours.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.circuit_hours.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.circuit_hours.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.circuit_hours.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.circuit_hours.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.circuit_hours.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.circuit_hours.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.circuit_hours.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.circuit_hours.gap_s IS 'Seconds of it in gaps';
COMMENT ON COLUMN energy.circuit_hours.peak_w IS 'Greatest mean power of a quarter of an hour, W';
