//! Paths into an event: `lines[]`, `customer.address`, `prices.*`.

use std::sync::Arc;

use crate::names::did_you_mean;
use crate::shape::{Object, Shape};

/// One step down from an object.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step<'p> {
    /// Into a property, `customer`.
    Property(&'p str),
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
            Step::Property(name) => join(&walked, name),
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
    for segment in path.split('.') {
        let name = segment.trim_end_matches("[]");
        steps.push(match name {
            "*" => Step::Values,
            name => Step::Property(name),
        });
        let arrays = (segment.len() - name.len()) / 2;
        steps.extend(std::iter::repeat_n(Step::Items, arrays));
    }
    steps
}

/// The path of a property of the object at a path (empty for the root).
pub(super) fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The path of an array's elements.
pub(super) fn items_of(path: &str) -> String {
    format!("{path}[]")
}

/// The path of the values of an object with free keys.
pub(super) fn values_of(path: &str) -> String {
    format!("{path}.*")
}
