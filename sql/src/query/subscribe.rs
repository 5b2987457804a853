//! SUBSCRIBE, which the parser of SQL does not know, alone and where it stands for a query:
//!
//! ```text
//! SUBSCRIBE [TO] {name | (query)} [WITH (SNAPSHOT [= bool], PROGRESS [= bool])] [AS OF epoch]
//! COPY (SUBSCRIBE ..) TO STDOUT ..
//! DECLARE name CURSOR FOR SUBSCRIBE ..
//! FETCH .. [WITH (TIMEOUT = '1s')]
//! ```
//!
//! And FETCH as PostgreSQL has it: `FETCH c`, `FETCH ALL c`.

use datafusion::sql::sqlparser::ast::{Statement, Value};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Span, Token, TokenWithSpan, Whitespace, Word};

use super::parse::{begins_with, insert, is_blank, is_word, parser, statement, tokens, trimmed};
use super::{quoted_name, relation_name, users};
use crate::error::SqlError;

/// A statement as a session reads it.
pub struct Spoken {
    /// Where there is a subscription, a query stands for it here.
    pub statement: Statement,
    pub subscribe: Option<Subscribe>,
    /// How long a FETCH waits for rows, as written.
    pub timeout: Option<String>,
    /// It is EXPLAIN ANALYZE, which the statement of EXPLAIN and a name does not say.
    pub analyze: bool,
}

/// What is subscribed to, and how.
pub struct Subscribe {
    /// The query whose rows are followed.
    pub query: Statement,
    pub snapshot: Option<bool>,
    pub progress: bool,
    pub as_of: Option<u64>,
}

/// Parses one statement of a session.
pub fn spoken(sql: &str) -> Result<Spoken, SqlError> {
    let mut tokens = trimmed(tokens(sql)?);
    let failed = |error: ParserError| SqlError::of_parser(error, sql);
    let timeout = match begins_with(&tokens, "FETCH") {
        true => {
            let timeout = fetch_timeout(&mut tokens).map_err(failed)?;
            complete_fetch(&mut tokens);
            timeout
        }
        false => None,
    };
    let subscribe = match subscription(&tokens) {
        None => None,
        Some((from, to)) => {
            let query = query_at(tokens[from].span);
            let subscribe = tokens.splice(from..to, query).collect();
            Some(parse_subscribe(subscribe).map_err(failed)?)
        }
    };
    let analyze = explained_view(&mut tokens);
    users::spelled(&mut tokens);
    Ok(Spoken { statement: statement(tokens, sql)?, subscribe, timeout, analyze })
}

/// Takes MATERIALIZED VIEW out of EXPLAIN [ANALYZE] MATERIALIZED VIEW name; whether it says ANALYZE. And MATERIALIZED out of
/// SHOW CREATE MATERIALIZED VIEW name.
fn explained_view(tokens: &mut Vec<TokenWithSpan>) -> bool {
    let words: Vec<usize> = (0..tokens.len()).filter(|&at| !is_blank(&tokens[at].token)).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|&at| is_word(&tokens[at].token, word));
    if is(0, "SHOW") && is(1, "CREATE") && is(2, "MATERIALIZED") && words.len() > 3 {
        tokens.drain(words[2]..words[3]);
        return false;
    }
    if !is(0, "EXPLAIN") {
        return false;
    }
    let analyze = is(1, "ANALYZE");
    let of = 1 + usize::from(analyze);
    if is(of, "MATERIALIZED") && is(of + 1, "VIEW") && words.len() > of + 2 {
        tokens.drain(words[of]..words[of + 2]);
    }
    analyze
}

