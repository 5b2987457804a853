//! What a half-typed word may become: a keyword, a relation, a column, a command.

use std::collections::{BTreeMap, BTreeSet};

use super::commands::COMMANDS;

/// Relations with their columns.
#[derive(Clone, Debug, Default)]
pub struct Names(pub BTreeMap<String, Vec<String>>);

const KEYWORDS: &[&str] = &[
    "ALL",
    "AND",
    "AS",
    "ASC",
    "AT TIME ZONE",
    "BEGIN",
    "BETWEEN",
    "BY",
    "CASE",
    "CAST",
    "CLOSE",
    "COMMENT ON",
    "COMMIT",
    "COPY",
    "COUNT",
    "CREATE MATERIALIZED VIEW",
    "CREATE TABLE",
    "CREATE VIEW",
    "CROSS JOIN",
    "CURSOR FOR",
    "DECLARE",
    "DELETE FROM",
    "DESC",
    "DISTINCT",
    "DROP MATERIALIZED VIEW",
    "DROP TABLE",
    "DROP VIEW",
    "ELSE",
    "END",
    "EXCEPT",
    "EXISTS",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "FALSE",
    "FETCH",
    "FILTER",
    "FROM",
    "FULL JOIN",
    "GROUP BY",
    "HAVING",
    "IN",
    "INNER JOIN",
    "INSERT INTO",
    "INTERSECT",
    "INTERVAL",
    "IS NOT NULL",
    "IS NULL",
    "JOIN",
    "LEFT JOIN",
    "LIKE",
    "LIMIT",
    "NOT",
    "NULL",
    "OFFSET",
    "ON",
    "OR",
    "ORDER BY",
    "OVER",
    "PARTITION BY",
    "PRIMARY KEY",
    "RESET",
    "RIGHT JOIN",
    "ROLLBACK",
    "SELECT",
    "SET",
    "SHOW",
    "SUBSCRIBE",
    "THEN",
    "TIMESTAMPTZ",
    "TRUE",
    "UNION",
    "UNION ALL",
    "UPDATE",
    "USING",
    "VALUES",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Words that a relation follows.
const BEFORE_RELATION: [&str; 10] =
    ["from", "join", "into", "update", "table", "view", "subscribe", "to", "copy", "explain"];

/// What the word `text[start..cursor]` may become, sorted; each begins with it in any case.
pub fn candidates(names: &Names, text: &str, start: usize, cursor: usize) -> Vec<String> {
    let word = &text[start..cursor];
    let before = text[..start].trim_end();
    if word.starts_with('\\') && before.is_empty() {
        let commands: BTreeSet<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
        return commands.into_iter().filter(|command| command.starts_with(word)).map(str::to_owned).collect();
    }
    if let Some((relation, column)) = word.rsplit_once('.')
        && let Some(columns) = names.0.get(&aliased(text, relation))
    {
        let mine = columns.iter().filter(|name| begins(name, column));
        return mine.map(|name| format!("{relation}.{name}")).collect();
    }
    let last = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("");
    let of_command = before.starts_with('\\');
    let relations = names.0.keys().filter(|name| begins(name, word)).cloned();
    if of_command || BEFORE_RELATION.contains(&last.to_lowercase().as_str()) {
        return relations.collect();
    }
    let mut found: BTreeSet<String> = BTreeSet::new();
    for (_, columns) in names.0.iter().filter(|(name, _)| mentions(text, name)) {
        found.extend(columns.iter().filter(|name| begins(name, word)).cloned());
    }
    if !word.is_empty() {
        found.extend(relations);
        let lower = word.chars().all(|letter| !letter.is_uppercase());
        let keyword = |keyword: &&str| if lower { keyword.to_lowercase() } else { (*keyword).to_owned() };
        found.extend(KEYWORDS.iter().filter(|keyword| begins(keyword, word)).map(keyword));
    }
    found.into_iter().collect()
}

/// What all candidates begin with.
pub fn common(candidates: &[String]) -> String {
    let Some(first) = candidates.first() else { return String::new() };
    let shared = |other: &String| first.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let length = candidates.iter().map(shared).min().unwrap_or(0);
    first.chars().take(length).collect()
}

fn begins(name: &str, word: &str) -> bool {
    name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != '.')
        .filter(|word| !word.is_empty())
}

fn mentions(text: &str, name: &str) -> bool {
    words(text).any(|word| word.eq_ignore_ascii_case(name))
}

/// The relation that an alias stands for in a text: the word before it, or before AS.
fn aliased(text: &str, alias: &str) -> String {
    let words: Vec<&str> = words(text).collect();
    let named = |at: usize| match at.checked_sub(1).map(|at| words[at]) {
        Some(word) if word.eq_ignore_ascii_case("as") => at.checked_sub(2),
        _ => at.checked_sub(1),
    };
    let before = |word: &str| BEFORE_RELATION.iter().any(|before| word.eq_ignore_ascii_case(before));
    let places = (0..words.len()).filter(|&at| words[at] == alias);
    let found = places.filter_map(named).find(|&at| at > 0 && before(words[at - 1]));
    found.map_or_else(|| alias.to_owned(), |at| words[at].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(text: &str) -> Vec<String> {
        let names = [("readings", vec!["circuit", "at"]), ("rules", vec!["circuit", "rate"])];
        let names = names.map(|(name, columns)| (name.to_owned(), columns.iter().map(|c| c.to_string()).collect()));
        let buffer = super::super::buffer::Buffer::of(text);
        candidates(&Names(names.into()), text, buffer.name_start(), buffer.cursor)
    }

    #[test]
    fn words_are_completed_by_where_they_stand() {
        assert_eq!(complete("SELECT * FROM r"), ["readings", "rules"]);
        assert_eq!(complete("SEL"), ["SELECT"]);
        assert_eq!(complete("sel"), ["select"]);
        assert_eq!(
            complete("SELECT * FROM readings WHERE c"),
            [
                "case",
                "cast",
                "circuit",
                "close",
                "comment on",
                "commit",
                "copy",
                "count",
                "create materialized view",
                "create table",
                "create view",
                "cross join",
                "cursor for"
            ]
        );
        assert_eq!(complete("SELECT * FROM readings r JOIN rules AS u ON u."), ["u.circuit", "u.rate"]);
        assert_eq!(complete("SELECT rules.ra"), ["rules.rate"]);
        assert_eq!(complete("\\d ru"), ["rules"]);
        assert_eq!(complete("\\ti"), ["\\timing"]);
        assert_eq!(complete("SELECT 1 "), Vec::<String>::new());
        assert_eq!(common(&complete("SELECT * FROM r")), "r");
    }
}
