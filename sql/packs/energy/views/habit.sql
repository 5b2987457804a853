-- What is usual: the same hour of past weeks, and what is never off.

CREATE MATERIALIZED VIEW energy.usual_hours AS
SELECT customer_id, circuit, hour, count(*) AS weeks, round(avg(kwh), 6)::NUMERIC(18, 6) AS usual_kwh
FROM (SELECT customer_id, circuit, kwh, ((hour AT TIME ZONE zone) + week * INTERVAL '7 days') AT TIME ZONE zone AS hour
      FROM (SELECT h.customer_id, h.circuit, h.kwh, h.hour, z.zone, unnest(ARRAY[1, 2, 3, 4]) AS week
            FROM energy.circuit_hours AS h JOIN energy.zoned_circuits AS z ON z.customer_id = h.customer_id AND z.circuit = h.circuit
            WHERE h.kwh IS NOT NULL) AS weeks) AS hours
GROUP BY customer_id, circuit, hour;

COMMENT ON MATERIALIZED VIEW energy.usual_hours IS 'What a circuit consumes in a local hour by the same hour of the four weeks before';
COMMENT ON COLUMN energy.usual_hours.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.usual_hours.circuit IS 'The circuit';
COMMENT ON COLUMN energy.usual_hours.hour IS 'When the local hour begins';
COMMENT ON COLUMN energy.usual_hours.weeks IS 'How many of these weeks were measured';
COMMENT ON COLUMN energy.usual_hours.usual_kwh IS 'Their mean energy, kWh';

CREATE MATERIALIZED VIEW energy.standby_days AS
SELECT customer_id, day, count(*) AS quarters, percentile_disc(0.1) WITHIN GROUP (ORDER BY power_w) AS standby_w
FROM (SELECT q.customer_id, local_day(q.quarter, u.zone) AS day, (q.kwh * 4000)::NUMERIC(12, 3) AS power_w
      FROM energy.customer_quarters AS q JOIN energy.customers AS u ON u.customer_id = q.customer_id
      WHERE q.kwh IS NOT NULL) AS quarters
GROUP BY customer_id, day;

COMMENT ON MATERIALIZED VIEW energy.standby_days IS 'The load of a customer that is always on, by the local day';
COMMENT ON COLUMN energy.standby_days.customer_id IS 'The customer';
COMMENT ON COLUMN energy.standby_days.day IS 'The local day';
COMMENT ON COLUMN energy.standby_days.quarters IS 'Quarters of an hour of the day that were measured';
COMMENT ON COLUMN energy.standby_days.standby_w IS 'Mean power that nine tenths of them were above, W';

CREATE MATERIALIZED VIEW energy.usual_standby AS
SELECT customer_id, day, count(*) AS days, round(avg(standby_w), 3)::NUMERIC(12, 3) AS usual_w
FROM (SELECT customer_id, day + later AS day, standby_w
      FROM (SELECT customer_id, day, standby_w, unnest(ARRAY[1, 2, 3, 4, 5, 6, 7]) AS later FROM energy.standby_days WHERE quarters >= 72) AS week) AS days
GROUP BY customer_id, day;

COMMENT ON MATERIALIZED VIEW energy.usual_standby IS 'The load that is always on by the seven days before';
COMMENT ON COLUMN energy.usual_standby.customer_id IS 'The customer';
COMMENT ON COLUMN energy.usual_standby.day IS 'The local day';
COMMENT ON COLUMN energy.usual_standby.days IS 'How many of these days were measured for three quarters';
COMMENT ON COLUMN energy.usual_standby.usual_w IS 'Their mean, W';
