-- What DBeaver asks, in our words: what it connects with, then what each node of its tree opens with.

-- where it is
SELECT current_schema(), session_user;

-- search path
SHOW search_path;

-- the database
SELECT db.oid, db.* FROM pg_catalog.pg_database db WHERE datallowconn AND NOT datistemplate OR db.datname = current_database() ORDER BY db.datname;

-- types
SELECT t.oid, t.*, c.relkind, format_type(nullif(t.typbasetype, 0), t.typtypmod) AS base_type_name, d.description
FROM pg_catalog.pg_type t LEFT OUTER JOIN pg_catalog.pg_type et ON et.oid = t.typelem
    LEFT OUTER JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    LEFT OUTER JOIN pg_catalog.pg_description d ON t.oid = d.objoid
WHERE t.typname IS NOT NULL AND (c.relkind IS NULL OR c.relkind = 'c') AND (et.typcategory IS NULL OR et.typcategory <> 'C');

-- schemas
SELECT n.oid, n.*, d.description FROM pg_catalog.pg_namespace n
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = n.oid AND d.objsubid = 0 AND d.classoid = 'pg_namespace'::regclass
ORDER BY nspname;

-- relations
SELECT c.oid, c.*, d.description, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr,
    pg_catalog.pg_get_partkeydef(c.oid) AS partition_key
FROM pg_catalog.pg_class c
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
WHERE c.relnamespace = {public} AND c.relkind NOT IN ('i', 'I', 'c');

-- relations, their ancestors: rows
SELECT c.relname, c.relkind, (SELECT array_agg(i.inhparent) FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid) parents
FROM pg_catalog.pg_class c WHERE c.relnamespace = {public} AND c.relkind NOT IN ('i', 'I', 'c') ORDER BY 1;

-- columns
SELECT c.relname, a.*, pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description, dep.objid
FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
    LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
    LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
    LEFT OUTER JOIN pg_depend dep ON dep.refobjid = a.attrelid AND dep.deptype = 'i' AND dep.refobjsubid = a.attnum
        AND dep.classid = dep.refclassid
WHERE NOT a.attisdropped AND c.relkind NOT IN ('i', 'I', 'c') AND c.oid = {readings} ORDER BY a.attnum;

-- columns, what matters of them: rows
SELECT a.attname, a.attnum, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef, a.attcollation, a.attlen,
    pg_catalog.pg_get_expr(ad.adbin, ad.adrelid, true) AS def_value, dsc.description
FROM pg_catalog.pg_attribute a INNER JOIN pg_catalog.pg_class c ON (a.attrelid = c.oid)
    LEFT OUTER JOIN pg_catalog.pg_attrdef ad ON (a.attrelid = ad.adrelid AND a.attnum = ad.adnum)
    LEFT OUTER JOIN pg_catalog.pg_description dsc ON (c.oid = dsc.objoid AND a.attnum = dsc.objsubid)
WHERE NOT a.attisdropped AND a.attnum > 0 AND c.oid = {readings} ORDER BY a.attnum;

-- constraints
SELECT c.oid, c.*, t.relname AS tabrelname, rt.relnamespace AS refnamespace, d.description,
    CASE WHEN c.contype = 'c' THEN "substring"(pg_get_constraintdef(c.oid), 7) ELSE NULL END consrc_copy
FROM pg_catalog.pg_constraint c INNER JOIN pg_catalog.pg_class t ON t.oid = c.conrelid
    LEFT OUTER JOIN pg_catalog.pg_class rt ON rt.oid = c.confrelid
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_constraint'::regclass
WHERE c.conrelid = {readings} ORDER BY c.oid;

-- constraints, what they say: rows
SELECT c.conname, c.contype, c.conkey, c.confkey, c.convalidated,
    CASE c.contype WHEN 'p' THEN pg_get_constraintdef(c.oid) END AS definition FROM pg_catalog.pg_constraint c
WHERE c.conrelid = {readings} ORDER BY 1;

-- indexes
SELECT i.*, i.indkey AS keys, c.relname, c.relnamespace, c.relam, c.reltablespace, tc.relname AS tabrelname, dsc.description,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS pred_expr, pg_catalog.pg_get_expr(i.indexprs, i.indrelid, true) AS expr,
    pg_catalog.pg_relation_size(i.indexrelid) AS index_rel_size,
    pg_catalog.pg_stat_get_numscans(i.indexrelid) AS index_num_scans
FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    INNER JOIN pg_catalog.pg_class tc ON tc.oid = i.indrelid
    LEFT OUTER JOIN pg_catalog.pg_description dsc ON i.indexrelid = dsc.objoid
