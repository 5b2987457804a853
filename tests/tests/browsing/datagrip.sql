-- What DataGrip and its sisters ask when they look into a database, in our words.

-- where it is
SELECT current_database() AS a, current_schemas(false) AS b;

-- isolation
SHOW TRANSACTION ISOLATION LEVEL;

-- style of dates
SHOW DateStyle;

-- who asks: rows
SELECT usesuper FROM pg_user WHERE usename = current_user;

-- since when
SELECT round(extract(epoch FROM pg_postmaster_start_time() AT TIME ZONE 'UTC')) AS startup_time;

-- transaction
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN NULL
    ELSE (pg_catalog.txid_current() % 4294967296)::varchar::bigint END AS current_txid;

-- databases
SELECT N.oid::bigint AS id, datname AS name, D.description, datistemplate AS is_template,
    datallowconn AS allow_connections, pg_catalog.pg_get_userbyid(N.datdba) AS "owner"
FROM pg_catalog.pg_database N LEFT JOIN pg_catalog.pg_shdescription D ON N.oid = D.objoid
ORDER BY CASE WHEN datname = pg_catalog.current_database() THEN -1::bigint ELSE N.oid::bigint END;

-- roles
SELECT R.oid::bigint AS role_id, rolname AS role_name, rolsuper is_super, rolinherit is_inherit,
    rolcreaterole can_createrole, rolcreatedb can_createdb, rolcanlogin can_login, rolreplication is_replication,
    rolconnlimit conn_limit, rolvaliduntil valid_until, rolbypassrls bypass_rls, rolconfig config, D.description
FROM pg_catalog.pg_roles R LEFT JOIN pg_catalog.pg_shdescription D ON D.objoid = R.oid;

-- members
SELECT member id, roleid role_id, admin_option FROM pg_catalog.pg_auth_members ORDER BY id, roleid::text;

-- tablespaces
SELECT T.oid::bigint AS id, T.spcname AS name, T.xmin AS state_number, pg_catalog.pg_get_userbyid(T.spcowner) AS owner,
    pg_catalog.pg_tablespace_location(T.oid) AS location, T.spcoptions AS options, D.description AS comment
FROM pg_catalog.pg_tablespace T LEFT JOIN pg_catalog.pg_shdescription D ON D.objoid = T.oid;

-- schemas
SELECT N.oid::bigint AS id, N.xmin AS state_number, nspname AS name, D.description,
    pg_catalog.pg_get_userbyid(N.nspowner) AS "owner"
FROM pg_catalog.pg_namespace N LEFT JOIN pg_catalog.pg_description D ON N.oid = D.objoid
ORDER BY CASE WHEN nspname = pg_catalog.current_schema() THEN -1::bigint ELSE N.oid::bigint END;

-- event triggers
SELECT t.oid AS id, t.xmin AS state_number, t.evtname AS name, t.evtevent AS event, t.evtfoid AS routine_id,
    pg_catalog.pg_get_userbyid(t.evtowner) AS owner, t.evttags AS tags,
    CASE WHEN t.evtenabled = 'D' THEN 1 ELSE 0 END AS is_disabled
FROM pg_catalog.pg_event_trigger t;

-- wrappers
SELECT fdw.oid AS id, fdw.xmin AS state_number, fdw.fdwname AS name, pr.proname AS handler, nspc.nspname AS handler_schema,
    fdw.fdwoptions AS options, pg_catalog.pg_get_userbyid(fdw.fdwowner) AS "owner"
FROM pg_catalog.pg_foreign_data_wrapper fdw
    LEFT OUTER JOIN pg_catalog.pg_proc pr ON fdw.fdwhandler = pr.oid
    LEFT OUTER JOIN pg_catalog.pg_namespace nspc ON pr.pronamespace = nspc.oid;

-- mappings of users
SELECT oid AS id, umserver AS server_id, CASE WHEN umuser = 0 THEN NULL ELSE pg_catalog.pg_get_userbyid(umuser) END AS "user",
    umoptions AS options FROM pg_catalog.pg_user_mapping ORDER BY server_id;

