//! What every manifest has to say.

use super::Finding;
use crate::workspace::{Member, Workspace};

pub(super) fn libraries_are_described(workspace: &Workspace) -> Vec<Finding> {
    let libraries = workspace.members.iter().filter(|member| member.is_library);
    libraries.flat_map(missing_descriptions).collect()
}

fn missing_descriptions(member: &Member) -> Vec<Finding> {
    [
        ("description", &member.description, "description = \"One sentence.\""),
        ("license", &member.license, "license.workspace = true"),
        ("repository", &member.repository, "repository.workspace = true"),
    ]
    .into_iter()
    .filter(|(_, value, _)| value.as_deref().is_none_or(|text| text.trim().is_empty()))
    .map(|(key, _, remedy)| {
        Finding::new(member.manifest(), format!("library `{}` has no {key}; add `{remedy}`", member.name))
    })
    .collect()
}

/// Cargo refuses levels of one's own beside `workspace = true`, so this also keeps the levels in one place.
pub(super) fn lints_are_inherited(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .members
        .iter()
        .filter(|member| !member.inherits_lints)
        .map(|member| {
            Finding::new(
                member.manifest(),
                "does not inherit the lints; add `[lints]` with `workspace = true`, and say exceptions in the code, \
                 with a reason",
            )
        })
        .collect()
}

pub(super) fn only_crates_are_published(workspace: &Workspace) -> Vec<Finding> {
    workspace
        .members
        .iter()
        .filter(|member| member.is_published && !member.folder.starts_with("crates/"))
        .map(|member| {
            Finding::new(
                member.manifest(),
                "would be published by `cargo publish --workspace`; add `publish = false`",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library() -> Member {
        Member {
            name: "tidings-core".into(),
            folder: "crates/tidings-core".into(),
            is_library: true,
            is_published: true,
            description: Some("The ground floor.".into()),
            license: Some("MIT OR Apache-2.0".into()),
            repository: Some("https://example.org".into()),
            inherits_lints: true,
            depends_on: vec![],
        }
    }

    fn check(member: Member) -> Vec<String> {
        let workspace = Workspace { members: vec![member], ..Workspace::default() };
        let mut findings = libraries_are_described(&workspace);
        findings.extend(lints_are_inherited(&workspace));
        findings.extend(only_crates_are_published(&workspace));
        findings.into_iter().map(|found| found.message).collect()
    }

    #[test]
    fn a_whole_manifest_is_clean() {
        assert_eq!(check(library()), [""; 0]);
    }

    #[test]
    fn each_gap_has_its_remedy() {
        let base = library();
        let cases = [
            (Member { description: None, ..base.clone() }, "description"),
            (Member { description: Some(" ".into()), ..base.clone() }, "description"),
            (Member { license: None, ..base.clone() }, "license.workspace = true"),
            (Member { repository: None, ..base.clone() }, "repository.workspace = true"),
            (Member { inherits_lints: false, ..base.clone() }, "[lints]"),
            (Member { folder: "examples/shop".into(), ..base.clone() }, "publish = false"),
        ];
        for (member, remedy) in cases {
            let messages = check(member);
            assert_eq!(messages.len(), 1, "{messages:?}");
            assert!(messages[0].contains(remedy), "{messages:?}");
        }
    }

    #[test]
    fn a_binary_needs_no_description() {
        let tool = Member { is_library: false, description: None, ..library() };
        assert_eq!(check(tool), [""; 0]);
    }
}
