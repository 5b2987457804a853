-- UCI 235 as readings of the energy pack: power by the minute; a minute that was not measured has no row.
SELECT 'uci' AS customer_id, 'mains' AS circuit,
       to_timestamp("Date" || ' ' || "Time", '%d/%m/%Y %H:%M:%S') AS at,
       CAST(NULLIF(Global_active_power, '?') AS DECIMAL(9, 3)) * 1000 AS power_w,
       NULLIF(Voltage, '?') AS voltage_v,
       NULLIF(Global_intensity, '?') AS current_a
FROM file
