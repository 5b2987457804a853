//! PostgreSQL's functions about the catalogue and the session, over one statement's facts.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields};
use dataflow::RelationId;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::ScalarUDF;

use super::rowwise::{called_on_null, number, strict, text, texts, to_text, volatile};
use crate::catalog::{Catalog, Entry, PUBLIC};
use crate::error::SqlError;
use crate::planner::CATALOG;
use crate::roles::Privilege;
use crate::session::Identity;
use crate::system::Facts;
use crate::system::pg_catalog::{self, oid, types};
use crate::types::{UTC, timestamptz};

/// The role of a number, and what it is a member of, also by way of others.
pub const MEMBER_OF: &str = "_pg_member_of";

/// The rights of a list of them, which `aclexplode` has one a row.
pub const RIGHTS: &str = "_pg_rights";

/// When the first statement was planned, which is when the node began to serve.
static STARTED_US: LazyLock<i64> = LazyLock::new(|| chrono::Utc::now().timestamp_micros());

/// What clients parse: PostgreSQL's version first.
pub fn version() -> String {
    format!("PostgreSQL {} (Caudal {})", crate::session::SERVER_VERSION, env!("CARGO_PKG_VERSION"))
}

/// Every function of one statement.
pub fn functions(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let mut functions = about_the_session(facts);
    functions.extend(about_relations(facts));
    functions.extend(about_names(facts));
    functions.extend(about_keys(facts));
    functions.extend(about_rights(facts));
    functions.extend(about_sizes(facts));
    functions.extend(about_sight());
    functions
}

fn about_the_session(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let constants = [
        ("version", version()),
        ("current_database", CATALOG.to_owned()),
        ("current_catalog", CATALOG.to_owned()),
        ("current_schema", PUBLIC.to_owned()),
        ("current_user", facts.identity.user().to_owned()),
        ("current_role", facts.identity.user().to_owned()),
        ("session_user", facts.identity.user().to_owned()),
        ("user", facts.identity.user().to_owned()),
        ("pg_client_encoding", "UTF8".to_owned()),
        ("getdatabaseencoding", "UTF8".to_owned()),
    ];
    let constant = |(name, value): (&str, String)| strict(name, DataType::Utf8, move |_| to_text(Some(value.clone())));
    let mut functions: Vec<ScalarUDF> = constants.into_iter().map(constant).collect();
    let ours = facts.clone();
    functions.push(called_on_null("current_setting", DataType::Utf8, move |args| {
        let Some(name) = args.first().and_then(text) else { return to_text(None) };
        let lenient = matches!(args.get(1), Some(ScalarValue::Boolean(Some(true))));
        match ours.settings.get(&name) {
            Some(value) => to_text(Some(value.to_owned())),
            None if lenient => to_text(None),
            None => Err(SqlError::new("42704", format!("unrecognized configuration parameter \"{name}\"")).into()),
        }
    }));
    let ours = facts.clone();
    functions.push(volatile("set_config", DataType::Utf8, move |args| {
        let [name, value, local] = args else {
            return Err(SqlError::new("42883", "set_config takes a name, a value, and whether it is local").into());
        };
        let null = || SqlError::new("22004", "SET requires parameter name");
        let (name, value) = (text(name).ok_or_else(null)?, text(value));
        let local = matches!(local, ScalarValue::Boolean(Some(true)));
        let setter = ours.setter.as_ref().ok_or_else(|| SqlError::unsupported("set_config here").hint("Use SET."))?;
        to_text(Some(setter.set(&name, value.as_deref(), local)?))
    }));
    functions.push(strict("current_schemas", texts(), |args| {
        let implicit = matches!(args.first(), Some(ScalarValue::Boolean(Some(true))));
        let names = implicit.then_some(pg_catalog::SCHEMA).into_iter().chain([PUBLIC]);
        let names: Vec<ScalarValue> = names.map(ScalarValue::from).collect();
        Ok(ScalarValue::List(ScalarValue::new_list(&names, &DataType::Utf8, true)))
    }));
    functions.push(strict("pg_is_in_recovery", DataType::Boolean, |_| Ok(ScalarValue::Boolean(Some(false)))));
    for name in ["pg_postmaster_start_time", "pg_conf_load_time"] {
        let started_us = *STARTED_US;
        functions.push(strict(name, timestamptz(), move |_| {
            Ok(ScalarValue::TimestampMicrosecond(Some(started_us), Some(UTC.into())))
        }));
    }
    // There are no transactions with numbers: every one is as new as any.
    for name in ["txid_current", "txid_current_if_assigned", "pg_current_xact_id", "pg_current_xact_id_if_assigned"] {
        functions.push(strict(name, DataType::Int64, |_| Ok(ScalarValue::Int64(Some(pg_catalog::NEWEST)))));
    }
    functions
}

