-- The house: its circuits, and what each of them draws.

-- A small table whose size is bounded may be kept in memory by a join.
CREATE TABLE IF NOT EXISTS circuits (
    circuit TEXT NOT NULL,
    room TEXT NOT NULL,
    breaker_a BIGINT NOT NULL,
    PRIMARY KEY (circuit)
) WITH (max_rows = 1000);

-- The current rows of the topic `readings`: the same circuit and second again replaces the row, and every view follows.
CREATE TABLE IF NOT EXISTS readings (
    circuit TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    power_w DOUBLE PRECISION NOT NULL,
    voltage_v DOUBLE PRECISION,
    PRIMARY KEY (circuit, at)
) WITH (topic = 'readings');

-- The same rows again at each start change nothing.
INSERT INTO circuits (circuit, room, breaker_a) VALUES
    ('fridge', 'kitchen', 15),
    ('freezer', 'cellar', 15),
    ('water heater', 'cellar', 30),
    ('air conditioner', 'bedroom', 20),
    ('oven', 'kitchen', 30),
    ('lights', 'whole house', 15),
    ('standby', 'whole house', 15),
    ('solar', 'roof', 20);
