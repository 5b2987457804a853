-- UCI 851, steel industry energy consumption: a quarter of an hour is stamped with its end, and the one that ends at 24:00
-- with 00:00 of the day that it belongs to. NSM, the seconds since midnight, is 0 there: it is the next day's midnight.
SELECT to_timestamp(date, '%d/%m/%Y %H:%M') + CASE WHEN NSM = '0' THEN INTERVAL '1 day' ELSE INTERVAL '0 days' END AS at,
       Usage_kWh AS energy_kwh,
       Load_Type AS load
FROM file
