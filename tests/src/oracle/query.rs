//! Random queries of the kinds that can be maintained.

use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::case::{Column, Table};
use super::cell::CellType;

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

/// A query over some of the sources; the first three are the tables of [`super::Case`] that can be joined.
pub fn random(sources: &[Source], rng: &mut impl Rng) -> Query {
    let source = sources.choose(rng).unwrap();
    match rng.random_range(0..35) {
        31..35 => arrays(sources, rng),
        27..31 => top(source, rng),
        0..3 => project(source, rng),
        3..8 => group(&source.name, &source.columns, vec![source.name.clone()], rng),
        8..9 => distinct(source, rng),
        9..11 => union(sources, rng),
        20..22 => existence(sources, rng),
        22..23 => membership(sources, rng),
        23..24 => scalar(sources, rng),
        24..26 => set_operation(sources, rng),
        26..27 => cross(sources, rng),
        11..15 => join(sources, rng),
        15..17 => {
            let join = join(sources, rng);
            group(&format!("({}) AS joined", join.sql), &join.columns, join.sources, rng)
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
        2 => top(source, rng),
        _ => group(&source.name, &source.columns, vec![source.name.clone()], rng),
    }
}

fn project(source: &Source, rng: &mut impl Rng) -> Query {
    let expressions = (0..rng.random_range(1..4)).map(|_| expression(&source.columns, rng)).collect();
    let filter =
        if rng.random_bool(0.7) { format!(" WHERE {}", restriction(&source.columns, rng)) } else { String::new() };
    select(expressions, &format!("FROM {}{filter}", source.name), vec![source.name.clone()])
}

fn group(from: &str, columns: &[Column], sources: Vec<String>, rng: &mut impl Rng) -> Query {
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
    expressions.extend((0..rng.random_range(1..5)).map(|_| aggregate(columns, rng)));
    select(expressions, &rest, sources)
}

/// The items of an array of each row, one by one, or what is asked of them together.
fn arrays(sources: &[Source], rng: &mut impl Rng) -> Query {
    let of_texts = |source: &&Source| source.columns.iter().any(|column| column.cell_type == Some(CellType::Texts));
    let with_arrays: Vec<&Source> = sources.iter().filter(of_texts).collect();
    let source = *with_arrays.choose(rng).unwrap_or(&&sources[0]);
    let arrays: Vec<&Column> =
        source.columns.iter().filter(|column| column.cell_type == Some(CellType::Texts)).collect();
    let column = source.column(rng);
    let array = match arrays.choose(rng) {
        Some(array) => format!("l.{}", array.name),
        None => format!("ARRAY[CAST(l.{0} AS text), 'x', CAST(l.{0} AS text)]", source.columns[0].name),
    };
    let text = |sql: &str| Expression { sql: sql.into(), cell_type: Some(CellType::Text) };
    let mut columns = vec![Expression { sql: format!("l.{}", column.name), cell_type: column.cell_type }];
    let name = &source.name;
    let filter = if rng.random_bool(0.3) {
        format!(" WHERE {}", predicate_of(&format!("l.{}", column.name), column.cell_type, rng))
    } else {
        String::new()
    };
    let rest = match rng.random_range(0..5) {
        0 => {
            columns.push(text(&format!("unnest({array})")));
            format!("FROM {name} AS l{filter}")
        }
        1 => {
            columns.push(text("u.item"));
            format!("FROM {name} AS l, unnest({array}) AS u(item){filter}")
        }
        2 => {
            columns.push(text("u.item"));
            columns.push(text("u.other"));
            format!(
                "FROM {name} AS l LEFT JOIN LATERAL unnest({array}, ARRAY['a', upper({array}[1])]) AS u(item, other) ON true{filter}"
            )
        }
        3 => {
            columns.truncate(0);
            columns.push(text("item"));
            columns.push(Expression { sql: "count(*)".into(), cell_type: Some(CellType::TameInt) });
            format!(
                "FROM {name} AS l CROSS JOIN LATERAL (SELECT i AS item FROM unnest({array}) AS i WHERE i > 'a') AS items{filter} GROUP BY item"
            )
        }
        _ => {
            columns.push(text(&format!("{array}[2]")));
            columns.push(Expression { sql: format!("cardinality({array})"), cell_type: Some(CellType::Int) });
            columns.push(Expression { sql: format!("'a' = ANY ({array})"), cell_type: Some(CellType::Bool) });
            columns.push(Expression { sql: format!("ARRAY[{array}[1], 'z']"), cell_type: Some(CellType::Texts) });
            format!("FROM {name} AS l{filter}")
        }
    };
    select(columns, &rest, vec![name.clone()])
}

/// The first rows in an order, of all or of each group.
fn top(source: &Source, rng: &mut impl Rng) -> Query {
    let mut columns: Vec<Expression> = source.columns.iter().map(passed).collect();
    let keep = rng.random_range(1..=columns.len());
    columns.truncate(keep);
    let group = &source.column(rng).name;
    let names: Vec<&str> = columns.iter().map(|column| column.sql.as_str()).collect();
    let names = names.join(", ");
    let from = source.name.clone();
    let filter =
        if rng.random_bool(0.3) { format!(" WHERE {}", restriction(&source.columns, rng)) } else { String::new() };
    let (order, limit) = (order(&source.columns, rng), rng.random_range(0..4));
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

/// What comes first: one column or two, either way.
fn order(columns: &[Column], rng: &mut impl Rng) -> String {
    let mut one = || format!("{}{}", columns.choose(rng).unwrap().name, direction(rng));
    let (first, second) = (one(), one());
    if rng.random_bool(0.5) { first } else { format!("{first}, {second}") }
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

/// Two sources and a condition by which rows of `l` and `r` join: by key, by the first part of a key, by what is in memory,
/// or by any columns of one type. What is besides the equality may fail on some pairs.
fn condition<'a>(sources: &'a [Source], rng: &mut impl Rng) -> (&'a Source, &'a Source, String) {
    let (events, things, rules) = (&sources[0], &sources[1], &sources[2]);
    let pairs = [
        (events, things),
        (things, events),
        (things, rules),
        (rules, things),
        (events, rules),
        (events, events),
        (rules, rules),
    ];
    let (mut left, mut right) = *pairs.choose(rng).unwrap();
    let mut condition = "l.k = r.k".to_string();
    if rng.random_bool(0.5) {
        let (l, r) = (sources.choose(rng).unwrap(), sources.choose(rng).unwrap());
        let same: Vec<(&Column, &Column)> = l
            .columns
            .iter()
            .flat_map(|of_l| r.columns.iter().map(move |of_r| (of_l, of_r)))
            .filter(|(of_l, of_r)| of_l.cell_type.is_some() && of_l.cell_type == of_r.cell_type)
            .collect();
        if !same.is_empty() {
            (left, right) = (l, r);
            let equalities: Vec<String> = (0..rng.random_range(1..3))
                .map(|_| same.choose(rng).unwrap())
                .map(|(of_l, of_r)| format!("l.{} = r.{}", of_l.name, of_r.name))
                .collect();
            condition = equalities.join(" AND ");
        }
    }
    if rng.random_bool(0.3) {
        let (alias, side) = if rng.random_bool(0.5) { ("l", left) } else { ("r", right) };
        let column = side.column(rng);
        let name = format!("{alias}.{}", column.name);
        let number = matches!(column.cell_type, Some(CellType::Int | CellType::TameInt | CellType::BigInt));
        let more = match number && rng.random_bool(0.5) {
            true => format!("6 / {name} < 3"),
            // Of a key column it is never true, and a join on what is never true is no join on an equality any more.
            false => predicate_of(&name, column.cell_type, rng).replace("IS NULL", "IS NOT NULL"),
        };
        condition += &format!(" AND {more}");
    }
    if rng.random_bool(0.3) {
        let compared: Vec<(&Column, &Column)> = left
            .columns
            .iter()
            .flat_map(|of_l| right.columns.iter().map(move |of_r| (of_l, of_r)))
            .filter(|(of_l, of_r)| of_l.cell_type.is_some() && of_l.cell_type == of_r.cell_type)
            .collect();
        for _ in 0..rng.random_range(1..3) {
            let operator = *["<", "<=", ">", ">="].choose(rng).unwrap();
            if let Some((of_l, of_r)) = compared.choose(rng) {
                // Equal columns are never less, and what is never true is no equality any more, as above.
                let equal = format!("l.{} = r.{}", of_l.name, of_r.name);
                if !condition.contains(&equal) {
                    condition += &format!(" AND l.{} {operator} r.{}", of_l.name, of_r.name);
                }
            }
        }
    }
    (left, right, condition)
}

/// A join of every kind.
fn join(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, right, mut condition) = condition(sources, rng);
    let arrays = |side: &Source| side.columns.iter().any(|column| column.cell_type == Some(CellType::Texts));
    if rng.random_bool(0.2) && !arrays(left) && !arrays(right) {
        condition = condition.replace(" = ", " IS NOT DISTINCT FROM ");
    }
    let kind = *["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"].choose(rng).unwrap();
    let mut columns: Vec<Expression> = Vec::new();
    for (alias, side) in [("l", left), ("r", right)] {
        for column in &side.columns {
            columns.push(Expression { sql: format!("{alias}.{}", column.name), cell_type: column.cell_type });
        }
    }
    let mut rest = format!("FROM {} AS l {kind} {} AS r ON {condition}", left.name, right.name);
    if rng.random_bool(0.3) {
        let column = left.column(rng);
        let name = format!("l.{}", column.name);
        rest += &format!(" WHERE {} OR {name} IS NOT NULL", predicate_of(&name, column.cell_type, rng));
    } else if rng.random_bool(0.2) {
        rest += &format!(" WHERE r.{} IS NULL", right.column(rng).name);
    }
    select(columns, &rest, vec![left.name.clone(), right.name.clone()])
}

/// A source's columns by an alias.
fn columns_of(alias: &str, source: &Source) -> Vec<Expression> {
    let column = |column: &Column| Expression { sql: format!("{alias}.{}", column.name), cell_type: column.cell_type };
    source.columns.iter().map(column).collect()
}

/// Rows with or without a match, alone or as one of two conditions.
fn existence(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, right, condition) = condition(sources, rng);
    let not = if rng.random_bool(0.5) { "NOT " } else { "" };
    let mut rest =
        format!("FROM {} AS l WHERE {not}EXISTS (SELECT 1 FROM {} AS r WHERE {condition})", left.name, right.name);
    if rng.random_bool(0.3) {
        let column = left.column(rng);
        rest += &format!(" OR {}", predicate_of(&format!("l.{}", column.name), column.cell_type, rng));
    }
    select(columns_of("l", left), &rest, vec![left.name.clone(), right.name.clone()])
}

