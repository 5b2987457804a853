-- A customer's totals: of the mains, or else of the branches, never of both; what is generated is apart.

CREATE MATERIALIZED VIEW energy.counted_circuits AS
SELECT c.customer_id, c.circuit, c.role = 'generation' AS is_generation, u.zone
FROM energy.circuits AS c JOIN energy.customers AS u ON u.customer_id = c.customer_id
WHERE c.role <> 'branch'
   OR NOT EXISTS (SELECT 1 FROM energy.circuits AS m WHERE m.customer_id = c.customer_id AND m.role = 'mains');

COMMENT ON MATERIALIZED VIEW energy.counted_circuits IS 'The circuits that make a customer''s totals: the mains, or else the branches, and what generates';
COMMENT ON COLUMN energy.counted_circuits.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.counted_circuits.circuit IS 'The circuit';
COMMENT ON COLUMN energy.counted_circuits.is_generation IS 'Whether it generates';
COMMENT ON COLUMN energy.counted_circuits.zone IS 'Time zone of the property';

CREATE MATERIALIZED VIEW energy.customer_minutes AS
SELECT customer_id, minute, sum(kwh) FILTER (WHERE NOT is_generation)::NUMERIC(18, 6) AS kwh,
       sum(kwh) FILTER (WHERE is_generation)::NUMERIC(18, 6) AS generated_kwh, sum(samples)::BIGINT AS samples,
       sum(mean_w) FILTER (WHERE NOT is_generation)::NUMERIC(12, 3) AS power_w, max(gap_s) AS gap_s
FROM energy.circuit_minutes JOIN energy.counted_circuits USING (customer_id, circuit)
GROUP BY customer_id, minute;

COMMENT ON MATERIALIZED VIEW energy.customer_minutes IS 'Consumption of a customer by the minute, where there is a reading';
COMMENT ON COLUMN energy.customer_minutes.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_minutes.minute IS 'When the minute begins';
COMMENT ON COLUMN energy.customer_minutes.kwh IS 'Energy that was consumed, kWh: of the mains, else of the branches; NULL: none was measured';
COMMENT ON COLUMN energy.customer_minutes.generated_kwh IS 'Energy that was generated, kWh';
COMMENT ON COLUMN energy.customer_minutes.samples IS 'Readings with a power of the circuits that count';
COMMENT ON COLUMN energy.customer_minutes.power_w IS 'Mean power, W: the sum of the circuits that consume';
COMMENT ON COLUMN energy.customer_minutes.gap_s IS 'Seconds of it in gaps, of the circuit with most';

