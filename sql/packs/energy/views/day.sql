-- A local day, of 23, 24 or 25 hours.

-- Each part is the difference of two rounded values, one of which the next part has too: together they are the whole.
CREATE VIEW energy.spread_steps AS
SELECT customer_id, circuit, day, round(kwh * til_s / seconds, 6) - round(kwh * from_s / seconds, 6) AS kwh,
       days > 0 AS is_estimate, local_month(at, zone) <> local_month(until - INTERVAL '1 millisecond', zone) AS is_estimate_of_month
FROM (SELECT *, extract(epoch FROM greatest(day::TIMESTAMP AT TIME ZONE zone, at) - at)::NUMERIC(15, 3) AS from_s,
             extract(epoch FROM least((day + 1)::TIMESTAMP AT TIME ZONE zone, until) - at)::NUMERIC(15, 3) AS til_s
      FROM (SELECT steps.*, steps.first_day + n::INTEGER AS day
            FROM (SELECT *, local_day(at, zone) AS first_day,
                         local_day(until - INTERVAL '1 millisecond', zone) - local_day(at, zone) AS days
                  FROM energy.long_steps WHERE NOT is_of_hour) AS steps, generate_series(0, steps.days) AS n) AS days) AS parts;

COMMENT ON VIEW energy.spread_steps IS 'The energy of long steps by the local days that they touch, in proportion to time';
COMMENT ON COLUMN energy.spread_steps.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.spread_steps.circuit IS 'The circuit';
COMMENT ON COLUMN energy.spread_steps.day IS 'The local day';
COMMENT ON COLUMN energy.spread_steps.kwh IS 'The part of the energy that counts in the day, kWh';
COMMENT ON COLUMN energy.spread_steps.is_estimate IS 'Whether there are other days with a part';
COMMENT ON COLUMN energy.spread_steps.is_estimate_of_month IS 'Whether there are other months with a part';

CREATE MATERIALIZED VIEW energy.circuit_days AS
SELECT customer_id, circuit, day, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(estimated_kwh)::NUMERIC(18, 6) AS estimated_kwh,
       sum(estimated_of_month_kwh)::NUMERIC(18, 6) AS estimated_of_month_kwh, sum(samples)::BIGINT AS samples,
       sum(sum_w)::NUMERIC(20, 3) AS sum_w, round(sum(sum_w) / nullif(sum(samples), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       sum(gap_s)::NUMERIC(15, 3) AS gap_s, max(peak_w) AS peak_w
FROM (SELECT h.customer_id, h.circuit, local_day(h.hour, z.zone) AS day, h.kwh, 0::NUMERIC(18, 6) AS estimated_kwh,
             0::NUMERIC(18, 6) AS estimated_of_month_kwh, h.samples, h.sum_w, h.min_w, h.max_w,
             h.power_factor_samples, h.sum_power_factor, h.gap_s, h.peak_w
      FROM energy.circuit_hours AS h JOIN energy.zoned_circuits AS z ON z.customer_id = h.customer_id AND z.circuit = h.circuit
      UNION ALL
      SELECT customer_id, circuit, day, kwh, CASE WHEN is_estimate THEN kwh ELSE 0 END,
             CASE WHEN is_estimate_of_month THEN kwh ELSE 0 END, 0, NULL, NULL, NULL, 0, NULL, 0, NULL
      FROM energy.spread_steps) AS parts
GROUP BY customer_id, circuit, day;

COMMENT ON MATERIALIZED VIEW energy.circuit_days IS 'Consumption of a circuit by the local day';
COMMENT ON COLUMN energy.circuit_days.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_days.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_days.day IS 'The local day';
COMMENT ON COLUMN energy.circuit_days.kwh IS 'Energy, kWh, with that of gaps: of those that reach over midnight in proportion to time; NULL: none was measured';
COMMENT ON COLUMN energy.circuit_days.estimated_kwh IS 'What of it is such a part';
COMMENT ON COLUMN energy.circuit_days.estimated_of_month_kwh IS 'What of it is of gaps that reach into another month';
COMMENT ON COLUMN energy.circuit_days.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.circuit_days.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.circuit_days.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.circuit_days.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.circuit_days.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.circuit_days.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.circuit_days.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.circuit_days.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.circuit_days.gap_s IS 'Seconds of it in gaps';
COMMENT ON COLUMN energy.circuit_days.peak_w IS 'Greatest mean power of a quarter of an hour, W';

CREATE VIEW energy.circuit_coverage AS
SELECT d.customer_id, d.circuit, d.day, d.gap_s,
       extract(epoch FROM least((d.day + 1)::TIMESTAMP AT TIME ZONE u.zone, c.removed_at, now())
                          - greatest(d.day::TIMESTAMP AT TIME ZONE u.zone, c.installed_at))::NUMERIC(15, 3) AS seconds
FROM energy.circuit_days AS d
JOIN energy.circuits AS c ON c.customer_id = d.customer_id AND c.circuit = d.circuit
JOIN energy.customers AS u ON u.customer_id = d.customer_id;

COMMENT ON VIEW energy.circuit_coverage IS 'How much of a local day a circuit was measured';
COMMENT ON COLUMN energy.circuit_coverage.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_coverage.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_coverage.day IS 'The local day';
COMMENT ON COLUMN energy.circuit_coverage.gap_s IS 'Seconds of it in gaps';
COMMENT ON COLUMN energy.circuit_coverage.seconds IS 'Seconds of the day between installation and removal that have passed';
