//! DataFusion's and its parser's errors as ours: PostgreSQL's code, the position, a sentence.

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;

use super::SqlError;
use crate::pipeline::disk_code;
use crate::room::ALL_HELD;

/// A place in a statement: line and column, both from 1.
type Place = (u64, u64);

impl SqlError {
    /// The error for `statement`, with the position in it where DataFusion knows one.
    pub fn of(error: DataFusionError, statement: &str) -> SqlError {
        let place = place(&error);
        let mut told = SqlError::from(error);
        if told.position.is_none() {
            told.position = place.and_then(|place| position(statement, place));
        }
        told
    }

    /// A parser's error for `statement`.
    pub fn of_parser(error: ParserError, statement: &str) -> SqlError {
        let (told, place) = parser(&error);
        match place.and_then(|place| position(statement, place)) {
            Some(at) => told.at(at),
            None => told,
        }
    }
}

impl From<DataFusionError> for SqlError {
    fn from(error: DataFusionError) -> SqlError {
        from_ref(&error)
    }
}

impl From<SqlError> for DataFusionError {
    fn from(error: SqlError) -> DataFusionError {
        DataFusionError::External(Box::new(error))
    }
}

fn from_ref(error: &DataFusionError) -> SqlError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_ref(inner),
        DataFusionError::Shared(inner) => from_ref(inner),
        DataFusionError::Collection(errors) => match errors.first() {
            Some(first) => from_ref(first),
            None => SqlError::new("XX000", "an error without a cause"),
        },
        DataFusionError::External(inner) => external(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => arrow(inner),
        DataFusionError::SQL(inner, _) => parser(inner).0,
        DataFusionError::SchemaError(inner, _) => schema(inner),
        DataFusionError::NotImplemented(words) => not_implemented(words),
        DataFusionError::ResourcesExhausted(words) => exhausted(words),
        DataFusionError::IoError(error) => io(error),
        DataFusionError::Plan(words) => plan(words),
        DataFusionError::Execution(words) => SqlError::new(execution_code(words), sentence(words)),
        DataFusionError::Configuration(words) => SqlError::new("22023", sentence(words)),
        other => SqlError::new("XX000", sentence(&other.strip_backtrace())),
    }
}

fn external(error: &(dyn std::error::Error + 'static)) -> SqlError {
    if let Some(own) = error.downcast_ref::<SqlError>() {
        return own.clone();
    }
    if let Some(inner) = error.downcast_ref::<DataFusionError>() {
        return from_ref(inner);
    }
    if let Some(inner) = error.downcast_ref::<ArrowError>() {
        return arrow(inner);
    }
    SqlError::new("XX000", error.to_string())
}

fn arrow(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::DivideByZero => SqlError::new("22012", "division by zero"),
        ArrowError::ArithmeticOverflow(words) => SqlError::new("22003", format!("value out of range: {words}")),
        ArrowError::CastError(words) if words.contains("cast string") || words.contains("parse string") => {
            SqlError::new("22P02", words.clone())
        }
        ArrowError::ParseError(words) => SqlError::new("22P02", words.clone()),
        ArrowError::CastError(words) => SqlError::new("22003", words.clone()),
        ArrowError::InvalidArgumentError(words) if words.contains("too large") || words.contains("too small") => {
            SqlError::new("22003", words.clone())
        }
        // VALUES have the columns of the table that they go into.
        ArrowError::InvalidArgumentError(words) if words.contains("non-nullable but contains null") => {
            SqlError::new("23502", "null value in a column that is NOT NULL")
        }
        ArrowError::ComputeError(words) if words.contains("verflow") => SqlError::new("22003", words.clone()),
        ArrowError::ExternalError(inner) => external(inner.as_ref()),
        ArrowError::IoError(_, inner) => io(inner),
        ArrowError::NotYetImplemented(words) => SqlError::new("0A000", words.clone()),
        other => SqlError::new("XX000", other.to_string()),
    }
}

