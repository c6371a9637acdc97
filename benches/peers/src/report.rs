//! The report, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::figure::{Better, Figure, Row};
use crate::machine::Machine;
use crate::roster::Side;
use crate::run::{Known, Measurements};
use crate::settings;

#[derive(Serialize)]
pub(crate) struct Report {
    #[serde(flatten)]
    pub(crate) before: Machine,
    pub(crate) load_after: Option<[f64; 3]>,
    #[serde(flatten)]
    pub(crate) measured: Measurements,
}

const HEAD: [&str; 9] = [
    "program",
    "version",
    "state",
    "median",
    "min - max",
    "of best peer",
    "of best that keeps",
    "of floor",
    "",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine(f)?;
        let mut rows = vec![HEAD.map(str::to_owned)];
        for figure in &self.measured.figures {
            rows.extend(self.figure(figure));
        }
        table(f, &rows)?;
        writeln!(
            f,
            "\nRatios are of medians. Best peer: of those that work from a client; that keeps: of those of them in"
        )?;
        writeln!(f, "whose tables the state of a finished job can be asked for.\n")?;
        for program in &self.measured.programs {
            let about = &program.about;
            writeln!(f, "{} {} on {}: {}", program.name, about.version, about.runtime, about.configuration)?;
        }
        for (name, reason) in &self.measured.missing {
            writeln!(f, "missing: {name}: {reason}")?;
        }
        for (name, reason) in &self.measured.failures {
            writeln!(f, "FAILED: {name}: {reason}")?;
        }
        Ok(())
    }
}

impl Report {
    fn machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let machine = &self.before;
        writeln!(f, "{}, {} CPUs, PostgreSQL {}", machine.date, machine.cpus, machine.postgres)?;
        writeln!(f, "load before {}, after {}", load(machine.load_before), load(self.load_after))?;
        let (sync, commit) = (machine.fdatasync_p50_us, machine.commit_p50_us);
        writeln!(f, "one fdatasync of 4 KiB: p50 {sync:.0} µs; one row and its commit: p50 {commit:.0} µs")?;
        let settings = machine.settings.iter();
        let settings: Vec<_> = settings
            .map(|one| format!("{} {}{}", one.name, one.value, if one.is_default { "" } else { "*" }))
            .collect();
        writeln!(f, "{} (* not as PostgreSQL comes)", settings.join(", "))?;
        for setting in settings::undurable(&machine.settings) {
            writeln!(
                f,
                "WARNING: {setting} is not on: nothing here is durable, and the figures mean nothing"
            )?;
        }
        let measured = &self.measured;
        writeln!(
            f,
            "rounds: {}{}\n",
            measured.rounds,
            if measured.is_quick { ", QUICK: these are no figures" } else { "" }
        )
    }

    fn figure(&self, figure: &Figure) -> Vec<[String; 9]> {
        let is_peer = |name: &str| self.known(name).is_some_and(|known| known.side == Side::Peer);
        let keeps = |name: &str| self.known(name).is_some_and(|known| known.about.keeps);
        let best = figure.best(is_peer);
        let best_keeper = figure.best(|name| is_peer(name) && keeps(name));
        let floor = figure.best(|name| name == "floor");
        let better = if figure.better == Better::Less { ", less is better" } else { "" };
        let mut head: [String; 9] = Default::default();
        head[0] = format!("— {} ({}{better})", figure.name, figure.unit);
        let mut rows = vec![Default::default(), head];
        for row in figure.ranked() {
            rows.push(self.row(row, [best, best_keeper, floor]));
        }
        rows
    }

    fn row(&self, row: &Row, [best, best_keeper, floor]: [Option<f64>; 3]) -> [String; 9] {
        let ratio = |to: Option<f64>| to.map_or(String::new(), |to| format!("{:.2}", row.median() / to));
        let known = self.known(row.program);
        let (low, high) = row.range();
        let side = known.map_or("", |known| match known.side {
            Side::Ours => "Tidings",
            Side::Floor => "bare SQL",
            Side::Peer => "",
            Side::InServer => "in the server",
        });
        [
            format!("  {}", row.program),
            known.map_or(String::new(), |known| known.about.version.clone()),
            known.map_or("", |known| if known.about.keeps { "keeps" } else { "deletes" }).to_owned(),
            number(row.median()),
            format!("{} - {}", number(low), number(high)),
            ratio(best),
            ratio(best_keeper),
            ratio(floor),
            side.to_owned(),
        ]
    }

    fn known(&self, name: &str) -> Option<&Known> {
        self.measured.programs.iter().find(|known| known.name == name)
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn load(averages: Option<[f64; 3]>) -> String {
    averages.map_or("unknown".to_owned(), |[one, five, fifteen]| format!("{one:.2} {five:.2} {fifteen:.2}"))
}

fn table<const N: usize>(f: &mut fmt::Formatter<'_>, rows: &[[String; N]]) -> fmt::Result {
    // A figure's name stands across the columns.
    let is_name = |row: &&[String; N]| row[0].starts_with('—');
    let widths = rows.iter().filter(|row| !is_name(row)).fold([0; N], |mut widths, row| {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
        widths
    });
    for row in rows {
        if is_name(&row) {
            writeln!(f, "{}", row[0])?;
            continue;
        }
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Numbers stand at the right of their column, words at the left.
            let cell =
                if (3..8).contains(&column) { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
            line += &cell;
            line += "  ";
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    Ok(())
}
