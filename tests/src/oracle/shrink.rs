//! Makes a failing case smaller: drops views, epochs, events and restarts as long as it still fails.

use super::case::Case;

/// The smallest case found that still fails. `fails` must be deterministic.
pub fn shrink(case: Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    let mut smallest = case;
    loop {
        let Some(smaller) = candidates(&smallest).into_iter().find(|candidate| fails(candidate)) else {
            return smallest;
        };
        smallest = smaller;
    }
}

/// Cases with one thing less, the largest cuts first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    for epoch in (0..case.epochs.len()).rev() {
        let mut less = case.clone();
        less.epochs.remove(epoch);
        less.times_ms.remove(epoch);
        less.restarts.remove(epoch);
        for view in &mut less.views {
            view.created_after -= usize::from(view.created_after > epoch);
            view.begun_after -= usize::from(view.begun_after > epoch);
        }
        all.push(less);
    }
    for index in (0..case.views.len()).rev() {
        if case.views[index].begun_after < case.views[index].created_after {
            let mut less = case.clone();
            less.views[index].begun_after = case.views[index].created_after;
            all.push(less);
        }
        let name = &case.views[index].name;
        if !case.views.iter().any(|other| other.sources.contains(name)) {
            let mut less = case.clone();
            less.views.remove(index);
            all.push(less);
        }
    }
    for epoch in 0..case.epochs.len() {
        for event in (0..case.epochs[epoch].len()).rev() {
            let mut less = case.clone();
            less.epochs[epoch].remove(event);
            all.push(less);
        }
        if case.restarts[epoch] {
            let mut less = case.clone();
            less.restarts[epoch] = false;
            all.push(less);
        }
    }
    all
}
