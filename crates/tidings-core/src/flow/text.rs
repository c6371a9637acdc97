//! A flow as people read it: one line for each message, job and handling, drawn as a tree. States are told by words.

use std::fmt::{self, Write};

use super::facts::{CommandResult, HandlingState};
use super::tree::{CommandOutcome, Flow, Handling, Node, What};
use crate::store::{AttemptEnd, JobState};

/// Which characters draw the tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lines {
    /// Box-drawing characters.
    #[default]
    Unicode,
    /// ASCII, for terminals and logs that know no others.
    Ascii,
}

/// A flow, ready to be written; see [`Flow::text`].
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    flow: &'a Flow,
    lines: Lines,
}

impl Flow {
    /// The flow as text: first what is to be known of the whole, then the tree.
    #[must_use]
    pub fn text(&self, lines: Lines) -> Text<'_> {
        Text { flow: self, lines }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text(Lines::Unicode).fmt(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        head(self.flow, f)?;
        f.write_char('\n')?;
        tree(self.flow, self.lines, f)
    }
}

fn head(flow: &Flow, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let count = &flow.fan_out;
    writeln!(f, "flow {}", flow.correlation_id)?;
    if let Some(trace_id) = &flow.trace_id {
        writeln!(f, "trace {trace_id}")?;
    }
    if let Some(started_at) = flow.started_at {
        writeln!(f, "from {started_at}, {}", Time(flow.duration_ms))?;
    }
    let kinds = listed([
        (count.events, "event"),
        (count.durable_commands, "durable command"),
        (count.replies, "reply"),
    ]);
    let of = if kinds.is_empty() { String::new() } else { format!(" ({kinds})") };
    let messages = counted(count.messages, "message");
    writeln!(f, "fan-out: {messages}{of}, {} deep: {}", counted(count.depth.into(), "level"), count.grade)?;
    let beside = listed([(count.jobs, "job"), (count.called_commands, "called command")]);
    if !beside.is_empty() {
        writeln!(f, "beside them: {beside}")?;
    }
    writeln!(f, "open: {}", open(flow))?;
    for repeated in &flow.repeated {
        let cause = &flow.nodes[repeated.cause];
        let by = repeated.handling.and_then(|index| cause.what.handlings().get(index));
        let by = by.map(|handling| format!(" in {}", Shown(&handling.consumer))).unwrap_or_default();
        let of = cause.what.name().map_or("a cause that is not on record", |name| name);
        writeln!(f, "loop: {} x {} from one {}{by}", repeated.count, Shown(&repeated.name), Shown(of))?;
    }
    if count.missing_causes > 0 {
        let causes = counted(count.missing_causes, "cause");
        writeln!(
            f,
            "note: {causes} not on record: taken by retention, kept elsewhere, or a command whose outcome is not kept any more"
        )?;
    }
    if flow.nodes.iter().any(|node| node.circle) {
        writeln!(f, "note: some causes form a circle, which is cut where it says so")?;
    }
    for other in &flow.other_flows {
        writeln!(f, "note: the trace has another flow: {other}")?;
    }
    Ok(())
}

fn open(flow: &Flow) -> String {
    let open = &flow.open;
    let messages = [
        (open.unread, "not read yet"),
        (open.retrying, "retrying"),
        (open.behind, "behind"),
        (open.dead, "dead"),
    ];
    let messages = messages.into_iter().filter(|(count, _)| *count > 0);
    let mut parts: Vec<String> = messages.map(|(count, word)| format!("{count} {word}")).collect();
    let jobs = [(open.jobs_waiting, "waiting"), (open.jobs_running, "running"), (open.jobs_dead, "dead")];
    let jobs = jobs.into_iter().filter(|(count, _)| *count > 0);
    parts.extend(jobs.map(|(count, word)| format!("{} {word}", counted(count, "job"))));
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}

