//! COPY: rows on their way into a table through the log, or out of a query.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::datatypes::DataType;
use bytes::Bytes;
use datafusion::sql::sqlparser::ast::{
    CopyLegacyCsvOption, CopyLegacyOption, CopyOption, CopySource, CopyTarget, Statement,
};
use storage::Event;
use tokio::task::JoinHandle;

use super::action::Action;
use super::prepare::Ground;
use super::{CopyFormat, CopyLines, Outcomes, write};
use crate::catalog::{Entry, default_json, is_hidden};
use crate::ddl::column_name;
use crate::decode::envelope::REFUSED;
use crate::decode::text;
use crate::error::SqlError;
use crate::functions::session_zone;
use crate::functions::zone::Zone;
use crate::limits::{APPEND_EVENTS_MAX, COPY_APPENDS_MAX};
use crate::pipeline::Shared;
use crate::query::{parse, quoted_name, relation_name};

/// The columns of a COPY of what its sender could not make rows of. It goes to quarantine with the sender's reason, so that
/// an import loses nothing and need not stop.
const REFUSED_COLUMNS: [&str; 2] = ["caudal.reason", "caudal.payload"];

/// Rows on their way into a table through the log.
pub struct CopyIn {
    /// The columns that the client sends, in order.
    pub columns: Vec<String>,
    /// How the client writes them, from the statement's WITH (..).
    pub format: CopyFormat,
    shared: Arc<Shared>,
    table: Arc<Entry>,
    types: Vec<DataType>,
    /// What moments are read in that say no offset, where that is not UTC.
    zone: Option<Zone>,
    /// Whether a column has a default, which NULL is told from.
    defaults: Vec<bool>,
    /// Names of the key columns.
    key: Vec<String>,
    /// The columns are [`REFUSED_COLUMNS`].
    refused: bool,
    events: Vec<Event>,
    /// Appends that are durable and not published yet, the oldest first.
    waiting: VecDeque<JoinHandle<Result<Outcomes, SqlError>>>,
    outcomes: Outcomes,
}

impl CopyIn {
    /// `columns`: positions in the table.
    pub(super) fn new(shared: Arc<Shared>, table: Arc<Entry>, columns: &[usize], format: CopyFormat) -> CopyIn {
        let schema = &table.relation.as_ref().expect("a table has rows").schema;
        let fields = schema.columns.fields();
        let name = |at: usize| fields[at].name().clone();
        CopyIn {
            columns: columns.iter().map(|&at| name(at)).collect(),
            types: columns.iter().map(|&at| fields[at].data_type().clone()).collect(),
            zone: None,
            defaults: columns.iter().map(|&at| default_json(&fields[at]).is_some()).collect(),
            key: schema.key.iter().filter(|&&at| !is_hidden(&fields[at])).map(|&at| name(at)).collect(),
            refused: false,
            format,
            shared,
            table,
            events: Vec::new(),
            waiting: VecDeque::new(),
            outcomes: Outcomes::default(),
        }
    }

    /// Moments without an offset are of this zone.
    pub(super) fn in_zone(mut self, zone: Option<Zone>) -> CopyIn {
        self.zone = zone;
        self
    }

    /// Takes a reason and a payload a row.
    pub(super) fn refused(shared: Arc<Shared>, table: Arc<Entry>, format: CopyFormat) -> CopyIn {
        let mut copy = CopyIn::new(shared, table, &[], format);
        copy.columns = REFUSED_COLUMNS.map(str::to_owned).to_vec();
        copy.types = vec![DataType::Utf8; REFUSED_COLUMNS.len()];
        copy.refused = true;
        copy
    }

    /// The types of the columns.
    pub fn types(&self) -> &[DataType] {
        &self.types
    }

    /// Adds rows as text cells (`None` is NULL) in the order of `columns`; waits when the log is behind.
    pub async fn rows(&mut self, rows: Vec<Vec<Option<String>>>) -> Result<(), SqlError> {
        for row in rows {
            if row.len() != self.columns.len() {
                let words = format!("a row has {} cells for {} columns", row.len(), self.columns.len());
                return Err(SqlError::new("22P04", words));
            }
            let event = self.event(&row);
            self.events.push(event);
            if self.events.len() >= APPEND_EVENTS_MAX {
                self.append().await?;
            }
        }
        Ok(())
    }

    /// Waits until all rows are published and says what became of them. A cell that is not of its column's type is in
    /// quarantine, with its reason, like any other event.
    pub async fn finish(mut self) -> Result<Outcomes, SqlError> {
        self.append().await?;
        while !self.waiting.is_empty() {
            self.hear().await?;
        }
        Ok(std::mem::take(&mut self.outcomes))
    }

