//! Random queries of the kinds that can be maintained.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::case::{Column, Table};
use super::cell::CellType;

mod expressions;
mod joins;
mod parts;

use expressions::{aggregate, expression, group_key, has_least, passed, predicate_of, restriction, timed};
use joins::{cross, existence, join, membership, scalar, two_of_a_type};
use parts::{arrays, documents};

/// What a query may read.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub columns: Vec<Column>,
}

/// A query with what a view over it must know.
pub struct Query {
    pub sql: String,
    pub columns: Vec<Column>,
    pub sources: Vec<String>,
    pub fallible: bool,
}

/// An expression with its type, where it is one that tables have.
struct Expression {
    sql: String,
    cell_type: Option<CellType>,
}

impl Source {
    pub fn of_table(table: &Table) -> Source {
        Source { name: table.name.clone(), columns: table.columns.clone() }
    }

    fn column(&self, rng: &mut impl Rng) -> &Column {
        self.columns.choose(rng).unwrap()
    }
}

/// Who is to answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Caudal, which has an order for what SQL leaves open.
    Ours,
    /// PostgreSQL too. It knows neither the least of some types, nor IGNORE NULLS; and which of several rows comes first is
    /// only asked for in an order of whole rows, as otherwise each may choose.
    Shared,
}

/// A query over some of the sources; the first three are the tables of [`super::Case`] that can be joined.
pub fn random(sources: &[Source], rng: &mut impl Rng) -> Query {
    query(sources, Dialect::Ours, rng)
}

/// One that PostgreSQL answers too.
pub fn shared(sources: &[Source], rng: &mut impl Rng) -> Query {
    query(sources, Dialect::Shared, rng)
}

fn query(sources: &[Source], dialect: Dialect, rng: &mut impl Rng) -> Query {
    let source = sources.choose(rng).unwrap();
    match rng.random_range(0..38) {
        35..38 => documents(sources, dialect, rng),
        31..35 => arrays(sources, rng),
        27..31 => top(source, dialect, rng),
        0..3 => project(source, rng),
        3..8 => group(&source.name, &source.columns, vec![source.name.clone()], dialect, rng),
        8..9 => distinct(source, rng),
        9..11 => union(sources, rng),
        20..22 => existence(sources, rng),
        22..23 => membership(sources, rng),
        23..24 => scalar(sources, dialect, rng),
        24..26 => set_operation(sources, rng),
        26..27 => cross(sources, rng),
        11..15 => join(sources, rng),
        15..17 => {
            let join = join(sources, rng);
            group(&format!("({}) AS joined", join.sql), &join.columns, join.sources, dialect, rng)
        }
        _ => fallible(source, rng),
    }
}

/// A query over one of the sources alone.
pub fn of_one(sources: &[Source], rng: &mut impl Rng) -> Query {
    let source = sources.choose(rng).unwrap();
    match rng.random_range(0..6) {
        0 => project(source, rng),
        1 => distinct(source, rng),
        2 => top(source, Dialect::Ours, rng),
        _ => group(&source.name, &source.columns, vec![source.name.clone()], Dialect::Ours, rng),
    }
}

fn project(source: &Source, rng: &mut impl Rng) -> Query {
    let expressions = (0..rng.random_range(1..4)).map(|_| expression(&source.columns, rng)).collect();
    let filter =
        if rng.random_bool(0.7) { format!(" WHERE {}", restriction(&source.columns, rng)) } else { String::new() };
    select(expressions, &format!("FROM {}{filter}", source.name), vec![source.name.clone()])
}