/// Two columns of one type; of one source where two have none in common.
fn two_of_a_type<'a>(sources: &'a [Source], rng: &mut impl Rng) -> (&'a Source, &'a Column, &'a Source, &'a Column) {
    let (l, r) = (sources.choose(rng).unwrap(), sources.choose(rng).unwrap());
    let same: Vec<(&Column, &Column)> = l
        .columns
        .iter()
        .flat_map(|of_l| r.columns.iter().map(move |of_r| (of_l, of_r)))
        .filter(|(of_l, of_r)| of_l.cell_type.is_some() && of_l.cell_type == of_r.cell_type)
        .collect();
    match same.choose(rng) {
        Some((of_l, of_r)) => (l, of_l, r, of_r),
        None => (&sources[0], &sources[0].columns[0], &sources[0], &sources[0].columns[0]),
    }
}

fn membership(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, of_left, right, of_right) = two_of_a_type(sources, rng);
    let not = if rng.random_bool(0.6) { "NOT " } else { "" };
    // Often without NULLs, else NOT IN is mostly empty.
    let filter = match rng.random_range(0..3) {
        0 => String::new(),
        1 => format!(" WHERE r.{} IS NOT NULL", of_right.name),
        _ => format!(" WHERE {}", predicate_of(&format!("r.{}", of_right.name), of_right.cell_type, rng)),
    };
    let among = format!("(SELECT r.{} FROM {} AS r{filter})", of_right.name, right.name);
    let rest = format!("FROM {} AS l WHERE l.{} {not}IN {among}", left.name, of_left.name);
    select(columns_of("l", left), &rest, vec![left.name.clone(), right.name.clone()])
}

