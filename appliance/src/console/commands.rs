//! Commands of the console: a backslash and a word, as psql has them.

/// What there is, with its words for `\?`.
pub const COMMANDS: &[(&str, &str)] = &[
    ("\\?", "this list"),
    ("\\conninfo", "where the node is"),
    ("\\d", "tables and views; with a name: its columns, key and definition; with + more"),
    ("\\df", "functions; a name may have * and ?"),
    ("\\di", "keys of tables and views"),
    ("\\dm", "materialized views"),
    ("\\dn", "schemas"),
    ("\\dt", "tables"),
    ("\\du", "users"),
    ("\\dv", "views"),
    ("\\l", "databases"),
    ("\\pset", "pset pager on | off: whether long answers go through $PAGER"),
    ("\\q", "leave, as Ctrl-D"),
    ("\\timing", "on | off: how long statements take"),
    ("\\x", "on | off: a line for each column"),
];

/// What a command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    Leave,
    Help,
    Where,
    /// The answer of a query.
    Ask(String),
    /// The description of a relation, with comments and definition where `more`.
    Describe {
        name: String,
        more: bool,
    },
    /// Turned on or off, or over.
    Timing(Option<bool>),
    Expanded(Option<bool>),
    Pager(Option<bool>),
}

/// Reads a command; else what to say.
pub fn read(line: &str) -> Result<Command, String> {
    let mut words = line.trim().trim_end_matches(';').split_whitespace();
    let command = words.next().unwrap_or("");
    let argument = words.next();
    let (plain, more) = match command.strip_suffix('+') {
        Some(plain) => (plain, true),
        None => (command, false),
    };
    let listed = |kind: &str| Command::Ask(relations(&format!("'{kind}'"), argument, more));
    Ok(match plain {
        "\\q" => Command::Leave,
        "\\?" => Command::Help,
        "\\conninfo" => Command::Where,
        "\\timing" => Command::Timing(switch(command, argument)?),
        "\\x" => Command::Expanded(switch(command, argument)?),
        "\\pset" if argument == Some("pager") => Command::Pager(switch(command, words.next())?),
        "\\d" => match argument {
            None => Command::Ask(relations("'r', 'v', 'm'", None, more)),
            Some(name) if name.contains(['*', '?']) => Command::Ask(relations("'r', 'v', 'm'", Some(name), more)),
            Some(name) => Command::Describe { name: folded(name), more },
        },
        "\\dt" => listed("r"),
        "\\dv" => listed("v"),
        "\\dm" => listed("m"),
        "\\di" => Command::Ask(indexes(argument)),
        "\\df" => Command::Ask(functions(argument)),
        "\\dn" => ask(
            "SELECT nspname AS schema FROM pg_namespace WHERE nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
        ),
        "\\du" => ask("SELECT rolname AS \"user\", rolsuper AS superuser FROM pg_roles ORDER BY 1"),
        "\\l" => ask("SELECT datname AS database FROM pg_database ORDER BY 1"),
        _ => return Err(format!("{command} is not known: \\? lists what is")),
    })
}

fn ask(sql: &str) -> Command {
    Command::Ask(sql.to_owned())
}

fn switch(command: &str, argument: Option<&str>) -> Result<Option<bool>, String> {
    match argument {
        None => Ok(None),
        Some("on") => Ok(Some(true)),
        Some("off") => Ok(Some(false)),
        Some(other) => Err(format!("{command} is on or off, not {other}")),
    }
}

/// A name as the catalogue has it: in lower case unless it is quoted.
fn folded(name: &str) -> String {
    let name = name.strip_prefix("public.").unwrap_or(name);
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(quoted) => quoted.to_owned(),
        None => name.to_lowercase(),
    }
}

/// A text as a literal.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// What a relation `c` in a namespace `n` is called.
const NAME: &str = "CASE n.nspname WHEN 'public' THEN c.relname ELSE n.nspname || '.' || c.relname END";

/// Whether a namespace `n` has relations of people.
const OF_PEOPLE: &str = "n.nspname NOT IN ('caudal', 'pg_catalog', 'information_schema')";

/// A condition that a name is like a pattern with `*` and `?`.
fn like(column: &str, pattern: Option<&str>) -> String {
    let Some(pattern) = pattern else { return "TRUE".to_owned() };
    let like = folded(pattern).replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    format!("{column} LIKE {}", literal(&like.replace('*', "%").replace('?', "_")))
}

fn relations(kinds: &str, pattern: Option<&str>, more: bool) -> String {
    let comment = if more { ", obj_description(c.oid, 'pg_class') AS comment" } else { "" };
    format!(
        "SELECT {NAME} AS name, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view' ELSE 'materialized view' END \
         AS kind{comment} FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {OF_PEOPLE} AND c.relkind IN ({kinds}) AND {} ORDER BY 1",
        like(NAME, pattern)
    )
}

fn indexes(pattern: Option<&str>) -> String {
    format!(
        "SELECT {NAME} AS name, t.relname AS of, pg_get_indexdef(c.oid) AS definition FROM pg_index i \
         JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {OF_PEOPLE} AND {} ORDER BY 1",
        like(NAME, pattern)
    )
}

fn functions(pattern: Option<&str>) -> String {
    format!("SELECT DISTINCT proname AS name FROM pg_proc WHERE {} ORDER BY 1", like("proname", pattern))
}

/// The columns of a relation.
pub fn columns(name: &str, more: bool) -> String {
    let comment = if more { ", col_description(a.attrelid, a.attnum) AS comment" } else { "" };
    format!(
        "SELECT a.attname AS \"column\", format_type(a.atttypid, a.atttypmod) AS type, \
         CASE WHEN a.attnotnull THEN 'not null' ELSE '' END AS nullable{comment} \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {} AND a.attnum > 0 ORDER BY a.attnum",
        named(name)
    )
}

/// Kind, comment, key, topic and statement of a relation.
pub fn relation(name: &str) -> String {
    format!(
        "SELECT r.kind, r.key, r.topic, r.sql, obj_description(c.oid, 'pg_class') \
         FROM caudal.relations r JOIN pg_class c ON c.relname = {} JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE {} AND r.name = {}",
        literal(name.rsplit('.').next().unwrap_or(name)),
        named(name),
        literal(name)
    )
}

fn named(name: &str) -> String {
    let (schema, name) = name.split_once('.').unwrap_or(("public", name));
    format!("n.nspname = {} AND c.relname = {}", literal(schema), literal(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_those_of_psql() {
        assert_eq!(read("\\x on"), Ok(Command::Expanded(Some(true))));
        assert_eq!(read("\\timing"), Ok(Command::Timing(None)));
        assert_eq!(read("\\d+ Readings;"), Ok(Command::Describe { name: "readings".into(), more: true }));
        assert_eq!(read("\\d \"Odd\""), Ok(Command::Describe { name: "Odd".into(), more: false }));
        assert!(read("\\x maybe").is_err() && read("\\nothing").is_err());
        let Ok(Command::Ask(sql)) = read("\\dt re_d*") else { panic!("it asks") };
        assert!(sql.contains("END LIKE 're\\_d%'"), "{sql}");
    }
}