-- access methods
SELECT A.oid AS access_method_id, A.xmin AS state_number, A.amname AS access_method_name, A.amhandler::oid AS handler_id,
    pg_catalog.quote_ident(N.nspname) || '.' || pg_catalog.quote_ident(P.proname) AS handler_name,
    A.amtype AS access_method_type
FROM pg_am A JOIN pg_proc P ON A.amhandler::oid = P.oid JOIN pg_namespace N ON P.pronamespace = N.oid;

-- access methods that both have: rows
SELECT A.amname, pg_catalog.quote_ident(N.nspname) || '.' || pg_catalog.quote_ident(P.proname) AS handler_name, A.amtype,
    A.amhandler, A.amhandler::text
FROM pg_am A JOIN pg_proc P ON A.amhandler::oid = P.oid JOIN pg_namespace N ON P.pronamespace = N.oid
WHERE A.amname IN ('heap', 'btree') ORDER BY 1;

-- extensions: names
SELECT E.oid AS id, E.xmin AS state_number, extname AS name, extversion AS version, extnamespace AS schema_id,
    nspname AS schema_name,
    array(SELECT unnest FROM unnest(available_versions) WHERE unnest > extversion) AS available_updates
FROM pg_catalog.pg_extension E JOIN pg_namespace N ON E.extnamespace = N.oid
    LEFT JOIN (SELECT name, array_agg(version) AS available_versions FROM pg_available_extension_versions() GROUP BY name) V
        ON E.extname = V.name;

-- languages
SELECT l.oid AS id, l.xmin state_number, lanname AS name, lanpltrusted AS trusted, h.proname AS handler,
    hs.nspname AS handlerSchema
FROM pg_catalog.pg_language l LEFT JOIN pg_catalog.pg_proc h ON h.oid = lanplcallfoid
    LEFT JOIN pg_catalog.pg_namespace hs ON hs.oid = h.pronamespace
ORDER BY lanname;

-- comments of what is in no schema: rows
SELECT D.objoid id, CASE WHEN 'pg_catalog.pg_event_trigger'::regclass = classoid THEN 'T'
        WHEN 'pg_catalog.pg_extension'::regclass = classoid THEN 'E' END AS kind, D.objsubid sub_id, D.description
FROM pg_catalog.pg_description D
WHERE classoid IN ('pg_catalog.pg_event_trigger'::regclass, 'pg_catalog.pg_foreign_server'::regclass);

-- rights of what is in no schema
SELECT T.oid AS object_id, T.fdwacl AS acl FROM pg_catalog.pg_foreign_data_wrapper T
UNION ALL SELECT T.oid AS object_id, T.lanacl AS acl FROM pg_catalog.pg_language T
UNION ALL SELECT T.oid AS object_id, T.nspacl AS acl FROM pg_catalog.pg_namespace T
UNION ALL SELECT T.oid AS object_id, T.srvacl AS acl FROM pg_catalog.pg_foreign_server T;

-- casts
SELECT C.oid, C.xmin AS state_number, C.castsource AS castsource_id,
    pg_catalog.quote_ident(SN.nspname) || '.' || pg_catalog.quote_ident(S.typname) AS castsource_name,
    C.castfunc AS castfunc_id, C.castcontext, C.castmethod
FROM pg_cast C LEFT OUTER JOIN pg_proc F ON C.castfunc::oid = F.oid
    JOIN pg_type S ON C.castsource::oid = S.oid JOIN pg_namespace SN ON S.typnamespace = SN.oid;

-- members of extensions
SELECT E.oid AS extension_id, D.objid AS member_id FROM pg_extension E
    JOIN pg_depend D ON E.oid = D.refobjid AND D.refclassid = 'pg_extension'::regclass::oid
WHERE D.deptype = 'e' ORDER BY extension_id;

-- zones
SELECT name, is_dst FROM pg_catalog.pg_timezone_names UNION DISTINCT
SELECT abbrev AS name, is_dst FROM pg_catalog.pg_timezone_abbrevs;

-- zones that everybody has: rows
SELECT name FROM pg_catalog.pg_timezone_names WHERE name IN ('UTC', 'Europe/Madrid', 'America/New_York') ORDER BY name;

-- oldest transaction
SELECT L.transactionid::varchar::bigint AS transaction_id FROM pg_catalog.pg_locks L
WHERE L.transactionid IS NOT NULL ORDER BY pg_catalog.age(L.transactionid) DESC LIMIT 1;

