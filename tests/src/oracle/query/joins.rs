//! Queries over two sources: joins of every kind, and subqueries.

use super::*;

/// Two sources and a condition by which rows of `l` and `r` join: by key, by the first part of a key, by what is in memory,
/// or by any columns of one type. What is besides the equality may fail on some pairs.
pub(super) fn condition<'a>(sources: &'a [Source], rng: &mut impl Rng) -> (&'a Source, &'a Source, String) {
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
        let same = of_one_type(l, r);
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
        let compared = of_one_type(left, right);
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

/// The pairs of a column of one source and one of another that have a type in common.
fn of_one_type<'a>(left: &'a Source, right: &'a Source) -> Vec<(&'a Column, &'a Column)> {
    let of_left = left.columns.iter().filter(|of_left| of_left.cell_type.is_some());
    let pairs = of_left.flat_map(|of_left| right.columns.iter().map(move |of_right| (of_left, of_right)));
    pairs.filter(|(of_left, of_right)| of_left.cell_type == of_right.cell_type).collect()
}

/// A join of every kind.
pub(super) fn join(sources: &[Source], rng: &mut impl Rng) -> Query {
    let (left, right, mut condition) = condition(sources, rng);
    let arrays = |side: &Source| side.columns.iter().any(|column| column.cell_type == Some(CellType::Texts));
    if rng.random_bool(0.2) && !arrays(left) && !arrays(right) {
        condition = condition.replace(" = ", " IS NOT DISTINCT FROM ");
    }
    let kind = *["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"].choose(rng).unwrap();
    let columns = of_both(left, right);
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
pub(super) fn columns_of(alias: &str, source: &Source) -> Vec<Expression> {
    let column = |column: &Column| Expression { sql: format!("{alias}.{}", column.name), cell_type: column.cell_type };
    source.columns.iter().map(column).collect()
}

fn of_both(left: &Source, right: &Source) -> Vec<Expression> {
    columns_of("l", left).into_iter().chain(columns_of("r", right)).collect()
}

/// Rows with or without a match, alone or as one of two conditions.
pub(super) fn existence(sources: &[Source], rng: &mut impl Rng) -> Query {
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
pub(super) fn two_of_a_type<'a>(
    sources: &'a [Source],
    rng: &mut impl Rng,
) -> (&'a Source, &'a Column, &'a Source, &'a Column) {
    let (l, r) = (sources.choose(rng).unwrap(), sources.choose(rng).unwrap());
    match of_one_type(l, r).choose(rng) {
        Some((of_l, of_r)) => (l, of_l, r, of_r),
        None => (&sources[0], &sources[0].columns[0], &sources[0], &sources[0].columns[0]),
    }
}

pub(super) fn membership(sources: &[Source], rng: &mut impl Rng) -> Query {
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
pub(super) fn scalar(sources: &[Source], dialect: Dialect, rng: &mut impl Rng) -> Query {
    let (left, of_left, right, of_right) = two_of_a_type(sources, rng);
    let value = right.column(rng);
    let (call, cell_type) = match rng.random_range(0..3) {
        0 => ("count(*)".to_string(), Some(CellType::TameInt)),
        1 => (format!("count(r.{})", value.name), Some(CellType::TameInt)),
        _ if has_least(value, dialect) => (format!("max(r.{})", value.name), value.cell_type),
        _ => (format!("bool_or(r.{} IS NULL)", value.name), Some(CellType::Bool)),
    };
    let of =
        if rng.random_bool(0.6) { format!(" WHERE r.{} = l.{}", of_right.name, of_left.name) } else { String::new() };
    let subquery = format!("(SELECT {call} FROM {} AS r{of})", right.name);
    let mut columns = columns_of("l", left);
    let rest = match rng.random_bool(0.5) || !has_least(of_right, dialect) {
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

/// Every row of a source with the rows of the bounded table, or those of them that are less in some column.
pub(super) fn cross(sources: &[Source], rng: &mut impl Rng) -> Query {
    let left = sources[..2].choose(rng).unwrap();
    let right = &sources[2];
    let columns = of_both(left, right);
    let kind = *["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"].choose(rng).unwrap();
    let rest = match rng.random_bool(0.5) {
        true => format!("FROM {} AS l CROSS JOIN {} AS r", left.name, right.name),
        false => format!("FROM {} AS l {kind} {} AS r ON l.k < r.k", left.name, right.name),
    };
    select(columns, &rest, vec![left.name.clone(), right.name.clone()])
}
