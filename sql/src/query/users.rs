//! Users and memberships as PostgreSQL says them, which the parser reads otherwise or not at all:
//!
//! ```text
//! CREATE USER a ..          CREATE ROLE a LOGIN ..
//! ALTER | DROP USER a       ALTER | DROP ROLE a
//! GRANT a, b TO c           GRANT ROLE a, ROLE b TO c
//! REVOKE a FROM b           REVOKE ROLE a FROM b
//! ```

use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

use super::parse::{insert, is_blank, is_word};

/// Writes a statement as the parser reads it.
pub(super) fn spelled(tokens: &mut Vec<TokenWithSpan>) {
    let words: Vec<usize> = (0..tokens.len()).filter(|&at| !is_blank(&tokens[at].token)).collect();
    let is = |at: usize, word: &str| words.get(at).is_some_and(|&at| is_word(&tokens[at].token, word));
    if is(1, "USER") && (is(0, "CREATE") || is(0, "ALTER") || is(0, "DROP")) {
        let named = 2 + 3 * usize::from(is(2, "IF") && is(3, "NOT"));
        if is(0, "CREATE") && words.len() > named {
            let with = usize::from(is(named + 1, "WITH"));
            match words.get(named + 1 + with) {
                Some(&behind) => insert(tokens, behind, "LOGIN"),
                None => {
                    let span = tokens[words[named]].span;
                    let parts = [Token::Whitespace(Whitespace::Space), Token::make_keyword("LOGIN")];
                    tokens.extend(parts.map(|token| TokenWithSpan { token, span }));
                }
            }
        }
        tokens[words[1]].token = Token::make_keyword("ROLE");
        return;
    }
    if !(is(0, "GRANT") || is(0, "REVOKE")) || (0..words.len()).any(|at| is(at, "ON")) || is(1, "ROLE") {
        return;
    }
    let end = (0..words.len()).find(|&at| is(at, "TO") || is(at, "FROM")).unwrap_or(words.len());
    // From behind, so that places before stay as they are.
    for at in (1..end).rev() {
        let first = at == 1 || tokens[words[at - 1]].token == Token::Comma;
        if first && matches!(tokens[words[at]].token, Token::Word(_)) {
            insert(tokens, words[at], "ROLE");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::spoken;

    #[test]
    fn users_are_roles_that_log_in() {
        for (written, read) in [
            ("CREATE USER ana", "CREATE ROLE ana LOGIN"),
            ("create user ana with password 'x'", "CREATE ROLE ana LOGIN PASSWORD 'x'"),
            ("CREATE USER IF NOT EXISTS ana PASSWORD 'x'", "CREATE ROLE IF NOT EXISTS ana LOGIN PASSWORD 'x'"),
            ("DROP USER IF EXISTS ana", "DROP ROLE IF EXISTS ana"),
            ("GRANT a, b TO c, d", "GRANT ROLE a, ROLE b TO c, d"),
            ("REVOKE a FROM b", "REVOKE ROLE a FROM b"),
            ("GRANT SELECT ON user_readings TO a", "GRANT SELECT ON user_readings TO a"),
        ] {
            let statement = spoken(written).unwrap_or_else(|error| panic!("{written}: {error}")).statement;
            assert_eq!(statement.to_string(), read, "{written}");
        }
        assert!(spoken("ALTER USER ana PASSWORD 'y'").is_ok());
    }

    #[test]
    fn nothing_else_is_touched() {
        let text = "SELECT user FROM grants";
        let mut tokens = crate::query::parse::tokens(text).unwrap();
        let before = tokens.clone();
        spelled(&mut tokens);
        assert_eq!(tokens, before);
    }
}
