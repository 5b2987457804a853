//! The columns of `pg_catalog`'s relations, as PostgreSQL 15 has them.
//!
//! Clients name these columns in their queries, so relations are here whose rows this database never has. Types are
//! PostgreSQL's shorter names; a type that only its own server reads is `text`.

/// The first number of what PostgreSQL makes views of; those below are tables.
pub const FIRST_VIEW: i64 = 12_000;

/// (object id, name, columns with their types).
pub const RELATIONS: &[(i64, &str, &str)] = &[
    (
        2600,
        "pg_aggregate",
        "aggfnoid regproc, aggkind char, aggnumdirectargs int2, aggtransfn regproc, aggfinalfn regproc, \
         aggcombinefn regproc, aggserialfn regproc, aggdeserialfn regproc, aggmtransfn regproc, aggminvtransfn \
         regproc, aggmfinalfn regproc, aggfinalextra bool, aggmfinalextra bool, aggfinalmodify char, \
         aggmfinalmodify char, aggsortop oid, aggtranstype oid, aggtransspace int4, aggmtranstype oid, \
         aggmtransspace int4, agginitval text, aggminitval text",
    ),
    (2601, "pg_am", "oid oid, amname name, amhandler regproc, amtype char"),
    (
        2602,
        "pg_amop",
        "oid oid, amopfamily oid, amoplefttype oid, amoprighttype oid, amopstrategy int2, amoppurpose char, amopopr \
         oid, amopmethod oid, amopsortfamily oid",
    ),
    (
        2603,
        "pg_amproc",
        "oid oid, amprocfamily oid, amproclefttype oid, amprocrighttype oid, amprocnum int2, amproc regproc",
    ),
    (2604, "pg_attrdef", "oid oid, adrelid oid, adnum int2, adbin text"),
    (
        1249,
        "pg_attribute",
        "attrelid oid, attname name, atttypid oid, attstattarget int4, attlen int2, attnum int2, attndims int4, \
         attcacheoff int4, atttypmod int4, attbyval bool, attalign char, attstorage char, attcompression char, \
         attnotnull bool, atthasdef bool, atthasmissing bool, attidentity char, attgenerated char, attisdropped \
         bool, attislocal bool, attinhcount int4, attcollation oid, attacl text[], attoptions text[], attfdwoptions \
         text[], attmissingval text",
    ),
    (1261, "pg_auth_members", "roleid oid, member oid, grantor oid, admin_option bool"),
    (
        1260,
        "pg_authid",
        "oid oid, rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, rolcanlogin \
         bool, rolreplication bool, rolbypassrls bool, rolconnlimit int4, rolpassword text, rolvaliduntil \
         timestamptz",
    ),
    (
        12085,
        "pg_available_extension_versions",
        "name name, version text, installed bool, superuser bool, trusted bool, relocatable bool, schema name, \
         requires text[], comment text",
    ),
    (12081, "pg_available_extensions", "name name, default_version text, installed_version text, comment text"),
    (
        12138,
        "pg_backend_memory_contexts",
        "name text, ident text, parent text, level int4, total_bytes int8, total_nblocks int8, free_bytes int8, \
         free_chunks int8, used_bytes int8",
    ),
    (2605, "pg_cast", "oid oid, castsource oid, casttarget oid, castfunc oid, castcontext char, castmethod char"),
    (
        1259,
        "pg_class",
        "oid oid, relname name, relnamespace oid, reltype oid, reloftype oid, relowner oid, relam oid, relfilenode \
         oid, reltablespace oid, relpages int4, reltuples float4, relallvisible int4, reltoastrelid oid, \
         relhasindex bool, relisshared bool, relpersistence char, relkind char, relnatts int2, relchecks int2, \
         relhasrules bool, relhastriggers bool, relhassubclass bool, relrowsecurity bool, relforcerowsecurity bool, \
         relispopulated bool, relreplident char, relispartition bool, relrewrite oid, relfrozenxid xid, relminmxid \
         xid, relacl text[], reloptions text[], relpartbound text",
    ),
    (
        3456,
        "pg_collation",
        "oid oid, collname name, collnamespace oid, collowner oid, collprovider char, collisdeterministic bool, \
         collencoding int4, collcollate text, collctype text, colliculocale text, collversion text",
    ),
    (12130, "pg_config", "name text, setting text"),
    (
        2606,
        "pg_constraint",
        "oid oid, conname name, connamespace oid, contype char, condeferrable bool, condeferred bool, convalidated \
         bool, conrelid oid, contypid oid, conindid oid, conparentid oid, confrelid oid, confupdtype char, \
         confdeltype char, confmatchtype char, conislocal bool, coninhcount int4, connoinherit bool, conkey int2[], \
         confkey int2[], conpfeqop oid[], conppeqop oid[], conffeqop oid[], confdelsetcols int2[], conexclop oid[], \
         conbin text",
    ),
    (
        2607,
        "pg_conversion",
        "oid oid, conname name, connamespace oid, conowner oid, conforencoding int4, contoencoding int4, conproc \
         regproc, condefault bool",
    ),
    (
        12077,
        "pg_cursors",
        "name text, statement text, is_holdable bool, is_binary bool, is_scrollable bool, creation_time timestamptz",
    ),
    (
        1262,
        "pg_database",
        "oid oid, datname name, datdba oid, encoding int4, datlocprovider char, datistemplate bool, datallowconn \
         bool, datconnlimit int4, datfrozenxid xid, datminmxid xid, dattablespace oid, datcollate text, datctype \
         text, daticulocale text, datcollversion text, datacl text[]",
    ),
    (2964, "pg_db_role_setting", "setdatabase oid, setrole oid, setconfig text[]"),
    (826, "pg_default_acl", "oid oid, defaclrole oid, defaclnamespace oid, defaclobjtype char, defaclacl text[]"),
    (
        2608,
        "pg_depend",
        "classid oid, objid oid, objsubid int4, refclassid oid, refobjid oid, refobjsubid int4, deptype char",
    ),
    (2609, "pg_description", "objoid oid, classoid oid, objsubid int4, description text"),
    (3501, "pg_enum", "oid oid, enumtypid oid, enumsortorder float4, enumlabel name"),
    (
        3466,
        "pg_event_trigger",
        "oid oid, evtname name, evtevent name, evtowner oid, evtfoid oid, evtenabled char, evttags text[]",
    ),
    (
        3079,
        "pg_extension",
        "oid oid, extname name, extowner oid, extnamespace oid, extrelocatable bool, extversion text, extconfig \
         oid[], extcondition text[]",
    ),
    (
        12110,
        "pg_file_settings",
        "sourcefile text, sourceline int4, seqno int4, name text, setting text, applied bool, error text",
    ),
    (
        2328,
        "pg_foreign_data_wrapper",
        "oid oid, fdwname name, fdwowner oid, fdwhandler oid, fdwvalidator oid, fdwacl text[], fdwoptions text[]",
    ),
    (
        1417,
        "pg_foreign_server",
        "oid oid, srvname name, srvowner oid, srvfdw oid, srvtype text, srvversion text, srvacl text[], srvoptions \
         text[]",
    ),
    (3118, "pg_foreign_table", "ftrelid oid, ftserver oid, ftoptions text[]"),
    (12010, "pg_group", "groname name, grosysid oid, grolist oid[]"),
    (
        12114,
        "pg_hba_file_rules",
        "line_number int4, type text, database text[], user_name text[], address text, netmask text, auth_method \
         text, options text[], error text",
    ),
    (12118, "pg_ident_file_mappings", "line_number int4, map_name text, sys_name text, pg_username text, error text"),
    (
        2610,
        "pg_index",
        "indexrelid oid, indrelid oid, indnatts int2, indnkeyatts int2, indisunique bool, indnullsnotdistinct bool, \
         indisprimary bool, indisexclusion bool, indimmediate bool, indisclustered bool, indisvalid bool, \
         indcheckxmin bool, indisready bool, indislive bool, indisreplident bool, indkey int2vector, indcollation \
         oidvector, indclass oidvector, indoption int2vector, indexprs text, indpred text",
    ),
    (12043, "pg_indexes", "schemaname name, tablename name, indexname name, tablespace name, indexdef text"),
    (2611, "pg_inherits", "inhrelid oid, inhparent oid, inhseqno int4, inhdetachpending bool"),
    (3394, "pg_init_privs", "objoid oid, classoid oid, objsubid int4, privtype char, initprivs text[]"),
    (
        2612,
        "pg_language",
        "oid oid, lanname name, lanowner oid, lanispl bool, lanpltrusted bool, lanplcallfoid oid, laninline oid, \
         lanvalidator oid, lanacl text[]",
    ),
    (2613, "pg_largeobject", "loid oid, pageno int4, data bytea"),
    (2995, "pg_largeobject_metadata", "oid oid, lomowner oid, lomacl text[]"),
    (
        12073,
        "pg_locks",
        "locktype text, database oid, relation oid, page int4, tuple int2, virtualxid text, transactionid xid, \
         classid oid, objid oid, objsubid int2, virtualtransaction text, pid int4, mode text, granted bool, \
         fastpath bool, waitstart timestamptz",
    ),
    (
        12038,
        "pg_matviews",
        "schemaname name, matviewname name, matviewowner name, tablespace name, hasindexes bool, ispopulated bool, \
         definition text",
    ),
    (2615, "pg_namespace", "oid oid, nspname name, nspowner oid, nspacl text[]"),
    (
        2616,
        "pg_opclass",
        "oid oid, opcmethod oid, opcname name, opcnamespace oid, opcowner oid, opcfamily oid, opcintype oid, \
         opcdefault bool, opckeytype oid",
    ),
    (
        2617,
        "pg_operator",
        "oid oid, oprname name, oprnamespace oid, oprowner oid, oprkind char, oprcanmerge bool, oprcanhash bool, \
         oprleft oid, oprright oid, oprresult oid, oprcom oid, oprnegate oid, oprcode regproc, oprrest regproc, \
         oprjoin regproc",
    ),
    (2753, "pg_opfamily", "oid oid, opfmethod oid, opfname name, opfnamespace oid, opfowner oid"),
    (6243, "pg_parameter_acl", "oid oid, parname text, paracl text[]"),
    (
        3350,
        "pg_partitioned_table",
        "partrelid oid, partstrat char, partnatts int2, partdefid oid, partattrs int2vector, partclass oidvector, \
         partcollation oidvector, partexprs text",
    ),
    (
        12018,
        "pg_policies",
        "schemaname name, tablename name, policyname name, permissive text, roles text[], cmd text, qual text, \
         with_check text",
    ),
    (
        3256,
        "pg_policy",
        "oid oid, polname name, polrelid oid, polcmd char, polpermissive bool, polroles oid[], polqual text, \
         polwithcheck text",
    ),
    (
        12095,
        "pg_prepared_statements",
        "name text, statement text, prepare_time timestamptz, parameter_types text, from_sql bool, generic_plans \
         int8, custom_plans int8",
    ),
    (12090, "pg_prepared_xacts", "transaction xid, gid text, prepared timestamptz, owner name, database name"),
    (
        1255,
        "pg_proc",
        "oid oid, proname name, pronamespace oid, proowner oid, prolang oid, procost float4, prorows float4, \
         provariadic oid, prosupport regproc, prokind char, prosecdef bool, proleakproof bool, proisstrict bool, \
         proretset bool, provolatile char, proparallel char, pronargs int2, pronargdefaults int2, prorettype oid, \
         proargtypes oidvector, proallargtypes oid[], proargmodes text[], proargnames text[], proargdefaults text, \
         protrftypes oid[], prosrc text, probin text, prosqlbody text, proconfig text[], proacl text[]",
    ),
    (
        6104,
        "pg_publication",
        "oid oid, pubname name, pubowner oid, puballtables bool, pubinsert bool, pubupdate bool, pubdelete bool, \
         pubtruncate bool, pubviaroot bool",
    ),
    (6237, "pg_publication_namespace", "oid oid, pnpubid oid, pnnspid oid"),
    (6106, "pg_publication_rel", "oid oid, prpubid oid, prrelid oid, prqual text, prattrs int2vector"),
    (12068, "pg_publication_tables", "pubname name, schemaname name, tablename name, attnames text[], rowfilter text"),
    (
        3541,
        "pg_range",
        "rngtypid oid, rngsubtype oid, rngmultitypid oid, rngcollation oid, rngsubopc oid, rngcanonical regproc, \
         rngsubdiff regproc",
    ),
    (6000, "pg_replication_origin", "roident oid, roname text"),
    (12332, "pg_replication_origin_status", "local_id oid, external_id text, remote_lsn text, local_lsn text"),
    (
        12257,
        "pg_replication_slots",
        "slot_name name, plugin name, slot_type text, datoid oid, database name, temporary bool, active bool, \
         active_pid int4, xmin xid, catalog_xmin xid, restart_lsn text, confirmed_flush_lsn text, wal_status text, \
         safe_wal_size int8, two_phase bool",
    ),
    (
        2618,
        "pg_rewrite",
        "oid oid, rulename name, ev_class oid, ev_type char, ev_enabled char, is_instead bool, ev_qual text, \
         ev_action text",
    ),
    (
        12000,
        "pg_roles",
        "rolname name, rolsuper bool, rolinherit bool, rolcreaterole bool, rolcreatedb bool, rolcanlogin bool, \
         rolreplication bool, rolconnlimit int4, rolpassword text, rolvaliduntil timestamptz, rolbypassrls bool, \
         rolconfig text[], oid oid",
    ),
    (12023, "pg_rules", "schemaname name, tablename name, rulename name, definition text"),
    (3596, "pg_seclabel", "objoid oid, classoid oid, objsubid int4, provider text, label text"),
    (
        12099,
        "pg_seclabels",
        "objoid oid, classoid oid, objsubid int4, objtype text, objnamespace oid, objname text, provider text, \
         label text",
    ),
    (
        2224,
        "pg_sequence",
        "seqrelid oid, seqtypid oid, seqstart int8, seqincrement int8, seqmax int8, seqmin int8, seqcache int8, \
         seqcycle bool",
    ),
    (
        12048,
        "pg_sequences",
        "schemaname name, sequencename name, sequenceowner name, data_type oid, start_value int8, min_value int8, \
         max_value int8, increment_by int8, cycle bool, cache_size int8, last_value int8",
    ),
    (
        12104,
        "pg_settings",
        "name text, setting text, unit text, category text, short_desc text, extra_desc text, context text, vartype \
         text, source text, min_val text, max_val text, enumvals text[], boot_val text, reset_val text, sourcefile \
         text, sourceline int4, pending_restart bool",
    ),
    (
        12005,
        "pg_shadow",
        "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls bool, passwd text, \
         valuntil timestamptz, useconfig text[]",
    ),
    (
        1214,
        "pg_shdepend",
        "dbid oid, classid oid, objid oid, objsubid int4, refclassid oid, refobjid oid, deptype char",
    ),
    (2396, "pg_shdescription", "objoid oid, classoid oid, description text"),
    (12134, "pg_shmem_allocations", "name text, off int8, size int8, allocated_size int8"),
    (3592, "pg_shseclabel", "objoid oid, classoid oid, provider text, label text"),
    (
        12222,
        "pg_stat_activity",
        "datid oid, datname name, pid int4, leader_pid int4, usesysid oid, usename name, application_name text, \
         client_addr text, client_hostname text, client_port int4, backend_start timestamptz, xact_start \
         timestamptz, query_start timestamptz, state_change timestamptz, wait_event_type text, wait_event text, \
         state text, backend_xid xid, backend_xmin xid, query_id int8, query text, backend_type text",
    ),
    (
        12183,
        "pg_stat_all_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan int8, idx_tup_read \
         int8, idx_tup_fetch int8",
    ),
    (
        12142,
        "pg_stat_all_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8, n_live_tup int8, n_dead_tup \
         int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum timestamptz, last_autovacuum \
         timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count int8, autovacuum_count \
         int8, analyze_count int8, autoanalyze_count int8",
    ),
    (
        12285,
        "pg_stat_archiver",
        "archived_count int8, last_archived_wal text, last_archived_time timestamptz, failed_count int8, \
         last_failed_wal text, last_failed_time timestamptz, stats_reset timestamptz",
    ),
    (
        12289,
        "pg_stat_bgwriter",
        "checkpoints_timed int8, checkpoints_req int8, checkpoint_write_time float8, checkpoint_sync_time float8, \
         buffers_checkpoint int8, buffers_clean int8, maxwritten_clean int8, buffers_backend int8, \
         buffers_backend_fsync int8, buffers_alloc int8, stats_reset timestamptz",
    ),
    (
        12266,
        "pg_stat_database",
        "datid oid, datname name, numbackends int4, xact_commit int8, xact_rollback int8, blks_read int8, blks_hit \
         int8, tup_returned int8, tup_fetched int8, tup_inserted int8, tup_updated int8, tup_deleted int8, \
         conflicts int8, temp_files int8, temp_bytes int8, deadlocks int8, checksum_failures int8, \
         checksum_last_failure timestamptz, blk_read_time float8, blk_write_time float8, session_time float8, \
         active_time float8, idle_in_transaction_time float8, sessions int8, sessions_abandoned int8, \
         sessions_fatal int8, sessions_killed int8, stats_reset timestamptz",
    ),
    (
        12271,
        "pg_stat_database_conflicts",
        "datid oid, datname name, confl_tablespace int8, confl_lock int8, confl_snapshot int8, confl_bufferpin \
         int8, confl_deadlock int8",
    ),
    (12253, "pg_stat_gssapi", "pid int4, gss_authenticated bool, principal text, encrypted bool"),
    (
        12297,
        "pg_stat_progress_analyze",
        "pid int4, datid oid, datname name, relid oid, phase text, sample_blks_total int8, sample_blks_scanned \
         int8, ext_stats_total int8, ext_stats_computed int8, child_tables_total int8, child_tables_done int8, \
         current_child_table_relid oid",
    ),
    (
        12317,
        "pg_stat_progress_basebackup",
        "pid int4, phase text, backup_total int8, backup_streamed int8, tablespaces_total int8, \
         tablespaces_streamed int8",
    ),
    (
        12307,
        "pg_stat_progress_cluster",
        "pid int4, datid oid, datname name, relid oid, command text, phase text, cluster_index_relid oid, \
         heap_tuples_scanned int8, heap_tuples_written int8, heap_blks_total int8, heap_blks_scanned int8, \
         index_rebuild_count int8",
    ),
    (
        12322,
        "pg_stat_progress_copy",
        "pid int4, datid oid, datname name, relid oid, command text, type text, bytes_processed int8, bytes_total \
         int8, tuples_processed int8, tuples_excluded int8",
    ),
    (
        12312,
        "pg_stat_progress_create_index",
        "pid int4, datid oid, datname name, relid oid, index_relid oid, command text, phase text, lockers_total \
         int8, lockers_done int8, current_locker_pid int8, blocks_total int8, blocks_done int8, tuples_total int8, \
         tuples_done int8, partitions_total int8, partitions_done int8",
    ),
    (
        12302,
        "pg_stat_progress_vacuum",
        "pid int4, datid oid, datname name, relid oid, phase text, heap_blks_total int8, heap_blks_scanned int8, \
         heap_blks_vacuumed int8, index_vacuum_count int8, max_dead_tuples int8, num_dead_tuples int8",
    ),
    (
        12240,
        "pg_stat_recovery_prefetch",
        "stats_reset timestamptz, prefetch int8, hit int8, skip_init int8, skip_new int8, skip_fpw int8, skip_rep \
         int8, wal_distance int4, block_distance int4, io_depth int4",
    ),
    (
        12227,
        "pg_stat_replication",
        "pid int4, usesysid oid, usename name, application_name text, client_addr text, client_hostname text, \
         client_port int4, backend_start timestamptz, backend_xmin xid, state text, sent_lsn text, write_lsn text, \
         flush_lsn text, replay_lsn text, write_lag interval, flush_lag interval, replay_lag interval, \
         sync_priority int4, sync_state text, reply_time timestamptz",
    ),
    (
        12262,
        "pg_stat_replication_slots",
        "slot_name text, spill_txns int8, spill_count int8, spill_bytes int8, stream_txns int8, stream_count int8, \
         stream_bytes int8, total_txns int8, total_bytes int8, stats_reset timestamptz",
    ),
    (
        12232,
        "pg_stat_slru",
        "name text, blks_zeroed int8, blks_hit int8, blks_read int8, blks_written int8, blks_exists int8, flushes \
         int8, truncates int8, stats_reset timestamptz",
    ),
    (
        12249,
        "pg_stat_ssl",
        "pid int4, ssl bool, version text, cipher text, bits int4, client_dn text, client_serial float8, issuer_dn \
         text",
    ),
    (
        12244,
        "pg_stat_subscription",
        "subid oid, subname name, pid int4, relid oid, received_lsn text, last_msg_send_time timestamptz, \
         last_msg_receipt_time timestamptz, latest_end_lsn text, latest_end_time timestamptz",
    ),
    (
        12336,
        "pg_stat_subscription_stats",
        "subid oid, subname name, apply_error_count int8, sync_error_count int8, stats_reset timestamptz",
    ),
    (
        12188,
        "pg_stat_sys_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan int8, idx_tup_read \
         int8, idx_tup_fetch int8",
    ),
    (
        12152,
        "pg_stat_sys_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8, n_live_tup int8, n_dead_tup \
         int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum timestamptz, last_autovacuum \
         timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count int8, autovacuum_count \
         int8, analyze_count int8, autoanalyze_count int8",
    ),
    (
        12275,
        "pg_stat_user_functions",
        "funcid oid, schemaname name, funcname name, calls int8, total_time float8, self_time float8",
    ),
    (
        12192,
        "pg_stat_user_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_scan int8, idx_tup_read \
         int8, idx_tup_fetch int8",
    ),
    (
        12161,
        "pg_stat_user_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8, n_live_tup int8, n_dead_tup \
         int8, n_mod_since_analyze int8, n_ins_since_vacuum int8, last_vacuum timestamptz, last_autovacuum \
         timestamptz, last_analyze timestamptz, last_autoanalyze timestamptz, vacuum_count int8, autovacuum_count \
         int8, analyze_count int8, autoanalyze_count int8",
    ),
    (
        12293,
        "pg_stat_wal",
        "wal_records int8, wal_fpi int8, wal_bytes float8, wal_buffers_full int8, wal_write int8, wal_sync int8, \
         wal_write_time float8, wal_sync_time float8, stats_reset timestamptz",
    ),
    (
        12236,
        "pg_stat_wal_receiver",
        "pid int4, status text, receive_start_lsn text, receive_start_tli int4, written_lsn text, flushed_lsn text, \
         received_tli int4, last_msg_send_time timestamptz, last_msg_receipt_time timestamptz, latest_end_lsn text, \
         latest_end_time timestamptz, slot_name text, sender_host text, sender_port int4, conninfo text",
    ),
    (
        12147,
        "pg_stat_xact_all_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8",
    ),
    (
        12157,
        "pg_stat_xact_sys_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8",
    ),
    (
        12280,
        "pg_stat_xact_user_functions",
        "funcid oid, schemaname name, funcname name, calls int8, total_time float8, self_time float8",
    ),
    (
        12166,
        "pg_stat_xact_user_tables",
        "relid oid, schemaname name, relname name, seq_scan int8, seq_tup_read int8, idx_scan int8, idx_tup_fetch \
         int8, n_tup_ins int8, n_tup_upd int8, n_tup_del int8, n_tup_hot_upd int8",
    ),
    (
        12196,
        "pg_statio_all_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_blks_read int8, \
         idx_blks_hit int8",
    ),
    (12209, "pg_statio_all_sequences", "relid oid, schemaname name, relname name, blks_read int8, blks_hit int8"),
    (
        12170,
        "pg_statio_all_tables",
        "relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit int8, idx_blks_read int8, \
         idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read int8, tidx_blks_hit int8",
    ),
    (
        12201,
        "pg_statio_sys_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_blks_read int8, \
         idx_blks_hit int8",
    ),
    (12214, "pg_statio_sys_sequences", "relid oid, schemaname name, relname name, blks_read int8, blks_hit int8"),
    (
        12175,
        "pg_statio_sys_tables",
        "relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit int8, idx_blks_read int8, \
         idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read int8, tidx_blks_hit int8",
    ),
    (
        12205,
        "pg_statio_user_indexes",
        "relid oid, indexrelid oid, schemaname name, relname name, indexrelname name, idx_blks_read int8, \
         idx_blks_hit int8",
    ),
    (12218, "pg_statio_user_sequences", "relid oid, schemaname name, relname name, blks_read int8, blks_hit int8"),
    (
        12179,
        "pg_statio_user_tables",
        "relid oid, schemaname name, relname name, heap_blks_read int8, heap_blks_hit int8, idx_blks_read int8, \
         idx_blks_hit int8, toast_blks_read int8, toast_blks_hit int8, tidx_blks_read int8, tidx_blks_hit int8",
    ),
    (
        2619,
        "pg_statistic",
        "starelid oid, staattnum int2, stainherit bool, stanullfrac float4, stawidth int4, stadistinct float4, \
         stakind1 int2, stakind2 int2, stakind3 int2, stakind4 int2, stakind5 int2, staop1 oid, staop2 oid, staop3 \
         oid, staop4 oid, staop5 oid, stacoll1 oid, stacoll2 oid, stacoll3 oid, stacoll4 oid, stacoll5 oid, \
         stanumbers1 text, stanumbers2 text, stanumbers3 text, stanumbers4 text, stanumbers5 text, stavalues1 text, \
         stavalues2 text, stavalues3 text, stavalues4 text, stavalues5 text",
    ),
    (
        3381,
        "pg_statistic_ext",
        "oid oid, stxrelid oid, stxname name, stxnamespace oid, stxowner oid, stxstattarget int4, stxkeys \
         int2vector, stxkind text[], stxexprs text",
    ),
    (
        3429,
        "pg_statistic_ext_data",
        "stxoid oid, stxdinherit bool, stxdndistinct text, stxddependencies text, stxdmcv text, stxdexpr text",
    ),
    (
        12053,
        "pg_stats",
        "schemaname name, tablename name, attname name, inherited bool, null_frac float4, avg_width int4, \
         n_distinct float4, most_common_vals text, most_common_freqs text, histogram_bounds text, correlation \
         float4, most_common_elems text, most_common_elem_freqs text, elem_count_histogram text",
    ),
    (
        12058,
        "pg_stats_ext",
        "schemaname name, tablename name, statistics_schemaname name, statistics_name name, statistics_owner name, \
         attnames text[], exprs text[], kinds text[], inherited bool, n_distinct text, dependencies text, \
         most_common_vals text[], most_common_val_nulls text, most_common_freqs text, most_common_base_freqs text",
    ),
    (
        12063,
        "pg_stats_ext_exprs",
        "schemaname name, tablename name, statistics_schemaname name, statistics_name name, statistics_owner name, \
         expr text, inherited bool, null_frac float4, avg_width int4, n_distinct float4, most_common_vals text, \
         most_common_freqs text, histogram_bounds text, correlation float4, most_common_elems text, \
         most_common_elem_freqs text, elem_count_histogram text",
    ),
    (
        6100,
        "pg_subscription",
        "oid oid, subdbid oid, subskiplsn text, subname name, subowner oid, subenabled bool, subbinary bool, \
         substream bool, subtwophasestate char, subdisableonerr bool, subconninfo text, subslotname name, \
         subsynccommit text, subpublications text[]",
    ),
    (6102, "pg_subscription_rel", "srsubid oid, srrelid oid, srsubstate char, srsublsn text"),
    (
        12033,
        "pg_tables",
        "schemaname name, tablename name, tableowner name, tablespace name, hasindexes bool, hasrules bool, \
         hastriggers bool, rowsecurity bool",
    ),
    (1213, "pg_tablespace", "oid oid, spcname name, spcowner oid, spcacl text[], spcoptions text[]"),
    (12122, "pg_timezone_abbrevs", "abbrev text, utc_offset interval, is_dst bool"),
    (12126, "pg_timezone_names", "name text, abbrev text, utc_offset interval, is_dst bool"),
    (3576, "pg_transform", "oid oid, trftype oid, trflang oid, trffromsql regproc, trftosql regproc"),
    (
        2620,
        "pg_trigger",
        "oid oid, tgrelid oid, tgparentid oid, tgname name, tgfoid oid, tgtype int2, tgenabled char, tgisinternal \
         bool, tgconstrrelid oid, tgconstrindid oid, tgconstraint oid, tgdeferrable bool, tginitdeferred bool, \
         tgnargs int2, tgattr int2vector, tgargs bytea, tgqual text, tgoldtable name, tgnewtable name",
    ),
    (3602, "pg_ts_config", "oid oid, cfgname name, cfgnamespace oid, cfgowner oid, cfgparser oid"),
    (3603, "pg_ts_config_map", "mapcfg oid, maptokentype int4, mapseqno int4, mapdict oid"),
    (
        3600,
        "pg_ts_dict",
        "oid oid, dictname name, dictnamespace oid, dictowner oid, dicttemplate oid, dictinitoption text",
    ),
    (
        3601,
        "pg_ts_parser",
        "oid oid, prsname name, prsnamespace oid, prsstart regproc, prstoken regproc, prsend regproc, prsheadline \
         regproc, prslextype regproc",
    ),
    (3764, "pg_ts_template", "oid oid, tmplname name, tmplnamespace oid, tmplinit regproc, tmpllexize regproc"),
    (
        1247,
        "pg_type",
        "oid oid, typname name, typnamespace oid, typowner oid, typlen int2, typbyval bool, typtype char, \
         typcategory char, typispreferred bool, typisdefined bool, typdelim char, typrelid oid, typsubscript \
         regproc, typelem oid, typarray oid, typinput regproc, typoutput regproc, typreceive regproc, typsend \
         regproc, typmodin regproc, typmodout regproc, typanalyze regproc, typalign char, typstorage char, \
         typnotnull bool, typbasetype oid, typtypmod int4, typndims int4, typcollation oid, typdefaultbin text, \
         typdefault text, typacl text[]",
    ),
    (
        12014,
        "pg_user",
        "usename name, usesysid oid, usecreatedb bool, usesuper bool, userepl bool, usebypassrls bool, passwd text, \
         valuntil timestamptz, useconfig text[]",
    ),
    (1418, "pg_user_mapping", "oid oid, umuser oid, umserver oid, umoptions text[]"),
    (12327, "pg_user_mappings", "umid oid, srvid oid, srvname name, umuser oid, usename name, umoptions text[]"),
    (12028, "pg_views", "schemaname name, viewname name, viewowner name, definition text"),
];
