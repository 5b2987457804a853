-- What Npgsql loads when it connects, in our words: Power BI, Excel and whatever else is of .NET come through it.

-- version
SELECT version();

-- types
SELECT ns.nspname, t.oid, t.typname, t.typtype, t.typnotnull, t.elemtypoid FROM (
    SELECT typ.oid, typ.typnamespace, typ.typname, typ.typtype, typ.typrelid, typ.typnotnull, typ.relkind,
        elemtyp.oid AS elemtypoid, elemtyp.typname AS elemtypname, elemcls.relkind AS elemrelkind,
        CASE WHEN elemproc.proname = 'array_recv' THEN 'a' ELSE elemtyp.typtype END AS elemtyptype
    FROM (
        SELECT typ.oid, typnamespace, typname, typrelid, typnotnull, relkind, typelem AS elemoid,
            CASE WHEN proc.proname = 'array_recv' THEN 'a' ELSE typ.typtype END AS typtype,
            CASE WHEN proc.proname = 'array_recv' THEN typ.typelem WHEN typ.typtype = 'r' THEN rngsubtype
                WHEN typ.typtype = 'm' THEN (SELECT rngtypid FROM pg_range WHERE rngmultitypid = typ.oid)
                WHEN typ.typtype = 'd' THEN typ.typbasetype END AS elemtypoid
        FROM pg_type AS typ LEFT JOIN pg_class AS cls ON (cls.oid = typ.typrelid)
            LEFT JOIN pg_proc AS proc ON proc.oid = typ.typreceive
            LEFT JOIN pg_range ON (pg_range.rngtypid = typ.oid)
    ) AS typ
        LEFT JOIN pg_type AS elemtyp ON elemtyp.oid = elemtypoid
        LEFT JOIN pg_class AS elemcls ON (elemcls.oid = elemtyp.typrelid)
        LEFT JOIN pg_proc AS elemproc ON elemproc.oid = elemtyp.typreceive
) AS t JOIN pg_namespace AS ns ON (ns.oid = typnamespace)
WHERE typtype IN ('b', 'r', 'm', 'e', 'd') OR (typtype = 'c' AND relkind = 'c') OR (typtype = 'p' AND typname IN ('record', 'void'))
    OR (typtype = 'a' AND (elemtyptype IN ('b', 'r', 'm', 'e', 'd') OR (elemtyptype = 'p' AND elemtypname IN ('record', 'void'))
        OR (elemtyptype = 'c' AND elemrelkind = 'c')))
ORDER BY CASE WHEN typtype IN ('b', 'e', 'p') THEN 0 WHEN typtype = 'r' THEN 1 WHEN typtype = 'm' THEN 2 WHEN typtype = 'c' THEN 3
    WHEN typtype = 'd' AND elemtyptype <> 'a' THEN 4 WHEN typtype = 'a' THEN 5 WHEN typtype = 'd' AND elemtyptype = 'a' THEN 6 END;

-- types that columns are of: rows
SELECT t.oid, t.typname, CASE WHEN proc.proname = 'array_recv' THEN 'a' ELSE t.typtype END AS kind,
    CASE WHEN proc.proname = 'array_recv' THEN t.typelem ELSE 0::oid END AS element, t.typlen, t.typcategory, t.typcollation,
    t.typinput, t.typreceive::text, t.typarray, t.typrelid
FROM pg_type t LEFT JOIN pg_proc proc ON proc.oid = t.typreceive
WHERE t.typname IN ('bool', 'bytea', 'int4', 'int8', 'text', 'float8', 'numeric', 'date', 'timestamp', 'timestamptz', 'jsonb',
    '_bool', '_int4', '_int8', '_text', '_float8', '_numeric', '_date', '_timestamp', '_timestamptz', 'interval', 'name', 'oid')
ORDER BY t.oid;

-- composites: rows
SELECT typ.oid, att.attname, att.atttypid FROM pg_type AS typ JOIN pg_namespace AS ns ON (ns.oid = typ.typnamespace)
    JOIN pg_class AS cls ON (cls.oid = typ.typrelid) JOIN pg_attribute AS att ON (att.attrelid = typ.typrelid)
WHERE (typ.typtype = 'c' AND cls.relkind = 'c') AND attnum > 0 AND NOT attisdropped ORDER BY typ.oid, att.attnum;

-- enumerations: rows
SELECT pg_type.oid, enumlabel FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid ORDER BY oid, enumsortorder;

-- where a column of an answer comes from: rows
SELECT ns.nspname, cls.relname, attr.attname, pg_catalog.format_type(attr.atttypid, attr.atttypmod),
    coalesce(ind.indisprimary, false) AS isprimary, attr.attidentity,
    EXISTS (SELECT 1 FROM pg_attrdef d WHERE d.adrelid = cls.oid AND d.adnum = attr.attnum) AS has_default
