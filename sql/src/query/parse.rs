//! Text to statements.

use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::{Keyword, RESERVED_FOR_TABLE_ALIAS};
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace};

use crate::error::SqlError;
use crate::limits::STATEMENT_BYTES_MAX;

/// Nested expressions, subqueries and the like that the parser follows.
const RECURSION_MAX: usize = 128;

/// Parses one statement, with or without its semicolon.
pub fn parse(sql: &str) -> Result<Statement, SqlError> {
    statement(trimmed(tokens(sql)?), sql)
}

/// The tokens without what stands behind the statement.
pub(super) fn trimmed(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    while matches!(tokens.last(), Some(last) if last.token == Token::SemiColon || is_blank(&last.token)) {
        tokens.pop();
    }
    tokens
}

/// The one statement that the tokens are; they are those of `sql`.
pub(super) fn statement(mut tokens: Vec<TokenWithSpan>, sql: &str) -> Result<Statement, SqlError> {
    let failed = |error: ParserError| SqlError::of_parser(error, sql);
    // COPY .. FROM STDIN is only read with its semicolon behind it.
    let copies = begins_with(&tokens, "COPY");
    if copies {
        tokens.push(TokenWithSpan::wrap(Token::SemiColon));
    }
    all_columns(&mut tokens);
    let dialect = PostgreSqlDialect {};
    let mut parser = parser(&dialect, tokens);
    let statement = parser.parse_statement().map_err(failed)?;
    match parser.next_token() {
        token if token.token == Token::EOF || copies => Ok(statement),
        token => {
            let place = token.span.start;
            let words = format!(
                "Expected: end of statement, found: {} at Line: {}, Column: {}",
                token.token, place.line, place.column
            );
            Err(failed(ParserError::ParserError(words)))
        }
    }
}

/// `TABLE name` where a query may stand as `SELECT * FROM name`, which the parser reads.
fn all_columns(tokens: &mut Vec<TokenWithSpan>) {
    const BEFORE: [&str; 7] = ["UNION", "EXCEPT", "INTERSECT", "ALL", "DISTINCT", "AS", "EXPLAIN"];
    let mut at = 0;
    while at < tokens.len() {
        let is_table = matches!(&tokens[at].token, Token::Word(word) if word.keyword == Keyword::TABLE);
        let before = tokens[..at].iter().rev().map(|token| &token.token).find(|token| !is_blank(token));
        let begins = match before {
            None | Some(Token::LParen | Token::RParen) => true,
            Some(Token::Word(word)) => BEFORE.iter().any(|known| word.value.eq_ignore_ascii_case(known)),
            _ => false,
        };
        // `x AS table` names a column; what would be read is named behind it.
        let behind = tokens[at + 1..].iter().map(|token| &token.token).find(|token| !is_blank(token));
        let names = matches!(behind, Some(Token::Word(word)) if !RESERVED_FOR_TABLE_ALIAS.contains(&word.keyword));
        if is_table && begins && names {
            let span = tokens[at].span;
            let words = ["SELECT", "*", "FROM"].map(|word| match word {
                "*" => Token::Mul,
                word => Token::make_keyword(word),
            });
            let parts = words.into_iter().flat_map(|word| [word, Token::Whitespace(Whitespace::Space)]).take(5);
            tokens.splice(at..=at, parts.map(|token| TokenWithSpan { token, span }));
        }
        at += 1;
    }
}

pub(super) fn parser(dialect: &PostgreSqlDialect, tokens: Vec<TokenWithSpan>) -> Parser<'_> {
    Parser::new(dialect).with_recursion_limit(RECURSION_MAX).with_tokens_with_locations(tokens)
}

/// The statement within a PREPARE, and where it begins, in characters.
pub fn prepared_text(sql: &str) -> Result<(&str, usize), SqlError> {
    let mut depth = 0;
    for token in tokens(sql)? {
        match &token.token {
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            // Quoted it would be a name.
            Token::Word(word) if depth == 0 && word.keyword == Keyword::AS => {
                let text = &sql[byte_of(sql, token.span.end)..];
                return Ok((text, sql[..sql.len() - text.len()].chars().count()));
            }
            _ => {}
        }
    }
    Err(SqlError::new("42601", "PREPARE name [(types)] AS and a statement was expected"))
}

/// The byte of a text that is at a line and column.
fn byte_of(sql: &str, place: Location) -> usize {
    let mut lines = std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1));
    let start = lines.nth(place.line as usize - 1).unwrap_or(sql.len());
    let tail = &sql[start..];
    start + tail.char_indices().nth(place.column as usize - 1).map_or(tail.len(), |(at, _)| at)
}

