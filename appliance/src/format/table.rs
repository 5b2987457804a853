//! Aligned columns, as psql prints them.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::{Column, Kind, Printer};
use crate::limits;

/// The first rows are kept back until it is known how wide the columns must be.
pub struct Table<'a> {
    columns: Vec<Column>,
    widths: Vec<usize>,
    kept: Vec<Vec<Option<String>>>,
    /// The widths are decided and the header is printed.
    measured: bool,
    rows: usize,
    out: &'a mut dyn Write,
}

impl<'a> Table<'a> {
    pub fn new(columns: Vec<Column>, out: &'a mut dyn Write) -> Table<'a> {
        let widths = columns.iter().map(|column| column.name.width()).collect();
        Table { columns, widths, kept: Vec::new(), measured: false, rows: 0, out }
    }

    fn print_kept(&mut self) -> io::Result<()> {
        self.measured = true;
        let kept = std::mem::take(&mut self.kept);
        for cells in &kept {
            for (width, cell) in self.widths.iter_mut().zip(cells) {
                let widest = cell.iter().flat_map(|text| text.split('\n')).map(UnicodeWidthStr::width).max();
                *width = (*width).max(widest.unwrap_or(0));
            }
        }
        self.print_header()?;
        for cells in kept {
            self.print_row(&cells.iter().map(Option::as_deref).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    fn print_header(&mut self) -> io::Result<()> {
        for (at, (column, width)) in self.columns.iter().zip(&self.widths).enumerate() {
            let spare = width - column.name.width();
            let (left, right) = (spare / 2, spare - spare / 2);
            write!(self.out, "{} {:left$}{}{:right$} ", if at == 0 { "" } else { "|" }, "", column.name, "")?;
        }
        writeln!(self.out)?;
        let dashes: Vec<String> = self.widths.iter().map(|width| "-".repeat(width + 2)).collect();
        writeln!(self.out, "{}", dashes.join("+"))
    }

    /// A cell with line ends takes several lines, marked with a `+` as in psql.
    fn print_row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        let cells: Vec<Vec<&str>> = cells.iter().map(|cell| cell.unwrap_or("").split('\n').collect()).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            for (at, (cell, width)) in cells.iter().zip(&self.widths).enumerate() {
                let text = cell.get(line).copied().unwrap_or("");
                let spare = width.saturating_sub(text.width());
                let continued = if line + 1 < cell.len() { "+" } else { " " };
                write!(self.out, "{} ", if at == 0 { "" } else { "|" })?;
                match self.columns[at].kind {
                    Kind::Number => write!(self.out, "{:spare$}{text}", "")?,
                    _ if at + 1 == cells.len() && continued == " " => write!(self.out, "{text}")?,
                    _ => write!(self.out, "{text}{:spare$}", "")?,
                }
                if at + 1 < cells.len() || continued == "+" {
                    write!(self.out, "{continued}")?;
                }
            }
            writeln!(self.out)?;
        }
        Ok(())
    }
}

impl Printer for Table<'_> {
    fn row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        self.rows += 1;
        if self.measured {
            return self.print_row(cells);
        }
        self.kept.push(cells.iter().map(|cell| cell.map(str::to_string)).collect());
        if self.rows == limits::TABLE_ROWS_MEASURED { self.print_kept() } else { Ok(()) }
    }

    fn pause(&mut self) -> io::Result<()> {
        if !self.measured && self.rows > 0 {
            self.print_kept()?;
        }
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        if !self.measured {
            self.print_kept()?;
        }
        writeln!(self.out, "({} {})\n", self.rows, if self.rows == 1 { "row" } else { "rows" })
    }
}
