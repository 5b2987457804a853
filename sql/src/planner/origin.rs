//! What a plan's columns are, where all of its rows come from one relation through Maps and Filters.

use std::sync::Arc;

use arrow::datatypes::DataType;
use dataflow::RelationId;
use datafusion::common::ScalarValue;
use datafusion::physical_expr::expressions::{Column, Literal};
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};

use crate::relation::{Relation, RelationKind};

/// One column in terms of the relation's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Derived {
    /// The relation's column, unchanged.
    Column(usize),
    /// The start of the bin, `width` microseconds wide, that the relation's timestamp column lies in.
    Bin {
        column: usize,
        width: i64,
    },
    Other,
}

/// A relation and what the columns over it are.
#[derive(Clone, Debug)]
pub struct Origin {
    pub relation: Arc<Relation>,
    pub columns: Vec<Derived>,
}

impl Origin {
    /// The relation as it is.
    pub fn of(relation: Arc<Relation>) -> Origin {
        let columns = (0..relation.schema.columns.fields().len()).map(Derived::Column).collect();
        Origin { relation, columns }
    }

    /// After a Map with these expressions.
    pub fn mapped(&self, exprs: &[Arc<dyn PhysicalExpr>]) -> Origin {
        let columns = exprs.iter().map(|expr| self.derived(expr.as_ref())).collect();
        Origin { relation: self.relation.clone(), columns }
    }

    /// After a Map that passes these columns on.
    pub fn picked(&self, columns: &[usize]) -> Origin {
        let columns = columns.iter().map(|&column| self.columns[column]).collect();
        Origin { relation: self.relation.clone(), columns }
    }

    fn derived(&self, expr: &dyn PhysicalExpr) -> Derived {
        if let Some(column) = expr.downcast_ref::<Column>() {
            return self.columns[column.index()];
        }
        let bin = || {
            let function = expr.downcast_ref::<ScalarFunctionExpr>()?;
            let (first, rest) = function.args().split_first()?;
            let width = match (function.name(), literal(first)?) {
                ("date_bin", ScalarValue::IntervalMonthDayNano(Some(step))) => {
                    bin_width(step.months, step.days, step.nanoseconds)?
                }
                // In a zone a day may be longer.
                ("date_trunc", ScalarValue::Utf8(Some(unit))) if rest.len() == 1 => unit_width(unit)?,
                _ => return None,
            };
            let (stamp, origin) = rest.split_first()?;
            if !origin.iter().all(|origin| literal(origin).is_some_and(|origin| !origin.is_null())) {
                return None;
            }
            let stamp = stamp.downcast_ref::<Column>()?.index();
            let Derived::Column(column) = self.columns[stamp] else { return None };
            let stamped = self.relation.schema.columns.field(column).data_type();
            matches!(stamped, DataType::Timestamp(_, _)).then_some(Derived::Bin { column, width })
        };
        bin().unwrap_or(Derived::Other)
    }

    /// The stored relation whose rows can be looked up, which neither a bag's can nor a stream's.
    pub fn stored(&self) -> Option<RelationId> {
        let stored = self.is_keyed() && self.relation.kind != RelationKind::Stream;
        stored.then_some(self.relation.id)
    }

    /// Whether no two of the relation's rows have the same key.
    pub fn is_keyed(&self) -> bool {
        !self.relation.schema.counted && self.relation.kind != RelationKind::System
    }
}

fn literal(expr: &Arc<dyn PhysicalExpr>) -> Option<&ScalarValue> {
    expr.downcast_ref::<Literal>().map(Literal::value)
}

/// Microseconds of an interval that is as long at any time of the year; months are not.
fn bin_width(months: i32, days: i32, nanoseconds: i64) -> Option<i64> {
    const DAY_NANOS: i64 = 86_400_000_000_000;
    let nanos = i64::from(days).checked_mul(DAY_NANOS)?.checked_add(nanoseconds)?;
    (months == 0 && nanos > 0 && nanos % 1_000 == 0).then_some(nanos / 1_000)
}

fn unit_width(unit: &str) -> Option<i64> {
    match unit.to_lowercase().as_str() {
        "second" => Some(1_000_000),
        "minute" => Some(60_000_000),
        "hour" => Some(3_600_000_000),
        "day" => Some(86_400_000_000),
        _ => None,
    }
}
