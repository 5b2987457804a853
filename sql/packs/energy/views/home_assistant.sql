-- What customers see in their own Home Assistant: an entity for each metric of a circuit, and one for the month.

CREATE MATERIALIZED VIEW energy.home_assistant AS
SELECT DISTINCT ON (subject, entity) subject, device, device_name, entity, name, component, device_class, unit, state_class, state,
       available, circuit, metric
FROM (SELECT customer_id AS subject, meter AS device, meter AS device_name, circuit || '.' || metric AS entity,
       circuit || CASE metric WHEN 'power' THEN ' potencia' WHEN 'energy' THEN ' energía'
                              WHEN 'voltage' THEN ' voltaje' ELSE ' factor de potencia' END AS name,
       'sensor' AS component, metric AS device_class,
       CASE metric WHEN 'power' THEN 'W' WHEN 'energy' THEN 'kWh' WHEN 'voltage' THEN 'V' END AS unit,
       CASE metric WHEN 'energy' THEN 'total_increasing' ELSE 'measurement' END AS state_class,
       CASE metric WHEN 'power' THEN power_w::TEXT WHEN 'energy' THEN energy_kwh::TEXT
                   WHEN 'voltage' THEN voltage_v::TEXT ELSE power_factor::TEXT END AS state,
       available, circuit, metric
FROM (SELECT l.customer_id, l.circuit, c.meter, o.meter IS NULL AS available, l.power_w, l.energy_kwh, l.voltage_v, l.power_factor,
             unnest(ARRAY['power', 'energy', 'voltage', 'power_factor']) AS metric
      FROM energy.latest AS l
      JOIN energy.circuits AS c ON c.customer_id = l.customer_id AND c.circuit = l.circuit
      LEFT JOIN energy.meter_offline AS o ON o.customer_id = c.customer_id AND o.meter = c.meter) AS shown
UNION ALL
SELECT m.customer_id, 'month', 'Consumo', 'month.energy', 'Energía del mes', 'sensor', 'energy', 'kWh', 'total_increasing',
       m.kwh::TEXT, TRUE, NULL, NULL
FROM energy.customer_months AS m JOIN energy.customers AS u ON u.customer_id = m.customer_id
WHERE m.month::TIMESTAMP AT TIME ZONE u.zone <= now() AND (m.month::TIMESTAMP + INTERVAL '1 month') AT TIME ZONE u.zone > now()) AS entities
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
COMMENT ON COLUMN energy.home_assistant.available IS 'Whether its meter sends';
COMMENT ON COLUMN energy.home_assistant.circuit IS 'The circuit; NULL: all';
COMMENT ON COLUMN energy.home_assistant.metric IS 'What is measured; NULL: the energy of the month';