WHERE i.indrelid = {readings} ORDER BY tabrelname, c.relname;

-- indexes, what matters of them: rows
SELECT c.relname, i.indkey, i.indclass, i.indoption, i.indcollation, i.indisunique, i.indisprimary, i.indnkeyatts
FROM pg_catalog.pg_index i INNER JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {readings} ORDER BY 1;

-- access methods
SELECT am.oid, am.* FROM pg_catalog.pg_am am ORDER BY am.oid;

-- roles
SELECT a.oid, a.*, pd.description FROM pg_catalog.pg_roles a
    LEFT JOIN pg_catalog.pg_shdescription pd ON a.oid = pd.objoid ORDER BY a.rolname;

-- members of a role
SELECT * FROM pg_catalog.pg_auth_members WHERE member = 10;

-- settings
SELECT * FROM pg_catalog.pg_settings WHERE name = 'TimeZone';

-- sizes
SELECT c.oid, pg_catalog.pg_total_relation_size(c.oid) AS total_rel_size, pg_catalog.pg_relation_size(c.oid) AS rel_size
FROM pg_class c WHERE c.relnamespace = {public};

-- tablespaces
SELECT t.oid, t.*, pg_tablespace_location(t.oid) loc FROM pg_catalog.pg_tablespace t ORDER BY t.oid;

-- languages
SELECT l.oid, l.* FROM pg_catalog.pg_language l ORDER BY l.oid;

-- encodings
SELECT c.contoencoding AS encid, pg_catalog.pg_encoding_to_char(c.contoencoding) AS encname
FROM pg_catalog.pg_conversion c GROUP BY c.contoencoding ORDER BY 2;

-- collations
SELECT c.oid, c.* FROM pg_catalog.pg_collation c WHERE c.collnamespace = 11 ORDER BY c.oid;

-- extensions
SELECT e.oid, cfg.tbls, n.nspname AS schema_name, e.* FROM pg_catalog.pg_extension e
    JOIN pg_namespace n ON n.oid = e.extnamespace
    LEFT JOIN (SELECT ARRAY_AGG(ns.nspname || '.' || cls.relname) tbls, oid_ext
        FROM (SELECT unnest(e1.extconfig) oid, e1.oid oid_ext FROM pg_catalog.pg_extension e1) c
            JOIN pg_class cls ON cls.oid = c.oid JOIN pg_namespace ns ON ns.oid = cls.relnamespace
        GROUP BY oid_ext) cfg ON cfg.oid_ext = e.oid
ORDER BY e.oid;

-- extensions there could be
SELECT * FROM pg_catalog.pg_available_extensions WHERE name = 'none of these';

-- procedures
SELECT p.oid AS poid, p.*, pg_catalog.pg_get_expr(p.proargdefaults, 0) AS arg_defaults, d.description
FROM pg_catalog.pg_proc p
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = p.oid AND d.objsubid = 0 AND d.classoid = 'pg_proc'::regclass
WHERE p.pronamespace = {public} ORDER BY p.proname;

-- triggers
SELECT x.oid, x.*, p.pronamespace AS func_schema_id, d.description FROM pg_catalog.pg_trigger x
    LEFT OUTER JOIN pg_catalog.pg_proc p ON p.oid = x.tgfoid
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = x.oid AND d.objsubid = 0 AND d.classoid = 'pg_trigger'::regclass
WHERE x.tgrelid = {readings} AND NOT x.tgisinternal;

-- event triggers
SELECT pet.oid, pet.*, d.description FROM pg_catalog.pg_event_trigger pet
    LEFT OUTER JOIN pg_catalog.pg_description d ON d.objoid = pet.oid AND d.objsubid = 0 AND d.classoid = 'pg_event_trigger'::regclass
ORDER BY evtname;

-- rules
SELECT r.oid, r.*, c.relname FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
WHERE r.ev_class = {strong};

-- the query of a view
SELECT pg_catalog.pg_get_viewdef({strong}, true) AS definition;

-- ancestors
SELECT i.*, c.relnamespace FROM pg_catalog.pg_inherits i, pg_catalog.pg_class c
WHERE i.inhrelid = {readings} AND c.oid = i.inhparent ORDER BY i.inhseqno;

-- partitions
SELECT c.*, i.inhrelid AS partition_id, pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS partition_expr
FROM pg_catalog.pg_class c, pg_catalog.pg_inherits i WHERE i.inhparent = {readings} AND i.inhrelid = c.oid;

