-- What customers see in their own Home Assistant: an entity for each metric of a circuit, one for the month, and each alert.

CREATE VIEW energy.circuit_alerts AS
SELECT customer_id, circuit, 'power_above_threshold' AS alert FROM energy.power_above_threshold
UNION SELECT customer_id, circuit, 'unusual_peak' FROM energy.unusual_peak
UNION SELECT customer_id, circuit, 'voltage_out_of_band' FROM energy.voltage_out_of_band
UNION SELECT customer_id, circuit, 'never_off' FROM energy.never_off;

COMMENT ON VIEW energy.circuit_alerts IS 'What is wrong with circuits now';
COMMENT ON COLUMN energy.circuit_alerts.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.circuit_alerts.circuit IS 'The circuit';
COMMENT ON COLUMN energy.circuit_alerts.alert IS 'The alert, which is the name of its view';

CREATE VIEW energy.customer_alerts AS
SELECT customer_id, 'budget_exceeded' AS alert FROM energy.budget_exceeded
UNION SELECT customer_id, 'standby_risen' FROM energy.standby_risen;

COMMENT ON VIEW energy.customer_alerts IS 'What is wrong with a customer''s consumption now';
COMMENT ON COLUMN energy.customer_alerts.customer_id IS 'The customer';
COMMENT ON COLUMN energy.customer_alerts.alert IS 'The alert, which is the name of its view';

-- Said by the meter's last will at once, found by its silence in any case.
CREATE VIEW energy.available_circuits AS
SELECT c.customer_id, c.circuit, c.meter, o.meter IS NULL AND coalesce(s.online, TRUE) AS available
FROM energy.circuits AS c
LEFT JOIN energy.meter_status AS s ON s.customer_id = c.customer_id AND s.meter = c.meter
LEFT JOIN energy.meter_offline AS o ON o.customer_id = c.customer_id AND o.meter = c.meter
WHERE c.removed_at IS NULL;

COMMENT ON VIEW energy.available_circuits IS 'Circuits that are measured, and whether their meters are there';
COMMENT ON COLUMN energy.available_circuits.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.available_circuits.circuit IS 'The circuit';
COMMENT ON COLUMN energy.available_circuits.meter IS 'The device that measures it';
COMMENT ON COLUMN energy.available_circuits.available IS 'Whether it is connected and sends';

CREATE MATERIALIZED VIEW energy.home_assistant AS
SELECT DISTINCT ON (subject, entity) subject, device, device_name, entity, name, component, device_class, unit, state_class, state,
       available, circuit, metric
