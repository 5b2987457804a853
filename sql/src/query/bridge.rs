//! Statements about bridges, which the parser of SQL does not know:
//!
//! ```text
//! CREATE SOURCE [IF NOT EXISTS] name INTO table WITH (connector = 'mqtt', ..)
//! CREATE SINK [IF NOT EXISTS] name FROM relation WITH (connector = 'mqtt', ..)
//! DROP {SOURCE | SINK} [IF EXISTS] name
//! ```

use datafusion::sql::sqlparser::ast::{Ident, ObjectName, SqlOption};
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::parse::{is_blank, is_word, parser, tokens, trimmed};
use crate::error::SqlError;

/// What is said of a bridge.
#[derive(Clone)]
pub enum BridgeStatement {
    Create {
        kind: &'static str,
        name: Ident,
        if_not_exists: bool,
        relation: ObjectName,
        /// The password is among them.
        options: Vec<SqlOption>,
    },
    Drop {
        kind: &'static str,
        name: Ident,
        if_exists: bool,
    },
}

impl BridgeStatement {
    /// The tag of its answer.
    pub fn tag(&self) -> &'static str {
        match self {
            BridgeStatement::Create { kind: SOURCE, .. } => "CREATE SOURCE",
            BridgeStatement::Create { .. } => "CREATE SINK",
            BridgeStatement::Drop { kind: SOURCE, .. } => "DROP SOURCE",
            BridgeStatement::Drop { .. } => "DROP SINK",
        }
    }
}

const SOURCE: &str = "source";
const SINK: &str = "sink";

/// Parses a statement if it is about bridges.
pub fn bridge(sql: &str) -> Result<Option<BridgeStatement>, SqlError> {
    let tokens = trimmed(tokens(sql)?);
    let words: Vec<&Token> = tokens.iter().map(|token| &token.token).filter(|token| !is_blank(token)).take(2).collect();
    let [verb, of] = words[..] else { return Ok(None) };
    let Some(kind) = [SOURCE, SINK].into_iter().find(|kind| is_word(of, kind)) else { return Ok(None) };
    let dialect = PostgreSqlDialect {};
    let parsed = match () {
        () if is_word(verb, "CREATE") => create(parser(&dialect, tokens), kind),
        () if is_word(verb, "DROP") => drop_one(parser(&dialect, tokens), kind),
        () => return Ok(None),
    };
    parsed.map(Some).map_err(|error| SqlError::of_parser(error, sql))
}

fn create(mut parser: Parser<'_>, kind: &'static str) -> Result<BridgeStatement, ParserError> {
    parser.next_token();
    parser.next_token();
    let if_not_exists = parser.parse_keywords(&[Keyword::IF, Keyword::NOT, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    parser.expect_keyword_is(if kind == SOURCE { Keyword::INTO } else { Keyword::FROM })?;
    let relation = parser.parse_object_name(false)?;
    let options = parser.parse_options(Keyword::WITH)?;
    parser.expect_token(&Token::EOF)?;
    Ok(BridgeStatement::Create { kind, name, if_not_exists, relation, options })
}

fn drop_one(mut parser: Parser<'_>, kind: &'static str) -> Result<BridgeStatement, ParserError> {
    parser.next_token();
    parser.next_token();
    let if_exists = parser.parse_keywords(&[Keyword::IF, Keyword::EXISTS]);
    let name = parser.parse_identifier()?;
    parser.expect_token(&Token::EOF)?;
    Ok(BridgeStatement::Drop { kind, name, if_exists })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_sinks_are_read_and_nothing_else() {
        let said = |sql: &str| match bridge(sql).unwrap() {
            Some(BridgeStatement::Create { kind, name, if_not_exists, relation, options }) => {
                format!("{kind} {name} {if_not_exists} {relation} {}", options.len())
            }
            Some(BridgeStatement::Drop { kind, name, if_exists }) => format!("drop {kind} {name} {if_exists}"),
            None => "none".to_owned(),
        };
        assert_eq!(said("create source a INTO s.t WITH (connector = 'mqtt', retain = true);"), "source a false s.t 2");
        assert_eq!(said("CREATE SINK IF NOT EXISTS a FROM v WITH (url = '')"), "sink a true v 1");
        assert_eq!(said("-- x\nDROP SINK IF EXISTS a"), "drop sink a true");
        assert_eq!(said("CREATE TABLE source (a int)"), "none");
        assert_eq!(said("SELECT 1"), "none");
        for wrong in ["CREATE SOURCE a FROM t WITH (b = 'c')", "CREATE SINK a INTO t", "DROP SOURCE", "DROP SINK a b"] {
            assert_eq!(bridge(wrong).err().map(|error| error.sqlstate), Some("42601"), "{wrong}");
        }
    }
}