-- what depends on a relation
SELECT DISTINCT dep.deptype, dep.classid, dep.objid, cl.relkind, attr.attname,
    pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) adefval,
    CASE WHEN cl.relkind IS NOT NULL THEN cl.relkind::text || COALESCE(dep.objsubid::text, '')
        WHEN tg.oid IS NOT NULL THEN 'T'::text WHEN ty.oid IS NOT NULL THEN 'y'::text
        WHEN ns.oid IS NOT NULL THEN 'n'::text WHEN pr.oid IS NOT NULL THEN 'p'::text
        WHEN rw.oid IS NOT NULL THEN 'R'::text WHEN co.oid IS NOT NULL THEN 'C'::text || contype::text
        WHEN ad.oid IS NOT NULL THEN 'A'::text ELSE '' END AS type,
    COALESCE(coc.relname, clrw.relname) AS ownertable,
    CASE WHEN cl.relname IS NOT NULL AND att.attname IS NOT NULL THEN cl.relname || '.' || att.attname
        ELSE COALESCE(cl.relname, co.conname, pr.proname, tg.tgname, ty.typname, rw.rulename, ns.nspname) END AS refname,
    COALESCE(nsc.nspname, nso.nspname, nsp.nspname, nst.nspname, nsrw.nspname) AS nspname
FROM pg_catalog.pg_depend dep
    LEFT JOIN pg_catalog.pg_class cl ON dep.objid = cl.oid
    LEFT JOIN pg_catalog.pg_attribute att ON dep.objid = att.attrelid AND dep.objsubid = att.attnum
    LEFT JOIN pg_catalog.pg_attribute attr ON attr.attnum = dep.refobjsubid AND attr.attrelid = dep.refobjid
    LEFT JOIN pg_catalog.pg_namespace nsc ON cl.relnamespace = nsc.oid
    LEFT JOIN pg_catalog.pg_proc pr ON dep.objid = pr.oid
    LEFT JOIN pg_catalog.pg_namespace nsp ON pr.pronamespace = nsp.oid
    LEFT JOIN pg_catalog.pg_trigger tg ON dep.objid = tg.oid
    LEFT JOIN pg_catalog.pg_type ty ON dep.objid = ty.oid
    LEFT JOIN pg_catalog.pg_namespace nst ON ty.typnamespace = nst.oid
    LEFT JOIN pg_catalog.pg_constraint co ON dep.objid = co.oid
    LEFT JOIN pg_catalog.pg_class coc ON co.conrelid = coc.oid
    LEFT JOIN pg_catalog.pg_namespace nso ON co.connamespace = nso.oid
    LEFT JOIN pg_catalog.pg_rewrite rw ON dep.objid = rw.oid
    LEFT JOIN pg_catalog.pg_class clrw ON clrw.oid = rw.ev_class
    LEFT JOIN pg_catalog.pg_namespace nsrw ON clrw.relnamespace = nsrw.oid
    LEFT JOIN pg_catalog.pg_namespace ns ON dep.objid = ns.oid
    LEFT JOIN pg_catalog.pg_attrdef ad ON ad.oid = dep.objid
WHERE dep.refobjid = {readings} ORDER BY type;

-- privileges of a relation
SELECT * FROM information_schema.table_privileges WHERE table_schema = 'public' AND table_name = 'nothing';

-- privileges of a role
SELECT * FROM information_schema.table_privileges WHERE table_catalog = current_database() AND grantee = 'nobody';

-- privileges of columns
SELECT * FROM information_schema.column_privileges WHERE table_schema = 'public' AND table_name = 'nothing';

-- sessions
SELECT sa.* FROM pg_catalog.pg_stat_activity sa WHERE false;

-- looks for names: rows
SELECT x.relname, x.relkind, d.description FROM pg_catalog.pg_class x
    LEFT OUTER JOIN pg_catalog.pg_description d ON x.oid = d.objoid AND d.objsubid = 0
WHERE x.relkind IN ('r', 'v', 'm') AND x.relname ILIKE '%read%' AND x.relnamespace IN ({public}) ORDER BY x.relname LIMIT 10;

-- looks for columns: rows
SELECT x.attname FROM pg_catalog.pg_attribute x, pg_catalog.pg_class c
WHERE c.oid = x.attrelid AND x.attname ILIKE '%power%' AND c.relnamespace IN ({public}) ORDER BY x.attname LIMIT 10;

-- foreign servers
SELECT fs.oid, fs.*, fdw.fdwname FROM pg_catalog.pg_foreign_server fs
    LEFT JOIN pg_catalog.pg_foreign_data_wrapper fdw ON fdw.oid = fs.srvfdw ORDER BY fs.oid;

-- default privileges
SELECT a.* FROM pg_catalog.pg_default_acl a WHERE a.defaclnamespace = {public};

-- jobs
SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'pgagent') AS has_jobs;