/// A value of the other source's rows: of those with the same column, or of all.
fn scalar(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, of_left, right, of_right) = two_of_a_type(sources, rng);
    let value = right.column(rng);
    let (call, cell_type) = match rng.random_range(0..3) {
        0 => ("count(*)".to_string(), Some(CellType::TameInt)),
        1 => (format!("count(r.{})", value.name), Some(CellType::TameInt)),
        _ => (format!("max(r.{})", value.name), value.cell_type),
    };
    let of =
        if rng.random_bool(0.6) { format!(" WHERE r.{} = l.{}", of_right.name, of_left.name) } else { String::new() };
    let subquery = format!("(SELECT {call} FROM {} AS r{of})", right.name);
    let mut columns = columns_of("l", left);
    let rest = match rng.random_bool(0.5) {
        true => {
            columns.push(Expression { sql: subquery, cell_type });
            format!("FROM {} AS l", left.name)
        }
        false => {
            let name = format!("l.{}", of_left.name);
            let least = format!("(SELECT min(r.{}) FROM {} AS r{of})", of_right.name, right.name);
            format!("FROM {} AS l WHERE {name} > {least} OR {subquery} IS NULL", left.name)
        }
    };
    select(columns, &rest, vec![left.name.clone(), right.name.clone()])
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

