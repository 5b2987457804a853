//! Where a plan's rows come from, by name only.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Constraints, TableReference};
use datafusion::logical_expr::{LogicalPlan, TableSource, TableType};

use super::SCHEMA;
use crate::error::SqlError;

/// The name that [`crate::Relations`] knows a table by: without the catalogue, and without `public`.
pub fn relation_name(table: &TableReference) -> String {
    match table.schema() {
        Some(schema) if schema != SCHEMA => format!("{schema}.{}", table.table()),
        _ => table.table().to_string(),
    }
}

/// A table's columns and nothing else: no statistics, no filters taken. Whatever scans use never shapes a view's plan.
struct Columns {
    schema: SchemaRef,
    constraints: Option<Constraints>,
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

    fn constraints(&self) -> Option<&Constraints> {
        self.constraints.as_ref()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }
}

/// The plan over sources that only know their columns. Plain views come out inlined.
pub fn detached(plan: LogicalPlan) -> Result<LogicalPlan, SqlError> {
    let rewritten = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::TableScan(mut scan) = plan else { return Ok(Transformed::no(plan)) };
        scan.source =
            Arc::new(Columns { schema: scan.source.schema(), constraints: scan.source.constraints().cloned() });
        Ok(Transformed::yes(LogicalPlan::TableScan(scan)))
    })?;
    Ok(rewritten.data)
}