fn group(from: &str, columns: &[Column], sources: Vec<String>, dialect: Dialect, rng: &mut impl Rng) -> Query {
    let keys: Vec<Expression> = (0..rng.random_range(0..3)).map(|_| group_key(columns, rng)).collect();
    let by: Vec<String> = keys.iter().map(|key| key.sql.clone()).collect();
    let filter = if rng.random_bool(0.4) { format!(" WHERE {}", restriction(columns, rng)) } else { String::new() };
    let mut rest = format!("FROM {from}{filter}");
    if !by.is_empty() {
        rest += &format!(" GROUP BY {}", by.join(", "));
    }
    if !by.is_empty() && rng.random_bool(0.3) {
        let having =
            ["count(*) > 1", "bool_or(true)", "count(DISTINCT {}) > 1", "count(*) FILTER (WHERE {} IS NULL) = 0"];
        let column = columns.choose(rng).unwrap();
        let mut having = having.choose(rng).unwrap().replace("{}", &column.name);
        if let Some(time) = columns.iter().find(|column| column.cell_type == Some(CellType::Timestamp)) {
            let last = Column { name: format!("max({})", time.name), ..time.clone() };
            having = timed(&[last], rng).filter(|_| rng.random_bool(0.7)).unwrap_or(having);
        }
        rest += &format!(" HAVING {having}");
    }
    let mut expressions = keys;
    expressions.extend((0..rng.random_range(1..5)).map(|_| aggregate(columns, dialect, rng)));
    select(expressions, &rest, sources)
}

/// The first rows in an order, of all or of each group.
fn top(source: &Source, dialect: Dialect, rng: &mut impl Rng) -> Query {
    let mut columns: Vec<Expression> = source.columns.iter().map(passed).collect();
    let keep = rng.random_range(1..=columns.len());
    columns.truncate(keep);
    let group = &source.column(rng).name;
    let names: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
    let names = names.join(", ");
    let from = source.name.clone();
    let filter =
        if rng.random_bool(0.3) { format!(" WHERE {}", restriction(&source.columns, rng)) } else { String::new() };
    let (order, limit) = (order(&source.columns, dialect, rng), rng.random_range(0..4));
    match rng.random_range(0..6) {
        4..6 => {
            let partition = if rng.random_bool(0.7) { format!("PARTITION BY {group} ") } else { String::new() };
            for _ in 0..rng.random_range(1..3) {
                let (column, places) = (source.column(rng), rng.random_range(0..3));
                let function = if rng.random_bool(0.6) { "lag" } else { "lead" };
                let arguments = if places == 1 { column.name.clone() } else { format!("{}, {places}", column.name) };
                let sql = format!("{function}({arguments}) OVER ({partition}ORDER BY {order})");
                columns.push(Expression { sql, cell_type: column.cell_type });
            }
            select(columns, &format!("FROM {from}{filter}"), vec![from])
        }
        0 => {
            let offset = if rng.random_bool(0.3) { " OFFSET 1" } else { "" };
            let rest = format!("FROM {from}{filter} ORDER BY {order} LIMIT {limit}{offset}");
            select(columns, &rest, vec![from])
        }
        1 => {
            let mut query = select(columns, &format!("FROM {from}{filter} ORDER BY {group}, {order}"), vec![from]);
            query.sql = query.sql.replacen("SELECT", &format!("SELECT DISTINCT ON ({group})"), 1);
            query
        }
        _ => {
            let numbering = *["row_number", "row_number", "rank", "dense_rank"].choose(rng).unwrap();
            let partition = if rng.random_bool(0.7) { format!("PARTITION BY {group} ") } else { String::new() };
            let bound = *["<=", "<", "="].choose(rng).unwrap();
            let over =
                format!("SELECT {names}, {numbering}() OVER ({partition}ORDER BY {order}) AS n FROM {from}{filter}");
            if rng.random_bool(0.6) {
                columns.push(Expression { sql: "n".into(), cell_type: Some(CellType::TameInt) });
            }
            select(columns, &format!("FROM ({over}) AS numbered WHERE n {bound} {limit}"), vec![from])
        }
    }
}

/// What comes first: one column or two, either way; shared, rows that differ in none of them by all others.
fn order(columns: &[Column], dialect: Dialect, rng: &mut impl Rng) -> String {
    // Documents have no order.
    let by = |Column { name, cell_type }: &Column| match cell_type {
        Some(CellType::Document) => format!("CAST({name} AS text)"),
        _ => name.clone(),
    };
    let mut one = || format!("{}{}", by(columns.choose(rng).unwrap()), direction(rng));
    let (first, second) = (one(), one());
    let order = if rng.random_bool(0.5) { first } else { format!("{first}, {second}") };
    match dialect {
        Dialect::Ours => order,
        Dialect::Shared => columns.iter().fold(order, |order, column| format!("{order}, {}", by(column))),
    }
}

