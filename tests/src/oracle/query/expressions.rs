//! Random expressions, aggregates and conditions.

use super::*;

pub(super) fn passed(column: &Column) -> Expression {
    Expression { sql: column.name.clone(), cell_type: column.cell_type }
}

pub(super) fn expression(columns: &[Column], rng: &mut impl Rng) -> Expression {
    let column = columns.choose(rng).unwrap();
    let name = &column.name;
    let Some(cell_type) = column.cell_type else { return passed(column) };
    let of_type = |sql: String, cell_type| Expression { sql, cell_type: Some(cell_type) };
    match (rng.random_range(0..5), cell_type) {
        (0, _) => of_type(format!("coalesce({name}, {})", cell_type.random(rng).literal(cell_type)), cell_type),
        (1, _) => of_type(format!("CASE WHEN {} THEN {name} END", predicate(columns, rng)), cell_type),
        (2, CellType::Text) => of_type(format!("upper({name} || 'x')"), CellType::Text),
        (2, CellType::TameInt) => of_type(format!("{name} * 3 - 1"), CellType::TameInt),
        (2, CellType::Float) => of_type(format!("{name} * 2"), CellType::Float),
        (2, CellType::Timestamp) => minute(name),
        (2, CellType::Document) => of_type(format!("{name} -> 'a'"), CellType::Document),
        (3, CellType::Document) => of_type(format!("{name} ->> 'b'"), CellType::Text),
        (3, _) => of_type(format!("{name} IS NULL"), CellType::Bool),
        _ => passed(column),
    }
}

pub(super) fn minute(name: &str) -> Expression {
    Expression { sql: format!("date_bin(INTERVAL '1 minute', {name})"), cell_type: Some(CellType::Timestamp) }
}

pub(super) fn group_key(columns: &[Column], rng: &mut impl Rng) -> Expression {
    let column = columns.choose(rng).unwrap();
    match column.cell_type {
        Some(CellType::Timestamp) if rng.random_bool(0.2) => {
            Expression { sql: format!("local_day({}, 'Europe/Madrid')", column.name), cell_type: Some(CellType::Date) }
        }
        Some(CellType::Timestamp) if rng.random_bool(0.7) => minute(&column.name),
        _ => passed(column),
    }
}

pub(super) fn aggregate(columns: &[Column], dialect: Dialect, rng: &mut impl Rng) -> Expression {
    if rng.random_bool(0.2) {
        return in_order(columns, dialect, rng);
    }
    let mut call = aggregate_of(columns, dialect, rng);
    if rng.random_bool(0.2) {
        call.sql += &format!(" FILTER (WHERE {})", predicate(columns, rng));
    }
    call
}

fn aggregate_of(columns: &[Column], dialect: Dialect, rng: &mut impl Rng) -> Expression {
    let column = columns.choose(rng).unwrap();
    let name = &column.name;
    let summable = column.cell_type.is_some_and(CellType::summable);
    let distinct = if rng.random_bool(0.3) { "DISTINCT " } else { "" };
    let of_type = |sql: String, cell_type| Expression { sql, cell_type };
    match rng.random_range(0..10) {
        0 => of_type("count(*)".into(), Some(CellType::TameInt)),
        1 => of_type(format!("count({distinct}{name})"), Some(CellType::TameInt)),
        2 if summable => {
            let cell_type = match column.cell_type {
                Some(CellType::Float) => Some(CellType::Float),
                Some(CellType::Decimal) => None,
                _ => Some(CellType::BigInt),
            };
            of_type(format!("sum({distinct}{name})"), cell_type)
        }
        3 if summable => of_type(format!("avg({distinct}{name})"), None),
        4 if has_least(column, dialect) => of_type(format!("min({name})"), column.cell_type),
        5 => {
            let all = if rng.random_bool(0.5) { "bool_and" } else { "bool_or" };
            of_type(format!("{all}({})", predicate(columns, rng)), Some(CellType::Bool))
        }
        6 if summable => {
            let function = *["stddev", "stddev_pop", "var_samp", "variance", "var_pop"].choose(rng).unwrap();
            of_type(format!("{function}({name})"), Some(CellType::Float))
        }
        7 if summable => {
            let of = match rng.random_range(0..4) {
                0 => format!("median({name})"),
                _ => format!("percentile_cont({}) WITHIN GROUP (ORDER BY {name})", fraction(rng)),
            };
            of_type(of, Some(CellType::Float))
        }
        8 if has_least(column, dialect) => {
            of_type(format!("percentile_disc({}) WITHIN GROUP (ORDER BY {name})", fraction(rng)), column.cell_type)
        }
        _ if has_least(column, dialect) => of_type(format!("max({name})"), column.cell_type),
        _ => of_type(format!("count({name})"), Some(CellType::TameInt)),
    }
}

/// Whether a column has a least and a greatest value: in PostgreSQL booleans have none, and documents another.
pub(super) fn has_least(column: &Column, dialect: Dialect) -> bool {
    dialect == Dialect::Ours || !matches!(column.cell_type, Some(CellType::Bool | CellType::Document))
}