fn about_relations(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let [visible, view, comment, column] = std::array::from_fn(|_| facts.clone());
    vec![
        strict("pg_table_is_visible", DataType::Boolean, move |args| {
            let found = number(&args[0]).and_then(|oid| oid::relation_name(oid, &visible.catalog));
            Ok(ScalarValue::Boolean(found.map(|(schema, _)| schema == PUBLIC || schema == pg_catalog::SCHEMA)))
        }),
        called_on_null("pg_get_viewdef", DataType::Utf8, move |args| {
            let name = relation(args.first(), &view);
            to_text(name.and_then(|name| pg_catalog::view_definition(&name, &view.catalog)))
        }),
        // What is kept as an expression here is its text.
        called_on_null("pg_get_expr", DataType::Utf8, |args| to_text(args.first().and_then(text))),
        called_on_null("obj_description", DataType::Utf8, move |args| {
            let of_relation = args.get(1).and_then(text).is_none_or(|catalog| catalog == "pg_class");
            let name = relation(args.first(), &comment).filter(|_| of_relation);
            let comments = name.as_deref().and_then(|name| comment.catalog.comments(name));
            to_text(comments.and_then(|comments| comments.relation.clone()))
        }),
        strict("col_description", DataType::Utf8, move |args| {
            let name = relation(args.first(), &column);
            let comments = name.as_deref().and_then(|name| column.catalog.comments(name));
            let number = args.get(1).and_then(number).and_then(|number| u32::try_from(number).ok());
            to_text(comments.zip(number).and_then(|(comments, number)| comments.columns.get(&number).cloned()))
        }),
    ]
}

/// The catalogue's name of the relation with an object id, or of the name itself.
fn relation(value: Option<&ScalarValue>, facts: &Facts) -> Option<String> {
    let value = value.filter(|value| !value.is_null())?;
    let oid = number(value).or_else(|| oid::relation_oid(&text(value)?, &facts.catalog))?;
    let (schema, name) = oid::relation_name(oid, &facts.catalog)?;
    Some(if schema == PUBLIC { name } else { format!("{schema}.{name}") })
}

