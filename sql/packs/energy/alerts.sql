-- Alerts: the rows of each are what is wrong now.

-- By the readings of the last day, of circuits that have a threshold.
CREATE MATERIALIZED VIEW energy.power_above_threshold WITH (alert = 'warning') AS
SELECT customer_id, circuit, threshold, above_w, minutes, max(at) AS seen_at, max(power_w) AS max_w
FROM (SELECT t.customer_id, t.circuit, t.threshold, t.above_w, t.minutes, s.at, s.power_w
      FROM energy.steps AS s JOIN energy.thresholds AS t ON t.customer_id = s.customer_id AND t.circuit = s.circuit
      WHERE s.power_w IS NOT NULL AND s.at > now() - INTERVAL '1 day') AS recent
GROUP BY customer_id, circuit, threshold, above_w, minutes
HAVING max(at) = max(at) FILTER (WHERE power_w > above_w)
   AND max(at) - coalesce(max(at) FILTER (WHERE power_w <= above_w), min(at)) >= minutes * INTERVAL '1 minute';

COMMENT ON MATERIALIZED VIEW energy.power_above_threshold IS 'Circuits whose power has been above a threshold for as long as that says';
COMMENT ON COLUMN energy.power_above_threshold.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.power_above_threshold.circuit IS 'The circuit';
COMMENT ON COLUMN energy.power_above_threshold.threshold IS 'What the customer calls the threshold';
COMMENT ON COLUMN energy.power_above_threshold.above_w IS 'The power that is too much when exceeded, W';
COMMENT ON COLUMN energy.power_above_threshold.minutes IS 'For how long at least';
COMMENT ON COLUMN energy.power_above_threshold.seen_at IS 'Time of the last reading';
COMMENT ON COLUMN energy.power_above_threshold.max_w IS 'Greatest power of the last day, W';

CREATE MATERIALIZED VIEW energy.budget_exceeded WITH (alert = 'warning') AS
SELECT m.customer_id, m.month, m.kwh, u.budget_kwh
FROM energy.customer_months AS m JOIN energy.customers AS u ON u.customer_id = m.customer_id
WHERE m.kwh > u.budget_kwh AND (m.month::TIMESTAMP + INTERVAL '1 month') AT TIME ZONE u.zone > now();

COMMENT ON MATERIALIZED VIEW energy.budget_exceeded IS 'Customers who have consumed more than their budget in the month that it is';
COMMENT ON COLUMN energy.budget_exceeded.customer_id IS 'The customer';
COMMENT ON COLUMN energy.budget_exceeded.month IS 'First day of the local month';
COMMENT ON COLUMN energy.budget_exceeded.kwh IS 'Energy of the month to date, kWh';
COMMENT ON COLUMN energy.budget_exceeded.budget_kwh IS 'What it was to stay below, kWh';

-- Twice as much as usual and half a kilowatt-hour more; an hour is of interest for three.
CREATE MATERIALIZED VIEW energy.unusual_peak WITH (alert = 'warning') AS
SELECT h.customer_id, h.circuit, h.hour, h.kwh, u.usual_kwh, u.weeks
FROM energy.circuit_hours AS h
JOIN energy.usual_hours AS u ON u.customer_id = h.customer_id AND u.circuit = h.circuit AND u.hour = h.hour
WHERE u.weeks >= 2 AND h.kwh > u.usual_kwh * 2 AND h.kwh > u.usual_kwh + 0.5 AND h.hour > now() - INTERVAL '3 hours';

COMMENT ON MATERIALIZED VIEW energy.unusual_peak IS 'Circuits that consume far more than in the same hour of past weeks';
COMMENT ON COLUMN energy.unusual_peak.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.unusual_peak.circuit IS 'The circuit';
COMMENT ON COLUMN energy.unusual_peak.hour IS 'When the local hour begins';
COMMENT ON COLUMN energy.unusual_peak.kwh IS 'Energy of the hour, kWh';
COMMENT ON COLUMN energy.unusual_peak.usual_kwh IS 'Mean energy of the same hour of the four weeks before, kWh';
COMMENT ON COLUMN energy.unusual_peak.weeks IS 'How many of these weeks were measured';

-- A third more than usual and 30 W; of the last whole day, for the day after it.
CREATE MATERIALIZED VIEW energy.standby_risen WITH (alert = 'info') AS
SELECT s.customer_id, s.day, s.standby_w, n.usual_w, n.days
FROM energy.standby_days AS s
JOIN energy.usual_standby AS n ON n.customer_id = s.customer_id AND n.day = s.day
JOIN energy.customers AS u ON u.customer_id = s.customer_id
WHERE s.quarters >= 72 AND n.days >= 4 AND s.standby_w * 3 > n.usual_w * 4 AND s.standby_w > n.usual_w + 30
  AND (s.day + 1)::TIMESTAMP AT TIME ZONE u.zone <= now() AND (s.day + 2)::TIMESTAMP AT TIME ZONE u.zone > now();

