//! Comma-separated values as RFC 4180 has them.

use std::io::{self, Write};

use super::{Column, Printer};

pub struct Csv<'a> {
    out: &'a mut dyn Write,
}

impl<'a> Csv<'a> {
    pub fn new(columns: &[Column], out: &'a mut dyn Write) -> io::Result<Csv<'a>> {
        let mut csv = Csv { out };
        let names: Vec<Option<&str>> = columns.iter().map(|column| Some(column.name.as_str())).collect();
        csv.row(&names)?;
        Ok(csv)
    }
}

impl Printer for Csv<'_> {
    fn row(&mut self, cells: &[Option<&str>]) -> io::Result<()> {
        for (at, cell) in cells.iter().enumerate() {
            if at > 0 {
                self.out.write_all(b",")?;
            }
            match cell {
                None => {}
                Some(text) if text.is_empty() || text.contains([',', '"', '\n', '\r']) => {
                    write!(self.out, "\"{}\"", text.replace('"', "\"\""))?;
                }
                Some(text) => self.out.write_all(text.as_bytes())?,
            }
        }
        self.out.write_all(b"\r\n")
    }

    fn pause(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