fn about_names(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let [owner, by_name, lenient, shown, exists, schemas, schema_names] = std::array::from_fn(|_| facts.clone());
    let unknown = |what: &str, name: &str, code| SqlError::new(code, format!("{what} \"{name}\" does not exist"));
    vec![
        strict("pg_get_userbyid", DataType::Utf8, move |args| {
            let name = number(&args[0]).and_then(|oid| owner.role_name(oid));
            to_text(Some(name.unwrap_or_else(|| format!("unknown (OID={})", args[0]))))
        }),
        strict("_pg_regclass", DataType::Int64, move |args| {
            let name = text(&args[0]).unwrap_or_default();
            let oid = number(&args[0]).or_else(|| oid::relation_oid(&folded(&name), &by_name.catalog));
            oid.map(|oid| ScalarValue::Int64(Some(oid))).ok_or_else(|| unknown("relation", &name, "42P01").into())
        }),
        strict("to_regclass", DataType::Utf8, move |args| {
            let name = text(&args[0]).unwrap_or_default();
            to_text(oid::relation_oid(&folded(&name), &lenient.catalog).map(|oid| regclass_name(oid, &lenient)))
        }),
        strict("_pg_regclass_name", DataType::Utf8, move |args| {
            to_text(number(&args[0]).map(|oid| regclass_name(oid, &shown)))
        }),
        strict("_pg_regproc", DataType::Int64, |args| {
            let name = text(&args[0]).unwrap_or_default();
            let found = number(&args[0]).or_else(|| pg_catalog::function_oid(&name));
            let none = || SqlError::new("42883", format!("function \"{name}\" does not exist"));
            Ok(ScalarValue::Int64(Some(found.ok_or_else(none)?)))
        }),
        // A function's number, which is shown as a number.
        strict("_pg_oid", DataType::Int64, |args| Ok(ScalarValue::Int64(number(&args[0])))),
        strict("_pg_regtype_names", texts(), |args| {
            let ScalarValue::List(oids) = &args[0] else { return ScalarValue::try_from(&texts()) };
            let oids = (0..oids.values().len()).map(|at| ScalarValue::try_from_array(oids.values(), at));
            let names = oids.map(|oid| Ok(ScalarValue::Utf8(number(&oid?).map(|oid| types::format_type(oid, None)))));
            let names = names.collect::<Result<Vec<ScalarValue>>>()?;
            Ok(ScalarValue::List(ScalarValue::new_list(&names, &DataType::Utf8, true)))
        }),
        strict("_pg_regproc_name", DataType::Utf8, |args| to_text(number(&args[0]).map(pg_catalog::function_name))),
        strict("_pg_regtype", DataType::Int64, move |args| {
            let name = text(&args[0]).unwrap_or_default();
            // A type that this database has not is asked for only to be left out.
            Ok(ScalarValue::Int64(Some(number(&args[0]).or_else(|| oid::type_oid(&name)).unwrap_or(0))))
        }),
        strict("_pg_regtype_name", DataType::Utf8, |args| {
            to_text(number(&args[0]).map(|oid| types::format_type(oid, None)))
        }),
        strict("to_regtype", DataType::Utf8, |args| {
            to_text(text(&args[0]).and_then(|name| oid::type_oid(&name)).map(|oid| types::format_type(oid, None)))
        }),
        strict("_pg_regnamespace", DataType::Int64, move |args| {
            let name = text(&args[0]).unwrap_or_default();
            Ok(ScalarValue::Int64(Some(number(&args[0]).unwrap_or_else(|| oid::schema(&name, &schemas.catalog)))))
        }),
        strict("_pg_regnamespace_name", DataType::Utf8, move |args| {
            let asked = number(&args[0]);
            let found = oid::schemas(&schema_names.catalog).into_iter().find(|(_, oid)| Some(*oid) == asked);
            to_text(found.map(|(name, _)| name.to_owned()))
        }),
        strict("_pg_regrole", DataType::Int64, move |args| {
            let name = text(&args[0]);
            let found = exists.everybody().into_iter().find(|(_, known, ..)| name.as_deref() == Some(*known));
            Ok(ScalarValue::Int64(Some(found.map_or_else(|| number(&args[0]).unwrap_or(0), |(oid, ..)| oid))))
        }),
        called_on_null("format_type", DataType::Utf8, |args| {
            let Some(oid) = args.first().and_then(number) else { return to_text(None) };
            to_text(Some(types::format_type(oid, args.get(1).and_then(number))))
        }),
        called_on_null("pg_typeof", DataType::Utf8, |args| {
            let of = args.first().map_or(DataType::Null, ScalarValue::data_type);
            to_text(Some(if of == DataType::Null {
                "unknown".into()
            } else {
                types::format_type(types::of(&of).0, None)
            }))
        }),
        strict("pg_encoding_to_char", DataType::Utf8, |args| {
            to_text(Some(if number(&args[0]) == Some(6) { "UTF8" } else { "" }.to_owned()))
        }),
        strict("pg_char_to_encoding", DataType::Int32, |args| {
            let name = text(&args[0]).unwrap_or_default().to_uppercase();
            Ok(ScalarValue::Int32(Some(if name == "UTF8" || name == "UTF-8" { 6 } else { -1 })))
        }),
        strict("like_escape", DataType::Utf8, |args| {
            let (pattern, escape) =
                (text(&args[0]).unwrap_or_default(), args.get(1).and_then(text).unwrap_or_default());
            to_text(Some(with_backslashes(&pattern, escape.chars().next())))
        }),
        strict("quote_ident", DataType::Utf8, |args| to_text(text(&args[0]).map(|name| pg_catalog::shown(&name)))),
        strict("quote_literal", DataType::Utf8, |args| {
            to_text(text(&args[0]).map(|text| format!("'{}'", text.replace('\'', "''"))))
        }),
    ]
}

/// A pattern of LIKE with another escape character, or with none.
fn with_backslashes(pattern: &str, escape: Option<char>) -> String {
    let mut written = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if Some(letter) == escape {
            written.push('\\');
            written.extend(letters.next());
        } else {
            written.extend((letter == '\\').then_some('\\'));
            written.push(letter);
        }
    }
    written
}

/// A name as SQL reads it: folded to lower case but for what is quoted.
fn folded(name: &str) -> String {
    let part = |part: &str| match part.strip_prefix('"').and_then(|inner| inner.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_lowercase(),
    };
    name.split('.').map(part).collect::<Vec<_>>().join(".")
}

/// How a value of type regclass is printed.
fn regclass_name(oid: i64, facts: &Facts) -> String {
    match oid::relation_name(oid, &facts.catalog) {
        Some((schema, name)) if schema == PUBLIC || schema == pg_catalog::SCHEMA => pg_catalog::shown(&name),
        Some((schema, name)) => format!("{schema}.{}", pg_catalog::shown(&name)),
        None if oid == 0 => "-".to_owned(),
        None => oid.to_string(),
    }
}