-- what there is in a schema
SELECT T.oid AS oid, relnamespace AS schemaId, pg_catalog.translate(relkind, 'rmvpfS', 'rmvrfS') AS kind, relname AS name
FROM pg_catalog.pg_class T WHERE relnamespace IN ({public}::oid) AND relkind IN ('r', 'm', 'v', 'p', 'f', 'S')
UNION ALL
SELECT T.oid, T.typnamespace, 'T', T.typname FROM pg_catalog.pg_type T LEFT OUTER JOIN pg_catalog.pg_class C ON T.typrelid = C.oid
WHERE T.typnamespace IN ({public}::oid) AND (T.typtype IN ('d', 'e') OR C.relkind = 'c'::"char"
    OR (T.typtype = 'b' AND (T.typelem = 0 OR T.typcategory <> 'A')) OR T.typtype = 'p' AND NOT T.typisdefined)
UNION ALL SELECT oid, collnamespace, 'C', collname FROM pg_catalog.pg_collation WHERE collnamespace IN ({public}::oid)
UNION ALL SELECT oid, oprnamespace, 'O', oprname FROM pg_catalog.pg_operator WHERE oprnamespace IN ({public}::oid)
UNION ALL SELECT oid, opcnamespace, 'c', opcname FROM pg_catalog.pg_opclass WHERE opcnamespace IN ({public}::oid)
UNION ALL SELECT oid, opfnamespace, 'F', opfname FROM pg_catalog.pg_opfamily WHERE opfnamespace IN ({public}::oid)
UNION ALL SELECT oid, pronamespace, CASE WHEN prokind != 'a' THEN 'R' ELSE 'a' END, proname
    FROM pg_catalog.pg_proc WHERE pronamespace IN ({public}::oid)
ORDER BY schemaId;

-- what there is in a schema, by name: rows
SELECT pg_catalog.translate(relkind, 'rmvpfS', 'rmvrfS') AS kind, relname AS name
FROM pg_catalog.pg_class T WHERE relnamespace IN ({public}::oid) AND relkind IN ('r', 'm', 'v', 'p', 'f', 'S')
UNION ALL SELECT CASE WHEN prokind != 'a' THEN 'R' ELSE 'a' END, proname
    FROM pg_catalog.pg_proc WHERE pronamespace IN ({public}::oid)
ORDER BY name;

-- arguments
SELECT pronamespace AS schemaId, oid AS majorOid, proargnames AS argNames, proargmodes AS argModes,
    array_length(proargtypes, 1) AS nArgs
FROM pg_catalog.pg_proc WHERE pronamespace IN ({public}::oid) ORDER BY schemaId;

-- names of columns: rows
WITH T AS (SELECT T.oid AS oid, T.relkind AS kind, T.relname AS name FROM pg_catalog.pg_class T
    WHERE T.relnamespace IN ({public}::oid) AND T.relkind IN ('r', 'm', 'v', 'f', 'p'))
SELECT T.name, pg_catalog.translate(T.kind, 'rmvpf', 'rmvrf') AS kind, C.attnum AS position, C.attname AS name
FROM T JOIN pg_catalog.pg_attribute C ON T.oid = C.attrelid
WHERE C.attnum > 0 AND NOT C.attisdropped ORDER BY 1, 3;

-- sequences
SELECT cls.xmin AS sequence_state_number, sq.seqrelid AS sequence_id, cls.relname AS sequence_name,
    pg_catalog.format_type(sq.seqtypid, NULL) AS data_type, sq.seqstart AS start_value, sq.seqcycle AS cycle_option,
    pg_catalog.pg_get_userbyid(cls.relowner) AS "owner"
FROM pg_catalog.pg_sequence sq JOIN pg_class cls ON sq.seqrelid = cls.oid
WHERE cls.relnamespace = {public}::oid
    AND pg_catalog.age(cls.xmin) <= coalesce(nullif(greatest(pg_catalog.age('1'::varchar::xid), -1), -1), 2147483647);

