//! `pg_type`: the types that clients may meet, with PostgreSQL's object ids, and how they are written.

use arrow::datatypes::DataType;

use super::row::Rows;
use super::{function, oid};

/// A type of PostgreSQL.
pub struct PgType {
    pub oid: i64,
    pub name: &'static str,
    /// As SQL writes it.
    pub sql: &'static str,
    pub length: i64,
    pub by_value: bool,
    pub category: &'static str,
    pub preferred: bool,
    /// The type of its elements; 0 where it has none.
    pub element: i64,
    /// The type of arrays of it.
    pub array: i64,
    pub kind: &'static str,
    pub align: &'static str,
    pub storage: &'static str,
}

/// In the order of their object ids.
#[rustfmt::skip]
pub const ALL: &[PgType] = &[
    kind(16, "bool", "boolean", 1, true, "B", true, 0, 1000, "b", "c", "p"),
    kind(17, "bytea", "bytea", -1, false, "U", false, 0, 1001, "b", "i", "x"),
    kind(18, "char", "\"char\"", 1, true, "Z", false, 0, 1002, "b", "c", "p"),
    kind(19, "name", "name", 64, false, "S", false, 18, 1003, "b", "c", "p"),
    kind(20, "int8", "bigint", 8, true, "N", false, 0, 1016, "b", "d", "p"),
    kind(21, "int2", "smallint", 2, true, "N", false, 0, 1005, "b", "s", "p"),
    kind(22, "int2vector", "int2vector", -1, false, "A", false, 21, 1006, "b", "i", "p"),
    kind(23, "int4", "integer", 4, true, "N", false, 0, 1007, "b", "i", "p"),
    kind(24, "regproc", "regproc", 4, true, "N", false, 0, 1008, "b", "i", "p"),
    kind(25, "text", "text", -1, false, "S", true, 0, 1009, "b", "i", "x"),
    kind(26, "oid", "oid", 4, true, "N", true, 0, 1028, "b", "i", "p"),
    kind(28, "xid", "xid", 4, true, "U", false, 0, 1011, "b", "i", "p"),
    kind(30, "oidvector", "oidvector", -1, false, "A", false, 26, 1013, "b", "i", "p"),
    kind(114, "json", "json", -1, false, "U", false, 0, 199, "b", "i", "x"),
    kind(199, "_json", "json[]", -1, false, "A", false, 114, 0, "b", "i", "x"),
    kind(700, "float4", "real", 4, true, "N", false, 0, 1021, "b", "i", "p"),
    kind(701, "float8", "double precision", 8, true, "N", true, 0, 1022, "b", "d", "p"),
    kind(705, "unknown", "unknown", -2, false, "X", false, 0, 0, "p", "c", "p"),
    kind(1000, "_bool", "boolean[]", -1, false, "A", false, 16, 0, "b", "i", "x"),
    kind(1001, "_bytea", "bytea[]", -1, false, "A", false, 17, 0, "b", "i", "x"),
    kind(1002, "_char", "\"char\"[]", -1, false, "A", false, 18, 0, "b", "i", "x"),
    kind(1003, "_name", "name[]", -1, false, "A", false, 19, 0, "b", "i", "x"),
    kind(1005, "_int2", "smallint[]", -1, false, "A", false, 21, 0, "b", "i", "x"),
    kind(1006, "_int2vector", "int2vector[]", -1, false, "A", false, 22, 0, "b", "i", "x"),
    kind(1007, "_int4", "integer[]", -1, false, "A", false, 23, 0, "b", "i", "x"),
    kind(1008, "_regproc", "regproc[]", -1, false, "A", false, 24, 0, "b", "i", "x"),
    kind(1009, "_text", "text[]", -1, false, "A", false, 25, 0, "b", "i", "x"),
    kind(1011, "_xid", "xid[]", -1, false, "A", false, 28, 0, "b", "i", "x"),
    kind(1013, "_oidvector", "oidvector[]", -1, false, "A", false, 30, 0, "b", "i", "x"),
    kind(1014, "_bpchar", "character[]", -1, false, "A", false, 1042, 0, "b", "i", "x"),
    kind(1015, "_varchar", "character varying[]", -1, false, "A", false, 1043, 0, "b", "i", "x"),
    kind(1016, "_int8", "bigint[]", -1, false, "A", false, 20, 0, "b", "d", "x"),
    kind(1021, "_float4", "real[]", -1, false, "A", false, 700, 0, "b", "i", "x"),
    kind(1022, "_float8", "double precision[]", -1, false, "A", false, 701, 0, "b", "d", "x"),
    kind(1028, "_oid", "oid[]", -1, false, "A", false, 26, 0, "b", "i", "x"),
    kind(1042, "bpchar", "character", -1, false, "S", false, 0, 1014, "b", "i", "x"),
    kind(1043, "varchar", "character varying", -1, false, "S", false, 0, 1015, "b", "i", "x"),
    kind(1082, "date", "date", 4, true, "D", false, 0, 1182, "b", "i", "p"),
    kind(1083, "time", "time without time zone", 8, true, "D", false, 0, 1183, "b", "d", "p"),
    kind(1114, "timestamp", "timestamp without time zone", 8, true, "D", false, 0, 1115, "b", "d", "p"),
    kind(1115, "_timestamp", "timestamp without time zone[]", -1, false, "A", false, 1114, 0, "b", "d", "x"),
    kind(1182, "_date", "date[]", -1, false, "A", false, 1082, 0, "b", "i", "x"),
    kind(1183, "_time", "time without time zone[]", -1, false, "A", false, 1083, 0, "b", "d", "x"),
    kind(1184, "timestamptz", "timestamp with time zone", 8, true, "D", true, 0, 1185, "b", "d", "p"),
    kind(1185, "_timestamptz", "timestamp with time zone[]", -1, false, "A", false, 1184, 0, "b", "d", "x"),
    kind(1186, "interval", "interval", 16, false, "T", true, 0, 1187, "b", "d", "p"),
    kind(1187, "_interval", "interval[]", -1, false, "A", false, 1186, 0, "b", "d", "x"),
    kind(1231, "_numeric", "numeric[]", -1, false, "A", false, 1700, 0, "b", "i", "x"),
    kind(1700, "numeric", "numeric", -1, false, "N", false, 0, 1231, "b", "i", "m"),
    kind(2205, "regclass", "regclass", 4, true, "N", false, 0, 2210, "b", "i", "p"),
    kind(2206, "regtype", "regtype", 4, true, "N", false, 0, 2211, "b", "i", "p"),
    kind(2210, "_regclass", "regclass[]", -1, false, "A", false, 2205, 0, "b", "i", "x"),
    kind(2211, "_regtype", "regtype[]", -1, false, "A", false, 2206, 0, "b", "i", "x"),
    kind(2249, "record", "record", -1, false, "P", false, 0, 2287, "p", "d", "x"),
    kind(2276, "any", "\"any\"", 4, true, "P", false, 0, 0, "p", "i", "p"),
    kind(2278, "void", "void", 4, true, "P", false, 0, 0, "p", "i", "p"),
    kind(2287, "_record", "record[]", -1, false, "P", false, 2249, 0, "p", "d", "x"),
    kind(2950, "uuid", "uuid", 16, false, "U", false, 0, 2951, "b", "c", "p"),
    kind(2951, "_uuid", "uuid[]", -1, false, "A", false, 2950, 0, "b", "i", "x"),
    kind(3802, "jsonb", "jsonb", -1, false, "U", false, 0, 3807, "b", "i", "x"),
    kind(3807, "_jsonb", "jsonb[]", -1, false, "A", false, 3802, 0, "b", "i", "x"),
    kind(4089, "regnamespace", "regnamespace", 4, true, "N", false, 0, 4090, "b", "i", "p"),
    kind(4090, "_regnamespace", "regnamespace[]", -1, false, "A", false, 4089, 0, "b", "i", "x"),
    kind(4096, "regrole", "regrole", 4, true, "N", false, 0, 4097, "b", "i", "p"),
    kind(4097, "_regrole", "regrole[]", -1, false, "A", false, 4096, 0, "b", "i", "x"),
];