/// Where a subscription is in the tokens: from SUBSCRIBE to its end.
fn subscription(tokens: &[TokenWithSpan]) -> Option<(usize, usize)> {
    let words: Vec<usize> = (0..tokens.len()).filter(|&at| !is_blank(&tokens[at].token)).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|&at| is_word(&tokens[at].token, word));
    if is(0, "SUBSCRIBE") {
        return Some((words[0], tokens.len()));
    }
    if is(0, "COPY") && tokens[*words.get(1)?].token == Token::LParen && is(2, "SUBSCRIBE") {
        let mut depth = 0;
        let end = words[1..].iter().find(|&&at| {
            match tokens[at].token {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        return Some((words[2], *end?));
    }
    if is(0, "DECLARE") {
        let at = (1..words.len()).find(|&at| is(at, "FOR") && is(at + 1, "SUBSCRIBE"))?;
        return Some((words[at + 1], tokens.len()));
    }
    None
}

/// A query that stands where the subscription was.
fn query_at(span: Span) -> Vec<TokenWithSpan> {
    let word = Token::Word(Word { value: "SELECT".to_owned(), quote_style: None, keyword: Keyword::SELECT });
    let one = Token::Number("1".into(), false);
    [word, Token::Whitespace(Whitespace::Space), one].map(|token| TokenWithSpan { token, span }).to_vec()
}

fn parse_subscribe(tokens: Vec<TokenWithSpan>) -> Result<Subscribe, ParserError> {
    let dialect = PostgreSqlDialect {};
    let mut parser = parser(&dialect, tokens);
    // SUBSCRIBE
    parser.next_token();
    let _ = parser.parse_keyword(Keyword::TO);
    let query = if parser.peek_token().token == Token::LParen {
        parser.expect_token(&Token::LParen)?;
        let query = parser.parse_query()?;
        parser.expect_token(&Token::RParen)?;
        Statement::Query(query)
    } else {
        let at = parser.peek_token();
        let name = parser.parse_object_name(false)?;
        let unnamed = || ParserError::ParserError(format!("{name} names no relation{}", at.span.start));
        // Planned at the place of the name, so that an error points there.
        let name = relation_name(&name).map_err(|_| unnamed())?;
        let query = format!("SELECT * FROM {}", quoted_name(&name));
        let mut tokens = super::parse::tokens(&query).map_err(|_| unnamed())?;
        tokens.iter_mut().for_each(|token| token.span = at.span);
        self::parser(&dialect, tokens).parse_statement()?
    };
    let mut subscribe = Subscribe { query, snapshot: None, progress: false, as_of: None };
    loop {
        if parser.parse_keyword(Keyword::WITH) {
            parser.expect_token(&Token::LParen)?;
            options(&mut parser, &mut subscribe)?;
            parser.expect_token(&Token::RParen)?;
        } else if parser.parse_keywords(&[Keyword::AS, Keyword::OF]) {
            subscribe.as_of = Some(parser.parse_literal_uint()?);
        } else if parser.peek_token().token == Token::EOF {
            return Ok(subscribe);
        } else {
            let found = parser.peek_token();
            return parser.expected("WITH, AS OF or the end of SUBSCRIBE", found);
        }
    }
}

fn options(parser: &mut Parser, subscribe: &mut Subscribe) -> Result<(), ParserError> {
    loop {
        let name = parser.next_token();
        let on = option_value(parser)?;
        match &name.token {
            token if is_word(token, "SNAPSHOT") => subscribe.snapshot = Some(on),
            token if is_word(token, "PROGRESS") => subscribe.progress = on,
            _ => return parser.expected("SNAPSHOT or PROGRESS", name),
        }
        if !parser.consume_token(&Token::Comma) {
            return Ok(());
        }
    }
}

/// A boolean, with or without an equals sign; an option without one is on.
fn option_value(parser: &mut Parser) -> Result<bool, ParserError> {
    let equals = parser.consume_token(&Token::Eq);
    let next = parser.peek_token();
    if !equals && matches!(next.token, Token::Comma | Token::RParen) {
        return Ok(true);
    }
    parser.next_token();
    match &next.token {
        token if is_word(token, "true") || is_word(token, "on") => Ok(true),
        token if is_word(token, "false") || is_word(token, "off") => Ok(false),
        _ => parser.expected("true or false", next),
    }
}

/// Takes `WITH (TIMEOUT = ..)` off the end of a FETCH.
fn fetch_timeout(tokens: &mut Vec<TokenWithSpan>) -> Result<Option<String>, ParserError> {
    let Some(at) = tokens.iter().position(|token| is_word(&token.token, "WITH")) else { return Ok(None) };
    let dialect = PostgreSqlDialect {};
    let mut parser = parser(&dialect, tokens.drain(at..).collect());
    parser.expect_keyword(Keyword::WITH)?;
    parser.expect_token(&Token::LParen)?;
    let name = parser.next_token();
    if !is_word(&name.token, "TIMEOUT") {
        return parser.expected("TIMEOUT", name);
    }
    let _ = parser.consume_token(&Token::Eq);
    let found = parser.peek_token();
    let text = match parser.parse_value()?.value {
        Value::SingleQuotedString(text) => text,
        Value::Number(number, _) => number.to_string(),
        _ => return parser.expected("a time, such as '1s'", found),
    };
    parser.expect_token(&Token::RParen)?;
    match parser.peek_token() {
        end if end.token == Token::EOF => Ok(Some(text)),
        found => parser.expected("the end of FETCH", found),
    }
}

/// Adds what may be left out of a FETCH and the parser does not do without: FROM, and how many.
fn complete_fetch(tokens: &mut Vec<TokenWithSpan>) {
    let is_from = |token: &TokenWithSpan| is_word(&token.token, "FROM") || is_word(&token.token, "IN");
    let words = |tokens: &[TokenWithSpan]| -> Vec<usize> {
        (0..tokens.len()).filter(|&at| !is_blank(&tokens[at].token)).collect()
    };
    let of = words(tokens);
    if of.len() > 1 && !of.iter().any(|&at| is_from(&tokens[at])) {
        insert(tokens, of[of.len() - 1], "FROM");
    }
    let of = words(tokens);
    if of.len() > 1 && is_from(&tokens[of[1]]) {
        insert(tokens, of[1], "NEXT");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribed(sql: &str) -> Subscribe {
        spoken(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).subscribe.expect(sql)
    }

    #[test]
    fn a_subscription_says_what_is_followed_and_how() {
        for sql in ["SUBSCRIBE t", "subscribe to t;", "SUBSCRIBE (SELECT * FROM \"t\")"] {
            let subscribe = subscribed(sql);
            assert!(subscribe.query.to_string().replace('"', "") == "SELECT * FROM t", "{}", subscribe.query);
            assert_eq!((subscribe.snapshot, subscribe.progress, subscribe.as_of), (None, false, None));
        }
        let full = subscribed("SUBSCRIBE TO t WITH (SNAPSHOT = false, PROGRESS) AS OF 7");
        assert_eq!((full.snapshot, full.progress, full.as_of), (Some(false), true, Some(7)));
        let turned = subscribed("SUBSCRIBE t AS OF 8 WITH (PROGRESS true, snapshot on)");
        assert_eq!((turned.snapshot, turned.progress, turned.as_of), (Some(true), true, Some(8)));
    }

    #[test]
    fn it_may_stand_for_a_query_of_copy_and_of_a_cursor() {
        let copy = spoken("COPY (SUBSCRIBE (SELECT a FROM t) WITH (PROGRESS)) TO STDOUT WITH (FORMAT csv)").unwrap();
        assert!(matches!(copy.statement, Statement::Copy { to: true, .. }) && copy.subscribe.unwrap().progress);
        let declare = spoken("DECLARE c CURSOR FOR SUBSCRIBE t AS OF 3").unwrap();
        assert!(matches!(declare.statement, Statement::Declare { .. }));
        assert_eq!(declare.subscribe.unwrap().as_of, Some(3));
        let fetch = spoken("FETCH 10 FROM c WITH (TIMEOUT = '2s')").unwrap();
        assert!(matches!(fetch.statement, Statement::Fetch { .. }));
        assert_eq!(fetch.timeout.as_deref(), Some("2s"));
        for (fetch, full) in [
            ("FETCH c", "FETCH NEXT FROM c"),
            ("FETCH ALL c", "FETCH ALL FROM c"),
            ("fetch in c", "FETCH NEXT IN c"),
            ("FETCH 3 FROM c", "FETCH 3 FROM c"),
            ("FETCH FORWARD 3 c WITH (TIMEOUT = 1)", "FETCH FORWARD 3 FROM c"),
        ] {
            assert_eq!(spoken(fetch).unwrap().statement.to_string(), full);
        }
        assert!(spoken("SELECT 'SUBSCRIBE t'").unwrap().subscribe.is_none());
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        for (sql, at) in [
            ("SUBSCRIBE t WITH (SNAPSHOTS)", "SNAPSHOTS"),
            ("SUBSCRIBE t AS OF now", "now"),
            ("SUBSCRIBE t ENVELOPE UPSERT", "ENVELOPE"),
            ("SUBSCRIBE t WITH (PROGRESS = 3)", "3"),
            ("FETCH 1 FROM c WITH (TIME = 1)", "TIME"),
        ] {
            let error = spoken(sql).err().expect(sql);
            assert_eq!((error.sqlstate, error.position), ("42601", sql.find(at).map(|at| at + 1)), "{sql}: {error}");
        }
    }
}