-- types
SELECT T.oid AS type_id, T.xmin AS type_state_number, T.typname AS type_name, T.typtype AS type_sub_kind,
    T.typcategory AS type_category, T.typrelid AS class_id, T.typbasetype AS base_type_id,
    CASE WHEN T.typtype IN ('c', 'e') THEN NULL ELSE pg_catalog.format_type(T.typbasetype, T.typtypmod) END AS type_def,
    T.typndims AS dimensions_number, T.typdefault AS default_expression, T.typnotnull AS mandatory,
    pg_catalog.pg_get_userbyid(T.typowner) AS "owner"
FROM pg_catalog.pg_type T LEFT OUTER JOIN pg_catalog.pg_class C ON T.typrelid = C.oid
WHERE T.typnamespace = 11::oid
    AND pg_catalog.age(T.xmin) <= coalesce(nullif(greatest(pg_catalog.age('1'::varchar::xid), -1), -1), 2147483647)
    AND (T.typtype IN ('d', 'e') OR C.relkind = 'c'::"char" OR (T.typtype = 'b' AND (T.typelem = 0 OR T.typcategory <> 'A'))
        OR T.typtype = 'p' AND NOT T.typisdefined) ORDER BY 1;

-- relations
SELECT T.relkind AS table_kind, T.relname AS table_name, T.oid AS table_id, T.xmin AS table_state_number,
    false AS table_with_oids, T.reltablespace AS tablespace_id, T.reloptions AS options, T.relpersistence AS persistence,
    (SELECT pg_catalog.array_agg(inhparent::bigint ORDER BY inhseqno)::varchar FROM pg_catalog.pg_inherits WHERE T.oid = inhrelid) AS ancestors,
    (SELECT pg_catalog.array_agg(inhrelid::bigint ORDER BY inhrelid)::varchar FROM pg_catalog.pg_inherits WHERE T.oid = inhparent) AS successors,
    T.relispartition AS is_partition, pg_catalog.pg_get_partkeydef(T.oid) AS partition_key,
    pg_catalog.pg_get_expr(T.relpartbound, T.oid) AS partition_expression, T.relam am_id,
    pg_catalog.pg_get_userbyid(T.relowner) AS "owner"
FROM pg_catalog.pg_class T WHERE relnamespace = {public}::oid AND relkind IN ('r', 'm', 'v', 'f', 'p')
    AND pg_catalog.age(T.xmin) <= coalesce(nullif(greatest(pg_catalog.age('1'::varchar::xid), -1), -1), 2147483647)
ORDER BY table_kind, table_id;

-- relations that came since a transaction: rows
SELECT relname FROM pg_catalog.pg_class T WHERE relnamespace = {public}::oid AND relkind IN ('r', 'm', 'v')
    AND pg_catalog.age(T.xmin) <= coalesce(nullif(greatest(pg_catalog.age('1'::varchar::xid), -1), -1), 2147483647) ORDER BY 1;

-- foreign tables
SELECT ft.ftrelid AS table_id, srv.srvname AS table_server, ft.ftoptions AS table_options,
    pg_catalog.pg_get_userbyid(cls.relowner) AS "owner"
FROM pg_catalog.pg_foreign_table ft LEFT OUTER JOIN pg_catalog.pg_foreign_server srv ON ft.ftserver = srv.oid
    JOIN pg_catalog.pg_class cls ON ft.ftrelid = cls.oid
WHERE cls.relnamespace = {public}::oid AND pg_catalog.age(ft.xmin) <= 2147483647 ORDER BY table_id;

-- types of arguments: rows
WITH schema_procs AS (SELECT prorettype, proargtypes, proallargtypes FROM pg_catalog.pg_proc WHERE pronamespace = {public}::oid),
    schema_opers AS (SELECT oprleft, oprright, oprresult FROM pg_catalog.pg_operator WHERE oprnamespace = {public}::oid),
    schema_aggregates AS (SELECT A.aggtranstype, A.aggmtranstype FROM pg_catalog.pg_aggregate A
        JOIN pg_catalog.pg_proc P ON A.aggfnoid = P.oid WHERE P.pronamespace = {public}::oid),
    schema_arg_types AS (SELECT prorettype AS type_id FROM schema_procs
        UNION SELECT DISTINCT unnest(proargtypes) AS type_id FROM schema_procs
        UNION SELECT DISTINCT unnest(proallargtypes) AS type_id FROM schema_procs
        UNION SELECT oprleft AS type_id FROM schema_opers WHERE oprleft IS NOT NULL
        UNION SELECT aggtranstype::oid AS type_id FROM schema_aggregates)