FROM pg_attribute AS attr JOIN pg_type AS typ ON attr.atttypid = typ.oid JOIN pg_class AS cls ON cls.oid = attr.attrelid
    JOIN pg_namespace AS ns ON ns.oid = cls.relnamespace
    LEFT OUTER JOIN pg_index AS ind ON ind.indrelid = cls.oid AND attr.attnum = ANY(ind.indkey) AND ind.indisprimary
WHERE atttypid <> 0 AND relkind IN ('r', 'v', 'm') AND nspname = 'public' AND attnum > 0 ORDER BY 1, 2, attnum;

-- lists of schemas: rows
SELECT catalog_name, schema_name FROM information_schema.schemata
WHERE schema_name IN ('public', 'information_schema', 'pg_catalog') ORDER BY 2;

-- tables, as Power BI lists them: rows
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM INFORMATION_SCHEMA.tables
WHERE TABLE_SCHEMA NOT IN ('information_schema', 'pg_catalog', 'caudal') ORDER BY TABLE_SCHEMA, TABLE_NAME;

-- columns, as Power BI lists them: rows
SELECT COLUMN_NAME, ORDINAL_POSITION, IS_NULLABLE, CASE WHEN (data_type LIKE '%unsigned%') THEN DATA_TYPE || ' unsigned' ELSE DATA_TYPE END AS DATA_TYPE
FROM INFORMATION_SCHEMA.columns WHERE TABLE_SCHEMA = 'public' AND TABLE_NAME = 'readings'
ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION;

-- keys, as Power BI finds relations: rows
SELECT ii.COLUMN_NAME, 'key' AS KIND FROM INFORMATION_SCHEMA.table_constraints i
    INNER JOIN INFORMATION_SCHEMA.key_column_usage ii ON i.CONSTRAINT_SCHEMA = ii.CONSTRAINT_SCHEMA
        AND i.CONSTRAINT_NAME = ii.CONSTRAINT_NAME AND i.TABLE_SCHEMA = ii.TABLE_SCHEMA AND i.TABLE_NAME = ii.TABLE_NAME
WHERE i.TABLE_SCHEMA = 'public' AND i.TABLE_NAME = 'readings' AND i.CONSTRAINT_TYPE IN ('PRIMARY KEY', 'UNIQUE')
ORDER BY i.CONSTRAINT_NAME, ii.TABLE_SCHEMA, ii.TABLE_NAME, ii.ORDINAL_POSITION;

-- foreign keys, as Power BI finds relations
SELECT pkcol.COLUMN_NAME AS PK_COLUMN_NAME, fkcol.TABLE_SCHEMA AS FK_TABLE_SCHEMA, fkcol.TABLE_NAME AS FK_TABLE_NAME,
    fkcol.COLUMN_NAME AS FK_COLUMN_NAME, fkcol.ORDINAL_POSITION AS ORDINAL, fkcon.CONSTRAINT_SCHEMA || '_' || fkcol.TABLE_NAME AS FK_NAME
FROM (SELECT DISTINCT constraint_catalog, constraint_schema, unique_constraint_schema, constraint_name, unique_constraint_name
        FROM INFORMATION_SCHEMA.referential_constraints) fkcon
    INNER JOIN INFORMATION_SCHEMA.key_column_usage fkcol ON fkcon.CONSTRAINT_SCHEMA = fkcol.CONSTRAINT_SCHEMA
        AND fkcon.CONSTRAINT_NAME = fkcol.CONSTRAINT_NAME
    INNER JOIN INFORMATION_SCHEMA.key_column_usage pkcol ON fkcon.UNIQUE_CONSTRAINT_SCHEMA = pkcol.CONSTRAINT_SCHEMA
        AND fkcon.UNIQUE_CONSTRAINT_NAME = pkcol.CONSTRAINT_NAME
WHERE pkcol.TABLE_SCHEMA = 'public' AND pkcol.TABLE_NAME = 'readings' AND pkcol.ORDINAL_POSITION = fkcol.ORDINAL_POSITION
ORDER BY FK_NAME, fkcol.ORDINAL_POSITION;

-- a preview, as Power BI folds it: rows
SELECT "$Table"."circuit" AS "circuit", "$Table"."at" AS "at", "$Table"."power_w" AS "power_w"
FROM "public"."readings" "$Table" ORDER BY 1, 2 LIMIT 1000;

-- a sum, as Power BI folds it: rows
SELECT "rows"."circuit" AS "circuit", sum("rows"."power_w") AS "total"
FROM (SELECT "_"."circuit" AS "circuit", "_"."power_w" AS "power_w" FROM "public"."readings" "_"
    WHERE "_"."at" >= timestamp '2026-01-01 00:00:00' AND "_"."circuit" IS NOT NULL) "rows"
GROUP BY "circuit" ORDER BY 1;
