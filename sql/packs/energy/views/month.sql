-- A local month.

CREATE MATERIALIZED VIEW energy.circuit_months AS
SELECT customer_id, circuit, month, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(estimated_of_month_kwh)::NUMERIC(18, 6) AS estimated_kwh,
       sum(samples)::BIGINT AS samples,
       sum(sum_w)::NUMERIC(20, 3) AS sum_w, round(sum(sum_w) / nullif(sum(samples), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       sum(gap_s)::NUMERIC(15, 3) AS gap_s, max(peak_w) AS peak_w
FROM (SELECT *, date_trunc('month', day)::DATE AS month FROM energy.circuit_days) AS days
GROUP BY customer_id, circuit, month;

COMMENT ON MATERIALIZED VIEW energy.circuit_months IS 'Consumption of a circuit by the local month';
COMMENT ON COLUMN energy.circuit_months.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_months.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_months.month IS 'First day of the local month';
COMMENT ON COLUMN energy.circuit_months.kwh IS 'Energy, kWh, with that of gaps: of those that reach into another month in proportion to time; NULL: none was measured';
COMMENT ON COLUMN energy.circuit_months.estimated_kwh IS 'What of it is such a part';
COMMENT ON COLUMN energy.circuit_months.samples IS 'Readings with a power';
COMMENT ON COLUMN energy.circuit_months.sum_w IS 'Sum of their powers, W';
COMMENT ON COLUMN energy.circuit_months.mean_w IS 'Mean power, W';
COMMENT ON COLUMN energy.circuit_months.min_w IS 'Least power, W';
COMMENT ON COLUMN energy.circuit_months.max_w IS 'Greatest power, W';
COMMENT ON COLUMN energy.circuit_months.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.circuit_months.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.circuit_months.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.circuit_months.gap_s IS 'Seconds of it in gaps';
COMMENT ON COLUMN energy.circuit_months.peak_w IS 'Greatest mean power of a quarter of an hour, W';

CREATE MATERIALIZED VIEW energy.circuit_peaks AS
SELECT DISTINCT ON (customer_id, circuit, month) customer_id, circuit, month, quarter, (kwh * 4000)::NUMERIC(12, 3) AS peak_w
FROM (SELECT q.customer_id, q.circuit, local_month(q.quarter, z.zone) AS month, q.quarter, q.kwh
      FROM energy.measured_quarters AS q JOIN energy.zoned_circuits AS z ON z.customer_id = q.customer_id AND z.circuit = q.circuit
      WHERE q.kwh IS NOT NULL) AS quarters
ORDER BY customer_id, circuit, month, kwh DESC, quarter;

COMMENT ON MATERIALIZED VIEW energy.circuit_peaks IS 'The peak demand of a circuit in each local month, and when it was';
COMMENT ON COLUMN energy.circuit_peaks.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_peaks.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_peaks.month IS 'First day of the local month';
COMMENT ON COLUMN energy.circuit_peaks.quarter IS 'When the quarter of an hour begins';
COMMENT ON COLUMN energy.circuit_peaks.peak_w IS 'Greatest mean power of a quarter of an hour, W';
