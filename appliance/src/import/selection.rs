//! The SELECT that maps a file's columns to a table's, run by DataFusion in the client.

use std::sync::Arc;

use anyhow::{Context, bail};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::dataframe::DataFrame;
use datafusion::execution::SendableRecordBatchStream;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::LogicalPlan;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::file::CsvFile;
use crate::limits;

/// A query over the table `file`, planned.
pub struct Selection {
    frame: DataFrame,
    /// How many times the query reads the file: once for each branch of a UNION ALL.
    pub scans: usize,
}

impl Selection {
    /// Plans a SELECT; without one, every column of the file as it is.
    pub async fn plan(file: &CsvFile, select: Option<&str>) -> anyhow::Result<Selection> {
        let mut config = SessionConfig::new().with_target_partitions(1);
        let parser = &mut config.options_mut().sql_parser;
        // Headers are written as they stand in the file, without quotes where they are plain words.
        parser.enable_ident_normalization = false;
        parser.parse_float_as_decimal = true;
        parser.dialect = Dialect::PostgreSQL;
        let memory = Arc::new(FairSpillPool::new(limits::IMPORT_MEMORY_BYTES));
        let runtime = RuntimeEnvBuilder::new().with_memory_pool(memory).build_arc()?;
        let context = SessionContext::new_with_config_rt(config, runtime);
        let table = StreamingTable::try_new(file.schema.clone(), vec![Arc::new(file.clone())])?;
        context.register_table("file", Arc::new(table))?;

        let queries_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        let planned = context.sql_with_options(select.unwrap_or("SELECT * FROM file"), queries_only).await;
        let frame = planned.map_err(in_words).context("--select is not a SELECT over the table `file`")?;
        let mut scans = 0;
        frame.clone().into_optimized_plan().map_err(in_words)?.apply_with_subqueries(|node| {
            scans += usize::from(matches!(node, LogicalPlan::TableScan(_)));
            Ok(TreeNodeRecursion::Continue)
        })?;
        if frame.schema().fields().is_empty() {
            bail!("--select has no columns");
        }
        Ok(Selection { frame, scans })
    }

    /// Names of the columns that the query gives.
    pub fn columns(&self) -> Vec<String> {
        self.frame.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// Starts the query.
    pub async fn execute(self) -> anyhow::Result<SendableRecordBatchStream> {
        self.frame.execute_stream().await.map_err(in_words)
    }
}

/// DataFusion's error without the layers that name its own parts.
pub fn in_words(error: DataFusionError) -> anyhow::Error {
    match error.find_root() {
        DataFusionError::External(inner) => anyhow::anyhow!("{inner}"),
        root => anyhow::anyhow!("{}", root.strip_backtrace()),
    }
}