CREATE MATERIALIZED VIEW energy.customer_quarters AS
SELECT customer_id, quarter, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(generated_kwh)::NUMERIC(18, 6) AS generated_kwh,
       sum(samples)::BIGINT AS samples, count(power_w) AS minutes, sum(power_w)::NUMERIC(20, 3) AS sum_w,
       round(sum(power_w) / nullif(count(power_w), 0), 3)::NUMERIC(12, 3) AS mean_w, min(power_w) AS min_w, max(power_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor, max(gap_s) AS gap_s
FROM (SELECT customer_id, quarter, CASE WHEN NOT is_generation THEN kwh END AS kwh,
             CASE WHEN is_generation THEN kwh END AS generated_kwh, samples,
             CASE WHEN is_generation THEN 0 ELSE power_factor_samples END AS power_factor_samples,
             CASE WHEN NOT is_generation THEN sum_power_factor END AS sum_power_factor, gap_s
      FROM energy.circuit_quarters JOIN energy.counted_circuits USING (customer_id, circuit)
      UNION ALL BY NAME
      SELECT customer_id, date_bin(INTERVAL '15 minutes', minute) AS quarter, power_w FROM energy.customer_minutes) AS parts
GROUP BY customer_id, quarter;

COMMENT ON MATERIALIZED VIEW energy.customer_quarters IS 'Consumption of a customer by the quarter of an hour';
COMMENT ON COLUMN energy.customer_quarters.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_quarters.quarter IS 'When the quarter of an hour begins';
COMMENT ON COLUMN energy.customer_quarters.kwh IS 'Energy that was consumed, kWh: of the mains, else of the branches; NULL: none was measured';
COMMENT ON COLUMN energy.customer_quarters.generated_kwh IS 'Energy that was generated, kWh';
COMMENT ON COLUMN energy.customer_quarters.samples IS 'Readings with a power of the circuits that count';
COMMENT ON COLUMN energy.customer_quarters.minutes IS 'Minutes with a power';
COMMENT ON COLUMN energy.customer_quarters.sum_w IS 'Sum of the powers of its minutes, W';
COMMENT ON COLUMN energy.customer_quarters.mean_w IS 'Mean power of its minutes, W';
COMMENT ON COLUMN energy.customer_quarters.min_w IS 'Least power of a minute, W';
COMMENT ON COLUMN energy.customer_quarters.max_w IS 'Greatest power of a minute, W';
COMMENT ON COLUMN energy.customer_quarters.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.customer_quarters.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.customer_quarters.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.customer_quarters.gap_s IS 'Seconds of it in gaps, of the circuit with most';

CREATE MATERIALIZED VIEW energy.customer_hours AS
SELECT customer_id, hour, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(generated_kwh)::NUMERIC(18, 6) AS generated_kwh,
       sum(samples)::BIGINT AS samples, sum(minutes)::BIGINT AS minutes, sum(sum_w)::NUMERIC(20, 3) AS sum_w,
       round(sum(sum_w) / nullif(sum(minutes), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       max(gap_s) AS gap_s, max(peak_w) AS peak_w
FROM (SELECT customer_id, hour, CASE WHEN NOT is_generation THEN kwh END AS kwh,
             CASE WHEN is_generation THEN kwh END AS generated_kwh, samples,
             CASE WHEN is_generation THEN 0 ELSE power_factor_samples END AS power_factor_samples,
             CASE WHEN NOT is_generation THEN sum_power_factor END AS sum_power_factor, gap_s
      FROM energy.circuit_hours JOIN energy.counted_circuits USING (customer_id, circuit)
      UNION ALL BY NAME
      SELECT customer_id, local_hour(quarter, zone) AS hour, minutes, sum_w, min_w, max_w, (kwh * 4000)::NUMERIC(12, 3) AS peak_w
      FROM energy.customer_quarters JOIN energy.customers USING (customer_id)) AS parts
GROUP BY customer_id, hour;

COMMENT ON MATERIALIZED VIEW energy.customer_hours IS 'Consumption of a customer by the local hour';
COMMENT ON COLUMN energy.customer_hours.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_hours.hour IS 'When the local hour begins';
COMMENT ON COLUMN energy.customer_hours.kwh IS 'Energy that was consumed, kWh: of the mains, else of the branches; NULL: none was measured';
COMMENT ON COLUMN energy.customer_hours.generated_kwh IS 'Energy that was generated, kWh';
COMMENT ON COLUMN energy.customer_hours.samples IS 'Readings with a power of the circuits that count';
COMMENT ON COLUMN energy.customer_hours.minutes IS 'Minutes with a power';
COMMENT ON COLUMN energy.customer_hours.sum_w IS 'Sum of the powers of its minutes, W';
COMMENT ON COLUMN energy.customer_hours.mean_w IS 'Mean power of its minutes, W';
COMMENT ON COLUMN energy.customer_hours.min_w IS 'Least power of a minute, W';
COMMENT ON COLUMN energy.customer_hours.max_w IS 'Greatest power of a minute, W';
COMMENT ON COLUMN energy.customer_hours.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.customer_hours.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.customer_hours.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.customer_hours.gap_s IS 'Seconds of it in gaps, of the circuit with most';
COMMENT ON COLUMN energy.customer_hours.peak_w IS 'Greatest mean power of a quarter of an hour, W';

CREATE MATERIALIZED VIEW energy.customer_days AS
SELECT customer_id, day, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(estimated_kwh)::NUMERIC(18, 6) AS estimated_kwh, sum(generated_kwh)::NUMERIC(18, 6) AS generated_kwh,
       sum(samples)::BIGINT AS samples, sum(minutes)::BIGINT AS minutes, sum(sum_w)::NUMERIC(20, 3) AS sum_w,
       round(sum(sum_w) / nullif(sum(minutes), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       max(gap_s) AS gap_s, max(peak_w) AS peak_w
FROM (SELECT customer_id, day, CASE WHEN NOT is_generation THEN kwh END AS kwh, CASE WHEN NOT is_generation THEN estimated_kwh END AS estimated_kwh,
             CASE WHEN is_generation THEN kwh END AS generated_kwh, samples,
             CASE WHEN is_generation THEN 0 ELSE power_factor_samples END AS power_factor_samples,
             CASE WHEN NOT is_generation THEN sum_power_factor END AS sum_power_factor, gap_s
      FROM energy.circuit_days JOIN energy.counted_circuits USING (customer_id, circuit)
      UNION ALL BY NAME
      SELECT customer_id, local_day(hour, zone) AS day, minutes, sum_w, min_w, max_w, peak_w
      FROM energy.customer_hours JOIN energy.customers USING (customer_id)) AS parts
GROUP BY customer_id, day;

COMMENT ON MATERIALIZED VIEW energy.customer_days IS 'Consumption of a customer by the local day';
COMMENT ON COLUMN energy.customer_days.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_days.day IS 'The local day';
COMMENT ON COLUMN energy.customer_days.kwh IS 'Energy that was consumed, kWh: of the mains, else of the branches; NULL: none was measured';
COMMENT ON COLUMN energy.customer_days.estimated_kwh IS 'What of it is a part of a gap that reaches further, in proportion to time';
COMMENT ON COLUMN energy.customer_days.generated_kwh IS 'Energy that was generated, kWh';
COMMENT ON COLUMN energy.customer_days.samples IS 'Readings with a power of the circuits that count';
COMMENT ON COLUMN energy.customer_days.minutes IS 'Minutes with a power';
COMMENT ON COLUMN energy.customer_days.sum_w IS 'Sum of the powers of its minutes, W';
COMMENT ON COLUMN energy.customer_days.mean_w IS 'Mean power of its minutes, W';
COMMENT ON COLUMN energy.customer_days.min_w IS 'Least power of a minute, W';
COMMENT ON COLUMN energy.customer_days.max_w IS 'Greatest power of a minute, W';
COMMENT ON COLUMN energy.customer_days.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.customer_days.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.customer_days.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.customer_days.gap_s IS 'Seconds of it in gaps, of the circuit with most';
COMMENT ON COLUMN energy.customer_days.peak_w IS 'Greatest mean power of a quarter of an hour, W';

CREATE MATERIALIZED VIEW energy.customer_months AS
SELECT customer_id, month, sum(kwh)::NUMERIC(18, 6) AS kwh, sum(estimated_kwh)::NUMERIC(18, 6) AS estimated_kwh, sum(generated_kwh)::NUMERIC(18, 6) AS generated_kwh,
       sum(samples)::BIGINT AS samples, sum(minutes)::BIGINT AS minutes, sum(sum_w)::NUMERIC(20, 3) AS sum_w,
       round(sum(sum_w) / nullif(sum(minutes), 0), 3)::NUMERIC(12, 3) AS mean_w, min(min_w) AS min_w, max(max_w) AS max_w,
       sum(power_factor_samples)::BIGINT AS power_factor_samples, sum(sum_power_factor)::NUMERIC(18, 4) AS sum_power_factor,
       round(sum(sum_power_factor) / nullif(sum(power_factor_samples), 0), 4)::NUMERIC(5, 4) AS mean_power_factor,
       max(gap_s) AS gap_s, max(peak_w) AS peak_w
FROM (SELECT customer_id, month, CASE WHEN NOT is_generation THEN kwh END AS kwh, CASE WHEN NOT is_generation THEN estimated_kwh END AS estimated_kwh,
             CASE WHEN is_generation THEN kwh END AS generated_kwh, samples,
             CASE WHEN is_generation THEN 0 ELSE power_factor_samples END AS power_factor_samples,
             CASE WHEN NOT is_generation THEN sum_power_factor END AS sum_power_factor, gap_s
      FROM energy.circuit_months JOIN energy.counted_circuits USING (customer_id, circuit)
      UNION ALL BY NAME
      SELECT customer_id, date_trunc('month', day)::DATE AS month, minutes, sum_w, min_w, max_w, peak_w FROM energy.customer_days) AS parts
GROUP BY customer_id, month;

COMMENT ON MATERIALIZED VIEW energy.customer_months IS 'Consumption of a customer by the local month';
COMMENT ON COLUMN energy.customer_months.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_months.month IS 'First day of the local month';
COMMENT ON COLUMN energy.customer_months.kwh IS 'Energy that was consumed, kWh: of the mains, else of the branches; NULL: none was measured';
COMMENT ON COLUMN energy.customer_months.estimated_kwh IS 'What of it is a part of a gap that reaches further, in proportion to time';
COMMENT ON COLUMN energy.customer_months.generated_kwh IS 'Energy that was generated, kWh';
COMMENT ON COLUMN energy.customer_months.samples IS 'Readings with a power of the circuits that count';
COMMENT ON COLUMN energy.customer_months.minutes IS 'Minutes with a power';
COMMENT ON COLUMN energy.customer_months.sum_w IS 'Sum of the powers of its minutes, W';
COMMENT ON COLUMN energy.customer_months.mean_w IS 'Mean power of its minutes, W';
COMMENT ON COLUMN energy.customer_months.min_w IS 'Least power of a minute, W';
COMMENT ON COLUMN energy.customer_months.max_w IS 'Greatest power of a minute, W';
COMMENT ON COLUMN energy.customer_months.power_factor_samples IS 'Readings with a power factor';
COMMENT ON COLUMN energy.customer_months.sum_power_factor IS 'Sum of these';
COMMENT ON COLUMN energy.customer_months.mean_power_factor IS 'Mean power factor';
COMMENT ON COLUMN energy.customer_months.gap_s IS 'Seconds of it in gaps, of the circuit with most';
COMMENT ON COLUMN energy.customer_months.peak_w IS 'Greatest mean power of a quarter of an hour, W';
