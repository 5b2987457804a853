//! The rules that every plan goes through, pinned by name.
//!
//! The list is our own and not DataFusion's default, which may change with a version: what a view means, and that its
//! maintained and its ad hoc answer agree, hangs on it. Left out on purpose: rules that compute common subexpressions
//! first (they would make an expression run where a CASE or AND does not reach it), that drop constant group columns (they
//! are part of a view's key), and that split DISTINCT aggregates.

mod along_key;
mod canonical;
mod checked;
mod copies;
mod decided;
mod distinct_on;
mod doubles;
mod filtered;
mod inferred;
mod isolate;
mod lateral;
mod marks;
mod membership;
pub(crate) mod named;
mod narrow;
mod ordered;
mod sorted;
mod steady;
mod whole_rows;
mod yielding;
mod zoned;

use std::sync::Arc;

use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::analyzer::AnalyzerRule;
use datafusion::optimizer::analyzer::resolve_grouping_function::ResolveGroupingFunction;
use datafusion::optimizer::analyzer::type_coercion::TypeCoercion;
use datafusion::optimizer::decorrelate_lateral_join::DecorrelateLateralJoin;
use datafusion::optimizer::decorrelate_predicate_subquery::DecorrelatePredicateSubquery;
use datafusion::optimizer::eliminate_cross_join::EliminateCrossJoin;
use datafusion::optimizer::eliminate_duplicated_expr::EliminateDuplicatedExpr;
use datafusion::optimizer::eliminate_filter::EliminateFilter;
use datafusion::optimizer::eliminate_join::EliminateJoin;
use datafusion::optimizer::eliminate_limit::EliminateLimit;
use datafusion::optimizer::eliminate_outer_join::EliminateOuterJoin;
use datafusion::optimizer::extract_equijoin_predicate::ExtractEquijoinPredicate;
use datafusion::optimizer::optimize_projections::OptimizeProjections;
use datafusion::optimizer::optimize_unions::OptimizeUnions;
use datafusion::optimizer::propagate_empty_relation::PropagateEmptyRelation;
use datafusion::optimizer::push_down_limit::PushDownLimit;
use datafusion::optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion::optimizer::scalar_subquery_to_join::ScalarSubqueryToJoin;
use datafusion::optimizer::simplify_expressions::SimplifyExpressions;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::ensure_requirements::EnsureRequirements;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

pub use copies::{NumberCopies, numbered};
pub use isolate::{DropErrors, Isolate};
pub use zoned::Zoned;

/// What turns a plan as written into one with types and with our arithmetic.
pub fn analyzer() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    vec![
        Arc::new(whole_rows::WholeRows),
        Arc::new(ResolveGroupingFunction::new()),
        Arc::new(lateral::LateralUnnest),
        Arc::new(membership::Membership),
        Arc::new(ordered::OrderedBySubquery),
        Arc::new(filtered::FilteredAggregates),
        Arc::new(distinct_on::DistinctOnFirst),
        Arc::new(canonical::CanonicalTypes),
        Arc::new(doubles::DoublesFirst),
        Arc::new(TypeCoercion::new()),
        Arc::new(checked::CheckedArithmetic),
        Arc::new(decided::DecidedOrder),
    ]
}

/// What makes a plan cheaper without changing what it answers.
pub fn optimizer() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    vec![
        Arc::new(OptimizeUnions::new()),
        Arc::new(SimplifyExpressions::new()),
        Arc::new(ReplaceDistinctWithAggregate::new()),
        Arc::new(EliminateJoin::new()),
        Arc::new(marks::Marks),
        Arc::new(DecorrelatePredicateSubquery::new()),
        Arc::new(ScalarSubqueryToJoin::new()),
        Arc::new(DecorrelateLateralJoin::new()),
        Arc::new(ExtractEquijoinPredicate::new()),
        Arc::new(EliminateDuplicatedExpr::new()),
        Arc::new(EliminateFilter::new()),
        Arc::new(EliminateCrossJoin::new()),
        Arc::new(EliminateLimit::new()),
        Arc::new(PropagateEmptyRelation::new()),
        Arc::new(EliminateOuterJoin::new()),
        Arc::new(PushDownLimit::new()),
        Arc::new(inferred::AskedFilters::default()),
        Arc::new(OptimizeProjections::new()),
        Arc::new(steady::SteadyFirst),
    ]
}

/// DataFusion's physical rules with ours.
pub fn physical() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    physical_with(vec![Arc::new(Isolate)])
}

/// DataFusion's physical rules with these, which change conditions: after conditions were moved, and before it is decided
/// what is sorted and what is constant, which hangs on them.
pub fn physical_with(
    ours: Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>>,
) -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut rules = PhysicalOptimizer::new().rules;
    // Goes by names where a projection has two columns of one name, and filters the wrong side of a join. Conditions are where
    // they belong already: the logical plan's rule knows whose each column is.
    rules.retain(|rule| !rule.name().starts_with("FilterPushdown"));
    for rule in rules.iter_mut().filter(|rule| rule.name() == narrow::NAME) {
        *rule = Arc::new(narrow::ProjectionPushdown);
    }
    for rule in rules.iter_mut().filter(|rule| rule.name() == along_key::REPLACED) {
        *rule = Arc::new(along_key::AlongKey);
    }
    let before = rules.iter().position(|rule| rule.name() == EnsureRequirements::new().name());
    let before = before.expect("DataFusion decides on sorting");
    rules.splice(before..before, ours);
    // Which joins there are decides what must be sorted.
    rules.insert(0, Arc::new(sorted::SortedJoins));
    rules.push(Arc::new(yielding::Yielding));
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_and_their_order_are_those_that_were_checked() {
        let analyzer: Vec<String> = analyzer().iter().map(|rule| rule.name().to_string()).collect();
        assert_eq!(
            analyzer,
            [
                "whole_rows",
                "resolve_grouping_function",
                "lateral_unnest",
                "membership",
                "ordered_by_subquery",
                "filtered_aggregates",
                "distinct_on_first",
                "canonical_types",
                "doubles_first",
                "type_coercion",
                "checked_arithmetic",
                "decided_order"
            ]
        );
        let optimizer: Vec<String> = optimizer().iter().map(|rule| rule.name().to_string()).collect();
        assert_eq!(
            optimizer,
            [
                "optimize_unions",
                "simplify_expressions",
                "replace_distinct_aggregate",
                "eliminate_join",
                "marks",
                "decorrelate_predicate_subquery",
                "scalar_subquery_to_join",
                "decorrelate_lateral_join",
                "extract_equijoin_predicate",
                "eliminate_duplicated_expr",
                "eliminate_filter",
                "eliminate_cross_join",
                "eliminate_limit",
                "propagate_empty_relation",
                "eliminate_outer_join",
                "push_down_limit",
                "push_down_filter",
                "optimize_projections",
                "steady_first",
            ]
        );
    }
}