SELECT type_id, pg_catalog.format_type(type_id, NULL) AS type_spec FROM schema_arg_types WHERE type_id <> 0;

-- routines
WITH languages AS (SELECT oid AS lang_oid, lanname AS lang FROM pg_catalog.pg_language),
    routines AS (SELECT proname AS r_name, prolang AS lang_oid, oid AS r_id, xmin AS r_state_number,
        proargnames AS arg_names, proargmodes AS arg_modes, proargtypes::int[] AS in_arg_types,
        proallargtypes::int[] AS all_arg_types, pg_catalog.pg_get_expr(proargdefaults, 0) AS arg_defaults,
        provariadic AS arg_variadic_id, prorettype AS ret_type_id, proretset AS ret_set, prokind AS kind,
        provolatile AS volatile_kind, proisstrict AS is_strict, prosecdef AS is_security_definer,
        proconfig AS configuration_parameters, procost AS cost, pg_catalog.pg_get_userbyid(proowner) AS "owner",
        prorows AS rows, proleakproof AS is_leakproof, proparallel AS concurrency_kind
        FROM pg_catalog.pg_proc WHERE pronamespace = {public}::oid AND NOT (prokind = 'a') AND pg_catalog.age(xmin) <= 2147483647)
SELECT lang_oid, r_name, r_id, in_arg_types, arg_defaults, lang FROM routines NATURAL JOIN languages;

-- texts of routines
WITH system_languages AS (SELECT oid AS lang FROM pg_catalog.pg_language WHERE lanname IN ('c', 'internal'))
SELECT oid AS id, pg_catalog.pg_get_function_arguments(oid) AS arguments_def, pg_catalog.pg_get_function_result(oid) AS result_def,
    pg_catalog.pg_get_function_sqlbody(oid) AS sqlbody_def, prosrc AS source_text
FROM pg_catalog.pg_proc WHERE pronamespace = {public}::oid AND NOT (prokind = 'a')
    AND prolang NOT IN (SELECT lang FROM system_languages) AND prosrc IS NOT NULL;

-- aggregates
SELECT P.oid AS aggregate_id, P.xmin AS state_number, P.proname AS aggregate_name, P.proargnames AS arg_names,
    P.proargtypes::int[] AS in_arg_types, A.aggtransfn::oid AS transition_function_id,
    A.aggtransfn::regproc::text AS transition_function_name, A.aggtranstype AS transition_type,
    CASE WHEN A.aggfinalfn::oid = 0 THEN NULL ELSE A.aggfinalfn::regproc::varchar END AS final_function_name,
    CASE WHEN A.aggsortop = 0 THEN NULL ELSE A.aggsortop::regoper::varchar END AS sort_operator_name,
    A.agginitval AS initial_value, A.aggkind AS aggregate_kind, P.proparallel AS concurrency_kind
FROM pg_catalog.pg_aggregate A JOIN pg_catalog.pg_proc P ON A.aggfnoid = P.oid
WHERE P.pronamespace = {public}::oid AND (pg_catalog.age(A.xmin) <= 2147483647 OR pg_catalog.age(P.xmin) <= 2147483647)
ORDER BY P.oid;

-- operators
SELECT O.oid AS op_id, O.xmin AS state_number, oprname AS op_name, oprkind AS op_kind, oprleft AS arg_left_type_id,
    oprcode::oid AS main_id, oprcode::varchar AS main_name, oprrest::oid AS restrict_id, oprrest::varchar AS restrict_name,
    oprcom::oid AS com_id, oprcom::regoper::varchar AS com_name, oprcanmerge AS merges,
    pg_catalog.pg_get_userbyid(O.oprowner) AS "owner"
FROM pg_catalog.pg_operator O WHERE oprnamespace = {public}::oid AND pg_catalog.age(xmin) <= 2147483647;

-- collations
SELECT oid AS id, xmin AS state_number, collname AS name, collcollate AS lc_collate, collctype AS lc_ctype,
    pg_catalog.pg_get_userbyid(collowner) AS "owner"