    fn event(&self, row: &[Option<String>]) -> Event {
        if self.refused {
            let [reason, payload] = row else { unreachable!("as many cells as columns") };
            let reason = reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
            return Event {
                value: payload.clone().map(Bytes::from),
                headers: vec![(REFUSED.to_owned(), Bytes::from(reason))],
                ..write::encoder(&self.shared, &self.table, vec![]).cells(&[])
            };
        }
        let json = |((cell, data_type), default): ((&Option<String>, &DataType), &bool)| match cell {
            Some(cell) => {
                let mut out = Vec::new();
                let moment = self.zone.filter(|_| matches!(data_type, DataType::Timestamp(_, Some(_))));
                // What is no moment is told so when it is decoded.
                match moment.and_then(|zone| session_zone::read(cell, zone).ok()) {
                    Some(micros) => text::write_json(&session_zone::utc(micros), data_type, &mut out),
                    None => text::write_json(cell, data_type, &mut out),
                }
                Some(out)
            }
            None => default.then(|| b"null".to_vec()),
        };
        let values = row.iter().zip(&self.types).zip(&self.defaults).map(json);
        let cells: Vec<(&str, Option<Vec<u8>>)> = self.columns.iter().map(String::as_str).zip(values).collect();
        // The encoder finds key cells by their names.
        let key = self.key.iter().map(|name| (name.clone(), 0)).collect();
        let mut event = write::encoder(&self.shared, &self.table, key).cells(&cells);
        event.headers.extend(self.not_of(row).map(|reason| (REFUSED.to_owned(), Bytes::from(reason))));
        event
    }

    /// Why a row is none, where its event would not show it.
    fn not_of(&self, row: &[Option<String>]) -> Option<String> {
        let cells = self.columns.iter().zip(&self.types).zip(row);
        let mut reasons = cells.filter_map(|((column, data_type), cell)| {
            let why = text::not_of(cell.as_deref()?, data_type)?;
            Some(format!("column {column}: {why}"))
        });
        reasons.next()
    }

    /// Appends what has come; in order, so that the last row of a key stays the last.
    async fn append(&mut self) -> Result<(), SqlError> {
        if self.events.is_empty() {
            return Ok(());
        }
        if self.waiting.len() >= COPY_APPENDS_MAX {
            self.hear().await?;
        }
        let interest = self.shared.interests.register(&self.table.table().expect("it is a table").topic);
        self.shared.writable()?;
        let positions = self.shared.log.append(std::mem::take(&mut self.events)).await?;
        self.waiting.push_back(tokio::spawn(interest.outcomes(positions)));
        Ok(())
    }

    /// Waits for the oldest append to be published.
    async fn hear(&mut self) -> Result<(), SqlError> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let told = oldest.await.map_err(|error| SqlError::new("XX000", error.to_string()))?;
        self.outcomes.merge(told?);
        Ok(())
    }
}

impl Drop for CopyIn {
    fn drop(&mut self) {
        self.waiting.iter().for_each(JoinHandle::abort);
    }
}

impl Ground<'_> {
    /// COPY a table or a query TO STDOUT.
    pub(super) async fn copy_out(&self, statement: Statement) -> Result<Action, SqlError> {
        let Statement::Copy { source, target, options, legacy_options, .. } = statement else {
            unreachable!("the caller has a COPY statement");
        };
        if target != CopyTarget::Stdout {
            return Err(SqlError::unsupported("COPY TO other than STDOUT")
                .hint("Files and programs of the server are out of reach; \\copy of psql writes yours."));
        }
        let query = match source {
            CopySource::Query(query) => Statement::Query(query),
            CopySource::Table { table_name, columns } => {
                let quoted: Vec<String> = columns.iter().map(|column| quoted_name(&column_name(column))).collect();
                let columns = if quoted.is_empty() { "*".to_owned() } else { quoted.join(", ") };
                parse(&format!("SELECT {columns} FROM {}", quoted_name(&relation_name(&table_name)?)))?
            }
        };
        let plan = Box::new(self.plan(crate::query::named(query)).await?);
        Ok(Action::CopyOut { plan, follow: None, format: format(&options, &legacy_options)? })
    }

    pub(super) fn copy_in(&self, statement: &Statement) -> Result<Action, SqlError> {
        let Statement::Copy { source, to, target, options, legacy_options, .. } = statement else {
            unreachable!("the caller has a COPY statement");
        };
        assert!(!to, "the caller has COPY .. FROM");
        if *target != CopyTarget::Stdin {
            return Err(SqlError::unsupported("COPY FROM other than STDIN")
                .hint("Files and programs of the server are out of reach; \\copy of psql reads yours."));
        }
        let CopySource::Table { table_name, columns } = source else {
            return Err(SqlError::unsupported("COPY of a query"));
        };
        let table = self.table(table_name)?;
        if columns.iter().map(column_name).eq(REFUSED_COLUMNS) {
            return Ok(Action::CopyRefused { table, format: format(options, legacy_options)? });
        }
        let fields = table.relation.as_ref().expect("a table has rows").schema.columns.fields().clone();
        let position = |name: String| {
            let found = fields.iter().position(|field| *field.name() == name && !is_hidden(field));
            found.ok_or_else(|| {
                SqlError::new("42703", format!("column \"{name}\" of table \"{}\" does not exist", table.name()))
            })
        };
        let positions: Vec<usize> = match columns.is_empty() {
            true => (0..fields.len()).filter(|&at| !is_hidden(&fields[at])).collect(),
            false => columns.iter().map(|column| position(column_name(column))).collect::<Result<_, _>>()?,
        };
        if let Some(twice) = (1..positions.len()).find(|&at| positions[..at].contains(&positions[at])) {
            return Err(SqlError::new(
                "42701",
                format!("column \"{}\" is there twice", fields[positions[twice]].name()),
            ));
        }
        Ok(Action::CopyIn { table, columns: positions, format: format(options, legacy_options)? })
    }
}

