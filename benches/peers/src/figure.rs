//! Figures, and what is made of them.

use serde::Serialize;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Better {
    More,
    Less,
}

/// What one run of one program measured.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) figure: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) value: f64,
}

/// One figure of every program that has it.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) rows: Vec<Row>,
}

/// A program's values, a value a round.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) program: &'static str,
    pub(crate) values: Vec<f64>,
}

impl Row {
    pub(crate) fn median(&self) -> f64 {
        median(&self.values)
    }

    pub(crate) fn range(&self) -> (f64, f64) {
        self.values
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)))
    }
}

impl Figure {
    /// The best median of the programs that count.
    pub(crate) fn best(&self, counts: impl Fn(&str) -> bool) -> Option<f64> {
        let medians = self.rows.iter().filter(|row| counts(row.program)).map(Row::median);
        medians.reduce(|best, next| match self.better {
            Better::More => best.max(next),
            Better::Less => best.min(next),
        })
    }

    /// Best first.
    pub(crate) fn ranked(&self) -> Vec<&Row> {
        let mut rows: Vec<&Row> = self.rows.iter().collect();
        rows.sort_by(|a, b| match self.better {
            Better::More => b.median().total_cmp(&a.median()),
            Better::Less => a.median().total_cmp(&b.median()),
        });
        rows
    }
}

/// Adds a run's figures to those that are there.
pub(crate) fn add(figures: &mut Vec<Figure>, program: &'static str, measured: Vec<Measured>) {
    for Measured { figure, unit, better, value } in measured {
        let at = figures.iter().position(|known| known.name == figure).unwrap_or_else(|| {
            figures.push(Figure { name: figure, unit, better, rows: Vec::new() });
            figures.len() - 1
        });
        let rows = &mut figures[at].rows;
        match rows.iter_mut().find(|row| row.program == program) {
            Some(row) => row.values.push(value),
            None => rows.push(Row { program, values: vec![value] }),
        }
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(&mut values.to_vec(), 50.0)
}

/// The value below which `percent` of all values lie.
pub(crate) fn percentile(values: &mut [f64], percent: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let index = (last as f64 * percent / 100.0).round() as usize;
    values.get(index).copied().unwrap_or(f64::NAN)
}
