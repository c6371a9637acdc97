//! An explicit-state model checker, as small as the models here allow: every state that can be reached is visited once,
//! breadth first, so the first violation that is found has the shortest way.

use std::collections::HashMap;
use std::fmt::{Debug, Write as _};
use std::hash::Hash;
use std::time::{Duration, Instant};

/// A system of which every step is known.
pub(crate) trait Model {
    type State: Clone + Eq + Hash;
    type Step: Copy + Debug;

    fn start(&self) -> Self::State;
    /// Every step that somebody could take next.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Self::Step>);
    fn take(&self, state: &Self::State, step: Self::Step) -> Self::State;
    /// What must hold in every state.
    fn check(&self, state: &Self::State) -> Result<(), String>;
}

/// What an exploration came to.
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    /// What does not hold, and the shortest way there.
    pub(crate) violation: Option<Violation>,
}

pub(crate) struct Violation {
    pub(crate) what: String,
    pub(crate) way: String,
}

/// Visits all states, or all up to the first violation.
pub(crate) fn explore<M: Model>(model: &M) -> Report {
    let began = Instant::now();
    let mut seen: HashMap<M::State, usize> = HashMap::new();
    // Where each state was reached from: index of the state before, the step, and how many steps it took.
    let mut came: Vec<(usize, Option<M::Step>, usize)> = Vec::new();
    let mut level = vec![(0, model.start())];
    seen.insert(model.start(), 0);
    came.push((0, None, 0));
    let (mut taken, mut steps) = (0, Vec::new());
    let report = |came: &[(usize, Option<M::Step>, usize)], taken, violation| Report {
        states: came.len(),
        steps: taken,
        depth: came.last().map_or(0, |last| last.2),
        took: began.elapsed(),
        violation,
    };
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (index, state) in level {
            if let Err(what) = model.check(&state) {
                let way = way_to::<M>(&came, index);
                return report(&came, taken, Some(Violation { what, way }));
            }
            steps.clear();
            model.steps(&state, &mut steps);
            for step in steps.iter().copied() {
                taken += 1;
                let next = model.take(&state, step);
                let new = came.len();
                seen.entry(next).or_insert_with_key(|next| {
                    came.push((index, Some(step), came[index].2 + 1));
                    next_level.push((new, next.clone()));
                    new
                });
            }
        }
        level = next_level;
    }
    report(&came, taken, None)
}

fn way_to<M: Model>(came: &[(usize, Option<M::Step>, usize)], mut index: usize) -> String {
    let mut steps = Vec::new();
    while let (before, Some(step), _) = came[index] {
        steps.push(step);
        index = before;
    }
    let mut way = String::new();
    for (number, step) in steps.iter().rev().enumerate() {
        write!(way, "\n  {:>2}. {step:?}", number + 1).expect("a text takes more text");
    }
    way
}

/// Explores a model in which nothing may be wrong, and says how much that was.
pub(crate) fn holds<M: Model>(what: &str, model: &M) -> Report {
    let report = explore(model);
    if let Some(Violation { what: violation, way }) = &report.violation {
        panic!("{what}: {violation}; the way there:{way}");
    }
    let Report { states, steps, depth, took, .. } = &report;
    say(&format!("{what}: holds in all {states} states ({steps} steps, up to {depth} deep), {took:.1?}"));
    report
}

/// Explores a model with a planted bug, which must be found, as a violation that says `expected`.
pub(crate) fn finds<M: Model>(what: &str, expected: &str, model: &M) {
    let report = explore(model);
    let Some(Violation { what: violation, way }) = report.violation else {
        panic!("{what}: the planted bug is not found in {} states", report.states);
    };
    assert!(violation.contains(expected), "{what}: found `{violation}` instead of `{expected}`:{way}");
    say(&format!("{what}: found after {} states, {:.1?}: {violation}{way}", report.states, report.took));
}

/// Past the test harness, which shows what a test prints only when it fails: the numbers are part of the result.
fn say(text: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "{text}").expect("stderr takes a line");
}