/// The format that the options say.
fn format(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<CopyFormat, SqlError> {
    let named = options.iter().find_map(|option| match option {
        CopyOption::Format(name) => Some(name.value.to_lowercase()),
        _ => None,
    });
    let old = legacy.iter().find_map(|option| match option {
        CopyLegacyOption::Csv(_) => Some("csv"),
        CopyLegacyOption::Binary => Some("binary"),
        _ => None,
    });
    let mut lines = match named.as_deref().or(old) {
        Some("binary") => return binary(options, legacy),
        Some("csv") => CopyLines::csv(),
        None | Some("text") => CopyLines::text(),
        Some(other) => {
            return Err(SqlError::new("22023", format!("COPY format \"{other}\" not recognized"))
                .hint("Use text, csv or binary."));
        }
    };
    for option in options {
        match option {
            CopyOption::Format(_) => {}
            CopyOption::Delimiter(delimiter) => lines.delimiter = byte("DELIMITER", *delimiter)?,
            CopyOption::Null(null) => lines.null.clone_from(null),
            CopyOption::Header(header) => lines.header = *header,
            CopyOption::Quote(quote) => lines.quote = byte("QUOTE", *quote)?,
            CopyOption::Escape(escape) => lines.escape = byte("ESCAPE", *escape)?,
            CopyOption::Encoding(encoding) => utf8(encoding)?,
            other => return Err(SqlError::unsupported(format!("COPY with {other}"))),
        }
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Csv(within) => {
                within.iter().try_for_each(|option| legacy_csv_option(option, &mut lines))?
            }
            CopyLegacyOption::Header => lines.header = true,
            CopyLegacyOption::Delimiter(delimiter) => lines.delimiter = byte("DELIMITER", *delimiter)?,
            CopyLegacyOption::Null(null) => lines.null.clone_from(null),
            other => return Err(SqlError::unsupported(format!("COPY with {other}"))),
        }
    }
    Ok(CopyFormat::Lines(lines))
}

/// The binary format, which leaves nothing to choose: what is said of lines is refused as PostgreSQL refuses it.
fn binary(options: &[CopyOption], legacy: &[CopyLegacyOption]) -> Result<CopyFormat, SqlError> {
    let refused = |option: &str| Err(SqlError::new("42601", format!("cannot specify {option} in BINARY mode")));
    for option in options {
        match option {
            CopyOption::Format(_) | CopyOption::Header(false) => {}
            CopyOption::Encoding(encoding) => utf8(encoding)?,
            CopyOption::Delimiter(_) => return refused("DELIMITER"),
            CopyOption::Null(_) => return refused("NULL"),
            CopyOption::Header(true) => return Err(SqlError::unsupported("HEADER in BINARY mode")),
            other => return Err(SqlError::unsupported(format!("COPY with {other} in BINARY mode"))),
        }
    }
    for option in legacy {
        match option {
            CopyLegacyOption::Binary => {}
            CopyLegacyOption::Delimiter(_) => return refused("DELIMITER"),
            CopyLegacyOption::Null(_) => return refused("NULL"),
            other => return Err(SqlError::unsupported(format!("COPY with {other} in BINARY mode"))),
        }
    }
    Ok(CopyFormat::Binary)
}

fn utf8(encoding: &str) -> Result<(), SqlError> {
    match encoding.to_lowercase().as_str() {
        "utf8" | "utf-8" => Ok(()),
        _ => Err(SqlError::unsupported(format!("COPY with ENCODING '{encoding}'")).hint("Text is UTF-8.")),
    }
}

fn legacy_csv_option(option: &CopyLegacyCsvOption, lines: &mut CopyLines) -> Result<(), SqlError> {
    match option {
        CopyLegacyCsvOption::Header => lines.header = true,
        CopyLegacyCsvOption::Quote(quote) => lines.quote = byte("QUOTE", *quote)?,
        CopyLegacyCsvOption::Escape(escape) => lines.escape = byte("ESCAPE", *escape)?,
        other => return Err(SqlError::unsupported(format!("COPY with {other}"))),
    }
    Ok(())
}

fn byte(option: &str, character: char) -> Result<u8, SqlError> {
    match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() => Ok(byte),
        _ => Err(SqlError::new("22023", format!("{option} must be one character of ASCII"))),
    }
}