/// The first, the last or all values in an order.
fn in_order(columns: &[Column], dialect: Dialect, rng: &mut impl Rng) -> Expression {
    let column = columns.choose(rng).unwrap();
    let name = &column.name;
    let filter =
        if rng.random_bool(0.3) { format!(" FILTER (WHERE {})", predicate(columns, rng)) } else { String::new() };
    let text = match column.cell_type {
        Some(CellType::Text) => Some(name.clone()),
        Some(CellType::Int | CellType::TameInt | CellType::Bool | CellType::Date) => {
            Some(format!("CAST({name} AS text)"))
        }
        _ => None,
    };
    if let Some(text) = text.filter(|_| rng.random_bool(0.6)) {
        let order = match rng.random_range(0..4) {
            0 if dialect == Dialect::Ours => String::new(),
            1 => format!(" ORDER BY {text}{}", direction(rng)),
            _ => format!(" ORDER BY {}", order(columns, dialect, rng)),
        };
        let sql = match rng.random_range(0..4) {
            0 => {
                let own =
                    if rng.random_bool(0.5) { format!(" ORDER BY {text}{}", direction(rng)) } else { String::new() };
                format!("string_agg(DISTINCT {text}, ', '{own})")
            }
            _ => format!("string_agg({text}, '|'{order})"),
        };
        return Expression { sql: sql + &filter, cell_type: Some(CellType::Text) };
    }
    let plain = !matches!(column.cell_type, None | Some(CellType::Texts));
    if plain && rng.random_bool(0.4) {
        let sql = match rng.random_range(0..3) {
            0 if has_least(column, dialect) => format!("array_agg(DISTINCT {name})"),
            _ => format!("array_agg({name} ORDER BY {})", order(columns, dialect, rng)),
        };
        let cell_type = (column.cell_type == Some(CellType::Text)).then_some(CellType::Texts);
        return Expression { sql: sql + &filter, cell_type };
    }
    let function = if rng.random_bool(0.5) { "first_value" } else { "last_value" };
    if !plain && dialect == Dialect::Shared {
        return Expression { sql: format!("count({name}){filter}"), cell_type: Some(CellType::TameInt) };
    }
    let ordered = rng.random_bool(0.8) || dialect == Dialect::Shared;
    let order = if ordered { format!(" ORDER BY {}", order(columns, dialect, rng)) } else { String::new() };
    let nulls = if rng.random_bool(0.3) && dialect == Dialect::Ours { " IGNORE NULLS" } else { "" };
    Expression { sql: format!("{function}({name}{order}){filter}{nulls}"), cell_type: column.cell_type }
}

pub(super) fn fraction(rng: &mut impl Rng) -> &'static str {
    ["0", "0.1", "0.5", "0.75", "1"].choose(rng).unwrap()
}

pub(super) fn predicate(columns: &[Column], rng: &mut impl Rng) -> String {
    let column = columns.choose(rng).unwrap();
    let one = predicate_of(&column.name, column.cell_type, rng);
    match rng.random_range(0..6) {
        0 => format!("({one} OR {})", predicate(columns, rng)),
        1 => format!("({one} AND {})", predicate(columns, rng)),
        2 => format!("NOT ({one})"),
        _ => one,
    }
}

/// What may stand in WHERE: a predicate, at times one that asks for the time.
pub(super) fn restriction(columns: &[Column], rng: &mut impl Rng) -> String {
    let of_rows = predicate(columns, rng);
    let Some(timed) = timed(columns, rng).filter(|_| rng.random_bool(0.4)) else { return of_rows };
    match rng.random_range(0..6) {
        0 => format!("({of_rows} OR {timed})"),
        1 => format!("({timed} AND {of_rows})"),
        2 => format!("NOT ({timed})"),
        3 => format!("CASE WHEN {of_rows} THEN {timed} ELSE NOT ({timed}) END"),
        _ => timed,
    }
}

/// A comparison of the time with a column, if one is of a type for that.
pub(super) fn timed(columns: &[Column], rng: &mut impl Rng) -> Option<String> {
    let is_time = |column: &&Column| matches!(column.cell_type, Some(CellType::Timestamp | CellType::Date));
    let times: Vec<&Column> = columns.iter().filter(is_time).collect();
    let column = *times.choose(rng)?;
    let operator = *["<", "<=", "=", ">=", ">"].choose(rng).unwrap();
    let seconds = [0, 1, 60, 200].choose(rng).unwrap();
    let form = match column.cell_type {
        Some(CellType::Date) => *["{} <op> current_date", "current_date - 3 <op> {}"].choose(rng).unwrap(),
        _ => *[
            "{} <op> now() - INTERVAL '<s> seconds'",
            "now() + INTERVAL '<s> seconds' <op> {}",
            "{} + INTERVAL '1 month' <op> now()",
            "{} BETWEEN now() - INTERVAL '<s> seconds' AND now() + INTERVAL '1 minute'",
            "now() NOT BETWEEN {} AND {} + INTERVAL '<s> seconds'",
            "date_trunc('minute', {}) <op> date_trunc('minute', localtimestamp)",
            "local_day({}, 'Europe/Madrid') <op> local_day(now() - INTERVAL '<s> seconds', 'Europe/Madrid')",
            "now() - {} <op> INTERVAL '<s> seconds'",
        ]
        .choose(rng)
        .unwrap(),
    };
    Some(form.replace("{}", &column.name).replace("<op>", operator).replace("<s>", &seconds.to_string()))
}

pub(super) fn predicate_of(name: &str, cell_type: Option<CellType>, rng: &mut impl Rng) -> String {
    let Some(cell_type) = cell_type else { return format!("{name} IS NOT NULL") };
    let value = cell_type.random(rng).literal(cell_type);
    match rng.random_range(0..6) {
        0 => format!("{name} IS NULL"),
        1 => format!("{name} = {value}"),
        2 => format!("{name} <> {value}"),
        3 => format!("{name} IN ({value}, {})", cell_type.random(rng).literal(cell_type)),
        4 => format!("{name} < {value}"),
        _ => format!("{name} >= {value}"),
    }
}