FROM pg_catalog.pg_collation WHERE collnamespace = {public}::oid AND pg_catalog.age(xmin) <= 2147483647;

-- classes of operators
SELECT O.oid AS id, O.xmin AS state_number, opcname AS name, opcintype::regtype::varchar AS in_type,
    CASE WHEN opckeytype = 0 THEN NULL ELSE opckeytype::regtype::varchar END AS key_type, opcdefault AS is_default,
    opcfamily AS family_id, opfname AS family, opcmethod AS access_method_id, pg_catalog.pg_get_userbyid(O.opcowner) AS "owner"
FROM pg_catalog.pg_opclass O JOIN pg_catalog.pg_opfamily F ON F.oid = opcfamily WHERE opcnamespace = {public}::oid;

-- operators of families
SELECT O.oid AS id, O.amopstrategy AS strategy, O.amopopr AS op_id, O.amopopr::regoperator::varchar AS op_sig,
    O.amopfamily AS family_id, C.oid AS class_id
FROM pg_catalog.pg_amop O LEFT JOIN pg_opfamily F ON O.amopfamily = F.oid
    LEFT JOIN pg_depend D ON D.classid = 'pg_amop'::regclass AND O.oid = D.objid AND D.objsubid = 0
    LEFT JOIN pg_opclass C ON D.refclassid = 'pg_opclass'::regclass AND C.oid = D.refobjid AND D.refobjsubid = 0
WHERE C.opcnamespace = {public}::oid OR C.opcnamespace IS NULL AND F.opfnamespace = {public}::oid ORDER BY C.oid, F.oid;

-- functions of families
SELECT P.oid AS id, P.amprocnum AS num, P.amproc::oid AS proc_id, P.amproc::regprocedure::varchar AS proc_sig,
    P.amproclefttype::regtype::varchar AS left_type, P.amprocfamily AS family_id
FROM pg_catalog.pg_amproc P LEFT JOIN pg_opfamily F ON P.amprocfamily = F.oid WHERE F.opfnamespace = {public}::oid;

-- columns
WITH T AS (SELECT DISTINCT T.oid AS table_id, T.relname AS table_name FROM pg_catalog.pg_class T, pg_catalog.pg_attribute A
    WHERE T.relnamespace = {public}::oid AND T.relkind IN ('r', 'm', 'v', 'f', 'p')
        AND (pg_catalog.age(A.xmin) <= coalesce(nullif(greatest(pg_catalog.age('1'::varchar::xid), -1), -1), 2147483647)
            OR pg_catalog.age(T.xmin) <= 2147483647) AND A.attrelid = T.oid)
SELECT T.table_id, C.attnum AS column_position, C.attname AS column_name, C.xmin AS column_state_number,
    C.atttypmod AS type_mod, C.attndims AS dimensions_number, pg_catalog.format_type(C.atttypid, C.atttypmod) AS type_spec,
    C.atttypid AS type_id, C.attnotnull AS mandatory, pg_catalog.pg_get_expr(D.adbin, T.table_id) AS column_default_expression,
    NOT C.attislocal AS column_is_inherited, C.attfdwoptions AS options, C.attisdropped AS column_is_dropped,
    C.attidentity AS identity_kind, C.attgenerated AS generated
FROM T JOIN pg_catalog.pg_attribute C ON T.table_id = C.attrelid
    LEFT JOIN pg_catalog.pg_attrdef D ON (C.attrelid, C.attnum) = (D.adrelid, D.adnum)
WHERE attnum > 0 ORDER BY table_id, attnum;

-- columns of a table: rows
SELECT C.attnum, C.attname, pg_catalog.format_type(C.atttypid, C.atttypmod) AS type_spec, C.attnotnull,
    pg_catalog.pg_get_expr(D.adbin, C.attrelid) AS column_default_expression, C.attidentity, C.attgenerated
FROM pg_catalog.pg_attribute C LEFT JOIN pg_catalog.pg_attrdef D ON (C.attrelid, C.attnum) = (D.adrelid, D.adnum)
WHERE attnum > 0 AND C.attrelid = {readings} ORDER BY attnum;

