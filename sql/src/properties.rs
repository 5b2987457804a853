//! What is known of aggregates and of window functions: a table each, for the rules and the planner.

use Property::{ByEnds, ByPeers, ByPosition, InOrder, Maintained, SkipsNulls, TakesDistinct, WithinGroup};

/// What may be so of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Property {
    /// A view can have it.
    Maintained,
    /// A view can have it with DISTINCT.
    TakesDistinct,
    /// A NULL as its first argument counts for nothing.
    SkipsNulls,
    /// Its answer hangs on the order of the rows, which it is called with.
    InOrder,
    /// It is asked WITHIN GROUP (ORDER BY ..), with a fraction.
    WithinGroup,
    /// The order of peers matters to it, whatever the frame.
    ByPosition,
    /// It gives the same to all peers.
    ByPeers,
    /// One change of a row would change every row of its partition.
    ByEnds,
}

/// A table of functions. None is here twice.
pub struct Functions(&'static [(&'static str, &'static [Property])]);

pub const AGGREGATES: Functions = Functions(&[
    ("count", &[Maintained, TakesDistinct, SkipsNulls]),
    ("sum", &[Maintained, TakesDistinct, SkipsNulls]),
    ("avg", &[Maintained, TakesDistinct, SkipsNulls]),
    ("min", &[Maintained, TakesDistinct, SkipsNulls]),
    ("max", &[Maintained, TakesDistinct, SkipsNulls]),
    ("bool_and", &[Maintained, TakesDistinct, SkipsNulls]),
    ("bool_or", &[Maintained, TakesDistinct, SkipsNulls]),
    ("var", &[Maintained, SkipsNulls]),
    ("var_pop", &[Maintained, SkipsNulls]),
    ("stddev", &[Maintained, SkipsNulls]),
    ("stddev_pop", &[Maintained, SkipsNulls]),
    ("median", &[Maintained, SkipsNulls]),
    ("percentile_cont", &[Maintained, SkipsNulls, WithinGroup]),
    ("percentile_disc", &[Maintained, SkipsNulls, WithinGroup]),
    ("string_agg", &[Maintained, TakesDistinct, SkipsNulls, InOrder]),
    ("array_agg", &[Maintained, TakesDistinct, InOrder]),
    ("first_value", &[Maintained, TakesDistinct, InOrder]),
    ("last_value", &[Maintained, TakesDistinct, InOrder]),
]);

pub const WINDOWS: Functions = Functions(&[
    ("row_number", &[Maintained, ByPosition]),
    ("rank", &[Maintained, ByPeers]),
    ("dense_rank", &[Maintained, ByPeers]),
    ("lag", &[Maintained, ByPosition]),
    ("lead", &[Maintained, ByPosition]),
    ("ntile", &[ByPosition]),
    ("percent_rank", &[ByPeers]),
    ("cume_dist", &[ByPeers]),
    ("first_value", &[ByEnds]),
    ("last_value", &[ByEnds]),
    ("nth_value", &[ByEnds]),
]);

impl Functions {
    /// Whether this is known of the function of a name.
    pub fn has(&self, name: &str, property: Property) -> bool {
        self.with(property).any(|known| known == name)
    }

    /// The functions of which this is known.
    pub fn with(&self, property: Property) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(move |(_, known)| known.contains(&property)).map(|(name, _)| *name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::functions::{aggregates, sequence};

    #[test]
    fn each_is_known_once_and_those_in_order_are_ours() {
        let ours: Vec<&str> = AGGREGATES.with(InOrder).collect();
        assert_eq!(ours, sequence::NAMES);
        for functions in [&AGGREGATES, &WINDOWS] {
            let names: BTreeSet<&str> = functions.0.iter().map(|(name, _)| *name).collect();
            assert_eq!(names.len(), functions.0.len());
        }
        let there = aggregates();
        for (name, _) in AGGREGATES.0 {
            assert!(there.iter().any(|function| function.name() == *name), "{name}");
        }
    }
}