fn listed<const N: usize>(parts: [(u64, &str); N]) -> String {
    let parts = parts.into_iter().filter(|(count, _)| *count > 0);
    parts.map(|(count, noun)| counted(count, noun)).collect::<Vec<_>>().join(", ")
}

fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}

/// What stands on a line.
#[derive(Clone, Copy)]
enum Item {
    Node(usize),
    Handling { node: usize, handling: usize },
    Attempt { node: usize, attempt: usize },
}

struct Line {
    item: Item,
    /// Which of the levels above go on below this line; the last one says whether this line has a sibling after it.
    level: usize,
    last: bool,
}

/// Levels that are drawn; what is deeper says how deep, since its line would be wider than any screen, and all lines of a
/// long chain together longer than any file.
const LEVELS_DRAWN: usize = 48;

fn tree(flow: &Flow, lines: Lines, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (branch, end, pass) = match lines {
        Lines::Unicode => ("├─ ", "└─ ", "│  "),
        Lines::Ascii => ("|- ", "`- ", "|  "),
    };
    let children = children(flow);
    let mut next: Vec<Line> =
        children.tops.iter().rev().map(|&top| Line { item: Item::Node(top), level: 0, last: true }).collect();
    // For each level that is drawn, whether it goes on.
    let mut open: Vec<bool> = Vec::new();
    while let Some(line) = next.pop() {
        if line.level > 0 {
            let drawn = (line.level - 1).min(LEVELS_DRAWN);
            open.truncate(drawn);
            for &goes_on in &open {
                f.write_str(if goes_on { pass } else { "   " })?;
            }
            f.write_str(if line.last { end } else { branch })?;
            if line.level > LEVELS_DRAWN {
                write!(f, "[level {}] ", line.level)?;
            } else {
                open.push(!line.last);
            }
        }
        write_item(flow, line.item, f)?;
        f.write_char('\n')?;
        let below = children.of(flow, line.item);
        let count = below.len();
        next.extend(below.into_iter().enumerate().rev().map(|(index, item)| Line {
            item,
            level: line.level + 1,
            last: index + 1 == count,
        }));
    }
    Ok(())
}

/// Of each node those below it, in order.
struct Children {
    tops: Vec<usize>,
    of: Vec<Vec<usize>>,
}

fn children(flow: &Flow) -> Children {
    let mut children = Children { tops: Vec::new(), of: vec![Vec::new(); flow.nodes.len()] };
    for (index, node) in flow.nodes.iter().enumerate() {
        match node.parent {
            Some(parent) => children.of[parent].push(index),
            None => children.tops.push(index),
        }
    }
    children
}

impl Children {
    /// A node's handlings, or a job's attempts, come first, and below a handling what it caused; then what is of no one
    /// handling for certain.
    fn of(&self, flow: &Flow, item: Item) -> Vec<Item> {
        let caused_by = |node: usize, handling: Option<usize>| {
            let caused = self.of[node].iter().copied();
            caused.filter(move |&child| flow.nodes[child].handling == handling).map(Item::Node)
        };
        match item {
            Item::Node(node) => {
                let attempts = match &flow.nodes[node].what {
                    What::Job { failed, .. } => failed.len(),
                    _ => 0,
                };
                let handlings = flow.nodes[node].what.handlings().len();
                let attempts = (0..attempts).map(|attempt| Item::Attempt { node, attempt });
                let handlings = (0..handlings).map(|handling| Item::Handling { node, handling });
                attempts.chain(handlings).chain(caused_by(node, None)).collect()
            }
            Item::Handling { node, handling } => caused_by(node, Some(handling)).collect(),
            Item::Attempt { .. } => Vec::new(),
        }
    }
}

fn write_item(flow: &Flow, item: Item, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match item {
        Item::Node(node) => write_node(&flow.nodes[node], f),
        Item::Handling { node, handling } => match flow.nodes[node].what.handlings().get(handling) {
            Some(handling) => write_handling(handling, f),
            None => Ok(()),
        },
        Item::Attempt { node, attempt } => write_attempt(&flow.nodes[node], attempt, f),
    }
}

