//! A line for each column, as psql's `\x` prints rows that are too wide.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, Printer};

pub struct Expanded<'a> {
    columns: Vec<Column>,
    /// Of the widest name.
    width: usize,
    rows: usize,
    out: &'a mut dyn Write,
}

impl<'a> Expanded<'a> {
    pub fn new(columns: Vec<Column>, out: &'a mut dyn Write) -> Expanded<'a> {
        let width = columns.iter().map(|column| column.name.width()).max().unwrap_or(0);
        Expanded { columns, width, rows: 0, out }
    }
}

impl Printer for Expanded<'_> {
    fn row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        self.rows += 1;
        let title = format!("-[ RECORD {} ]", self.rows);
        writeln!(self.out, "{title:-<0$}", self.width + 2)?;
        for (column, cell) in self.columns.iter().zip(cells) {
            // The lines of a cell stand below each other.
            for (at, line) in cell.unwrap_or("").split('\n').enumerate() {
                let name = if at == 0 { &column.name } else { "" };
                let spare = self.width - name.width();
                writeln!(self.out, "{}", format!("{name}{:spare$} | {line}", "").trim_end())?;
            }
        }
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        writeln!(self.out, "({} {})\n", self.rows, if self.rows == 1 { "row" } else { "rows" })
    }
}
