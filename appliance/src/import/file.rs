//! A CSV file as a table of text columns, read in batches.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, bail};
use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use csv::{ByteRecord, StringRecord};
use datafusion::common::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;
use flate2::read::MultiGzDecoder;
use tokio::sync::mpsc;

use super::refused::Refused;
use crate::limits;

/// A file with a header; each column is TEXT, an empty cell is NULL.
#[derive(Clone, Debug)]
pub struct CsvFile {
    path: PathBuf,
    delimiter: u8,
    pub schema: SchemaRef,
    /// Size of the file as it lies on disk.
    pub bytes: u64,
    read: Arc<AtomicU64>,
    /// Takes the lines that are no rows.
    refused: mpsc::Sender<Refused>,
    /// The last such line.
    refused_to: Arc<AtomicU64>,
}

impl CsvFile {
    /// Reads the header. What is not a CSV file by its name is refused.
    pub fn open(path: &Path, delimiter: u8, refused: mpsc::Sender<Refused>) -> anyhow::Result<CsvFile> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if ![".csv", ".csv.gz"].iter().any(|ending| name.ends_with(ending)) {
            bail!("{}: only .csv and .csv.gz are read so far; convert the file to one of them", path.display());
        }
        let metadata = std::fs::metadata(path).with_context(|| format!("opening {}", path.display()))?;
        let mut file = CsvFile {
            path: path.to_path_buf(),
            delimiter,
            schema: Arc::new(Schema::empty()),
            bytes: metadata.len(),
            read: Arc::default(),
            refused,
            refused_to: Arc::default(),
        };
        let header =
            file.reader()?.headers().with_context(|| format!("reading the header of {}", path.display()))?.clone();
        if header.is_empty() {
            bail!("{} is empty: its first line must name the columns", path.display());
        }
        let mut fields: Vec<Field> = Vec::new();
        for name in &header {
            if fields.iter().any(|earlier| earlier.name() == name) {
                bail!("{} has two columns called {name:?}: rename one in its first line", path.display());
            }
            fields.push(Field::new(name, DataType::Utf8, true));
        }
        file.schema = Arc::new(Schema::new(fields));
        file.read.store(0, Ordering::Relaxed);
        Ok(file)
    }

    /// Bytes read so far, by all readers of the file together.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    fn reader(&self) -> anyhow::Result<csv::Reader<Box<dyn Read + Send>>> {
        let file = File::open(&self.path).with_context(|| format!("opening {}", self.path.display()))?;
        let counted = Counted { file, read: self.read.clone() };
        let packed = self.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        let input: Box<dyn Read + Send> =
            if packed { Box::new(MultiGzDecoder::new(counted)) } else { Box::new(counted) };
        // Lines of another length are not the reader's errors: they go to quarantine.
        Ok(csv::ReaderBuilder::new().delimiter(self.delimiter).flexible(true).from_reader(input))
    }

    /// The row of a line; `None` where it is none, which is sent to quarantine.
    fn row(&self, record: &ByteRecord) -> anyhow::Result<Option<StringRecord>> {
        let (found, wanted) = (record.len(), self.schema.fields().len());
        let what = match StringRecord::from_byte_record(record.clone()) {
            Ok(row) if found == wanted => return Ok(Some(row)),
            Ok(_) => format!("has {found} cells, the header has {wanted}"),
            Err(_) => "is not UTF-8".to_owned(),
        };
        let line = record.position().map_or(0, csv::Position::line);
        // A SELECT may read the file in several places at once: the one that is ahead tells.
        if self.refused_to.fetch_max(line, Ordering::Relaxed) < line {
            let name = self.path.file_name().unwrap_or_default().to_string_lossy();
            let reason = format!("line {line} of {name} {what}");
            let refused = Refused { reason, line: written(record, self.delimiter)? };
            self.refused.blocking_send(refused).context("lines that are no rows are no longer taken")?;
        }
        Ok(None)
    }

    /// The next rows; `None` at the end.
    fn batch(&self, reader: &mut csv::Reader<Box<dyn Read + Send>>) -> anyhow::Result<Option<RecordBatch>> {
        let mut columns: Vec<StringBuilder> = self.schema.fields().iter().map(|_| StringBuilder::new()).collect();
        let mut record = ByteRecord::new();
        let mut rows = 0;
        while rows < limits::IMPORT_BATCH_ROWS {
            let more = reader.read_byte_record(&mut record);
            if !more.with_context(|| format!("reading {}", self.path.display()))? {
                break;
            }
            let Some(record) = self.row(&record)? else { continue };
            for (column, cell) in columns.iter_mut().zip(&record) {
                column.append_option(Some(cell).filter(|cell| !cell.is_empty()));
            }
            rows += 1;
        }
        if rows == 0 {
            return Ok(None);
        }
        let arrays = columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        Ok(Some(RecordBatch::try_new(self.schema.clone(), arrays)?))
    }
}

/// The cells as the file has them, but for quotes that they can do without.
fn written(record: &ByteRecord, delimiter: u8) -> anyhow::Result<String> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_byte_record(record)?;
    Ok(String::from_utf8_lossy(writer.into_inner()?.trim_ascii_end()).into_owned())
}

impl PartitionStream for CsvFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStream::builder(self.schema.clone(), limits::IMPORT_BATCHES_AHEAD);
        let sender = stream.tx();
        let file = self.clone();
        stream.spawn_blocking(move || {
            let outside = |error: anyhow::Error| DataFusionError::External(format!("{error:#}").into());
            let mut reader = file.reader().map_err(outside)?;
            while let Some(batch) = file.batch(&mut reader).map_err(outside)? {
                // The receiver is gone where a LIMIT needs no more.
                if sender.blocking_send(Ok(batch)).is_err() {
                    break;
                }
            }
            Ok(())
        });
        stream.build()
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