fn write_node(node: &Node, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &node.what {
        What::Command { name, outcome } => {
            write!(f, "command {}: ", Shown(name))?;
            write_outcome(outcome, f)?;
        }
        What::DurableCommand { name, reply_to, outcome, handlings, .. } => {
            write!(f, "durable command {}: ", Shown(name))?;
            match outcome {
                Some(outcome) => write_outcome(outcome, f)?,
                None if is_handled(handlings) => f.write_str("its outcome is not kept any more")?,
                None => f.write_str("not carried out")?,
            }
            if let Some(reply_to) = reply_to {
                write!(f, ", answers {}", Shown(reply_to))?;
            }
        }
        What::Reply { name, .. } => write!(f, "reply to {}", Shown(name))?,
        What::Event { name, version, .. } => write!(f, "event {} v{version}", Shown(name))?,
        What::Job { .. } => write_job(&node.what, f)?,
        What::Missing => f.write_str("a cause that is not on record")?,
    }
    if let Some(after_ms) = node.after_ms {
        write!(f, "  +{}", Time(after_ms))?;
    }
    if let What::Event { key: Some(key), .. } | What::Job { key: Some(key), .. } = &node.what {
        write!(f, "  {}", Shown(key))?;
    }
    if let What::Job { share: Some(share), .. } = &node.what {
        write!(f, "  {}", Shown(share))?;
    }
    write!(f, "  {}", node.id)?;
    if node.circle {
        f.write_str("  (caused by itself in the end: the circle is cut here)")?;
    }
    Ok(())
}

fn is_handled(handlings: &[Handling]) -> bool {
    handlings
        .iter()
        .any(|handling| matches!(handling.state, HandlingState::Handled { .. } | HandlingState::Passed))
}

fn write_outcome(outcome: &CommandOutcome, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &outcome.result {
        CommandResult::Completed => f.write_str("completed")?,
        CommandResult::Rejected(rejection) => {
            write!(f, "rejected: {} ({})", Shown(&rejection.message), Shown(&rejection.code))?;
        }
    }
    if outcome.unhandled {
        f.write_str(", which nobody has seen to")?;
    }
    Ok(())
}

fn write_job(what: &What, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let What::Job { name, queue, state, times, attempts, death, error, reason, .. } = what else {
        return Ok(());
    };
    write!(f, "job {} in queue {}: {}", Shown(name), Shown(queue), state.as_str())?;
    if let Some(death) = death {
        write!(f, " ({})", death.as_str())?;
    }
    match (state, attempts) {
        (_, 0) => {}
        (JobState::Completed, 1) => {}
        (JobState::Running, attempt) => write!(f, ", attempt {attempt}")?,
        (_, attempts) => write!(f, " after {}", counted((*attempts).into(), "attempt"))?,
    }
    if *state == JobState::Scheduled {
        write!(f, ", due {}", times.due)?;
    }
    if let Some(waited_ms) = times.waited_ms {
        write!(f, ", waited {}", Time(waited_ms))?;
    }
    if let Some(ran_ms) = times.ran_ms {
        write!(f, ", ran {}", Time(ran_ms))?;
    }
    if let Some(reason) = reason {
        write!(f, ", because: {}", Shown(reason))?;
    }
    match error {
        Some(error) if *state == JobState::Dead => write!(f, ": {}", Shown(error)),
        _ => Ok(()),
    }
}

fn write_attempt(node: &Node, attempt: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let What::Job { failed, .. } = &node.what else { return Ok(()) };
    let Some(attempt) = failed.get(attempt) else { return Ok(()) };
    let end = match attempt.end {
        AttemptEnd::Lost => "lost with its process",
        end => end.as_str(),
    };
    write!(
        f,
        "attempt {} {end} after {}  +{}",
        attempt.attempt,
        Time(attempt.ran_ms),
        Time(attempt.after_ms)
    )?;
    if attempt.error.is_empty() { Ok(()) } else { write!(f, ": {}", Shown(&attempt.error)) }
}