#[allow(clippy::fn_params_excessive_bools)]
const fn kind(
    oid: i64,
    name: &'static str,
    sql: &'static str,
    length: i64,
    by_value: bool,
    category: &'static str,
    preferred: bool,
    element: i64,
    array: i64,
    kind: &'static str,
    align: &'static str,
    storage: &'static str,
) -> PgType {
    PgType { oid, name, sql, length, by_value, category, preferred, element, array, kind, align, storage }
}

pub fn by_oid(oid: i64) -> Option<&'static PgType> {
    ALL.iter().find(|known| known.oid == oid)
}

/// The type and modifier that clients know a column's type by.
pub fn of(data_type: &DataType) -> (i64, i64) {
    let plain = |oid| (oid, -1);
    match data_type {
        DataType::Boolean => plain(16),
        DataType::Int8 | DataType::Int16 | DataType::UInt8 => plain(21),
        DataType::Int32 | DataType::UInt16 => plain(23),
        DataType::Int64 | DataType::UInt32 => plain(20),
        DataType::Float32 => plain(700),
        DataType::Float64 => plain(701),
        DataType::Decimal128(precision, scale) | DataType::Decimal256(precision, scale) => {
            (1700, ((i64::from(*precision) << 16) | (i64::from(*scale) & 0x7ff)) + 4)
        }
        DataType::UInt64 => plain(1700),
        DataType::Binary | DataType::BinaryView => plain(17),
        DataType::LargeBinary => plain(3802),
        DataType::Date32 => plain(1082),
        DataType::Timestamp(_, None) => plain(1114),
        DataType::Timestamp(_, Some(_)) => plain(1184),
        DataType::Time32(_) | DataType::Time64(_) => plain(1083),
        DataType::Interval(_) | DataType::Duration(_) => plain(1186),
        DataType::List(item) => plain(by_oid(of(item.data_type()).0).map_or(1009, |item| item.array)),
        _ => plain(25),
    }
}

