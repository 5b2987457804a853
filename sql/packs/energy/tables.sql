-- Who is measured, what, and the readings.

-- A customer, as far as measuring goes.
CREATE TABLE energy.customers (
    customer_id TEXT,
    zone TEXT NOT NULL,
    budget_kwh NUMERIC(12, 3),
    PRIMARY KEY (customer_id),
    CONSTRAINT zone_is_known CHECK (local_day(TIMESTAMPTZ '2000-01-01 00:00:00Z', zone) IS NOT NULL),
    CONSTRAINT budget_is_positive CHECK (budget_kwh > 0)
) WITH (max_rows = 10000);

COMMENT ON TABLE energy.customers IS 'Customers whose consumption is measured';
COMMENT ON COLUMN energy.customers.customer_id IS 'The customer, as in the topics of its meters';
COMMENT ON COLUMN energy.customers.zone IS 'Time zone of the property, such as America/Guayaquil: its hours, days and months are local';
COMMENT ON COLUMN energy.customers.budget_kwh IS 'Energy that the customer wants to stay below in a month; NULL: no alert';

-- A circuit of a panel with the clamp around it.
CREATE TABLE energy.circuits (
    customer_id TEXT,
    circuit TEXT,
    meter TEXT NOT NULL,
    role TEXT NOT NULL,
    interval_s INTEGER NOT NULL,
    nominal_v NUMERIC(7, 2) NOT NULL,
    breaker_a NUMERIC(7, 2),
    installed_at TIMESTAMPTZ NOT NULL,
    removed_at TIMESTAMPTZ,
    off_below_w NUMERIC(12, 3),
    PRIMARY KEY (customer_id, circuit),
    CONSTRAINT role_is_known CHECK (role IN ('mains', 'branch', 'generation')),
    CONSTRAINT interval_is_of_a_day_at_most CHECK (interval_s BETWEEN 1 AND 86400),
    CONSTRAINT nominal_voltage_is_positive CHECK (nominal_v > 0),
    CONSTRAINT breaker_is_positive CHECK (breaker_a > 0),
    CONSTRAINT removed_after_installed CHECK (removed_at > installed_at)
) WITH (max_rows = 100000);

COMMENT ON TABLE energy.circuits IS 'Circuits that are measured, from installation to removal';
COMMENT ON COLUMN energy.circuits.customer_id IS 'Whose panel it is in';
COMMENT ON COLUMN energy.circuits.circuit IS 'The circuit, as in the topics of the meter';
COMMENT ON COLUMN energy.circuits.meter IS 'The device that measures it';
COMMENT ON COLUMN energy.circuits.role IS 'mains, branch or generation: a customer''s total is the mains, else the branches, never both';
COMMENT ON COLUMN energy.circuits.interval_s IS 'Seconds between two readings; half as long again is a gap';
COMMENT ON COLUMN energy.circuits.nominal_v IS 'Voltage that it should have';
COMMENT ON COLUMN energy.circuits.breaker_a IS 'Rating of the breaker; NULL: unknown, and no power is too much';
COMMENT ON COLUMN energy.circuits.installed_at IS 'When counting starts';
COMMENT ON COLUMN energy.circuits.removed_at IS 'When counting ends; NULL: it is measured';
COMMENT ON COLUMN energy.circuits.off_below_w IS 'Power below which it counts as turned off; NULL: it may be on for ever, as a fridge is';

-- What meters send. The same circuit and time again replaces the reading, so that what comes late or twice counts once.
CREATE TABLE energy.readings (
    customer_id TEXT,
    circuit TEXT,
    at TIMESTAMPTZ,
    voltage_v NUMERIC(7, 2),
    current_a NUMERIC(9, 3),
    power_w NUMERIC(12, 3),
    power_factor NUMERIC(5, 4),
    frequency_hz NUMERIC(6, 3),
    energy_kwh NUMERIC(15, 6),
    PRIMARY KEY (customer_id, circuit, at),
    CONSTRAINT power_or_energy_is_there CHECK (power_w IS NOT NULL OR energy_kwh IS NOT NULL),
    CONSTRAINT voltage_is_not_negative CHECK (voltage_v >= 0),
    CONSTRAINT current_is_not_negative CHECK (current_a >= 0),
    CONSTRAINT power_factor_is_of_one_at_most CHECK (power_factor BETWEEN -1 AND 1),
    CONSTRAINT frequency_is_a_mains_frequency CHECK (frequency_hz BETWEEN 40 AND 70),
    CONSTRAINT energy_is_not_negative CHECK (energy_kwh >= 0),
    CONSTRAINT time_is_set CHECK (at >= '2000-01-01 00:00:00Z'),
    CONSTRAINT time_is_not_in_the_future CHECK (at <= now() + INTERVAL '10 minutes')
) WITH (topic = 'energy.readings', mqtt = 'teravolta/clientes/{customer_id}/consumo/{circuit}');