fn about_keys(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let [index, constraint] = std::array::from_fn(|_| facts.clone());
    vec![
        strict("pg_get_indexdef", DataType::Utf8, move |args| {
            let found =
                pg_catalog::indexes(&index.catalog).into_iter().find(|known| Some(known.oid) == number(&args[0]));
            let Some(found) = found else { return to_text(None) };
            match args.get(1).and_then(number).filter(|&column| column > 0) {
                None => to_text(Some(pg_catalog::index_definition(&found))),
                Some(column) => {
                    let columns = found.columns();
                    to_text(columns.get(column as usize - 1).map(|(_, field)| pg_catalog::shown(field.name())))
                }
            }
        }),
        strict("pg_get_constraintdef", DataType::Utf8, move |args| {
            to_text(number(&args[0]).and_then(|oid| pg_catalog::definition(oid, &constraint.catalog)))
        }),
    ]
}

fn about_sizes(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    // What a relation's rows take, and, with it or alone, what its indexes take and what a view keeps besides.
    fn parts(entry: &Entry, catalog: &Catalog, rows: bool, besides: bool) -> Vec<RelationId> {
        let on = |index: &&Arc<Entry>| index.indexed() == Some(entry.name());
        let own = if rows { vec![entry.id()] } else { vec![] };
        let kept = entry.owned().into_iter().filter(|id| *id != entry.id());
        let of_indexes = catalog.entries().filter(on).flat_map(|index| index.owned());
        own.into_iter().chain(kept.chain(of_indexes).filter(|_| besides)).collect()
    }
    let mut functions = vec![strict("pg_size_pretty", DataType::Utf8, |args| {
        to_text(number(&args[0]).map(|bytes| pretty(bytes, &["bytes", "kB", "MB", "GB", "TB", "PB"])))
    })];
    for (name, rows, besides) in [
        ("pg_relation_size", true, false),
        ("pg_table_size", true, false),
        ("pg_indexes_size", false, true),
        ("pg_total_relation_size", true, true),
    ] {
        let facts = facts.clone();
        functions.push(strict(name, DataType::Int64, move |args| {
            let named = relation(args.first(), &facts);
            let bytes = match named.as_deref().and_then(|name| facts.catalog.get(name)) {
                Some(entry) => facts.sizes.bytes(parts(entry, &facts.catalog, rows, besides))?,
                None => None,
            };
            Ok(ScalarValue::Int64(bytes))
        }));
    }
    let facts = facts.clone();
    functions.push(strict("pg_database_size", DataType::Int64, move |_| {
        Ok(ScalarValue::Int64(facts.sizes.bytes(facts.catalog.entries().flat_map(|entry| entry.owned()))?))
    }));
    functions
}

fn about_sight() -> Vec<ScalarUDF> {
    let mut functions = Vec::new();
    // Everything is in sight, and what has no rights of its own is open to all.
    for name in [
        "pg_type_is_visible",
        "pg_function_is_visible",
        "pg_operator_is_visible",
        "pg_collation_is_visible",
        "pg_opclass_is_visible",
        "pg_opfamily_is_visible",
        "has_schema_privilege",
        "has_database_privilege",
        "has_function_privilege",
        "pg_has_role",
    ] {
        functions.push(strict(name, DataType::Boolean, |_| Ok(ScalarValue::Boolean(Some(true)))));
    }
    // Every index is a B-tree's like: in ascending order, NULLs at the end.
    for name in ["pg_indexam_has_property", "pg_index_has_property", "pg_index_column_has_property"] {
        functions.push(strict(name, DataType::Boolean, |args| {
            let property = args.last().and_then(text).unwrap_or_default();
            let lacks = ["desc", "nulls_first", "distance_orderable", "bitmap_scan", "clusterable", "can_exclude"];
            Ok(ScalarValue::Boolean(Some(!lacks.contains(&&*property))))
        }));
    }
    // How often something was done is not counted.
    for name in
        ["pg_stat_get_numscans", "pg_stat_get_live_tuples", "pg_stat_get_dead_tuples", "pg_stat_get_tuples_inserted"]
    {
        functions.push(strict(name, DataType::Int64, |_| Ok(ScalarValue::Int64(None))));
    }
    functions.push(strict("pg_is_other_temp_schema", DataType::Boolean, |_| Ok(ScalarValue::Boolean(Some(false)))));
    functions.push(strict("pg_relation_is_publishable", DataType::Boolean, |_| Ok(ScalarValue::Boolean(Some(false)))));
    // There is one, and nothing is known of it that is not of the database.
    functions.push(strict("pg_tablespace_size", DataType::Int64, |_| Ok(ScalarValue::Int64(None))));
    // There are none of what these describe.
    for name in [
        "shobj_description",
        "pg_advisory_unlock_all",
        "pg_get_partkeydef",
        "pg_get_ruledef",
        "pg_get_triggerdef",
        "pg_get_functiondef",
        "pg_get_function_sqlbody",
        "pg_get_function_arg_default",
        "pg_get_function_result",
        "pg_get_function_arguments",
        "pg_get_function_identity_arguments",
        "pg_get_serial_sequence",
        "pg_get_statisticsobjdef_columns",
        "pg_tablespace_location",
    ] {
        functions.push(strict(name, DataType::Utf8, |_| to_text(None)));
    }
    functions
}

