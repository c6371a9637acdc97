//! Trees from facts: what is on record, and what is drawn of it.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::*;
use crate::envelope::MessageKind;
use crate::error::Rejection;
use crate::fan_out::FanOut;
use crate::ids::MessageId;
use crate::key::Key;
use crate::store::{AttemptEnd, AttemptRow, DeathReason, JobState, WorkerId};

fn id(number: u128) -> MessageId {
    MessageId(uuid::Uuid::from_u128(number))
}

fn at(ms: i64) -> Timestamp {
    Timestamp::constant(1_769_851_800, 0) + SignedDuration::from_millis(ms)
}

/// Flow 1.
fn facts() -> FlowFacts {
    FlowFacts::empty(id(1))
}

fn event(number: u128, cause: u128, name: &str, ms: i64) -> MessageFact {
    let (module, _) = name.split_once('.').unwrap();
    MessageFact {
        id: id(number),
        kind: MessageKind::Event,
        name: name.into(),
        version: 1,
        source: module.into(),
        key: None,
        time: at(ms),
        causation_id: (cause != 0).then(|| id(cause)),
        trace_id: None,
        reply_to: None,
        handlings: Vec::new(),
    }
}

fn with(
    message: MessageFact,
    handlings: impl IntoIterator<Item = (&'static str, HandlingState)>,
) -> MessageFact {
    let handlings = handlings
        .into_iter()
        .map(|(consumer, state)| HandlingFact { consumer: consumer.into(), state })
        .collect();
    MessageFact { handlings, ..message }
}

fn handled(ms: i64) -> HandlingState {
    HandlingState::Handled { at: at(ms), attempts: None }
}

fn command(number: u128, cause: u128, name: &str, ms: i64) -> CommandFact {
    CommandFact {
        id: id(number),
        name: name.into(),
        causation_id: (cause != 0).then(|| id(cause)),
        result: CommandResult::Completed,
        at: at(ms),
        unhandled: false,
    }
}

fn job(number: u128, cause: u128, name: &str, state: JobState, ms: i64) -> JobFact {
    let (module, _) = name.split_once('.').unwrap();
    JobFact {
        id: id(number),
        name: name.into(),
        queue: "default".into(),
        source: module.into(),
        key: None,
        share: None,
        causation_id: (cause != 0).then(|| id(cause)),
        trace_id: None,
        state,
        at: at(ms),
        due: at(ms),
        attempts: 0,
        started_at: None,
        ended_at: None,
        death: None,
        error: None,
        reason: None,
        failed: Vec::new(),
    }
}

fn attempt(attempt: u32, end: AttemptEnd, from: i64, to: i64, error: &str) -> AttemptRow {
    AttemptRow {
        attempt,
        worker: WorkerId(1),
        started_at: at(from),
        ended_at: at(to),
        end,
        error: error.to_owned(),
    }
}

/// The tree as it is drawn, with `#7` for the id of number 7.
fn drawn(flow: &Flow, lines: Lines) -> String {
    let text = flow.text(lines).to_string();
    let (_, tree) = text.split_once("\n\n").expect("a blank line stands between head and tree");
    let shorten = |word: &str| match word.parse::<MessageId>() {
        Ok(id) => format!("#{}", id.0.as_u128()),
        Err(_) => word.to_owned(),
    };
    let shorten = |line: &str| line.split(' ').map(shorten).collect::<Vec<_>>().join(" ");
    tree.lines().map(shorten).collect::<Vec<_>>().join("\n")
}

/// Draws the facts, and holds the JSON form against the published schema.
#[track_caller]
fn check(facts: FlowFacts, expected: &str) -> Flow {
    let flow = Flow::of(facts);
    assert_keeps_the_schema(&flow);
    let (found, expected) = (drawn(&flow, Lines::Unicode), expected.trim());
    assert_eq!(found, expected, "\nfound:\n{found}\n\nexpected:\n{expected}\n");
    flow
}

#[track_caller]
fn assert_keeps_the_schema(flow: &Flow) {
    let schema: Value = serde_json::from_str(JSON_SCHEMA).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    let json = serde_json::to_value(flow).unwrap();
    let errors: Vec<_> =
        validator.iter_errors(&json).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}\n{json:#}");
}

#[test]
fn a_command_and_what_it_caused() {
    let facts = FlowFacts {
        commands: vec![command(1, 0, "orders.place", 3)],
        messages: vec![
            with(
                event(2, 1, "orders.placed", 0),
                [("payments.charge", handled(12)), ("inventory.reserve", handled(5))],
            ),
            with(event(3, 2, "inventory.reserved", 4), [("shipping.plan", HandlingState::Unread)]),
            event(4, 2, "payments.charged", 10),
        ],
        ..facts()
    };
    let flow = check(
        facts,
        "
command orders.place: completed  +3 ms  #1
└─ event orders.placed v1  +0 ms  #2
   ├─ handled by inventory.reserve  +5 ms
   │  └─ event inventory.reserved v1  +4 ms  #3
   │     └─ not read yet by shipping.plan
   └─ handled by payments.charge  +12 ms
      └─ event payments.charged v1  +10 ms  #4
",
    );
    assert_eq!(flow.duration_ms, 12.0);
    assert_eq!(flow.fan_out.messages, 3);
    assert_eq!((flow.fan_out.called_commands, flow.fan_out.depth), (1, 2));
    assert_eq!(flow.open, Open { unread: 1, ..Open::default() });
    assert_eq!(
        drawn(&flow, Lines::Ascii),
        "
command orders.place: completed  +3 ms  #1
`- event orders.placed v1  +0 ms  #2
   |- handled by inventory.reserve  +5 ms
   |  `- event inventory.reserved v1  +4 ms  #3
   |     `- not read yet by shipping.plan
   `- handled by payments.charge  +12 ms
      `- event payments.charged v1  +10 ms  #4
"
        .trim()
    );
}

#[test]
fn every_state_is_told_by_words() {
    let (attempts, error) = (2, "the bank\n said no".to_owned());
    let states = [
        ("a.again", HandlingState::Handled { at: at(7), attempts: Some(3) }),
        ("b.passed", HandlingState::Passed),
        (
            "c.retrying",
            HandlingState::Retrying {
                attempts,
                due: Some(at(60_000)),
                error: error.clone(),
                parked_at: at(1),
            },
        ),
        (
            "d.next",
            HandlingState::Retrying { attempts: 0, due: Some(at(2)), error: String::new(), parked_at: at(1) },
        ),
        ("e.behind", HandlingState::Behind { parked_at: at(1) }),
        ("f.dead", HandlingState::Dead { attempts: 1, error: error.clone(), parked_at: at(1) }),
        (
            "g.discarded",
            HandlingState::Discarded { attempts: 6, error, reason: "paid by hand".into(), at: at(9) },
        ),
        ("h.retired", HandlingState::GivenUp { reason: "replaced".into(), at: at(9) }),
        ("i.unread", HandlingState::Unread),
    ];
    let key = Some(Key::new("email", "alice@example.org"));
    let placed = MessageFact { key, ..with(event(1, 0, "orders.placed", 0), states) };
    let flow = check(
        FlowFacts { messages: vec![placed], ..facts() },
        &"
event orders.placed v1  +0 ms  KEY  #1
├─ handled by a.again at attempt 3  +7 ms
├─ passed by b.passed, without a receipt on record
├─ retrying in c.retrying after 2 attempts, due 2026-01-31T09:31:00Z: the bank said no
├─ waiting in d.next for its turn, due 2026-01-31T09:30:00.002Z
├─ waiting in e.behind behind an earlier message of its key
├─ dead in f.dead after 1 attempt: the bank said no
├─ discarded in g.discarded after 6 attempts, because: paid by hand; its last error: the bank said no
├─ given up with h.retired, which was retired, because: replaced
└─ not read yet by i.unread
"
        .replace("KEY", &Key::new("email", "alice@example.org").masked()),
    );
    assert_eq!(flow.open, Open { unread: 1, retrying: 2, behind: 1, dead: 1, ..Open::default() });
    assert!(flow.to_string().contains("\nopen: 1 not read yet, 2 retrying, 1 behind, 1 dead\n"), "{flow}");
    let json = serde_json::to_string(&flow).unwrap();
    assert!(!json.contains("alice") && !flow.to_string().contains("alice"), "a key is masked: {json}");
}

#[test]
fn durable_commands_with_their_outcomes_and_replies() {
    let durable = |number, ms, reply_to: Option<&str>, state| MessageFact {
        kind: MessageKind::Command,
        version: 0,
        source: "orders".into(),
        reply_to: reply_to.map(Into::into),
        ..with(event(number, 1, "payments.charge", ms), [("payments.charge", state)])
    };
    let rejection = Rejection { code: "no_funds".into(), message: "the account is empty".into() };
    let facts = FlowFacts {
        commands: vec![
            command(1, 0, "orders.place", 1),
            CommandFact { result: CommandResult::Rejected(rejection), ..command(2, 0, "payments.charge", 5) },
            CommandFact {
                result: CommandResult::Rejected(Rejection {
                    code: "late".into(),
                    message: "too late".into(),
                }),
                unhandled: true,
                ..command(4, 0, "payments.charge", 6)
            },
        ],
        messages: vec![
            durable(2, 0, Some("orders.charged"), handled(5)),
            MessageFact {
                kind: MessageKind::Reply,
                version: 0,
                source: "payments".into(),
                ..with(event(3, 2, "orders.charged", 5), [("orders.charged", handled(8))])
            },
            durable(4, 1, None, handled(6)),
            durable(5, 1, None, HandlingState::Unread),
            durable(6, 1, None, handled(9)),
        ],
        ..facts()
    };
    let flow = check(
        facts,
        "
command orders.place: completed  +1 ms  #1
├─ durable command payments.charge: rejected: the account is empty (no_funds), answers orders.charged  +0 ms  #2
│  └─ handled by payments.charge  +5 ms
│     └─ reply to orders.charged  +5 ms  #3
│        └─ handled by orders.charged  +8 ms
├─ durable command payments.charge: rejected: too late (late), which nobody has seen to  +1 ms  #4
│  └─ handled by payments.charge  +6 ms
├─ durable command payments.charge: not carried out  +1 ms  #5
│  └─ not read yet by payments.charge
└─ durable command payments.charge: its outcome is not kept any more  +1 ms  #6
   └─ handled by payments.charge  +9 ms
",
    );
    let count = flow.fan_out;
    assert_eq!((count.messages, count.durable_commands, count.replies, count.called_commands), (5, 4, 1, 1));
}

#[test]
fn jobs_with_their_attempts() {
    let placed = with(event(1, 0, "orders.placed", 0), [("mail.confirm", handled(2))]);
    let done = JobFact {
        attempts: 3,
        started_at: Some(at(120)),
        ended_at: Some(at(150)),
        failed: vec![
            attempt(1, AttemptEnd::Failed, 4, 9, "the relay\nsaid 451"),
            attempt(2, AttemptEnd::Lost, 50, 100, ""),
        ],
        ..job(2, 1, "mail.send", JobState::Completed, 2)
    };
    let dead = JobFact {
        attempts: 1,
        started_at: Some(at(3)),
        ended_at: Some(at(5)),
        death: Some(DeathReason::Permanent),
        error: Some("no such mailbox".into()),
        key: Some(Key::new("email", "alice@example.org")),
        share: Some("alice & co".into()),
        ..job(3, 1, "mail.send", JobState::Dead, 2)
    };
    let waiting = JobFact { due: at(60_000), ..job(4, 1, "mail.remind", JobState::Scheduled, 2) };
    let cancelled = JobFact {
        reason: Some("sent by hand".into()),
        ended_at: Some(at(20)),
        ..job(5, 1, "mail.remind", JobState::Cancelled, 2)
    };
    let facts = FlowFacts {
        messages: vec![placed, event(6, 2, "mail.sent", 149)],
        jobs: vec![done, dead, waiting, cancelled],
        commands: vec![command(7, 2, "mail.note", 140)],
        ..facts()
    };
    let flow = check(
        facts,
        &"
event orders.placed v1  +0 ms  #1
└─ handled by mail.confirm  +2 ms
   ├─ job mail.send in queue default: completed after 3 attempts, waited 2 ms, ran 30 ms  +2 ms  #2
   │  ├─ attempt 1 failed after 5 ms  +4 ms: the relay said 451
   │  ├─ attempt 2 lost with its process after 50 ms  +50 ms
   │  ├─ command mail.note: completed  +140 ms  #7
   │  └─ event mail.sent v1  +149 ms  #6
   ├─ job mail.send in queue default: dead (permanent) after 1 attempt, waited 1 ms, ran 2 ms: no such mailbox  +2 ms  KEY  SHARE  #3
   ├─ job mail.remind in queue default: scheduled, due 2026-01-31T09:31:00Z  +2 ms  #4
   └─ job mail.remind in queue default: cancelled, because: sent by hand  +2 ms  #5
"
        .replace("KEY", &Key::new("email", "alice@example.org").masked())
        .replace("SHARE", &Key::new("share", "alice & co").masked()),
    );
    assert_eq!((flow.fan_out.messages, flow.fan_out.jobs), (2, 4), "jobs are told beside the messages");
    assert_eq!(flow.open, Open { jobs_waiting: 1, jobs_dead: 1, ..Open::default() });
    assert_eq!(flow.duration_ms, 150.0);
}

/// A message names the module that sent it, not the handler.
#[test]
fn what_is_not_certain_hangs_below_the_message() {
    let facts = FlowFacts {
        messages: vec![
            with(
                event(1, 0, "orders.placed", 0),
                [
                    ("mail.confirm", handled(3)),
                    ("mail.count", handled(3)),
                    ("mailing.list", handled(4)),
                    (
                        "stock.reserve",
                        HandlingState::Retrying {
                            attempts: 1,
                            due: None,
                            error: "no".into(),
                            parked_at: at(1),
                        },
                    ),
                ],
            ),
            event(2, 1, "mail.confirmed", 2),
            event(3, 1, "mailing.listed", 4),
            event(4, 1, "stock.reserved", 5),
        ],
        ..facts()
    };
    check(
        facts,
        "
event orders.placed v1  +0 ms  #1
├─ handled by mail.confirm  +3 ms
├─ handled by mail.count  +3 ms
├─ handled by mailing.list  +4 ms
│  └─ event mailing.listed v1  +4 ms  #3
├─ retrying in stock.reserve after 1 attempt: no
├─ event mail.confirmed v1  +2 ms  #2
└─ event stock.reserved v1  +5 ms  #4
",
    );
}

#[test]
fn causes_that_are_not_on_record_are_told() {
    let facts = FlowFacts {
        messages: vec![
            event(3, 2, "orders.paid", 5),
            event(4, 1, "orders.placed", 6),
            event(5, 2, "orders.sent", 7),
            event(6, 0, "orders.strayed", 8),
        ],
        ..facts()
    };
    let flow = check(
        facts,
        "
a cause that is not on record  #1
└─ event orders.placed v1  +1 ms  #4
event orders.strayed v1  +3 ms  #6
a cause that is not on record  #2
├─ event orders.paid v1  +0 ms  #3
└─ event orders.sent v1  +2 ms  #5
",
    );
    assert_eq!((flow.fan_out.messages, flow.fan_out.missing_causes), (4, 2));
    assert!(flow.to_string().contains("\nnote: 2 causes not on record"), "{flow}");
}

#[test]
fn circles_are_told_and_cut() {
    let circles: [(&[(u128, u128)], &str); 4] = [
        (&[(1, 1)], "event a.b v1  +0 ms  #1  (caused by itself in the end: the circle is cut here)"),
        (
            &[(1, 2), (2, 1)],
            "
event a.b v1  +0 ms  #1  (caused by itself in the end: the circle is cut here)
└─ event a.b v1  +0 ms  #2",
        ),
        (
            // What hangs below a circle is met before it.
            &[(2, 3), (3, 4), (4, 5), (5, 3), (1, 0), (6, 1)],
            "
event a.b v1  +0 ms  #1
└─ event a.b v1  +0 ms  #6
event a.b v1  +0 ms  #3  (caused by itself in the end: the circle is cut here)
├─ event a.b v1  +0 ms  #2
└─ event a.b v1  +0 ms  #5
   └─ event a.b v1  +0 ms  #4",
        ),
        (
            &[(2, 3), (3, 2), (4, 5), (5, 4)],
            "
event a.b v1  +0 ms  #2  (caused by itself in the end: the circle is cut here)
└─ event a.b v1  +0 ms  #3
event a.b v1  +0 ms  #4  (caused by itself in the end: the circle is cut here)
└─ event a.b v1  +0 ms  #5",
        ),
    ];
    for (edges, expected) in circles {
        let messages = edges.iter().map(|&(number, cause)| event(number, cause, "a.b", 0)).collect();
        let flow = check(FlowFacts { messages, ..facts() }, expected);
        assert_eq!(flow.nodes.len(), edges.len(), "nothing is lost or doubled");
    }
}

#[test]
fn the_head_counts_and_grades() {
    let trace_id = Some(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    let grades = [(9, FanOut::Fine), (10, FanOut::Watch), (30, FanOut::Loop), (80, FanOut::Incident)];
    for (count, grade) in grades {
        let mut messages = vec![MessageFact { trace_id, ..event(1, 0, "orders.placed", 0) }];
        messages.extend((2..=count).map(|number| event(number.into(), 1, &format!("a.e{number}"), 0)));
        let flow = Flow::of(FlowFacts { messages, ..facts() });
        assert_eq!((flow.fan_out.messages, flow.fan_out.grade), (count, grade));
        assert!(flow.repeated.is_empty(), "every name is another");
    }
    let mut messages = vec![with(
        MessageFact { trace_id, ..event(1, 0, "orders.placed", 0) },
        [("stock.price", handled(90_500))],
    )];
    messages.extend((2..42).map(|number| event(number, 1, "stock.priced", 90_000)));
    let flow = Flow { other_flows: vec![id(99)], ..Flow::of(FlowFacts { messages, ..facts() }) };
    assert_keeps_the_schema(&flow);
    let text = flow.to_string();
    let (head, _) = text.split_once("\n\n").unwrap();
    assert_eq!(
        head,
        "\
flow 00000000-0000-0000-0000-000000000001
trace 4bf92f3577b34da6a3ce929d0e0e4736
from 2026-01-31T09:30:00Z, 1.5 min
fan-out: 41 messages (41 events), 1 level deep: ask who publishes in a loop
open: nothing
loop: 40 x stock.priced from one orders.placed in stock.price
note: the trace has another flow: 00000000-0000-0000-0000-000000000063"
    );
}

/// A quadratic way would take hours for these, and one that calls itself would end the process.
#[test]
fn huge_flows_are_built_and_drawn_in_time() {
    const MANY: u128 = 100_000;
    type Cause = fn(u128) -> u128;
    let shapes: [(&str, Cause); 5] = [
        ("a chain", |number| number - 1),
        ("a star", |number| if number == 1 { 0 } else { 1 }),
        ("a tree", |number| number / 2),
        ("one circle", |number| if number == 1 { MANY } else { number - 1 }),
        ("circles of two", |number| if number % 2 == 0 { number - 1 } else { number + 1 }),
    ];
    for (shape, cause) in shapes {
        let messages = (1..=MANY).map(|number| event(number, cause(number), "a.b", 0)).collect();
        let begun = Instant::now();
        let flow = Flow::of(FlowFacts { messages, ..facts() });
        let bytes = flow.to_string().len() + serde_json::to_string(&flow).unwrap().len();
        assert!(begun.elapsed() < Duration::from_secs(20), "{shape} took {:?}", begun.elapsed());
        assert_eq!(flow.nodes.len(), MANY as usize, "{shape}");
        assert!(bytes < 150_000_000, "{shape} has {bytes} bytes");
    }
}

#[test]
fn nothing_on_record_is_an_empty_tree() {
    let flow = check(facts(), "");
    assert_eq!((flow.started_at, flow.fan_out.messages), (None, 0));
}
