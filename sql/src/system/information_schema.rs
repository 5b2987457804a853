//! `information_schema`: the standard's views, as queries over `pg_catalog`.

/// The schema's name.
pub const SCHEMA: &str = "information_schema";

/// (name, query). New ones go to the end: object ids follow the order.
const VIEWS: &[(&str, &str)] = &[
    (
        "schemata",
        "SELECT current_database() AS catalog_name, nspname AS schema_name, pg_get_userbyid(nspowner) AS schema_owner
         FROM pg_catalog.pg_namespace",
    ),
    (
        "tables",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
             CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
             CASE c.relkind WHEN 'r' THEN 'YES' ELSE 'NO' END AS is_insertable_into, 'NO' AS is_typed
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'v')",
    ),
    (
        "columns",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
             a.attname AS column_name, a.attnum AS ordinal_position, f.adbin AS column_default,
             CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
             CASE t.typcategory WHEN 'A' THEN 'ARRAY' ELSE format_type(a.atttypid, CAST(NULL AS INT)) END AS data_type,
             CAST(NULL AS INT) AS character_maximum_length,
             CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 WHEN 'float4' THEN 24
                 WHEN 'float8' THEN 53
                 WHEN 'numeric' THEN CASE WHEN a.atttypmod >= 0 THEN (a.atttypmod - 4) / 65536 END END
                 AS numeric_precision,
             CASE WHEN t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8') THEN 2
                 WHEN t.typname = 'numeric' THEN 10 END AS numeric_precision_radix,
             CASE WHEN t.typname IN ('int2', 'int4', 'int8') THEN 0
                 WHEN t.typname = 'numeric' AND a.atttypmod >= 0 THEN (a.atttypmod - 4) % 65536 END AS numeric_scale,
             CASE WHEN t.typcategory = 'D' AND t.typname <> 'date' THEN 6 END AS datetime_precision,
             current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name,
             'NO' AS is_identity, 'NEVER' AS is_generated,
             CASE c.relkind WHEN 'r' THEN 'YES' ELSE 'NO' END AS is_updatable
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
             LEFT JOIN pg_catalog.pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum
         WHERE c.relkind IN ('r', 'v') AND a.attnum > 0",
    ),
    (
        "views",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
             pg_get_viewdef(c.oid) AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable,
             'NO' AS is_insertable_into
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'v'",
    ),
    (
        "table_constraints",
        "SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema,
             k.conname AS constraint_name, current_database() AS table_catalog, n.nspname AS table_schema,
             c.relname AS table_name, 'PRIMARY KEY' AS constraint_type, 'NO' AS is_deferrable,
             'NO' AS initially_deferred, 'YES' AS enforced
         FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
             JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace",
    ),
    (
        "key_column_usage",
        "SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema,
             k.conname AS constraint_name, current_database() AS table_catalog, n.nspname AS table_schema,
             c.relname AS table_name, a.attname AS column_name, k.place AS ordinal_position,
             CAST(NULL AS INT) AS position_in_unique_constraint
         FROM (SELECT conname, conrelid, unnest(conkey) AS number, unnest(_pg_subscripts(conkey)) AS place
                 FROM pg_catalog.pg_constraint) k
             JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.number",
    ),
    (
        "referential_constraints",
        "SELECT conname AS constraint_name, conname AS unique_constraint_name FROM pg_catalog.pg_constraint
         WHERE contype = 'f'",
    ),
    (
        "sequences",
        "SELECT conname AS sequence_name, conname AS sequence_schema FROM pg_catalog.pg_constraint
         WHERE contype = 'sequence'",
    ),
];

/// The names of the views.
pub fn names() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().map(|(name, _)| *name)
}

/// The query of a view.
pub fn query(name: &str) -> Option<&'static str> {
    VIEWS.iter().find(|(known, _)| *known == name).map(|(_, query)| *query)
}