FROM (SELECT customer_id AS subject, meter AS device, meter AS device_name, circuit || '.' || metric AS entity,
       circuit || CASE metric WHEN 'power' THEN ' potencia' WHEN 'energy' THEN ' energía' WHEN 'voltage' THEN ' voltaje'
                              WHEN 'current' THEN ' corriente' ELSE ' factor de potencia' END AS name,
       'sensor' AS component, metric AS device_class,
       CASE metric WHEN 'power' THEN 'W' WHEN 'energy' THEN 'kWh' WHEN 'voltage' THEN 'V' WHEN 'current' THEN 'A' END AS unit,
       CASE metric WHEN 'energy' THEN 'total_increasing' ELSE 'measurement' END AS state_class,
       CASE metric WHEN 'power' THEN power_w::TEXT WHEN 'energy' THEN energy_kwh::TEXT WHEN 'voltage' THEN voltage_v::TEXT
                   WHEN 'current' THEN current_a::TEXT ELSE power_factor::TEXT END AS state,
       available, circuit, metric
FROM (SELECT c.customer_id, c.circuit, c.meter, c.available, r.power_w, r.energy_kwh, r.voltage_v, r.current_a, r.power_factor,
             unnest(ARRAY['power', 'energy', 'voltage', 'current', 'power_factor']) AS metric
      FROM energy.latest AS l
      JOIN energy.readings AS r ON r.customer_id = l.customer_id AND r.circuit = l.circuit AND r.at = l.at
      JOIN energy.available_circuits AS c ON c.customer_id = l.customer_id AND c.circuit = l.circuit) AS shown
UNION ALL
SELECT m.customer_id, 'month', 'Consumo', 'month.energy', 'Energía del mes', 'sensor', 'energy', 'kWh', 'total_increasing',
       m.kwh::TEXT, TRUE, NULL, NULL
FROM energy.customer_months AS m JOIN energy.customers AS u ON u.customer_id = m.customer_id
WHERE m.month::TIMESTAMP AT TIME ZONE u.zone <= now() AND (m.month::TIMESTAMP + INTERVAL '1 month') AT TIME ZONE u.zone > now()
UNION ALL
SELECT c.customer_id, c.meter, c.meter AS device_name, c.circuit || '.' || c.alert,
       c.circuit || CASE c.alert WHEN 'power_above_threshold' THEN ' sobre el umbral' WHEN 'unusual_peak' THEN ' pico inusual'
                                 WHEN 'voltage_out_of_band' THEN ' voltaje fuera de banda' ELSE ' siempre encendido' END,
       'binary_sensor', 'problem', NULL, NULL, CASE WHEN a.alert IS NULL THEN 'OFF' ELSE 'ON' END, c.available, c.circuit, c.alert
FROM (SELECT customer_id, circuit, meter, available,
             unnest(ARRAY['power_above_threshold', 'unusual_peak', 'voltage_out_of_band', 'never_off']) AS alert
      FROM energy.available_circuits) AS c
LEFT JOIN energy.circuit_alerts AS a ON a.customer_id = c.customer_id AND a.circuit = c.circuit AND a.alert = c.alert
UNION ALL
SELECT u.customer_id, 'month', 'Consumo', 'month.' || u.alert,
       CASE u.alert WHEN 'budget_exceeded' THEN 'Presupuesto superado' ELSE 'Consumo en espera mayor' END,
       'binary_sensor', 'problem', NULL, NULL, CASE WHEN a.alert IS NULL THEN 'OFF' ELSE 'ON' END, TRUE, NULL, u.alert
FROM (SELECT customer_id, unnest(ARRAY['budget_exceeded', 'standby_risen']) AS alert FROM energy.customers) AS u
LEFT JOIN energy.customer_alerts AS a ON a.customer_id = u.customer_id AND a.alert = u.alert
UNION ALL
SELECT m.customer_id, m.meter, m.meter AS device_name, 'meter.' || m.meter || '.offline', 'sin datos', 'binary_sensor', 'problem', NULL, NULL,
       CASE WHEN o.meter IS NULL THEN 'OFF' ELSE 'ON' END, TRUE, NULL, 'meter_offline'
FROM (SELECT DISTINCT customer_id, meter FROM energy.circuits WHERE removed_at IS NULL) AS m
LEFT JOIN energy.meter_offline AS o ON o.customer_id = m.customer_id AND o.meter = m.meter) AS entities
ORDER BY subject, entity, device;

COMMENT ON MATERIALIZED VIEW energy.home_assistant IS 'The entities that customers see in their own Home Assistant';
COMMENT ON COLUMN energy.home_assistant.subject IS 'Whose entity it is: the customer';
COMMENT ON COLUMN energy.home_assistant.device IS 'The device that it belongs to: the meter';
COMMENT ON COLUMN energy.home_assistant.device_name IS 'What the device is called';
COMMENT ON COLUMN energy.home_assistant.entity IS 'Tells it apart from others of the customer';
COMMENT ON COLUMN energy.home_assistant.name IS 'What it is called';
COMMENT ON COLUMN energy.home_assistant.component IS 'What kind of entity it is';
COMMENT ON COLUMN energy.home_assistant.device_class IS 'What it shows';
COMMENT ON COLUMN energy.home_assistant.unit IS 'In which unit';
COMMENT ON COLUMN energy.home_assistant.state_class IS 'How Home Assistant makes statistics of it';
COMMENT ON COLUMN energy.home_assistant.state IS 'What it shows now; NULL: unknown';
COMMENT ON COLUMN energy.home_assistant.available IS 'Whether its meter is connected and sends';
COMMENT ON COLUMN energy.home_assistant.circuit IS 'The circuit; NULL: all';
COMMENT ON COLUMN energy.home_assistant.metric IS 'What is measured, or the alert; NULL: the energy of the month';
