//! Whether a Rust type decodes every value that a schema accepts at one place.

use super::path::{items_of, join, values_of};
use super::{Field, IntegerType, Type};
use crate::shape::{Integer, Object, SAFE_INTEGER_MAX, Shape, Typed};

/// Why a type does not fit, from "`path` of `event` v1 ..." on, and what to do.
pub(super) struct Misfit {
    pub(super) path: String,
    pub(super) why: String,
    pub(super) help: String,
    /// Whether some payload surely fails; where no type pins a value down, that is not known.
    pub(super) is_sure: bool,
}

/// Whole numbers up to this are all held by `f64`.
const F64_EXACT_MAX: i128 = 1 << 53;

/// Checks a value that is there. Answers with the path of the part that the type must be, if the
/// contract has an object where the type is the user's own.
pub(super) fn fits(typed: &Typed, ty: &Type, path: &str) -> Result<Option<String>, Misfit> {
    let is_sure = !matches!(*typed.shape, Shape::Any);
    let misfit = |why: String, help: String| Err(Misfit { path: path.to_owned(), why, help, is_sure });
    if matches!(ty, Type::Value | Type::Unchecked(_)) {
        return Ok(None);
    }
    if let Type::Option(inner) = ty {
        let present = Typed { nullable: false, ..typed.clone() };
        return fits(&present, inner, path);
    }
    if typed.nullable {
        return misfit("can be null".to_owned(), format!("read it as `Option<{ty}>`"));
    }
    let wrong_type = || {
        let suggestion = suggestion(&typed.shape, path);
        misfit(
            format!("is {}, which `{ty}` does not hold", typed.shape.describe()),
            format!("read it as {suggestion}"),
        )
    };
    match (&*typed.shape, ty) {
        (Shape::Array(items), Type::Vec(inner)) => fits(items, inner, &items_of(path)),
        (Shape::Map(values), Type::Map(inner)) => fits(values, inner, &values_of(path)),
        (Shape::Object(_), Type::Map(inner)) if **inner == Type::Value => Ok(None),
        (Shape::Object(object), Type::Object(fields)) => object_fits(object, fields, path).map(|()| None),
        (Shape::Enum(allowed), Type::OneOf(known)) => {
            match allowed.values.iter().find(|value| !known.contains(value)) {
                None => Ok(None),
                Some(value) => misfit(
                    format!("can be `{value}`, which the reader does not know"),
                    "read it as `String`".to_owned(),
                ),
            }
        }
        (Shape::Object(_), Type::Other(_)) => Ok(Some(path.to_owned())),
        (Shape::Array(_), Type::Other(_)) => wrong_type(),
        (_, Type::Other(_)) => Ok(None),
        (Shape::Integer(range), Type::Integer(integer)) => {
            in_range(*range, *integer).or_else(|(why, help)| misfit(why, help))
        }
        (Shape::Integer(_), Type::F32) => misfit(
            "is an integer that `f32` does not hold exactly".to_owned(),
            format!("read it as {}", suggestion(&typed.shape, path)),
        ),
        (Shape::Number, Type::Integer(_)) => misfit(
            format!("is a number that may have a fraction, which `{ty}` does not hold"),
            "read it as `f64`".to_owned(),
        ),
        (Shape::Number, Type::F32) => misfit(
            "is a number that may be larger or finer than `f32` holds".to_owned(),
            "read it as `f64`".to_owned(),
        ),
        (Shape::Integer(range), Type::F64) => {
            let exact = IntegerType { name: "f64", minimum: -F64_EXACT_MAX, maximum: F64_EXACT_MAX };
            in_range(*range, exact).or_else(|(why, help)| misfit(why, help))
        }
        (Shape::Number, Type::F64)
        | (Shape::Boolean, Type::Bool)
        | (Shape::Uuid, Type::Uuid)
        | (Shape::Timestamp, Type::Timestamp)
        | (Shape::Date, Type::Date)
        | (Shape::String | Shape::Enum(_) | Shape::Uuid | Shape::Timestamp | Shape::Date, Type::String) => {
            Ok(None)
        }
        _ => wrong_type(),
    }
}

/// Checks fields against the properties of an object.
pub(super) fn object_fits(object: &Object, fields: &[Field], path: &str) -> Result<(), Misfit> {
    for field in fields {
        let path = join(path, &field.name);
        let is_option = matches!(field.ty, Type::Option(_));
        let property = object.property(&field.name);
        let why = match property {
            None => "is not there",
            Some(property) if !property.required => "is not required: a payload may lack it",
            Some(_) => "",
        };
        if let Some(property) = property {
            fits(&property.typed, &field.ty, &path)?;
        }
        if !why.is_empty() && !is_option {
            let help = format!("read it as `Option<{}>`", field.ty);
            return Err(Misfit { path, why: why.to_owned(), help, is_sure: true });
        }
    }
    Ok(())
}

fn in_range(range: Integer, ty: IntegerType) -> Result<Option<String>, (String, String)> {
    let Integer { minimum, maximum, .. } = range;
    let name = ty.name;
    let (why, undeclared) = if maximum > ty.maximum {
        let why = format!("can be as large as {maximum}, which exceeds `{name}`");
        (why, (!range.declares_maximum).then_some("maximum"))
    } else if minimum < ty.minimum {
        let why = format!("can be as small as {minimum}, which `{name}` does not hold");
        (why, (!range.declares_minimum).then_some("minimum"))
    } else {
        return Ok(None);
    };
    let mut help = format!("read it as `{}`", integer_type(range));
    if let Some(bound) = undeclared {
        help += &format!(
            "; the contract declares no {bound}, so that any integer within ±{SAFE_INTEGER_MAX} may come"
        );
    }
    Err((why, help))
}

/// The narrowest of the usual types that holds a range.
fn integer_type(range: Integer) -> &'static str {
    ["u32", "i32", "u64", "i64", "u128"]
        .into_iter()
        .find(|name| {
            IntegerType::named(name)
                .is_some_and(|ty| range.minimum >= ty.minimum && range.maximum <= ty.maximum)
        })
        .unwrap_or("i128")
}

/// A type that reads a shape, for a hint.
fn suggestion(shape: &Shape, path: &str) -> String {
    match shape {
        Shape::Object(_) => {
            format!("a struct of your own that derives `Reads` with `at = \"{path}\"`")
        }
        shape => match type_for(shape) {
            Some(ty) => format!("`{ty}`"),
            None => "a `Vec` or map of your own types".to_owned(),
        },
    }
}

/// The plain type for a shape; `None` if it holds objects.
pub(super) fn type_for(shape: &Shape) -> Option<String> {
    let inner = |typed: &Typed| {
        let ty = type_for(&typed.shape)?;
        Some(if typed.nullable { format!("Option<{ty}>") } else { ty })
    };
    Some(match shape {
        Shape::String | Shape::Enum(_) => "String".to_owned(),
        Shape::Uuid => "Uuid".to_owned(),
        Shape::Timestamp => "jiff::Timestamp".to_owned(),
        Shape::Date => "jiff::civil::Date".to_owned(),
        Shape::Integer(range) => integer_type(*range).to_owned(),
        Shape::Number => "f64".to_owned(),
        Shape::Boolean => "bool".to_owned(),
        Shape::Array(items) => format!("Vec<{}>", inner(items)?),
        Shape::Map(values) => format!("BTreeMap<String, {}>", inner(values)?),
        Shape::Any => "serde_json::Value".to_owned(),
        Shape::Object(_) => return None,
    })
}
