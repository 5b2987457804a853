//! Where a plan's rows come from: by name, and by which key.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::TableReference;
use datafusion::common::tree_node::Transformed;
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::{LogicalPlan, TableSource, TableType};

use crate::error::SqlError;
use crate::planner::SCHEMA;
use crate::scan::StoredTable;

/// The name that [`crate::Relations`] knows a table by: without the catalogue, and without `public`.
pub fn relation_name(table: &TableReference) -> String {
    match table.schema() {
        Some(schema) if schema != SCHEMA => format!("{schema}.{}", table.table()),
        _ => table.table().to_string(),
    }
}

/// Columns of a source whose values no two rows share; `None` where there are none such.
///
/// DataFusion is not told of it: it would drop group columns that hang on a key, which are part of a view's own.
pub fn key(source: &Arc<dyn TableSource>) -> Option<Vec<usize>> {
    if let Some(columns) = source.downcast_ref::<Columns>() {
        return columns.key.clone();
    }
    let provider = source_as_provider(source).ok()?;
    provider.downcast_ref::<StoredTable>()?.key().map(<[usize]>::to_vec)
}

/// A table's columns and its key and nothing else: no statistics, no filters taken. Whatever scans use never shapes a view's plan.
struct Columns {
    schema: SchemaRef,
    key: Option<Vec<usize>>,
}

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Columns")
    }
}

impl TableSource for Columns {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }
}

/// The plan over sources that only know their columns and keys. Plain views come out inlined.
pub fn detached(plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        scan.source = Arc::new(Columns { schema: scan.source.schema(), key: key(&scan.source) });
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(rewritten.data)
}