/// The statements of a text, without those that are empty. Only quoting, comments and semicolons matter here.
pub fn split(sql: &str) -> Result<Vec<String>, SqlError> {
    let lines: Vec<usize> = std::iter::once(0).chain(sql.match_indices('\n').map(|(at, _)| at + 1)).collect();
    let byte_of = |line: u64, column: u64| {
        let start = lines[line as usize - 1];
        let tail = &sql[start..];
        start + tail.char_indices().nth(column as usize - 1).map_or(tail.len(), |(at, _)| at)
    };
    let mut statements = Vec::new();
    let (mut start, mut empty) = (0, true);
    for token in tokens(sql)? {
        if token.token == Token::SemiColon {
            let end = byte_of(token.span.start.line, token.span.start.column);
            if !empty {
                statements.push(sql[start..end].trim().to_owned());
            }
            (start, empty) = (end + 1, true);
        } else if !is_blank(&token.token) {
            empty = false;
        }
    }
    if !empty {
        statements.push(sql[start..].trim().to_owned());
    }
    Ok(statements)
}

pub(super) fn tokens(sql: &str) -> Result<Vec<TokenWithSpan>, SqlError> {
    if sql.len() > STATEMENT_BYTES_MAX {
        let words = format!("the statement has {} bytes, and at most {STATEMENT_BYTES_MAX} are read", sql.len());
        return Err(SqlError::new("54000", words).hint("Use COPY .. FROM STDIN for many rows."));
    }
    let failed = |error| SqlError::of_parser(ParserError::from(error), sql);
    Tokenizer::new(&PostgreSqlDialect {}, sql).tokenize_with_location().map_err(failed)
}

pub(super) fn is_blank(token: &Token) -> bool {
    matches!(token, Token::Whitespace(_) | Token::EOF)
}

pub(super) fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.value.eq_ignore_ascii_case(word))
}

/// Whether the first word is this one.
pub(super) fn begins_with(tokens: &[TokenWithSpan], word: &str) -> bool {
    tokens.iter().find(|token| !is_blank(&token.token)).is_some_and(|first| is_word(&first.token, word))
}

/// Puts a keyword before a token, at its place.
pub(super) fn insert(tokens: &mut Vec<TokenWithSpan>, at: usize, word: &str) {
    let span = tokens[at].span;
    let parts = [Token::make_keyword(word), Token::Whitespace(Whitespace::Space)];
    tokens.splice(at..at, parts.map(|token| TokenWithSpan { token, span }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_split_at_semicolons_that_end_statements() {
        let text = "SELECT 'a;b' ; -- c;d\nSELECT \"e;f\", $$g;h$$;;\n/* i;j */ ;SELECT 'ñ;', 2";
        let statements = split(text).unwrap();
        assert_eq!(statements, ["SELECT 'a;b'", "-- c;d\nSELECT \"e;f\", $$g;h$$", "SELECT 'ñ;', 2"]);
        assert!(split(" ;; ").unwrap().is_empty());
    }

    #[test]
    fn an_error_points_at_its_character() {
        let error = parse("SELECT 1 FROM t WHERE\n  x ===").unwrap_err();
        assert_eq!(error.sqlstate, "42601");
        assert!(error.position.is_some(), "{error:?}");
        let trailing = parse("SELECT 1 SELECT 2").unwrap_err();
        assert_eq!(trailing.sqlstate, "42601");
        assert!(split("SELECT 'open").is_err());
    }

    #[test]
    fn what_is_prepared_is_behind_as() {
        assert_eq!(prepared_text("PREPARE q AS SELECT 1 AS n").unwrap(), (" SELECT 1 AS n", 12));
        let (text, offset) = prepared_text("prepare \"as\"\n(numeric(8, 2), text)\nas VALUES ($1)").unwrap();
        assert_eq!((text, offset), (" VALUES ($1)", 37));
        assert_eq!(prepared_text("PREPARE q SELECT 1").unwrap_err().sqlstate, "42601");
    }

    #[test]
    fn copy_from_standard_input_needs_no_semicolon() {
        assert!(matches!(parse("COPY t (a, b) FROM STDIN").unwrap(), Statement::Copy { to: false, .. }));
        assert!(matches!(parse("copy t from stdin with (format csv);").unwrap(), Statement::Copy { to: false, .. }));
    }
}