/// Every row of a source with the rows of the bounded table, or those of them that are less in some column.
fn cross(sources: &[Source], rng: &mut impl Rng) -> Query {
    let left = sources[..2].choose(rng).unwrap();
    let right = &sources[2];
    let mut columns = columns_of("l", left);
    columns.extend(columns_of("r", right));
    let kind = *["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"].choose(rng).unwrap();
    let rest = match rng.random_bool(0.5) {
        true => format!("FROM {} AS l CROSS JOIN {} AS r", left.name, right.name),
        false => format!("FROM {} AS l {kind} {} AS r ON l.k < r.k", left.name, right.name),
    };
    select(columns, &rest, vec![left.name.clone(), right.name.clone()])
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

fn passed(column: &Column) -> Expression {
    Expression { sql: column.name.clone(), cell_type: column.cell_type }
}

fn expression(columns: &[Column], rng: &mut impl Rng) -> Expression {
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
        (3, _) => of_type(format!("{name} IS NULL"), CellType::Bool),
        _ => passed(column),
    }
}

fn minute(name: &str) -> Expression {
    Expression { sql: format!("date_bin(INTERVAL '1 minute', {name})"), cell_type: Some(CellType::Timestamp) }
}

fn group_key(columns: &[Column], rng: &mut impl Rng) -> Expression {
    let column = columns.choose(rng).unwrap();
    match column.cell_type {
        Some(CellType::Timestamp) if rng.random_bool(0.2) => {
            Expression { sql: format!("local_day({}, 'Europe/Madrid')", column.name), cell_type: Some(CellType::Date) }
        }
        Some(CellType::Timestamp) if rng.random_bool(0.7) => minute(&column.name),
        _ => passed(column),
    }
}

fn aggregate(columns: &[Column], rng: &mut impl Rng) -> Expression {
    if rng.random_bool(0.2) {
        return in_order(columns, rng);
    }
    let mut call = aggregate_of(columns, rng);
    if rng.random_bool(0.2) {
        call.sql += &format!(" FILTER (WHERE {})", predicate(columns, rng));
    }
    call
}

fn aggregate_of(columns: &[Column], rng: &mut impl Rng) -> Expression {
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
        4 => of_type(format!("min({name})"), column.cell_type),
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
        8 => of_type(format!("percentile_disc({}) WITHIN GROUP (ORDER BY {name})", fraction(rng)), column.cell_type),
        _ => of_type(format!("max({name})"), column.cell_type),
    }
}

/// The first, the last or all values in an order.
fn in_order(columns: &[Column], rng: &mut impl Rng) -> Expression {
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
            0 => String::new(),
            1 => format!(" ORDER BY {text}{}", direction(rng)),
            _ => format!(" ORDER BY {}", order(columns, rng)),
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
            0 => format!("array_agg(DISTINCT {name})"),
            _ => format!("array_agg({name} ORDER BY {})", order(columns, rng)),
        };
        let cell_type = (column.cell_type == Some(CellType::Text)).then_some(CellType::Texts);
        return Expression { sql: sql + &filter, cell_type };
    }
    let function = if rng.random_bool(0.5) { "first_value" } else { "last_value" };
    let order = if rng.random_bool(0.8) { format!(" ORDER BY {}", order(columns, rng)) } else { String::new() };
    let nulls = if rng.random_bool(0.3) { " IGNORE NULLS" } else { "" };
    Expression { sql: format!("{function}({name}{order}){filter}{nulls}"), cell_type: column.cell_type }
}

fn fraction(rng: &mut impl Rng) -> &'static str {
    ["0", "0.1", "0.5", "0.75", "1"].choose(rng).unwrap()
}

fn predicate(columns: &[Column], rng: &mut impl Rng) -> String {
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
fn restriction(columns: &[Column], rng: &mut impl Rng) -> String {
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
fn timed(columns: &[Column], rng: &mut impl Rng) -> Option<String> {
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

fn predicate_of(name: &str, cell_type: Option<CellType>, rng: &mut impl Rng) -> String {
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