-- indexes: rows
SELECT tab.relkind table_kind, ind_stor.relname index_name, ind_head.indisunique is_unique, ind_head.indisprimary is_primary,
    ind_head.indnullsnotdistinct nulls_not_distinct, pg_catalog.pg_get_expr(ind_head.indpred, ind_head.indrelid) AS condition,
    (SELECT pg_catalog.array_agg(inhparent::bigint ORDER BY inhseqno)::varchar FROM pg_catalog.pg_inherits WHERE ind_stor.oid = inhrelid) AS ancestors,
    ind_stor.reltablespace tablespace_id, opcmethod AS access_method_id
FROM pg_catalog.pg_class tab JOIN pg_catalog.pg_index ind_head ON ind_head.indrelid = tab.oid
    JOIN pg_catalog.pg_class ind_stor ON tab.relnamespace = ind_stor.relnamespace AND ind_stor.oid = ind_head.indexrelid
    LEFT JOIN pg_catalog.pg_opclass ON pg_opclass.oid = ANY(indclass)
WHERE tab.relnamespace = {public}::oid AND tab.relkind IN ('r', 'm', 'v', 'p') AND ind_stor.relkind IN ('i', 'I')
    AND pg_catalog.age(ind_stor.xmin) <= 2147483647 ORDER BY 2;

-- columns of indexes: rows
SELECT ind_stor.relname, k col_idx, k <= indnkeyatts in_key, ind_head.indkey[k - 1] column_position,
    ind_head.indoption[k - 1] column_options, ind_head.indcollation[k - 1] AS collation, colln.nspname AS collation_schema,
    collname AS collation_str, ind_head.indclass[k - 1] AS opclass,
    CASE WHEN opcdefault THEN NULL ELSE opcn.nspname END AS opclass_schema,
    CASE WHEN opcdefault THEN NULL ELSE opcname END AS opclass_str,
    CASE WHEN indexprs IS NULL THEN NULL WHEN ind_head.indkey[k - 1] = 0
        THEN chr(27) || pg_catalog.pg_get_indexdef(ind_head.indexrelid, k::int, true)
        ELSE pg_catalog.pg_get_indexdef(ind_head.indexrelid, k::int, true) END AS expression, amcanorder can_order
FROM pg_catalog.pg_index ind_head JOIN pg_catalog.pg_class ind_stor ON ind_stor.oid = ind_head.indexrelid
    CROSS JOIN unnest(ind_head.indkey) WITH ORDINALITY u(u, k)
    LEFT JOIN pg_catalog.pg_collation ON pg_collation.oid = ind_head.indcollation[k - 1]
    LEFT JOIN pg_catalog.pg_namespace colln ON collnamespace = colln.oid
    CROSS JOIN pg_catalog.pg_indexam_has_property(ind_stor.relam, 'can_order') amcanorder
    LEFT JOIN pg_catalog.pg_opclass ON pg_opclass.oid = ind_head.indclass[k - 1]
    LEFT JOIN pg_catalog.pg_namespace opcn ON opcnamespace = opcn.oid
WHERE ind_stor.relnamespace = {public}::oid AND ind_stor.relkind IN ('i', 'I') AND pg_catalog.age(ind_stor.xmin) <= 2147483647
ORDER BY 1, k;

-- constraints
SELECT T.oid table_id, relkind table_kind, C.oid::bigint con_id, C.xmin::varchar::bigint con_state_id, conname con_name,
    contype con_kind, conkey con_columns, conindid index_id, confrelid ref_table_id, condeferrable is_deferrable,
    condeferred is_init_deferred, confupdtype on_update, confdeltype on_delete, connoinherit no_inherit,
    pg_catalog.pg_get_expr(conbin, T.oid) con_expression, confkey ref_columns, conexclop::int[] excl_operators,
    array(SELECT unnest::regoper::varchar FROM unnest(conexclop)) excl_operators_str
FROM pg_catalog.pg_constraint C JOIN pg_catalog.pg_class T ON C.conrelid = T.oid
WHERE relkind IN ('r', 'v', 'f', 'p') AND relnamespace = {public}::oid AND contype IN ('p', 'u', 'f', 'c', 'x')
    AND connamespace = {public}::oid AND pg_catalog.age(T.xmin) <= 2147483647 OR pg_catalog.age(c.xmin) <= 0;

