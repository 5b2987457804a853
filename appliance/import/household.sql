-- UCI 235, individual household electric power consumption: a day and a time in two columns, `?` for what was not measured.
SELECT to_timestamp("Date" || ' ' || "Time", '%d/%m/%Y %H:%M:%S') AS at,
       NULLIF(Global_active_power, '?') AS power_kw,
       NULLIF(Voltage, '?') AS voltage_v
FROM file
