//! Paths into an event: `lines[]`, `customer.address`, `prices.*`.
//!
//! A property whose own name has a dot, a bracket, a star or a backslash is written with a backslash before each:
//! `unit\.price`. Else two properties could have one path.

use std::borrow::Cow;
use std::sync::Arc;

use crate::names::did_you_mean;
use crate::shape::{Object, Shape};

/// One step down from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<'p> {
    /// Into a property, `customer`.
    Property(Cow<'p, str>),
    /// Into the elements of an array, `[]`.
    Items,
    /// Into the values of an object with free keys, `*`.
    Values,
}

/// Why a path leads nowhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// A property is not there: the path up to it, and what may have been meant.
    Absent(String, Option<String>),
    /// The path is there, but does not end at an object.
    NotAnObject(String),
}

/// The object that a path leads to.
pub(super) fn locate(root: &Object, path: &str) -> Result<Object, Lost> {
    let mut here = Arc::new(Shape::Object(root.clone()));
    let mut walked = String::new();
    for step in steps(path) {
        here = match (&*here, &step) {
            (Shape::Object(object), Step::Property(name)) => match object.property(name) {
                Some(property) => Arc::clone(&property.typed.shape),
                None => {
                    let known = object.properties.iter().map(|property| property.name.as_str());
                    let meant = did_you_mean(name, known).map(|meant| join(&walked, meant));
                    return Err(Lost::Absent(join(&walked, name), meant));
                }
            },
            (Shape::Array(items), Step::Items) => Arc::clone(&items.shape),
            (Shape::Map(values), Step::Values) => Arc::clone(&values.shape),
            (shape, _) => return Err(not_an_object(&walked, shape)),
        };
        walked = match step {
            Step::Property(name) => join(&walked, &name),
            Step::Items => items_of(&walked),
            Step::Values => values_of(&walked),
        };
    }
    match &*here {
        Shape::Object(object) => Ok(object.clone()),
        shape => Err(not_an_object(&walked, shape)),
    }
}

fn not_an_object(walked: &str, shape: &Shape) -> Lost {
    let hint = match shape {
        Shape::Array(_) => format!("; its elements are `{}`", items_of(walked)),
        Shape::Map(_) => format!("; its values are `{}`", values_of(walked)),
        _ => String::new(),
    };
    Lost::NotAnObject(format!("`{walked}` is {}{hint}", shape.describe()))
}

fn steps(path: &str) -> Vec<Step<'_>> {
    let mut steps = Vec::new();
    for segment in segments(path) {
        let name = segment.trim_end_matches("[]");
        steps.push(match name {
            "*" => Step::Values,
            name if name.contains('\\') => Step::Property(unescaped(name).into()),
            name => Step::Property(name.into()),
        });
        let arrays = (segment.len() - name.len()) / 2;
        steps.extend(std::iter::repeat_n(Step::Items, arrays));
    }
    steps
}

/// What stands between the dots that no backslash stands before.
fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, c) in path.char_indices() {
        if c == '.' && !escaped {
            segments.push(&path[start..index]);
            start = index + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    segments.push(&path[start..]);
    segments
}

fn unescaped(name: &str) -> String {
    let mut escaped = false;
    let kept = name.chars().filter(|c| {
        escaped = *c == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

fn escaped(name: &str) -> String {
    let special = |c: char| matches!(c, '.' | '*' | '[' | ']' | '\\');
    name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The path of a property of the object at a path (empty for the root).
pub(super) fn join(path: &str, name: &str) -> String {
    let name = escaped(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// The path of an array's elements.
pub(super) fn items_of(path: &str) -> String {
    format!("{path}[]")
}

/// The path of the values of an object with free keys.
pub(super) fn values_of(path: &str) -> String {
    format!("{path}.*")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_like_paths_are_told_apart() {
        for (names, path) in [
            (&["a", "b"][..], "a.b"),
            (&["a.b"], r"a\.b"),
            (&["*"], r"\*"),
            (&["a[]", "b\\"], r"a\[\].b\\"),
            (&["größe.in"], r"größe\.in"),
        ] {
            let joined = names.iter().fold(String::new(), |path, name| join(&path, name));
            assert_eq!(joined, path);
            let expected: Vec<_> = names.iter().map(|name| Step::Property((*name).into())).collect();
            assert_eq!(steps(path), expected, "{path}");
        }
        let expected = [Step::Property("a".into()), Step::Items, Step::Items, Step::Values];
        assert_eq!(steps("a[][].*"), expected);
    }
}