fn write_handling(handling: &Handling, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let consumer = Shown(&handling.consumer);
    match &handling.state {
        HandlingState::Handled { attempts, .. } => {
            write!(f, "handled by {consumer}")?;
            if let Some(attempts) = attempts {
                write!(f, " at attempt {attempts}")?;
            }
            if let Some(after_ms) = handling.after_ms {
                write!(f, "  +{}", Time(after_ms))?;
            }
            Ok(())
        }
        HandlingState::Passed => write!(f, "passed by {consumer}, without a receipt on record"),
        HandlingState::Retrying { attempts: 0, due, .. } => {
            write!(f, "waiting in {consumer} for its turn")?;
            due.map_or(Ok(()), |due| write!(f, ", due {due}"))
        }
        HandlingState::Retrying { attempts, due, error, .. } => {
            write!(f, "retrying in {consumer} after {}", counted((*attempts).into(), "attempt"))?;
            if let Some(due) = due {
                write!(f, ", due {due}")?;
            }
            write!(f, ": {}", Shown(error))
        }
        HandlingState::Behind { .. } => {
            write!(f, "waiting in {consumer} behind an earlier message of its key")
        }
        HandlingState::Dead { attempts, error, .. } => {
            write!(f, "dead in {consumer} after {}: {}", counted((*attempts).into(), "attempt"), Shown(error))
        }
        HandlingState::Discarded { attempts, error, reason, .. } => {
            let attempts = counted((*attempts).into(), "attempt");
            write!(f, "discarded in {consumer} after {attempts}, because: {}", Shown(reason))?;
            if error.is_empty() { Ok(()) } else { write!(f, "; its last error: {}", Shown(error)) }
        }
        HandlingState::GivenUp { reason, .. } => {
            write!(f, "given up with {consumer}, which was retired, because: {}", Shown(reason))
        }
        HandlingState::Unread => write!(f, "not read yet by {consumer}"),
    }
}

/// A text on one line of a terminal, whatever is in it.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in
            self.0.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()).enumerate()
        {
            if index > 0 {
                f.write_char(' ')?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// Milliseconds, in the unit that people would use.
struct Time(f64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: f64 = 1_000.0;
        const MINUTE: f64 = 60.0 * SECOND;
        const HOUR: f64 = 60.0 * MINUTE;
        const DAY: f64 = 24.0 * HOUR;
        let (unit, name) = match self.0.abs() {
            ms if ms < SECOND => (1.0, "ms"),
            ms if ms < MINUTE => (SECOND, "s"),
            ms if ms < HOUR => (MINUTE, "min"),
            ms if ms < DAY => (HOUR, "h"),
            _ => (DAY, "d"),
        };
        // One digit behind the point says enough; none where it would be a zero.
        let tenths = (self.0 / unit * 10.0).round() / 10.0;
        write!(f, "{tenths} {name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_people_use() {
        let cases = [
            (0.0, "0 ms"),
            (0.04, "0 ms"),
            (1.26, "1.3 ms"),
            (532.0, "532 ms"),
            (1_532.0, "1.5 s"),
            (90_000.0, "1.5 min"),
            (7_200_000.0, "2 h"),
            (259_200_000.0, "3 d"),
            (-3.0, "-3 ms"),
        ];
        for (ms, expected) in cases {
            assert_eq!(Time(ms).to_string(), expected, "{ms}");
        }
    }

    #[test]
    fn a_text_stays_on_its_line_and_rules_no_terminal() {
        assert_eq!(Shown("it broke:\n  \u{1b}[31mred\u{7}\r\n").to_string(), "it broke: [31mred");
    }

    #[test]
    fn nouns() {
        assert_eq!(counted(1, "reply"), "1 reply");
        assert_eq!(counted(2, "reply"), "2 replies");
        assert_eq!(counted(0, "message"), "0 messages");
    }
}