/// A query's memory, which operators that cannot write to temporary files must do with.
fn exhausted(words: &str) -> SqlError {
    let mut told = match words.starts_with(ALL_HELD) {
        true => SqlError::new("53200", "queries hold all the memory that they may have together")
            .hint("Ask again when others have ended, or SET work_mem to less where many are asked at once."),
        false => SqlError::new("53200", "the query needs more memory than it may have (work_mem)").hint(
            "Sorting, grouping and joining on equal columns go on in temporary files. Other joins, window functions and \
             aggregates without groups must fit: read fewer rows or columns, or aggregate first.",
        ),
    };
    told.detail = Some(sentence(words).lines().next().unwrap_or_default().to_owned());
    told
}

/// An error of a temporary file.
fn io(error: &std::io::Error) -> SqlError {
    if let Some(inner) = error.get_ref().filter(|inner| inner.is::<DataFusionError>() || inner.is::<ArrowError>()) {
        return external(inner);
    }
    let words = error.to_string();
    let code = if words.contains("max_temp_directory_size") { "53100" } else { disk_code(&words) };
    match code {
        "53100" => SqlError::new(code, "the query needs more temporary files than the disk has room for")
            .hint("Read fewer rows or columns, aggregate first, or make room on the disk."),
        code => SqlError::new(code, format!("a temporary file failed: {words}")),
    }
}

fn parser(error: &ParserError) -> (SqlError, Option<Place>) {
    match error {
        ParserError::TokenizerError(words) | ParserError::ParserError(words) => {
            let (words, place) = match words.rfind(" at Line: ") {
                Some(at) => (&words[..at], parse_place(&words[at..])),
                None => (words.as_str(), None),
            };
            (SqlError::new("42601", format!("syntax error: {}", words.trim_start_matches("sql parser error: "))), place)
        }
        ParserError::RecursionLimitExceeded => (SqlError::new("54001", "the statement is nested too deeply"), None),
    }
}

/// Reads ` at Line: 3, Column: 14`.
fn parse_place(words: &str) -> Option<Place> {
    let rest = words.strip_prefix(" at Line: ")?;
    let (line, column) = rest.split_once(", Column: ")?;
    let digits = column.find(|c: char| !c.is_ascii_digit()).unwrap_or(column.len());
    Some((line.parse().ok()?, column[..digits].parse().ok()?))
}

fn place(error: &DataFusionError) -> Option<Place> {
    if let Some(span) = error.diagnostic().and_then(|diagnostic| diagnostic.span) {
        return Some((span.start.line, span.start.column));
    }
    match error.find_root() {
        DataFusionError::SQL(inner, _) => parser(inner).1,
        DataFusionError::SchemaError(inner, _) => match inner.as_ref() {
            SchemaError::FieldNotFound { field, .. } | SchemaError::AmbiguousReference { field } => {
                field.spans.first().map(|span| (span.start.line, span.start.column))
            }
            _ => None,
        },
        _ => None,
    }
}

/// The character, from 1, at a line and column; `None` outside the statement.
fn position(statement: &str, (line, column): Place) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    if line == 0 || column == 0 {
        return None;
    }
    let before: usize = statement.split('\n').take(line - 1).map(|text| text.chars().count() + 1).sum();
    let at = before + column;
    (at <= statement.chars().count() + 1).then_some(at)
}

fn schema(error: &SchemaError) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let told = SqlError::new("42703", format!("column \"{}\" does not exist", field.flat_name()));
            if valid_fields.is_empty() {
                return told;
            }
            let valid: Vec<String> = valid_fields.iter().map(|field| field.quoted_flat_name()).collect();
            told.hint(format!("There are {}.", valid.join(", ")))
        }
        SchemaError::AmbiguousReference { field } => {
            SqlError::new("42702", format!("column reference \"{}\" is ambiguous", field.flat_name()))
                .hint("Write the table's name before it.")
        }
        SchemaError::DuplicateQualifiedField { name, .. } | SchemaError::DuplicateUnqualifiedField { name } => {
            SqlError::new("42701", format!("column name \"{name}\" is used more than once"))
                .hint("Give the columns different names with AS.")
        }
    }
}

