-- Steps: the readings that fit their circuit, each with the time and the energy from it to the next one. Everything else is made
-- from these, so that a reading that comes late, twice or corrected changes the two steps beside it and what they are part of.

CREATE MATERIALIZED VIEW energy.steps AS
SELECT customer_id, circuit, at, until, since, is_first, seconds, interval_s, power_w, power_factor, voltage_v, energy_kwh,
       is_gap, is_reset, is_jump, CASE WHEN NOT is_jump THEN difference_kwh END AS kwh
FROM (SELECT *, coalesce(abs(difference_kwh) * 3600000 > breaker_a * nominal_v * 2 * greatest(seconds, interval_s), false) AS is_jump
      FROM (SELECT *, coalesce(seconds > interval_s * 1.5, false) AS is_gap,
                   coalesce(next_kwh < energy_kwh * 0.9, false) AS is_reset,
                   CASE WHEN next_kwh < energy_kwh * 0.9 THEN next_kwh
                        WHEN next_kwh IS NOT NULL AND energy_kwh IS NOT NULL THEN next_kwh - energy_kwh
                        WHEN seconds <= interval_s * 1.5 THEN round((power_w + next_w) * seconds / 7200000, 6)
                   END::NUMERIC(15, 6) AS difference_kwh
            FROM (SELECT r.customer_id, r.circuit, r.at, r.power_w, r.power_factor, r.voltage_v, r.energy_kwh,
                         c.interval_s, c.breaker_a, c.nominal_v,
                         coalesce(lag(r.at) OVER w, c.installed_at) AS since, lag(r.at) OVER w IS NULL AS is_first,
                         lead(r.at) OVER w AS until, lead(r.energy_kwh) OVER w AS next_kwh, lead(r.power_w) OVER w AS next_w,
                         extract(epoch FROM lead(r.at) OVER w - r.at)::NUMERIC(15, 3) AS seconds
                  FROM energy.readings AS r
                  JOIN energy.circuits AS c ON c.customer_id = r.customer_id AND c.circuit = r.circuit
                  WHERE r.at >= c.installed_at AND (c.removed_at IS NULL OR r.at < c.removed_at)
                    AND (r.power_w IS NULL OR c.breaker_a IS NULL OR abs(r.power_w) <= c.breaker_a * c.nominal_v * 2)
                  WINDOW w AS (PARTITION BY r.customer_id, r.circuit ORDER BY r.at)) AS neighbours) AS differences) AS steps;

COMMENT ON MATERIALIZED VIEW energy.steps IS 'Accepted readings, each with the time and the energy to the next one of its circuit';
COMMENT ON COLUMN energy.steps.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.steps.circuit IS 'The circuit';
COMMENT ON COLUMN energy.steps.at IS 'Time of the reading, when the step begins';
COMMENT ON COLUMN energy.steps.until IS 'Time of the next reading, when the step ends; NULL: there is none yet';
COMMENT ON COLUMN energy.steps.since IS 'Time of the reading before, or of the installation';
COMMENT ON COLUMN energy.steps.is_first IS 'Whether there is no reading before';
COMMENT ON COLUMN energy.steps.seconds IS 'How long the step is';
COMMENT ON COLUMN energy.steps.interval_s IS 'How long it should be';
COMMENT ON COLUMN energy.steps.power_w IS 'Power at its beginning, W';
COMMENT ON COLUMN energy.steps.power_factor IS 'Power factor at its beginning';
COMMENT ON COLUMN energy.steps.voltage_v IS 'Voltage at its beginning, V';
COMMENT ON COLUMN energy.steps.energy_kwh IS 'The counter at its beginning, kWh';
COMMENT ON COLUMN energy.steps.is_gap IS 'Whether it is longer than one and a half intervals: nothing was measured in it';
COMMENT ON COLUMN energy.steps.is_reset IS 'Whether the counter fell below nine tenths, and began anew: its new value counts';
COMMENT ON COLUMN energy.steps.is_jump IS 'Whether the counter moved further than the breaker lets through: nothing counts';
COMMENT ON COLUMN energy.steps.kwh IS 'Energy of the step: the counter''s difference; without a counter the mean power over the time, but not over a gap';

CREATE VIEW energy.rejected AS
SELECT r.customer_id, r.circuit, r.at,
       CASE WHEN c.circuit IS NULL THEN 'the circuit is not registered'
            WHEN r.at < c.installed_at THEN 'it is of before the installation'
            WHEN r.at >= c.removed_at THEN 'it is of after the removal'
            ELSE 'its power is far over the breaker''s rating' END AS reason,
       r.power_w, r.energy_kwh, c.breaker_a, c.installed_at, c.removed_at
FROM energy.readings AS r
LEFT JOIN energy.circuits AS c ON c.customer_id = r.customer_id AND c.circuit = r.circuit
WHERE c.circuit IS NULL OR r.at < c.installed_at OR r.at >= c.removed_at OR abs(r.power_w) > c.breaker_a * c.nominal_v * 2;

COMMENT ON VIEW energy.rejected IS 'Readings that do not fit their circuit and are in no total, with the reason; they count once the circuit is as it should be';
COMMENT ON COLUMN energy.rejected.customer_id IS 'Whose reading';
COMMENT ON COLUMN energy.rejected.circuit IS 'Of which circuit';
COMMENT ON COLUMN energy.rejected.at IS 'Time of the reading';
COMMENT ON COLUMN energy.rejected.reason IS 'Why it does not count';
COMMENT ON COLUMN energy.rejected.power_w IS 'Its power, W';
COMMENT ON COLUMN energy.rejected.energy_kwh IS 'Its counter, kWh';
COMMENT ON COLUMN energy.rejected.breaker_a IS 'Rating of the circuit''s breaker, A; twice as much at the nominal voltage is far over it';
COMMENT ON COLUMN energy.rejected.installed_at IS 'When the circuit was installed';
COMMENT ON COLUMN energy.rejected.removed_at IS 'When it was removed';

CREATE VIEW energy.resets AS
SELECT customer_id, circuit, until AS at, energy_kwh AS before_kwh, kwh AS after_kwh, is_jump
FROM energy.steps WHERE is_reset OR is_jump;

COMMENT ON VIEW energy.resets IS 'Readings at which the counter began anew, or jumped further than can be';
COMMENT ON COLUMN energy.resets.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.resets.circuit IS 'The circuit';
COMMENT ON COLUMN energy.resets.at IS 'Time of the first reading after';
COMMENT ON COLUMN energy.resets.before_kwh IS 'The counter before';
COMMENT ON COLUMN energy.resets.after_kwh IS 'The counter after, which counts; NULL: nothing does';
COMMENT ON COLUMN energy.resets.is_jump IS 'Whether it moved further than the breaker lets through';

CREATE MATERIALIZED VIEW energy.latest AS
SELECT DISTINCT ON (customer_id, circuit) customer_id, circuit, at, power_w, power_factor, voltage_v, energy_kwh
FROM energy.steps WHERE until IS NULL ORDER BY customer_id, circuit, at;

COMMENT ON MATERIALIZED VIEW energy.latest IS 'The last reading of each circuit';
COMMENT ON COLUMN energy.latest.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.latest.circuit IS 'The circuit';
COMMENT ON COLUMN energy.latest.at IS 'Time of the reading';
COMMENT ON COLUMN energy.latest.power_w IS 'Power, W';
COMMENT ON COLUMN energy.latest.power_factor IS 'Power factor';
COMMENT ON COLUMN energy.latest.voltage_v IS 'Voltage, V';
COMMENT ON COLUMN energy.latest.energy_kwh IS 'The counter, kWh';
