//! `pg_opclass` and `pg_opfamily`: in what order an index has the values of a type. They are bytes in order here, which is the
//! order of PostgreSQL's own classes.

use super::row::Rows;
use super::{oid, server};

/// Number and name of the class, its type, its family.
const CLASSES: [(i64, &str, i64, i64); 16] = [
    (424, "bool_ops", 16, 424),
    (428, "bytea_ops", 17, 428),
    (1978, "int4_ops", 23, 1976),
    (1979, "int2_ops", 21, 1976),
    (1981, "oid_ops", 26, 1989),
    (3122, "date_ops", 1082, 434),
    (3123, "float8_ops", 701, 1970),
    (3124, "int8_ops", 20, 1976),
    (3125, "numeric_ops", 1700, 1988),
    (3126, "text_ops", 25, 1994),
    (3127, "timestamptz_ops", 1184, 434),
    (3128, "timestamp_ops", 1114, 434),
    (10_012, "float4_ops", 700, 1970),
    (10_028, "name_ops", 19, 1994),
    (10_038, "time_ops", 1083, 1996),
    (10_088, "jsonb_ops", 3802, 4033),
];

/// Number and name of the family.
const FAMILIES: [(i64, &str); 10] = [
    (424, "bool_ops"),
    (428, "bytea_ops"),
    (434, "datetime_ops"),
    (1970, "float_ops"),
    (1976, "integer_ops"),
    (1988, "numeric_ops"),
    (1989, "oid_ops"),
    (1994, "text_ops"),
    (1996, "time_ops"),
    (4033, "jsonb_ops"),
];

/// The class of a type by its number; 0 where values of it are in no index.
pub fn of(of_type: i64) -> i64 {
    CLASSES.iter().find(|(_, _, of, _)| *of == of_type).map_or(0, |(class, ..)| *class)
}

/// `pg_opclass`.
pub fn fill(rows: &mut Rows) {
    for (class, name, of, family) in CLASSES {
        rows.push([
            ("oid", class.into()),
            ("opcmethod", server::method("btree").into()),
            ("opcname", name.into()),
            ("opcnamespace", oid::PG_CATALOG.into()),
            ("opcowner", oid::OWNER.into()),
            ("opcfamily", family.into()),
            ("opcintype", of.into()),
            ("opcdefault", true.into()),
        ]);
    }
}

/// `pg_opfamily`.
pub fn fill_families(rows: &mut Rows) {
    for (family, name) in FAMILIES {
        rows.push([
            ("oid", family.into()),
            ("opfmethod", server::method("btree").into()),
            ("opfname", name.into()),
            ("opfnamespace", oid::PG_CATALOG.into()),
            ("opfowner", oid::OWNER.into()),
        ]);
    }
}