/// An error that DataFusion only says in words.
fn plan(words: &str) -> SqlError {
    let quoted = || words.split('\'').nth(1).unwrap_or_default();
    match plan_code(words) {
        "42P01" => {
            let name = quoted().trim_start_matches("caudal.").trim_start_matches("public.");
            SqlError::new("42P01", format!("relation \"{name}\" does not exist"))
        }
        "42883" if words.contains("Invalid function") => {
            SqlError::new("42883", format!("function {}() does not exist", quoted()))
        }
        code => {
            let words = words.rsplit("coercion failed with: ").next().unwrap_or(words);
            SqlError::new(code, sentence(words))
        }
    }
}

/// What the planner knows and nothing runs: mostly a subquery in a place where no rule makes a join of it.
fn not_implemented(words: &str) -> SqlError {
    const LEFT: &str = "Physical plan does not support logical expression ";
    let construct = words.split_once(LEFT).map(|(_, left)| left.split('(').next().unwrap_or(left));
    let construct = match construct {
        Some("InSubquery") => "IN (SELECT ..) here",
        Some("Exists") => "EXISTS (SELECT ..) here",
        Some("ScalarSubquery") => "this subquery, which refers to the outer query by more than equalities,",
        Some("OuterReferenceColumn") => "this reference to the outer query",
        _ => return SqlError::new("0A000", sentence(words)),
    };
    SqlError::unsupported(construct).hint("Write it as a join, or as a condition of WHERE.")
}

/// The code that PostgreSQL has for it.
fn plan_code(words: &str) -> &'static str {
    let is = |needle: &str| words.contains(needle);
    if is("table '") && is("not found") {
        "42P01"
    } else if is("Invalid function")
        || is("user-defined coercion")
        || is("No function matches")
        || is("does not support zero arguments")
    {
        "42883"
    } else if is("must appear in the GROUP BY") || is("must be in GROUP BY") || is("must be part of the GROUP BY") {
        "42803"
    } else if is("mbiguous") {
        "42702"
    } else if is("unique expression names") || is("duplicate") {
        "42701"
    } else if is("coerc") || is("Cannot infer common") || is("cannot be cast") || is("type mismatch") {
        "42804"
    } else if is("failed to resolve") {
        "3F000"
    } else {
        "42000"
    }
}

fn execution_code(words: &str) -> &'static str {
    let is = |needle: &str| words.contains(needle);
    if is("verflow") || is("out of range") {
        "22003"
    } else if is("ivide by zero") || is("ivision by zero") {
        "22012"
    } else if is("rror parsing") || is("arse") {
        "22P02"
    } else {
        "XX000"
    }
}

/// The first line without DataFusion's prefix and without its backtrace.
fn sentence(words: &str) -> String {
    let words = words.split("\n\nbacktrace: ").next().unwrap_or(words);
    let words = words.split(" No function matches").next().unwrap_or(words);
    [
        "External error: ",
        "Error during planning: ",
        "Execution error: ",
        "This feature is not implemented: ",
        "Internal error: ",
    ]
    .iter()
    .fold(words, |words, prefix| words.strip_prefix(prefix).unwrap_or(words))
    .trim_end()
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parser_error_points_at_the_character() {
        let error = ParserError::ParserError("Expected: an expression, found: FROM at Line: 2, Column: 8".into());
        let told = SqlError::of_parser(error, "SELECT 1;\nSELECT FROM t");
        assert_eq!(
            (told.sqlstate, told.position, told.message.as_str()),
            ("42601", Some(18), "syntax error: Expected: an expression, found: FROM")
        );
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(position("ñandú x", (1, 7)), Some(7));
        assert_eq!(position("a", (3, 1)), None);
    }

    #[test]
    fn our_own_errors_come_back_unchanged_through_datafusion() {
        let own = SqlError::new("22003", "bigint out of range").hint("Use numeric.");
        let wrapped = DataFusionError::Context("outer".into(), Box::new(DataFusionError::from(own)));
        let back = SqlError::from(wrapped);
        assert_eq!((back.sqlstate, back.hint.as_deref()), ("22003", Some("Use numeric.")));
    }
}