COMMENT ON MATERIALIZED VIEW energy.standby_risen IS 'Customers whose load that is always on has risen';
COMMENT ON COLUMN energy.standby_risen.customer_id IS 'The customer';
COMMENT ON COLUMN energy.standby_risen.day IS 'The local day';
COMMENT ON COLUMN energy.standby_risen.standby_w IS 'The load of that day, W';
COMMENT ON COLUMN energy.standby_risen.usual_w IS 'Its mean over the seven days before, W';
COMMENT ON COLUMN energy.standby_risen.days IS 'How many of these days were measured for three quarters';

-- All circuits of a meter are silent for three intervals, and for five minutes.
CREATE MATERIALIZED VIEW energy.meter_offline WITH (alert = 'critical') AS
SELECT c.customer_id, c.meter, count(*) AS circuits, max(coalesce(l.at, c.installed_at)) AS since
FROM energy.circuits AS c LEFT JOIN energy.latest AS l ON l.customer_id = c.customer_id AND l.circuit = c.circuit
WHERE c.removed_at IS NULL
GROUP BY c.customer_id, c.meter
HAVING max(coalesce(l.at, c.installed_at)) + greatest(max(c.interval_s) * 3, 300) * INTERVAL '1 second' < now();

COMMENT ON MATERIALIZED VIEW energy.meter_offline IS 'Meters that have sent nothing for three intervals, and for five minutes';
COMMENT ON COLUMN energy.meter_offline.customer_id IS 'Whose meter';
COMMENT ON COLUMN energy.meter_offline.meter IS 'The device';
COMMENT ON COLUMN energy.meter_offline.circuits IS 'Circuits that it measures';
COMMENT ON COLUMN energy.meter_offline.since IS 'Time of its last reading, or of the installation';

CREATE MATERIALIZED VIEW energy.voltage_out_of_band WITH (alert = 'critical') AS
SELECT l.customer_id, l.circuit, l.at, l.voltage_v, c.nominal_v
FROM energy.latest AS l JOIN energy.circuits AS c ON c.customer_id = l.customer_id AND c.circuit = l.circuit
WHERE l.voltage_v < c.nominal_v * 0.9 OR l.voltage_v > c.nominal_v * 1.1;

COMMENT ON MATERIALIZED VIEW energy.voltage_out_of_band IS 'Circuits whose voltage is more than a tenth away from the nominal one';
COMMENT ON COLUMN energy.voltage_out_of_band.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.voltage_out_of_band.circuit IS 'The circuit';
COMMENT ON COLUMN energy.voltage_out_of_band.at IS 'Time of the last reading';
COMMENT ON COLUMN energy.voltage_out_of_band.voltage_v IS 'Its voltage, V';
COMMENT ON COLUMN energy.voltage_out_of_band.nominal_v IS 'The voltage that it should have, V';

-- By the hours of the last two days, the one under way among them.
CREATE MATERIALIZED VIEW energy.never_off WITH (alert = 'info') AS
SELECT customer_id, circuit, off_below_w, min(min_w) AS min_w, max(hour) AS seen_at
FROM (SELECT h.customer_id, h.circuit, c.off_below_w, h.hour, h.min_w
      FROM energy.circuit_hours AS h JOIN energy.circuits AS c ON c.customer_id = h.customer_id AND c.circuit = h.circuit
      WHERE c.off_below_w IS NOT NULL AND h.min_w IS NOT NULL AND h.hour > now() - INTERVAL '2 days') AS recent
GROUP BY customer_id, circuit, off_below_w
HAVING max(hour) - coalesce(max(hour) FILTER (WHERE min_w < off_below_w), min(hour)) >= INTERVAL '1 day';

COMMENT ON MATERIALIZED VIEW energy.never_off IS 'Circuits that have been on for a day and should be off at times';
COMMENT ON COLUMN energy.never_off.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.never_off.circuit IS 'The circuit';
COMMENT ON COLUMN energy.never_off.off_below_w IS 'Power below which it counts as turned off, W';
COMMENT ON COLUMN energy.never_off.min_w IS 'Least power of the last two days, W';
COMMENT ON COLUMN energy.never_off.seen_at IS 'The last hour with a reading';