fn direction(rng: &mut impl Rng) -> &'static str {
    ["", " DESC", " NULLS FIRST", " DESC NULLS LAST"].choose(rng).unwrap()
}

fn distinct(source: &Source, rng: &mut impl Rng) -> Query {
    let mut query = project(source, rng);
    query.sql = query.sql.replacen("SELECT", "SELECT DISTINCT", 1);
    query
}

/// UNION ALL of two sources by a column type that both have; of one with itself where there is none.
fn union(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, l, right, r) = two_of_a_type(sources, rng);
    let filter = restriction(&right.columns, rng);
    Query {
        sql: format!(
            "SELECT {} AS u0 FROM {} UNION ALL SELECT {} FROM {} WHERE {filter}",
            l.name, left.name, r.name, right.name
        ),
        columns: vec![Column { name: "u0".into(), cell_type: l.cell_type }],
        sources: vec![left.name.clone(), right.name.clone()],
        fallible: false,
    }
}

fn set_operation(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, of_left, right, of_right) = two_of_a_type(sources, rng);
    let operation = *["UNION", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL"].choose(rng).unwrap();
    let filter =
        if rng.random_bool(0.3) { format!(" WHERE {}", restriction(&left.columns, rng)) } else { String::new() };
    // An integer that was computed is a bigint.
    let cast = |column: &Column| match column.cell_type {
        Some(cell_type) => format!("CAST({} AS {})", column.name, cell_type.sql()),
        None => column.name.clone(),
    };
    Query {
        sql: format!(
            "SELECT {} AS s0 FROM {}{filter} {operation} SELECT {} FROM {}",
            cast(of_left),
            left.name,
            cast(of_right),
            right.name
        ),
        columns: vec![Column { name: "s0".into(), cell_type: of_left.cell_type }],
        sources: vec![left.name.clone(), right.name.clone()],
        fallible: false,
    }
}

/// A projection that fails on some rows.
fn fallible(source: &Source, rng: &mut impl Rng) -> Query {
    let of = |wanted: fn(CellType) -> bool| source.columns.iter().find(|c| c.cell_type.is_some_and(wanted));
    let mut expressions = vec![passed(source.column(rng))];
    if let Some(int) = of(|t| matches!(t, CellType::Int | CellType::TameInt | CellType::BigInt)) {
        let sql =
            *["10 / {}", "{} + 9223372036854775800", "{} * 9223372036854775807", "CASE WHEN {} <> 0 THEN 7 / {} END"]
                .choose(rng)
                .unwrap();
        expressions.push(Expression { sql: sql.replace("{}", &int.name), cell_type: Some(CellType::BigInt) });
    }
    if let Some(text) = of(|t| t == CellType::Text) {
        expressions
            .push(Expression { sql: format!("CAST({} AS bigint)", text.name), cell_type: Some(CellType::BigInt) });
    }
    let filter =
        if rng.random_bool(0.5) { format!(" WHERE {}", restriction(&source.columns, rng)) } else { String::new() };
    let query = select(expressions, &format!("FROM {}{filter}", source.name), vec![source.name.clone()]);
    Query { fallible: true, ..query }
}

fn select(expressions: Vec<Expression>, rest: &str, mut sources: Vec<String>) -> Query {
    let items: Vec<String> = expressions.iter().enumerate().map(|(i, e)| format!("{} AS e{i}", e.sql)).collect();
    let columns =
        expressions.iter().enumerate().map(|(i, e)| Column { name: format!("e{i}"), cell_type: e.cell_type }).collect();
    sources.dedup();
    Query { sql: format!("SELECT {} {rest}", items.join(", ")), columns, sources, fallible: false }
}
