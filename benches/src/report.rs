//! The report, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::machine::Machine;
use crate::measure::{Aim, Figure, median};

#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) before: Machine,
    pub(crate) load_after: Option<[f64; 3]>,
    pub(crate) figures: Vec<Figure>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.before;
        writeln!(f, "{}, {} CPUs, SQLite {}", machine.date, machine.cpus, machine.sqlite)?;
        writeln!(f, "load before {}, after {}", load(machine.load_before), load(self.load_after))?;
        writeln!(f, "one fdatasync of 4 KiB: p50 {:.0} µs", machine.fdatasync_p50_us)?;
        if machine.fdatasync_p50_us < 10.0 {
            writeln!(f, "that is memory, not a disk: give a folder on a disk with --dir")?;
        }
        writeln!(f, "{}\n", machine.settings)?;
        let head = ["figure", "unit", "ours", "floor", "ratio", "rounds", "aim", ""];
        let mut rows = vec![head.map(str::to_owned)];
        rows.extend(self.figures.iter().map(row));
        table(f, &rows)?;
        writeln!(f)?;
        let mut told = "";
        for figure in self.figures.iter().filter(|figure| !figure.note.is_empty()) {
            if figure.note != told {
                writeln!(f, "{}: {}", figure.name.trim(), figure.note)?;
            }
            told = figure.note;
        }
        Ok(())
    }
}

fn row(figure: &Figure) -> [String; 8] {
    let (low, high) = figure.ratio_range();
    let (aim, met) = match (figure.aim, figure.is_met()) {
        (Aim::AtMost(most), met) => (format!("≤ {most}"), met),
        (Aim::AtLeast(least), met) => (format!("≥ {least}"), met),
        (Aim::None, _) => (String::new(), None),
    };
    [
        figure.name.clone(),
        figure.unit.to_owned(),
        number(median(&figure.ours)),
        number(median(&figure.floor)),
        format!("{:.2}", figure.ratio()),
        format!("{low:.2}-{high:.2}"),
        aim,
        met.map_or("", |met| if met { "met" } else { "MISSED" }).to_owned(),
    ]
}

fn number(value: f64) -> String {
    if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

fn load(averages: Option<[f64; 3]>) -> String {
    averages.map_or("unknown".to_owned(), |[one, five, fifteen]| format!("{one:.2} {five:.2} {fifteen:.2}"))
}

fn table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Numbers stand at the right of their column, words at the left.
            let cell =
                if (2..6).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line += &cell;
            line += "  ";
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
