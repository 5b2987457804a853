-- AMPds: one house, its 22 meters side by side as columns, watt-hours by the hour, unix time. A row for each meter and hour.
-- M_E, the mains, is WHE + RSE; the others are branches of WHE.
SELECT 'M_E' AS circuit, to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)) AS at, M_E AS energy_wh FROM file
UNION ALL SELECT 'RSE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), RSE FROM file
UNION ALL SELECT 'WHE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), WHE FROM file
UNION ALL SELECT 'B1E', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), B1E FROM file
UNION ALL SELECT 'B2E', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), B2E FROM file
UNION ALL SELECT 'BME', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), BME FROM file
UNION ALL SELECT 'CDE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), CDE FROM file
UNION ALL SELECT 'CWE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), CWE FROM file
UNION ALL SELECT 'DNE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), DNE FROM file
UNION ALL SELECT 'DWE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), DWE FROM file
UNION ALL SELECT 'EBE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), EBE FROM file
UNION ALL SELECT 'EQE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), EQE FROM file
UNION ALL SELECT 'FGE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), FGE FROM file
UNION ALL SELECT 'FRE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), FRE FROM file
UNION ALL SELECT 'GRE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), GRE FROM file
UNION ALL SELECT 'HPE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), HPE FROM file
UNION ALL SELECT 'HTE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), HTE FROM file
UNION ALL SELECT 'OFE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), OFE FROM file
UNION ALL SELECT 'OUE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), OUE FROM file
UNION ALL SELECT 'TVE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), TVE FROM file
UNION ALL SELECT 'UTE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), UTE FROM file
UNION ALL SELECT 'WOE', to_timestamp_seconds(CAST("TimeStamp" AS BIGINT)), WOE FROM file
