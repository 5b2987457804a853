//! `information_schema`: the standard's views, as queries over `pg_catalog`, with the columns that PostgreSQL 15 gives them.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The schema's name.
pub const SCHEMA: &str = "information_schema";

/// (name, columns with their types, query of those that are known: the others are NULL, and without a query there are no
/// rows). The first eight are in the order in which object ids were given, which follow it; new ones go to the end.
const VIEWS: &[(&str, &str, &str)] = &[
    (
        "schemata",
        "catalog_name name, schema_name name, schema_owner name, default_character_set_catalog name, \
         default_character_set_schema name, default_character_set_name name, sql_path text",
        "SELECT current_database() AS catalog_name, nspname AS schema_name, pg_get_userbyid(nspowner) AS schema_owner
         FROM pg_catalog.pg_namespace",
    ),
    (
        "tables",
        "table_catalog name, table_schema name, table_name name, table_type text, self_referencing_column_name name, \
         reference_generation text, user_defined_type_catalog name, user_defined_type_schema name, \
         user_defined_type_name name, is_insertable_into text, is_typed text, commit_action text",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, CASE
         c.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type, CASE c.relkind WHEN 'r' THEN 'YES' ELSE
         'NO' END AS is_insertable_into, 'NO' AS is_typed FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON
         n.oid = c.relnamespace WHERE c.relkind IN ('r', 'v')",
    ),
    (
        "columns",
        "table_catalog name, table_schema name, table_name name, column_name name, ordinal_position int4, \
         column_default text, is_nullable text, data_type text, character_maximum_length int4, character_octet_length \
         int4, numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, \
         interval_type text, interval_precision int4, character_set_catalog name, character_set_schema name, \
         character_set_name name, collation_catalog name, collation_schema name, collation_name name, domain_catalog \
         name, domain_schema name, domain_name name, udt_catalog name, udt_schema name, udt_name name, scope_catalog \
         name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name, is_self_referencing \
         text, is_identity text, identity_generation text, identity_start text, identity_increment text, \
         identity_maximum text, identity_minimum text, identity_cycle text, is_generated text, generation_expression \
         text, is_updatable text",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, a.attname AS
         column_name, a.attnum AS ordinal_position, f.adbin AS column_default, CASE WHEN a.attnotnull THEN 'NO' ELSE
         'YES' END AS is_nullable, CASE t.typcategory WHEN 'A' THEN 'ARRAY' ELSE format_type(a.atttypid, CAST(NULL AS
         INT)) END AS data_type, CASE WHEN t.typname IN ('text', 'varchar', 'bpchar') THEN 1073741824 END AS
         character_octet_length, CASE t.typname WHEN 'int2' THEN 16 WHEN 'int4' THEN 32 WHEN 'int8' THEN 64 WHEN
         'float4' THEN 24 WHEN 'float8' THEN 53 WHEN 'numeric' THEN CASE WHEN a.atttypmod >= 0 THEN (a.atttypmod - 4)
         / 65536 END END AS numeric_precision, CASE WHEN t.typname IN ('int2', 'int4', 'int8', 'float4', 'float8')
         THEN 2 WHEN t.typname = 'numeric' THEN 10 END AS numeric_precision_radix, CASE WHEN t.typname IN ('int2',
         'int4', 'int8') THEN 0 WHEN t.typname = 'numeric' AND a.atttypmod >= 0 THEN (a.atttypmod - 4) % 65536 END AS
         numeric_scale, CASE WHEN t.typname = 'date' THEN 0 WHEN t.typcategory = 'D' OR t.typname = 'interval' THEN 6
         END AS datetime_precision, current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS
         udt_name, CAST(a.attnum AS TEXT) AS dtd_identifier, 'NO' AS is_self_referencing, 'NO' AS is_identity, 'NO' AS
         identity_cycle, 'NEVER' AS is_generated, CASE c.relkind WHEN 'r' THEN 'YES' ELSE 'NO' END AS is_updatable
         FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace
         n ON n.oid = c.relnamespace JOIN pg_catalog.pg_type t ON t.oid = a.atttypid LEFT JOIN pg_catalog.pg_attrdef f
         ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE c.relkind IN ('r', 'v') AND a.attnum > 0",
    ),
    (
        "views",
        "table_catalog name, table_schema name, table_name name, view_definition text, check_option text, is_updatable \
         text, is_insertable_into text, is_trigger_updatable text, is_trigger_deletable text, \
         is_trigger_insertable_into text",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
         pg_get_viewdef(c.oid) AS view_definition, 'NONE' AS check_option, 'NO' AS is_updatable, 'NO' AS
         is_insertable_into, 'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable, 'NO' AS
         is_trigger_insertable_into FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid =
         c.relnamespace WHERE c.relkind = 'v'",
    ),
    (
        "table_constraints",
        "constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name, \
         table_name name, constraint_type text, is_deferrable text, initially_deferred text, enforced text, \
         nulls_distinct text",
        "SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS
         constraint_name, current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
         CASE k.contype WHEN 'c' THEN 'CHECK' ELSE 'PRIMARY KEY' END AS constraint_type, 'NO' AS is_deferrable, 'NO'
         AS initially_deferred, 'YES' AS enforced FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid
         = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace UNION ALL SELECT current_database() AS
         constraint_catalog, n.nspname AS constraint_schema, CAST(n.oid AS TEXT) || '_' || CAST(c.oid AS TEXT) || '_'
         || CAST(a.attnum AS TEXT) || '_not_null' AS constraint_name, current_database() AS table_catalog, n.nspname
         AS table_schema, c.relname AS table_name, 'CHECK' AS constraint_type, 'NO' AS is_deferrable, 'NO' AS
         initially_deferred, 'YES' AS enforced FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid =
         a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE a.attnotnull AND c.relkind = 'r'",
    ),
    (
        "key_column_usage",
        "constraint_catalog name, constraint_schema name, constraint_name name, table_catalog name, table_schema name, \
         table_name name, column_name name, ordinal_position int4, position_in_unique_constraint int4",
        "SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS
         constraint_name, current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
         a.attname AS column_name, k.place AS ordinal_position FROM (SELECT conname, conrelid, unnest(conkey) AS
         number, unnest(_pg_subscripts(conkey)) AS place FROM pg_catalog.pg_constraint WHERE contype = 'p') k JOIN
         pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN
         pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.number",
    ),
    (
        "referential_constraints",
        "constraint_catalog name, constraint_schema name, constraint_name name, unique_constraint_catalog name, \
         unique_constraint_schema name, unique_constraint_name name, match_option text, update_rule text, delete_rule \
         text",
        "",
    ),
    (
        "sequences",
        "sequence_catalog name, sequence_schema name, sequence_name name, data_type text, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, start_value text, minimum_value text, maximum_value text, \
         increment text, cycle_option text",
        "",
    ),
    ("administrable_role_authorizations", "grantee name, role_name name, is_grantable text", ""),
    ("applicable_roles", "grantee name, role_name name, is_grantable text", ""),
    (
        "attributes",
        "udt_catalog name, udt_schema name, udt_name name, attribute_name name, ordinal_position int4, \
         attribute_default text, is_nullable text, data_type text, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type text, \
         interval_precision int4, attribute_udt_catalog name, attribute_udt_schema name, attribute_udt_name name, \
         scope_catalog name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name, \
         is_derived_reference_attribute text",
        "",
    ),
    (
        "character_sets",
        "character_set_catalog name, character_set_schema name, character_set_name name, character_repertoire name, \
         form_of_use name, default_collate_catalog name, default_collate_schema name, default_collate_name name",
        "SELECT 'UTF8' AS character_set_name, 'UCS' AS character_repertoire, 'UTF8' AS form_of_use, current_database()
         AS default_collate_catalog",
    ),
    (
        "check_constraint_routine_usage",
        "constraint_catalog name, constraint_schema name, constraint_name name, specific_catalog name, specific_schema \
         name, specific_name name",
        "",
    ),
    (
        "check_constraints",
        "constraint_catalog name, constraint_schema name, constraint_name name, check_clause text",
        "SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS
         constraint_name, '(' || k.conbin || ')' AS check_clause FROM pg_catalog.pg_constraint k JOIN
         pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE
         k.contype = 'c' UNION ALL SELECT current_database() AS constraint_catalog, n.nspname AS constraint_schema,
         CAST(n.oid AS TEXT) || '_' || CAST(c.oid AS TEXT) || '_' || CAST(a.attnum AS TEXT) || '_not_null' AS
         constraint_name, quote_ident(a.attname) || ' IS NOT NULL' AS check_clause FROM pg_catalog.pg_attribute a JOIN
         pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE
         a.attnotnull AND c.relkind = 'r'",
    ),
    (
        "collation_character_set_applicability",
        "collation_catalog name, collation_schema name, collation_name name, character_set_catalog name, \
         character_set_schema name, character_set_name name",
        "",
    ),
    (
        "collations",
        "collation_catalog name, collation_schema name, collation_name name, pad_attribute text",
        "SELECT current_database() AS collation_catalog, 'pg_catalog' AS collation_schema, collname AS collation_name,
         'NO PAD' AS pad_attribute FROM pg_catalog.pg_collation",
    ),
    (
        "column_column_usage",
        "table_catalog name, table_schema name, table_name name, column_name name, dependent_column name",
        "",
    ),
    (
        "column_domain_usage",
        "domain_catalog name, domain_schema name, domain_name name, table_catalog name, table_schema name, table_name \
         name, column_name name",
        "",
    ),
    (
        "column_options",
        "table_catalog name, table_schema name, table_name name, column_name name, option_name name, option_value text",
        "",
    ),
    (
        "column_privileges",
        "grantor name, grantee name, table_catalog name, table_schema name, table_name name, column_name name, \
         privilege_type text, is_grantable text",
        "SELECT pg_get_userbyid(c.relowner) AS grantor, r.rolname AS grantee, current_database() AS table_catalog,
         n.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name, p.privilege AS privilege_type,
         CASE WHEN r.oid = c.relowner THEN 'YES' ELSE 'NO' END AS is_grantable FROM pg_catalog.pg_attribute a JOIN
         pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS
         JOIN pg_catalog.pg_roles r CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege) WHERE
         c.relkind IN ('r', 'v') AND a.attnum > 0 AND has_table_privilege(r.rolname, c.oid, p.privilege)",
    ),
    (
        "column_udt_usage",
        "udt_catalog name, udt_schema name, udt_name name, table_catalog name, table_schema name, table_name name, \
         column_name name",
        "",
    ),
    (
        "constraint_column_usage",
        "table_catalog name, table_schema name, table_name name, column_name name, constraint_catalog name, \
         constraint_schema name, constraint_name name",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name, a.attname AS
         column_name, current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS
         constraint_name FROM (SELECT conname, conrelid, unnest(conkey) AS number FROM pg_catalog.pg_constraint) k
         JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.number",
    ),
    (
        "constraint_table_usage",
        "table_catalog name, table_schema name, table_name name, constraint_catalog name, constraint_schema name, \
         constraint_name name",
        "SELECT current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name,
         current_database() AS constraint_catalog, n.nspname AS constraint_schema, k.conname AS constraint_name FROM
         pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON
         n.oid = c.relnamespace WHERE k.contype = 'p'",
    ),
    (
        "data_type_privileges",
        "object_catalog name, object_schema name, object_name name, object_type text, dtd_identifier name",
        "",
    ),
    (
        "domain_constraints",
        "constraint_catalog name, constraint_schema name, constraint_name name, domain_catalog name, domain_schema \
         name, domain_name name, is_deferrable text, initially_deferred text",
        "",
    ),
    (
        "domain_udt_usage",
        "udt_catalog name, udt_schema name, udt_name name, domain_catalog name, domain_schema name, domain_name name",
        "",
    ),
    (
        "domains",
        "domain_catalog name, domain_schema name, domain_name name, data_type text, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type text, \
         interval_precision int4, domain_default text, udt_catalog name, udt_schema name, udt_name name, scope_catalog \
         name, scope_schema name, scope_name name, maximum_cardinality int4, dtd_identifier name",
        "",
    ),
    (
        "element_types",
        "object_catalog name, object_schema name, object_name name, object_type text, collection_type_identifier name, \
         data_type text, character_maximum_length int4, character_octet_length int4, character_set_catalog name, \
         character_set_schema name, character_set_name name, collation_catalog name, collation_schema name, \
         collation_name name, numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, \
         datetime_precision int4, interval_type text, interval_precision int4, domain_default text, udt_catalog name, \
         udt_schema name, udt_name name, scope_catalog name, scope_schema name, scope_name name, maximum_cardinality \
         int4, dtd_identifier name",
        "",
    ),
    (
        "enabled_roles",
        "role_name name",
        "SELECT rolname AS role_name FROM pg_catalog.pg_roles WHERE pg_has_role(oid, 'USAGE')",
    ),
    (
        "foreign_data_wrapper_options",
        "foreign_data_wrapper_catalog name, foreign_data_wrapper_name name, option_name name, option_value text",
        "",
    ),
    (
        "foreign_data_wrappers",
        "foreign_data_wrapper_catalog name, foreign_data_wrapper_name name, authorization_identifier name, \
         library_name text, foreign_data_wrapper_language text",
        "",
    ),
    (
        "foreign_server_options",
        "foreign_server_catalog name, foreign_server_name name, option_name name, option_value text",
        "",
    ),
    (
        "foreign_servers",
        "foreign_server_catalog name, foreign_server_name name, foreign_data_wrapper_catalog name, \
         foreign_data_wrapper_name name, foreign_server_type text, foreign_server_version text, \
         authorization_identifier name",
        "",
    ),
    (
        "foreign_table_options",
        "foreign_table_catalog name, foreign_table_schema name, foreign_table_name name, option_name name, \
         option_value text",
        "",
    ),
    (
        "foreign_tables",
        "foreign_table_catalog name, foreign_table_schema name, foreign_table_name name, foreign_server_catalog name, \
         foreign_server_name name",
        "",
    ),
    ("information_schema_catalog_name", "catalog_name name", "SELECT current_database() AS catalog_name"),
    (
        "parameters",
        "specific_catalog name, specific_schema name, specific_name name, ordinal_position int4, parameter_mode text, \
         is_result text, as_locator text, parameter_name name, data_type text, character_maximum_length int4, \
         character_octet_length int4, character_set_catalog name, character_set_schema name, character_set_name name, \
         collation_catalog name, collation_schema name, collation_name name, numeric_precision int4, \
         numeric_precision_radix int4, numeric_scale int4, datetime_precision int4, interval_type text, \
         interval_precision int4, udt_catalog name, udt_schema name, udt_name name, scope_catalog name, scope_schema \
         name, scope_name name, maximum_cardinality int4, dtd_identifier name, parameter_default text",
        "",
    ),
    (
        "role_column_grants",
        "grantor name, grantee name, table_catalog name, table_schema name, table_name name, column_name name, \
         privilege_type text, is_grantable text",
        "SELECT pg_get_userbyid(c.relowner) AS grantor, r.rolname AS grantee, current_database() AS table_catalog,
         n.nspname AS table_schema, c.relname AS table_name, a.attname AS column_name, p.privilege AS privilege_type,
         CASE WHEN r.oid = c.relowner THEN 'YES' ELSE 'NO' END AS is_grantable FROM pg_catalog.pg_attribute a JOIN
         pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS
         JOIN pg_catalog.pg_roles r CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE')) AS p (privilege) WHERE
         c.relkind IN ('r', 'v') AND a.attnum > 0 AND has_table_privilege(r.rolname, c.oid, p.privilege)",
    ),
    (
        "role_routine_grants",
        "grantor name, grantee name, specific_catalog name, specific_schema name, specific_name name, routine_catalog \
         name, routine_schema name, routine_name name, privilege_type text, is_grantable text",
        "",
    ),
    (
        "role_table_grants",
        "grantor name, grantee name, table_catalog name, table_schema name, table_name name, privilege_type text, \
         is_grantable text, with_hierarchy text",
        "SELECT pg_get_userbyid(c.relowner) AS grantor, r.rolname AS grantee, current_database() AS table_catalog,
         n.nspname AS table_schema, c.relname AS table_name, p.privilege AS privilege_type, CASE WHEN r.oid =
         c.relowner THEN 'YES' ELSE 'NO' END AS is_grantable, CASE p.privilege WHEN 'SELECT' THEN 'YES' ELSE 'NO' END
         AS with_hierarchy FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS
         JOIN pg_catalog.pg_roles r CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p
         (privilege) WHERE c.relkind IN ('r', 'v') AND has_table_privilege(r.rolname, c.oid, p.privilege)",
    ),
    (
        "role_udt_grants",
        "grantor name, grantee name, udt_catalog name, udt_schema name, udt_name name, privilege_type text, \
         is_grantable text",
        "",
    ),
    (
        "role_usage_grants",
        "grantor name, grantee name, object_catalog name, object_schema name, object_name name, object_type text, \
         privilege_type text, is_grantable text",
        "",
    ),
    (
        "routine_column_usage",
        "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name, table_catalog name, table_schema name, table_name name, column_name name",
        "",
    ),
    (
        "routine_privileges",
        "grantor name, grantee name, specific_catalog name, specific_schema name, specific_name name, routine_catalog \
         name, routine_schema name, routine_name name, privilege_type text, is_grantable text",
        "",
    ),
    (
        "routine_routine_usage",
        "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name",
        "",
    ),
    (
        "routine_sequence_usage",
        "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name, sequence_catalog name, sequence_schema name, sequence_name name",
        "",
    ),
    (
        "routine_table_usage",
        "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name, table_catalog name, table_schema name, table_name name",
        "",
    ),
    (
        "routines",
        "specific_catalog name, specific_schema name, specific_name name, routine_catalog name, routine_schema name, \
         routine_name name, routine_type text, module_catalog name, module_schema name, module_name name, udt_catalog \
         name, udt_schema name, udt_name name, data_type text, character_maximum_length int4, character_octet_length \
         int4, character_set_catalog name, character_set_schema name, character_set_name name, collation_catalog name, \
         collation_schema name, collation_name name, numeric_precision int4, numeric_precision_radix int4, \
         numeric_scale int4, datetime_precision int4, interval_type text, interval_precision int4, type_udt_catalog \
         name, type_udt_schema name, type_udt_name name, scope_catalog name, scope_schema name, scope_name name, \
         maximum_cardinality int4, dtd_identifier name, routine_body text, routine_definition text, external_name \
         text, external_language text, parameter_style text, is_deterministic text, sql_data_access text, is_null_call \
         text, sql_path text, schema_level_routine text, max_dynamic_result_sets int4, is_user_defined_cast text, \
         is_implicitly_invocable text, security_type text, to_sql_specific_catalog name, to_sql_specific_schema name, \
         to_sql_specific_name name, as_locator text, created timestamptz, last_altered timestamptz, \
         new_savepoint_level text, is_udt_dependent text, result_cast_from_data_type text, result_cast_as_locator \
         text, result_cast_char_max_length int4, result_cast_char_octet_length int4, result_cast_char_set_catalog \
         name, result_cast_char_set_schema name, result_cast_char_set_name name, result_cast_collation_catalog name, \
         result_cast_collation_schema name, result_cast_collation_name name, result_cast_numeric_precision int4, \
         result_cast_numeric_precision_radix int4, result_cast_numeric_scale int4, result_cast_datetime_precision \
         int4, result_cast_interval_type text, result_cast_interval_precision int4, result_cast_type_udt_catalog name, \
         result_cast_type_udt_schema name, result_cast_type_udt_name name, result_cast_scope_catalog name, \
         result_cast_scope_schema name, result_cast_scope_name name, result_cast_maximum_cardinality int4, \
         result_cast_dtd_identifier name",
        "",
    ),
    (
        "table_privileges",
        "grantor name, grantee name, table_catalog name, table_schema name, table_name name, privilege_type text, \
         is_grantable text, with_hierarchy text",
        "SELECT pg_get_userbyid(c.relowner) AS grantor, r.rolname AS grantee, current_database() AS table_catalog,
         n.nspname AS table_schema, c.relname AS table_name, p.privilege AS privilege_type, CASE WHEN r.oid =
         c.relowner THEN 'YES' ELSE 'NO' END AS is_grantable, CASE p.privilege WHEN 'SELECT' THEN 'YES' ELSE 'NO' END
         AS with_hierarchy FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace CROSS
         JOIN pg_catalog.pg_roles r CROSS JOIN (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS p
         (privilege) WHERE c.relkind IN ('r', 'v') AND has_table_privilege(r.rolname, c.oid, p.privilege)",
    ),
    (
        "transforms",
        "udt_catalog name, udt_schema name, udt_name name, specific_catalog name, specific_schema name, specific_name \
         name, group_name name, transform_type text",
        "",
    ),
    (
        "triggered_update_columns",
        "trigger_catalog name, trigger_schema name, trigger_name name, event_object_catalog name, event_object_schema \
         name, event_object_table name, event_object_column name",
        "",
    ),
    (
        "triggers",
        "trigger_catalog name, trigger_schema name, trigger_name name, event_manipulation text, event_object_catalog \
         name, event_object_schema name, event_object_table name, action_order int4, action_condition text, \
         action_statement text, action_orientation text, action_timing text, action_reference_old_table name, \
         action_reference_new_table name, action_reference_old_row name, action_reference_new_row name, created \
         timestamptz",
        "",
    ),
    (
        "udt_privileges",
        "grantor name, grantee name, udt_catalog name, udt_schema name, udt_name name, privilege_type text, \
         is_grantable text",
        "",
    ),
    (
        "usage_privileges",
        "grantor name, grantee name, object_catalog name, object_schema name, object_name name, object_type text, \
         privilege_type text, is_grantable text",
        "",
    ),
    (
        "user_defined_types",
        "user_defined_type_catalog name, user_defined_type_schema name, user_defined_type_name name, \
         user_defined_type_category text, is_instantiable text, is_final text, ordering_form text, ordering_category \
         text, ordering_routine_catalog name, ordering_routine_schema name, ordering_routine_name name, reference_type \
         text, data_type text, character_maximum_length int4, character_octet_length int4, character_set_catalog name, \
         character_set_schema name, character_set_name name, collation_catalog name, collation_schema name, \
         collation_name name, numeric_precision int4, numeric_precision_radix int4, numeric_scale int4, \
         datetime_precision int4, interval_type text, interval_precision int4, source_dtd_identifier name, \
         ref_dtd_identifier name",
        "",
    ),
    (
        "user_mapping_options",
        "authorization_identifier name, foreign_server_catalog name, foreign_server_name name, option_name name, \
         option_value text",
        "",
    ),
    ("user_mappings", "authorization_identifier name, foreign_server_catalog name, foreign_server_name name", ""),
    (
        "view_column_usage",
        "view_catalog name, view_schema name, view_name name, table_catalog name, table_schema name, table_name name, \
         column_name name",
        "",
    ),
    (
        "view_routine_usage",
        "table_catalog name, table_schema name, table_name name, specific_catalog name, specific_schema name, \
         specific_name name",
        "",
    ),
    (
        "view_table_usage",
        "view_catalog name, view_schema name, view_name name, table_catalog name, table_schema name, table_name name",
        "SELECT current_database() AS view_catalog, vn.nspname AS view_schema, v.relname AS view_name,
         current_database() AS table_catalog, n.nspname AS table_schema, c.relname AS table_name FROM
         pg_catalog.pg_depend d JOIN pg_catalog.pg_rewrite u ON u.oid = d.objid JOIN pg_catalog.pg_class v ON v.oid =
         u.ev_class JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace JOIN pg_catalog.pg_class c ON c.oid =
         d.refobjid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE d.deptype = 'n' AND v.relkind = 'v'",
    ),
];

