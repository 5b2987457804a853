//! Queries over the parts of a row's arrays and documents.

use super::*;

/// The items of an array of each row, one by one, or what is asked of them together.
pub(super) fn arrays(sources: &[Source], rng: &mut impl Rng) -> Query {
    let of_texts = |source: &&Source| source.columns.iter().any(|column| column.cell_type == Some(CellType::Texts));
    let with_arrays: Vec<&Source> = sources.iter().filter(of_texts).collect();
    let source = *with_arrays.choose(rng).unwrap_or(&&sources[0]);
    let arrays: Vec<&Column> =
        source.columns.iter().filter(|column| column.cell_type == Some(CellType::Texts)).collect();
    let column = source.column(rng);
    let array = match arrays.choose(rng) {
        Some(array) => format!("l.{}", array.name),
        None => format!("(ARRAY[CAST(l.{0} AS text), 'x', CAST(l.{0} AS text)])", source.columns[0].name),
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

/// The parts of a document of each row, or what is asked of them together.
pub(super) fn documents(sources: &[Source], dialect: Dialect, rng: &mut impl Rng) -> Query {
    let of_documents = |column: &&Column| column.cell_type == Some(CellType::Document);
    let with_documents: Vec<&Source> =
        sources.iter().filter(|source| source.columns.iter().any(|column| of_documents(&column))).collect();
    let source = *with_documents.choose(rng).unwrap_or(&&sources[0]);
    let all: Vec<&Column> = source.columns.iter().filter(of_documents).collect();
    let name = &source.name;
    let column = source.column(rng);
    let document = match all.choose(rng) {
        Some(document) => format!("l.{}", document.name),
        None => format!(
            "jsonb_build_object('a', CAST(l.{0} AS text), 'b', ARRAY['x', CAST(l.{0} AS text)])",
            source.columns[0].name
        ),
    };
    let of_type = |sql: String, cell_type| Expression { sql, cell_type: Some(cell_type) };
    let mut columns = vec![Expression { sql: format!("l.{}", column.name), cell_type: column.cell_type }];
    // What is no array has no elements: asking for them would be an error.
    let elements = format!("CASE jsonb_typeof({document} -> 'b') WHEN 'array' THEN {document} -> 'b' END");
    let members = format!("CASE jsonb_typeof({document}) WHEN 'object' THEN {document} END");
    let rest = match rng.random_range(0..6) {
        0 => {
            columns.push(of_type("e.value".into(), CellType::Document));
            format!("FROM {name} AS l, jsonb_array_elements({elements}) AS e")
        }
        1 => {
            columns.push(of_type("e.key".into(), CellType::Text));
            columns.push(of_type("e.value".into(), CellType::Document));
            format!("FROM {name} AS l, jsonb_each({members}) AS e")
        }
        2 => {
            columns.truncate(0);
            columns.push(of_type("part".into(), CellType::Text));
            columns.push(of_type("count(*)".into(), CellType::TameInt));
            format!("FROM {name} AS l, jsonb_object_keys({members}) AS parts(part) GROUP BY part")
        }
        3 => {
            columns.truncate(0);
            columns.push(of_type(format!("{document} -> 'a'"), CellType::Document));
            columns.push(of_type("count(*)".into(), CellType::TameInt));
            columns.push(Expression {
                sql: format!("jsonb_agg({document} #>> '{{b,0}}' ORDER BY {})", order(&source.columns, dialect, rng)),
                cell_type: Some(CellType::Document),
            });
            format!("FROM {name} AS l GROUP BY {document} -> 'a'")
        }
        4 => format!("FROM {name} AS l WHERE {document} @> '{{\"a\": 1}}' OR {document} ? 'cc'"),
        _ => {
            columns.push(of_type(format!("{document} #> '{{b,-1}}'"), CellType::Document));
            columns.push(of_type(format!("{document} || '{{\"a\": 0}}'"), CellType::Document));
            columns.push(of_type(format!("jsonb_typeof({document})"), CellType::Text));
            columns.push(of_type(format!("{document} ?| ARRAY['a', 'aa']"), CellType::Bool));
            columns.push(of_type(format!("{document} = '{{}}'"), CellType::Bool));
            format!("FROM {name} AS l")
        }
    };
    select(columns, &rest, vec![name.clone()])
}
