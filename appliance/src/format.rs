//! How the rows of an answer are printed.

mod csv;
mod expanded;
mod json;
mod table;

use std::io::{self, Write};

use tokio_postgres::types::Type;

/// The shapes that `--format` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns and a count, for people
    Table,
    /// A line for each column
    Expanded,
    /// RFC 4180 with a header; NULL is an empty cell, an empty text is ""
    Csv,
    /// One object a line; numbers, true, false, null and JSON columns as they are, everything else as text
    Json,
}

/// A column of an answer.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What the text of a column's cells stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Number,
    Bool,
    Json,
    Text,
}

impl From<&Type> for Kind {
    fn from(wire: &Type) -> Kind {
        match *wire {
            Type::INT2 | Type::INT4 | Type::INT8 | Type::OID => Kind::Number,
            Type::FLOAT4 | Type::FLOAT8 | Type::NUMERIC => Kind::Number,
            Type::BOOL => Kind::Bool,
            Type::JSON | Type::JSONB => Kind::Json,
            _ => Kind::Text,
        }
    }
}

/// Takes the rows of one answer, cells in PostgreSQL's text form, `None` for NULL.
pub trait Printer {
    fn row(&mut self, cells: &[Option<&str>]) -> io::Result<()>;
    /// Shows what there is: the next row may be long in coming.
    fn pause(&mut self) -> io::Result<()>;
    /// Says that there are no more.
    fn finish(&mut self) -> io::Result<()>;
}

impl Format {
    /// A printer of an answer with these columns. Fails where the format cannot show them.
    pub fn printer<'a>(self, columns: Vec<Column>, out: &'a mut dyn Write) -> anyhow::Result<Box<dyn Printer + 'a>> {
        Ok(match self {
            Format::Table => Box::new(table::Table::new(columns, out)),
            Format::Expanded => Box::new(expanded::Expanded::new(columns, out)),
            Format::Csv => Box::new(csv::Csv::new(&columns, out)?),
            Format::Json => Box::new(json::Json::new(columns, out)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, columns: &[(&str, Kind)], rows: &[&[Option<&str>]]) -> String {
        let columns = columns.iter().map(|(name, kind)| Column { name: name.to_string(), kind: *kind }).collect();
        let mut out = Vec::new();
        let mut printer = format.printer(columns, &mut out).unwrap();
        for row in rows {
            printer.row(row).unwrap();
        }
        printer.finish().unwrap();
        drop(printer);
        String::from_utf8(out).unwrap()
    }

    const COLUMNS: &[(&str, Kind)] = &[("circuit", Kind::Text), ("w", Kind::Number), ("on", Kind::Bool)];

    #[test]
    fn tables_look_as_in_psql() {
        let text = printed(
            Format::Table,
            COLUMNS,
            &[&[Some("fridge"), Some("12.5"), Some("t")], &[Some("tv\nset"), None, None]],
        );
        let expected = " circuit |  w   | on \n---------+------+----\n fridge  | 12.5 | t\n tv     +|      | \n set     |      | \n(2 rows)\n\n";
        assert_eq!(text, expected);
        assert_eq!(printed(Format::Table, &[("n", Kind::Number)], &[&[Some("1")]]), " n \n---\n 1\n(1 row)\n\n");
    }

    #[test]
    fn expanded_rows_have_a_line_for_each_column() {
        let text = printed(Format::Expanded, COLUMNS, &[&[Some("tv\nset"), Some("1"), None], &[None, None, Some("f")]]);
        let expected = "-[ RECORD 1 ]\ncircuit | tv\n        | set\nw       | 1\non      |\n-[ RECORD 2 ]\ncircuit |\nw       |\non      | f\n(2 rows)\n\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn csv_quotes_what_would_not_come_back_as_it_was() {
        let text =
            printed(Format::Csv, COLUMNS, &[&[Some("a,\"b\"\n"), Some("1"), None], &[Some(""), None, Some("f")]]);
        assert_eq!(text, "circuit,w,on\r\n\"a,\"\"b\"\"\n\",1,\r\n\"\",,f\r\n");
    }

    #[test]
    fn json_keeps_types_and_never_invents_a_number() {
        let columns = &[("n", Kind::Number), ("b", Kind::Bool), ("j", Kind::Json), ("t", Kind::Text)];
        let rows: &[&[Option<&str>]] = &[
            &[Some("12345678901234567890.10"), Some("t"), Some("{\"a\": [1]}"), Some("4")],
            &[Some("NaN"), Some("f"), None, Some("\"\n")],
            &[Some("-1e-7"), None, None, None],
        ];
        let expected = "{\"n\":12345678901234567890.10,\"b\":true,\"j\":{\"a\": [1]},\"t\":\"4\"}\n\
                        {\"n\":\"NaN\",\"b\":false,\"j\":null,\"t\":\"\\\"\\n\"}\n\
                        {\"n\":-1e-7,\"b\":null,\"j\":null,\"t\":null}\n";
        assert_eq!(printed(Format::Json, columns, rows), expected);
    }

    #[test]
    fn json_refuses_two_columns_of_one_name() {
        let columns = vec![Column { name: "n".into(), kind: Kind::Text }; 2];
        let mut out = Vec::new();
        let error = Format::Json.printer(columns, &mut out).err().expect("it is refused");
        assert!(error.to_string().contains("AS"), "{error}");
    }
}