/// The names of the views.
pub fn names() -> impl Iterator<Item = &'static str> {
    VIEWS.iter().map(|(name, ..)| *name)
}

/// The query of a view.
pub fn query(name: &str) -> Option<&'static str> {
    static QUERIES: LazyLock<BTreeMap<&str, String>> =
        LazyLock::new(|| VIEWS.iter().map(|(name, columns, query)| (*name, whole(columns, query))).collect());
    QUERIES.get(name).map(String::as_str)
}

/// The query with all of its view's columns.
fn whole(columns: &str, query: &str) -> String {
    let words: Vec<&str> = query.split_whitespace().map(|word| word.trim_end_matches(',')).collect();
    let named = |name: &str| words.windows(2).any(|pair| pair == ["AS", name]);
    let column = |declared: &str| {
        let (name, of_type) = declared.split_once(' ').expect("a name and a type");
        match named(name) {
            true => name.to_owned(),
            false => format!("CAST(NULL AS {}) AS {name}", if of_type == "name" { "text" } else { of_type }),
        }
    };
    let columns: Vec<String> = columns.split(", ").map(column).collect();
    match query {
        "" => format!("SELECT {} WHERE false", columns.join(", ")),
        known => format!("SELECT {} FROM ({known}) AS known", columns.join(", ")),
    }
}