COMMENT ON TABLE energy.readings IS 'Readings of meters; what cannot be is in caudal.quarantine, what does not fit its circuit in energy.rejected';
COMMENT ON COLUMN energy.readings.customer_id IS 'Whose reading it is';
COMMENT ON COLUMN energy.readings.circuit IS 'Of which circuit';
COMMENT ON COLUMN energy.readings.at IS 'The device''s time, in UTC, to the millisecond';
COMMENT ON COLUMN energy.readings.voltage_v IS 'Voltage, V';
COMMENT ON COLUMN energy.readings.current_a IS 'Current, A';
COMMENT ON COLUMN energy.readings.power_w IS 'Active power, W; negative where it flows to the grid';
COMMENT ON COLUMN energy.readings.power_factor IS 'Power factor, from -1 to 1';
COMMENT ON COLUMN energy.readings.frequency_hz IS 'Frequency, Hz';
COMMENT ON COLUMN energy.readings.energy_kwh IS 'Cumulative active energy, kWh; begins anew when the device does';

-- Which circuit a channel of a GreenEye Monitor is clamped around. Such a meter says its serial number and no password: what is not
-- here does not come in.
CREATE TABLE energy.gem_channels (
    serial TEXT,
    channel INTEGER,
    customer_id TEXT NOT NULL,
    circuit TEXT NOT NULL,
    PRIMARY KEY (serial, channel),
    CONSTRAINT serial_has_eight_characters CHECK (char_length(serial) = 8),
    CONSTRAINT channel_is_one_of_a_meter CHECK (channel BETWEEN 1 AND 48)
) WITH (gem = 'energy.readings');

COMMENT ON TABLE energy.gem_channels IS 'Channels of Brultech''s GreenEye Monitors, and the circuits that they measure';
COMMENT ON COLUMN energy.gem_channels.serial IS 'Serial number on the meter''s label, eight digits';
COMMENT ON COLUMN energy.gem_channels.channel IS 'Number of the channel, from 1';
COMMENT ON COLUMN energy.gem_channels.customer_id IS 'Whose circuit it measures';
COMMENT ON COLUMN energy.gem_channels.circuit IS 'The circuit';

-- What people want to be told of.
CREATE TABLE energy.thresholds (
    customer_id TEXT,
    circuit TEXT,
    threshold TEXT,
    above_w NUMERIC(12, 3) NOT NULL,
    minutes INTEGER NOT NULL,
    PRIMARY KEY (customer_id, circuit, threshold),
    CONSTRAINT minutes_are_of_a_day_at_most CHECK (minutes BETWEEN 0 AND 1380)
) WITH (max_rows = 100000);

COMMENT ON TABLE energy.thresholds IS 'Power that a circuit should not draw for long';
COMMENT ON COLUMN energy.thresholds.customer_id IS 'Whose circuit';
COMMENT ON COLUMN energy.thresholds.circuit IS 'The circuit';
COMMENT ON COLUMN energy.thresholds.threshold IS 'What the customer calls it';
COMMENT ON COLUMN energy.thresholds.above_w IS 'The power that is too much when exceeded';
COMMENT ON COLUMN energy.thresholds.minutes IS 'For how long at least';

-- What meters say of themselves: that they are there when they connect, and by their last will that they are not.
CREATE TABLE energy.meter_status (
    customer_id TEXT,
    meter TEXT,
    online BOOLEAN NOT NULL,
    PRIMARY KEY (customer_id, meter)
) WITH (max_rows = 100000, topic = 'energy.meter_status', mqtt = 'teravolta/clientes/{customer_id}/estado/{meter}');

COMMENT ON TABLE energy.meter_status IS 'Whether meters are connected, as far as they say so';
COMMENT ON COLUMN energy.meter_status.customer_id IS 'Whose meter';
COMMENT ON COLUMN energy.meter_status.meter IS 'The device';
COMMENT ON COLUMN energy.meter_status.online IS 'Whether it is connected';