fn about_rights(facts: &Arc<Facts>) -> Vec<ScalarUDF> {
    let mine = facts.clone();
    let mut functions = vec![called_on_null("current_subject", DataType::Utf8, move |_| {
        to_text(match &mine.identity {
            Identity::Operator(_) => None,
            Identity::Role(role) => mine.catalog.subject(role).map(str::to_owned),
        })
    })];
    // The catalogue has no lists of rights to take apart: they are asked for by name.
    let parts = [("grantor", DataType::Int64), ("grantee", DataType::Int64), ("privilege_type", DataType::Utf8)];
    let parts = parts.into_iter().chain([("is_grantable", DataType::Boolean)]);
    let parts = parts.map(|(name, of)| Field::new(name, of, true)).collect::<Fields>();
    let rights = DataType::new_list(DataType::Struct(parts), true);
    functions.push(called_on_null(RIGHTS, rights.clone(), move |_| ScalarValue::try_from(&rights)));
    let all = facts.clone();
    functions.push(strict(MEMBER_OF, texts(), move |args| {
        let mut found: Vec<String> = number(&args[0]).and_then(|oid| all.role_name(oid)).into_iter().collect();
        let mut at = 0;
        while let Some(name) = found.get(at) {
            let groups = all.catalog.role(name).map(|role| role.member_of.clone()).unwrap_or_default();
            let new = groups.into_iter().filter(|group| !found.contains(group)).collect::<Vec<_>>();
            found.extend(new);
            at += 1;
        }
        let names: Vec<ScalarValue> = found.into_iter().map(ScalarValue::from).collect();
        Ok(ScalarValue::List(ScalarValue::new_list(&names, &DataType::Utf8, true)))
    }));
    // [user,] relation, [column,] privilege.
    for (name, column) in [("has_table_privilege", 0), ("has_any_column_privilege", 0), ("has_column_privilege", 1)] {
        let facts = facts.clone();
        functions.push(strict(name, DataType::Boolean, move |args| {
            let user = (args.len() == 3 + column).then(|| text(&args[0])).flatten();
            let at = args.len().saturating_sub(2 + column);
            let (relation, privileges) = (&args[at], args.last().and_then(text).unwrap_or_default());
            let relation = match number(relation) {
                Some(oid) => regclass_name(oid, &facts),
                None => folded(&text(relation).unwrap_or_default()),
            };
            let relation = relation.strip_prefix("public.").unwrap_or(&relation);
            let who = match user {
                Some(user) if facts.catalog.role(&user).is_some() => Identity::Role(user),
                Some(user) => Identity::Operator(user),
                None => facts.identity.clone(),
            };
            let may = |word: &str| {
                let named = |privilege: &Privilege| privilege.to_string().eq_ignore_ascii_case(word.trim());
                match (&who, Privilege::ALL.into_iter().find(named)) {
                    (Identity::Operator(_), _) => true,
                    (Identity::Role(role), Some(privilege)) => facts.catalog.may(role, privilege, relation),
                    (Identity::Role(role), None) => facts.catalog.is_superuser(role),
                }
            };
            Ok(ScalarValue::Boolean(Some(privileges.split(',').any(may))))
        }));
    }
    functions
}

/// Bytes in the largest unit of which there are at least ten.
fn pretty(bytes: i64, units: &[&str]) -> String {
    match units {
        [unit, _, ..] if bytes.abs() < 10 * 1024 => format!("{bytes} {unit}"),
        [unit] => format!("{bytes} {unit}"),
        [_, rest @ ..] => pretty((bytes + 512 * bytes.signum()) / 1024, rest),
        [] => bytes.to_string(),
    }
}
