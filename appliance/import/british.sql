-- A British smart meter: kilowatt-hours by the hour.
SELECT to_timestamp(start) AS at, value AS energy_kwh FROM file