-- constraints by name: rows
SELECT relkind, conname, contype, conkey, condeferrable, confupdtype, confdeltype, connoinherit, confkey
FROM pg_catalog.pg_constraint C JOIN pg_catalog.pg_class T ON C.conrelid = T.oid
WHERE relkind IN ('r', 'v', 'f', 'p') AND relnamespace = {public}::oid ORDER BY conname;

-- rules: rows
SELECT R.rulename AS rule_name, pg_catalog.translate(ev_type, '1234', 'SUID') AS rule_event_code,
    R.ev_enabled AS rule_fire_mode, R.is_instead AS rule_is_instead
FROM pg_catalog.pg_rewrite R WHERE R.ev_class IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = {public}::oid)
    AND pg_catalog.age(R.xmin) <= 2147483647 AND R.rulename != '_RETURN'::name ORDER BY R.ev_class::bigint, ev_type;

-- policies
SELECT P.oid id, P.xmin AS state_number, polname policyname, polrelid table_id, polpermissive AS permissive, polroles roles,
    polcmd cmd, pg_get_expr(polqual, polrelid) qual, pg_get_expr(polwithcheck, polrelid) with_check
FROM pg_catalog.pg_policy P JOIN pg_catalog.pg_class C ON polrelid = C.oid WHERE relnamespace = {public}::oid ORDER BY polrelid;

-- triggers
SELECT T.tgrelid AS table_id, T.oid AS trigger_id, T.xmin AS trigger_state_number, T.tgname AS trigger_name,
    T.tgfoid AS function_id, pg_catalog.encode(T.tgargs, 'escape') AS function_args, T.tgtype AS bits,
    T.tgdeferrable AS is_deferrable, T.tgattr AS colIds, T.tgenabled AS trigger_fire_mode
FROM pg_catalog.pg_trigger T WHERE T.tgrelid IN (SELECT oid FROM pg_catalog.pg_class WHERE relnamespace = {public}::oid)
    AND NOT T.tgisinternal;

-- comments: rows
SELECT T.relname id, D.objsubid sub_id, D.description
FROM pg_catalog.pg_class T, pg_catalog.pg_description D
WHERE T.oid = D.objoid AND D.classoid = 'pg_catalog.pg_class'::regclass::oid AND T.relnamespace = {public}::oid
ORDER BY 1, 2;

-- queries of views
SELECT T.relkind AS view_kind, T.oid AS view_id, pg_catalog.pg_get_viewdef(T.oid, true) AS source_text
FROM pg_catalog.pg_class T JOIN pg_catalog.pg_namespace N ON T.relnamespace = N.oid
WHERE N.oid = {public}::oid AND T.relkind IN ('m', 'v');

-- rights
SELECT T.oid AS object_id, T.relacl AS acl FROM pg_catalog.pg_class T WHERE relnamespace = {public}::oid AND T.relacl IS NOT NULL
UNION ALL SELECT T.oid, T.proacl FROM pg_catalog.pg_proc T WHERE T.pronamespace = {public}::oid
UNION ALL SELECT T.oid, T.typacl FROM pg_catalog.pg_type T WHERE T.typnamespace = {public}::oid AND T.typacl IS NOT NULL;

-- owners of sequences
SELECT D.objid AS dependent_id, D.refobjid AS owner_id, D.refobjsubid AS owner_subobject_id
FROM pg_depend D JOIN pg_class C_SEQ ON D.objid = C_SEQ.oid AND D.classid = 'pg_class'::regclass::oid
    JOIN pg_class C_TAB ON D.refobjid = C_TAB.oid AND D.refclassid = 'pg_class'::regclass::oid
WHERE C_SEQ.relkind = 'S' AND C_TAB.relkind = 'r' AND D.refobjsubid <> 0 AND (D.deptype = 'a' OR D.deptype = 'i')
    AND C_TAB.relnamespace = {public}::oid ORDER BY owner_id;

-- what an array is of
SELECT e.oid, n.nspname = ANY(current_schemas(true)), n.nspname, e.typname
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_type e ON t.typelem = e.oid
    JOIN pg_catalog.pg_namespace n ON t.typnamespace = n.oid WHERE t.oid = 1009;
