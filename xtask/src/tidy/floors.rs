//! The floors of the house: arrows point down only.

use super::Finding;
use crate::workspace::{Member, Workspace};

/// Every crate below `crates/`, and the floor it stands on.
const FLOORS: &[(&str, u8)] = &[
    // No runtime, no SQL, no HTTP.
    ("tidings-contracts", 0),
    ("tidings-core", 0),
    ("tidings-macros", 0),
    // One crate per backend; none knows the runtime.
    ("tidings-sqlite", 1),
    ("tidings-postgres", 1),
    ("tidings-kafka", 1),
    ("tidings-nats", 1),
    ("tidings-testkit", 1),
    // What users name, and the instruments.
    ("tidings", 2),
    ("tidings-lens", 2),
    // What people look at.
    ("tidings-console", 3),
    ("tidings-cli", 3),
];

/// The arrows within one floor. Everything else within a floor is independent of its neighbours.
const WITHIN_A_FLOOR: &[(&str, &str)] = &[
    ("tidings-macros", "tidings-contracts"),
    ("tidings-macros", "tidings-core"),
    ("tidings-contracts", "tidings-core"),
    // The one binary serves the console.
    ("tidings-cli", "tidings-console"),
];

/// Where members live that stand above all floors: they use crates, and no crate uses them.
const ABOVE: &[&str] = &["examples/", "tests/", "benches", "xtask"];

pub(crate) fn floor_of(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

pub(super) fn known_crates_only(workspace: &Workspace) -> Vec<Finding> {
    workspace.members.iter().filter_map(unknown).collect()
}

fn unknown(member: &Member) -> Option<Finding> {
    let name = &member.name;
    let message = match member.folder.strip_prefix("crates/") {
        Some(_) if floor_of(name).is_none() => format!(
            "crate `{name}` stands on no floor; a new crate needs a floor of its own or a heavy dependency to \
             isolate: if it has, add it to FLOORS in xtask/src/tidy/floors.rs, else make it a module"
        ),
        Some(folder) if folder != name => {
            format!("crate `{name}` lives in `{folder}`; folder and crate have one name")
        }
        None if !ABOVE.iter().any(|place| member.folder.starts_with(place)) => format!(
            "`{name}` is in no known place; libraries and tools belong in crates/, the rest in {}",
            ABOVE.join(", ")
        ),
        _ => return None,
    };
    Some(Finding::new(member.manifest(), message))
}

pub(super) fn arrows_point_down(workspace: &Workspace) -> Vec<Finding> {
    let arrows = workspace.members.iter().flat_map(|member| {
        let floor = floor_of(&member.name)?;
        Some(member.depends_on.iter().filter_map(move |other| {
            wrong_arrow(&member.name, floor, other).map(|message| Finding::new(member.manifest(), message))
        }))
    });
    arrows.flatten().collect()
}

fn wrong_arrow(from: &str, from_floor: u8, to: &str) -> Option<String> {
    let remedy =
        "Move what is needed down, behind a port, or make it a development dependency if only tests use it";
    match floor_of(to) {
        None => Some(format!(
            "`{from}` depends on `{to}`, which is built from the crates and not for them. {remedy}"
        )),
        Some(floor) if floor > from_floor => Some(format!(
            "`{from}` (floor {from_floor}) depends on `{to}` (floor {floor}): arrows point down only. {remedy}"
        )),
        Some(floor) if floor == from_floor && !WITHIN_A_FLOOR.contains(&(from, to)) => {
            Some(format!("`{from}` depends on its neighbour `{to}` on floor {floor}. {remedy}"))
        }
        Some(_) => None,
    }
}

/// It runs before anything else is built, and has to run when the crates do not build.
pub(super) fn xtask_stands_apart(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .members
        .iter()
        .filter(|member| member.name == "xtask")
        .flat_map(|member| {
            member.depends_on.iter().map(|other| {
                let message = format!(
                    "`xtask` depends on `{other}`; it must be quick to build, and run when the crates do not \
                     build: call a binary instead"
                );
                Finding::new(member.manifest(), message)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn house(members: &[(&str, &str, &[&str])]) -> Workspace {
        let members = members.iter().map(|(folder, name, depends_on)| Member {
            folder: (*folder).into(),
            name: (*name).into(),
            depends_on: depends_on.iter().map(|name| (*name).into()).collect(),
            ..Member::default()
        });
        Workspace { members: members.collect(), ..Workspace::default() }
    }

    #[test]
    fn arrows() {
        let cases: &[(&str, &str, bool)] = &[
            ("tidings", "tidings-sqlite", true),
            ("tidings-cli", "tidings-core", true),
            ("tidings-cli", "tidings-console", true),
            ("tidings-macros", "tidings-contracts", true),
            ("tidings-contracts", "tidings-core", true),
            ("tidings-core", "tidings-contracts", false),
            ("tidings-sqlite", "tidings", false),
            ("tidings-sqlite", "tidings-postgres", false),
            ("tidings-lens", "tidings", false),
            ("tidings-console", "tidings-cli", false),
            ("tidings-core", "shop", false),
        ];
        for (from, to, allowed) in cases {
            let findings = arrows_point_down(&house(&[("crates/any", from, &[to])]));
            assert_eq!(findings.is_empty(), *allowed, "{from} -> {to}: {findings:?}");
        }
    }

    #[test]
    fn what_stands_above_may_use_everything() {
        let house = house(&[("examples/shop", "shop", &["tidings", "tidings-cli"])]);
        assert_eq!(arrows_point_down(&house), []);
    }

    #[test]
    fn places() {
        let cases: &[(&str, &str, bool)] = &[
            ("crates/tidings-core", "tidings-core", true),
            ("crates/core", "tidings-core", false),
            ("crates/tidings-types", "tidings-types", false),
            ("examples/shop", "shop", true),
            ("tests/kill", "tidings-kill-tests", true),
            ("benches", "tidings-benches", true),
            ("tools/gadget", "gadget", false),
        ];
        for (folder, name, allowed) in cases {
            let findings = known_crates_only(&house(&[(folder, name, &[])]));
            assert_eq!(findings.is_empty(), *allowed, "{folder}: {findings:?}");
        }
    }

    #[test]
    fn a_finding_names_the_manifest_and_a_remedy() {
        let house = house(&[("crates/tidings-sqlite", "tidings-sqlite", &["tidings"])]);
        let findings = arrows_point_down(&house);
        assert_eq!(findings[0].place, "crates/tidings-sqlite/Cargo.toml");
        assert!(findings[0].message.contains("behind a port"));
    }

    #[test]
    fn xtask_depends_on_no_member() {
        assert_eq!(xtask_stands_apart(&house(&[("xtask", "xtask", &["tidings-core"])])).len(), 1);
    }
}
