//! One JSON object a line.

use std::io::{self, Write};

use anyhow::bail;

use super::{Column, Kind, Printer};

pub struct Json<'a> {
    columns: Vec<Column>,
    out: &'a mut dyn Write,
}

impl<'a> Json<'a> {
    pub fn new(columns: Vec<Column>, out: &'a mut dyn Write) -> anyhow::Result<Json<'a>> {
        for (at, column) in columns.iter().enumerate() {
            if columns[..at].iter().any(|earlier| earlier.name == column.name) {
                bail!("two columns are called {:?}, an object has one of each name: rename one with AS", column.name);
            }
        }
        Ok(Json { columns, out })
    }
}

impl Printer for Json<'_> {
    fn row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        for (at, (cell, column)) in cells.iter().zip(&self.columns).enumerate() {
            self.out.write_all(if at == 0 { b"{" } else { b"," })?;
            serde_json::to_writer(&mut self.out, &column.name)?;
            self.out.write_all(b":")?;
            match (cell, column.kind) {
                (None, _) => self.out.write_all(b"null")?,
                (Some("t"), Kind::Bool) => self.out.write_all(b"true")?,
                (Some("f"), Kind::Bool) => self.out.write_all(b"false")?,
                (Some(text), Kind::Json) => self.out.write_all(text.as_bytes())?,
                // Infinity and NaN are no numbers in JSON.
                (Some(text), Kind::Number) if serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok() => {
                    self.out.write_all(text.as_bytes())?;
                }
                (Some(text), _) => serde_json::to_writer(&mut self.out, text)?,
            }
        }
        self.out.write_all(if cells.is_empty() { b"{}\n" } else { b"}\n" })
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