/// A type as SQL writes it, with what its modifier says.
pub fn format_type(oid: i64, modifier: Option<i64>) -> String {
    let Some(known) = by_oid(oid) else { return if oid == 0 { "-" } else { "???" }.to_owned() };
    match (known.name, modifier.filter(|&modifier| modifier >= 0)) {
        ("numeric", Some(modifier)) => {
            format!("numeric({},{})", ((modifier - 4) >> 16) & 0xffff, (modifier - 4) & 0x7ff)
        }
        ("bpchar" | "varchar", Some(modifier)) => format!("{}({})", known.sql, modifier - 4),
        _ => known.sql.to_owned(),
    }
}

/// `pg_type`.
pub fn fill(rows: &mut Rows) {
    for known in ALL {
        let [input, output, receive, send] = known.functions().map(|name| function::oid(&name).unwrap_or(0));
        rows.push([
            ("oid", known.oid.into()),
            ("typname", known.name.into()),
            ("typnamespace", oid::PG_CATALOG.into()),
            ("typowner", oid::OWNER.into()),
            ("typlen", known.length.into()),
            ("typbyval", known.by_value.into()),
            ("typtype", known.kind.into()),
            ("typcategory", known.category.into()),
            ("typispreferred", known.preferred.into()),
            ("typisdefined", true.into()),
            ("typdelim", ",".into()),
            ("typelem", known.element.into()),
            ("typarray", known.array.into()),
            ("typinput", input.into()),
            ("typoutput", output.into()),
            ("typreceive", receive.into()),
            ("typsend", send.into()),
            ("typalign", known.align.into()),
            ("typstorage", known.storage.into()),
            ("typtypmod", (-1).into()),
            ("typcollation", known.collation().into()),
        ]);
    }
}

/// The collation of text, and that of names.
pub const COLLATIONS: [(i64, &str); 2] = [(100, "default"), (950, "C")];

impl PgType {
    /// The object id of the collation that values have; 0 where they are no text.
    pub fn collation(&self) -> i64 {
        match self.name.trim_start_matches('_') {
            "text" | "varchar" | "bpchar" => COLLATIONS[0].0,
            "name" => COLLATIONS[1].0,
            _ => 0,
        }
    }

    /// The names of the functions that read and write values as text, then in binary; drivers tell arrays by them.
    pub fn functions(&self) -> [String; 4] {
        const APART: [&str; 11] = [
            "any",
            "date",
            "interval",
            "json",
            "jsonb",
            "numeric",
            "record",
            "time",
            "timestamp",
            "timestamptz",
            "uuid",
        ];
        let of = match self.name {
            array if array.starts_with('_') => "array_".to_owned(),
            name if APART.contains(&name) => format!("{name}_"),
            name => name.to_owned(),
        };
        ["in", "out", "recv", "send"].map(|what| format!("{of}{what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_told_by_what_reads_them() {
        let reads = |oid| by_oid(oid).unwrap().functions()[0].clone();
        assert_eq!([1007, 2287].map(reads), ["array_in", "array_in"], "of integers, and of records");
        assert_eq!([22, 19, 2249, 23].map(reads), ["int2vectorin", "namein", "record_in", "int4in"]);
    }

    #[test]
    fn types_are_written_as_postgresql_writes_them() {
        let numeric = of(&DataType::Decimal128(8, 2));
        assert_eq!(format_type(numeric.0, Some(numeric.1)), "numeric(8,2)");
        assert_eq!(format_type(1700, None), "numeric");
        assert_eq!(format_type(1184, Some(-1)), "timestamp with time zone");
        assert_eq!(format_type(of(&DataType::new_list(DataType::Utf8, true)).0, None), "text[]");
        assert!(ALL.is_sorted_by_key(|known| known.oid));
    }
}
