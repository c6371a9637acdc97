//! Readers as data: which field, read as which type, over which versions, and the answer.

use tidings_contracts::reads::{
    Blame, Checked, Field, IntegerType, Need, Reader, Type, Verdict, check, judge, parse_versions,
};

use crate::{contract, load};

/// Version 1 has `gone`, version 2 has `new`; `late` is optional in 1 and required in 2.
fn checked(at: Option<&str>, versions: &str, fields: &[(&str, &str)]) -> Checked {
    let common = r##"
        "id": {"type": "string", "format": "uuid"},
        "day": {"type": "string", "format": "date"},
        "color": {"enum": ["red", "blue"]},
        "small": {"type": "integer", "minimum": 0, "maximum": 255},
        "any": {"type": "integer"},
        "wide": {"type": "integer", "minimum": 0, "maximum": 9007199254740993},
        "share": {"type": "number"},
        "mixed": {"type": ["integer", "string"]},
        "maybe": {"type": ["boolean", "null"]},
        "late": {"type": "string"},
        "point": {"$ref": "#/$defs/point"},
        "points": {"type": "array", "items": {"$ref": "#/$defs/point"}},
        "grid": {"type": "array", "items": {"type": "array", "items": {"$ref": "#/$defs/point"}}},
        "named": {"type": "object", "additionalProperties": {"$ref": "#/$defs/point"}},
        "prices": {"type": "object", "additionalProperties": {"type": ["integer", "null"], "minimum": 0, "maximum": 9}},
        "camelCase": {"type": "string"}"##;
    let required = r#"["id", "day", "color", "small", "any", "wide", "share", "mixed", "maybe", "point",
        "points", "grid", "named", "prices", "camelCase""#;
    let v1 = contract(&format!(r#"{common}, "gone": {{"type": "string"}}"#), &format!("{required}]"));
    let v2 = contract(
        &format!(r#"{common}, "new": {{"type": "string"}}"#),
        &format!(r#"{required}, "late", "new"]"#),
    );
    let loaded = load(&format!("--- things.made/v1.json\n{v1}\n--- things.made/v2.json\n{v2}"));
    assert_eq!(loaded.problems, []);
    let fields = fields.iter().map(|(name, ty)| Field { name: (*name).to_owned(), ty: parse(ty) });
    let reader = Reader {
        event: "things.made".to_owned(),
        versions: parse_versions(versions).unwrap(),
        at: at.map(str::to_owned),
        fields: fields.collect(),
    };
    check(&reader, &loaded.registry)
}

fn parse(text: &str) -> Type {
    let inner = |name: &str| {
        let rest = text.strip_prefix(name)?.strip_prefix('<')?.strip_suffix('>')?;
        Some(Box::new(parse(rest)))
    };
    if let Some(inner) = inner("Option") {
        return Type::Option(inner);
    }
    if let Some(inner) = inner("Vec") {
        return Type::Vec(inner);
    }
    if let Some(inner) = inner("Map") {
        return Type::Map(inner);
    }
    match text {
        "String" => Type::String,
        "bool" => Type::Bool,
        "f32" => Type::F32,
        "f64" => Type::F64,
        "Uuid" => Type::Uuid,
        "Timestamp" => Type::Timestamp,
        "Date" => Type::Date,
        "Value" => Type::Value,
        "Unchecked" => Type::Unchecked("Mine".to_owned()),
        name => IntegerType::named(name).map_or(Type::Other(name.to_owned()), Type::Integer),
    }
}

#[test]
fn fields_that_fit() {
    for (name, ty, part) in [
        ("id", "Uuid", None),
        ("id", "String", None),
        ("id", "Value", None),
        ("id", "Option<Uuid>", None),
        ("id", "OrderId", None),
        ("day", "Date", None),
        ("color", "String", None),
        ("color", "Color", None),
        ("small", "u8", None),
        ("small", "i16", None),
        ("small", "f64", None),
        ("any", "i64", None),
        ("any", "i128", None),
        ("share", "f64", None),
        ("mixed", "Unchecked", None),
        ("color", "Unchecked", None),
        ("mixed", "Value", None),
        ("mixed", "OneOfMine", None),
        ("maybe", "Option<bool>", None),
        ("maybe", "Value", None),
        ("late", "Option<String>", None),
        ("late", "Option<Option<String>>", None),
        ("gone", "Option<String>", None),
        ("new", "Option<Value>", None),
        ("point", "Point", Some("point")),
        ("point", "Map<Value>", None),
        ("points", "Vec<Point>", Some("points[]")),
        ("points", "Vec<Value>", None),
        ("grid", "Vec<Vec<Point>>", Some("grid[][]")),
        ("named", "Map<Point>", Some("named.*")),
        ("prices", "Map<Option<u8>>", None),
        ("prices", "Prices", None),
    ] {
        let checked = checked(None, "1..=2", &[(name, ty)]);
        assert_eq!(checked.errors, [], "{name}: {ty}");
        let found = checked.parts.first().map(|part| part.at.as_str());
        assert_eq!(found, part, "{name}: {ty}");
    }
}

#[test]
fn fields_that_do_not_fit() {
    for (name, ty, blames_name, message, help) in [
        ("ld", "Uuid", true, "event `things.made` v1 and v2 have no field `ld`", "did you mean `id`?"),
        (
            "camel_case",
            "String",
            true,
            "have no field `camel_case`",
            "write `#[reads(rename = \"camelCase\")]`",
        ),
        ("id", "u64", false, "`id` of `things.made` v1 is a string of format uuid", "read it as `Uuid`"),
        ("camelCase", "Uuid", false, "is a string, which `Uuid` does not hold", "read it as `String`"),
        ("day", "Timestamp", false, "is a string of format date, which `Timestamp`", "`jiff::civil::Date`"),
        ("color", "bool", false, "is one of a list of strings", "read it as `String`"),
        ("small", "i8", false, "can be as large as 255, which exceeds `i8`", "read it as `u32`"),
        (
            "any",
            "u32",
            false,
            "can be as large as 9007199254740991, which exceeds `u32`",
            "declares no maximum",
        ),
        ("any", "u64", false, "can be as small as -9007199254740991", "declares no minimum"),
        ("any", "f32", false, "is an integer that `f32` does not hold exactly", "read it as `i64`"),
        ("any", "String", false, "is an integer, which `String` does not hold", "read it as `i64`"),
        ("share", "f32", false, "may be larger or finer than `f32` holds", "read it as `f64`"),
        (
            "wide",
            "f64",
            false,
            "can be as large as 9007199254740993, which exceeds `f64`",
            "read it as `u64`",
        ),
        ("share", "i64", false, "may have a fraction", "read it as `f64`"),
        ("mixed", "String", false, "is not pinned to one type", "read it as `serde_json::Value`"),
        ("maybe", "bool", false, "`maybe` of `things.made` v1 can be null", "read it as `Option<bool>`"),
        (
            "late",
            "String",
            false,
            "`late` is not required in `things.made` v1",
            "read it as `Option<String>`",
        ),
        ("gone", "String", false, "`gone` is not in `things.made` v2 (only in v1)", "name fewer versions"),
        (
            "new",
            "String",
            false,
            "`new` is not in `things.made` v1 (only in v2)",
            "read it as `Option<String>`",
        ),
        ("point", "String", false, "is an object", "derives `Reads` with `at = \"point\"`"),
        ("point", "Map<f64>", false, "is an object", "derives `Reads` with `at = \"point\"`"),
        (
            "points",
            "Point",
            false,
            "is an array, which `Point` does not hold",
            "a `Vec` or map of your own types",
        ),
        ("points", "Vec<f64>", false, "`points[]` of `things.made` v1 is an object", "at = \"points[]\""),
        ("prices", "Map<u8>", false, "`prices.*` of `things.made` v1 can be null", "read it as `Option<u8>`"),
        ("prices", "Vec<u8>", false, "is an object with free keys", "`BTreeMap<String, Option<u32>>`"),
    ] {
        let errors = checked(None, "1..=2", &[(name, ty)]).errors;
        let [error] = errors.as_slice() else {
            panic!("{name}: {ty}: {errors:#?}");
        };
        let blame = if blames_name { Blame::FieldName(0) } else { Blame::FieldType(0) };
        assert_eq!(error.blame, blame, "{name}: {ty}");
        assert!(error.message.contains(message), "{name}: {ty}: {}", error.message);
        assert!(error.help.contains(help), "{name}: {ty}: {}", error.help);
    }
}

#[test]
fn parts_and_versions() {
    for (at, versions, field, error) in [
        (Some("points[]"), "1..=2", ("x", "f64"), None),
        (Some("named.*"), "1", ("y", "Option<f64>"), None),
        (Some("grid[][]"), "2", ("x", "f64"), None),
        (Some("points[]"), "1", ("y", "f64"), Some((Blame::FieldType(0), "`points[].y` is not required"))),
        (Some("points[]"), "1", ("z", "f64"), Some((Blame::FieldName(0), "v1 has no field `points[].z`"))),
        (
            Some("points"),
            "1",
            ("x", "f64"),
            Some((Blame::At, "`points` is an array; its elements are `points[]`")),
        ),
        (Some("named"), "1", ("x", "f64"), Some((Blame::At, "its values are `named.*`"))),
        (Some("pionts[]"), "1", ("x", "f64"), Some((Blame::At, "has no field `pionts`"))),
        (Some("any"), "1", ("x", "f64"), Some((Blame::At, "`any` is an integer"))),
        (Some(""), "1", ("x", "f64"), Some((Blame::At, "has no field"))),
        (Some("[]"), "1", ("x", "f64"), Some((Blame::At, "has no field"))),
        (None, "2..=3", ("id", "Uuid"), Some((Blame::Versions, "`things.made` has no v3"))),
        (None, "1..=4000000000", ("id", "Uuid"), Some((Blame::Versions, "`things.made` has no v3"))),
        (None, "2", ("late", "String"), None),
    ] {
        let errors = checked(at, versions, &[field]).errors;
        let found = errors.first().map(|error| (error.blame, error.message.as_str()));
        match error {
            None => assert_eq!(found, None, "{at:?} {field:?}"),
            Some((blame, message)) => {
                let (found_blame, found_message) = found.unwrap();
                assert_eq!(found_blame, blame, "{found_message}");
                assert!(found_message.contains(message), "{found_message}");
            }
        }
    }
}

#[test]
fn ranges_of_versions() {
    for (text, range) in [
        ("2", Some(2..=2)),
        ("1..=3", Some(1..=3)),
        ("1 ..= 3", Some(1..=3)),
        ("1..3", Some(1..=2)),
        ("3..=1", None),
        ("1..1", None),
        ("0", None),
        ("1..", None),
        ("latest", None),
        ("", None),
    ] {
        assert_eq!(parse_versions(text).ok(), range, "{text}");
    }
}

#[test]
fn the_compiler_is_told_what_to_find() {
    let checked =
        checked(None, "1..=2", &[("small", "Quantity"), ("late", "Option<String>"), ("maybe", "Value")]);
    let found: Vec<(usize, &Need)> = checked.needs.iter().map(|need| (need.field, &need.need)).collect();
    let maybe = Need::Nullable(Box::new(Need::Boolean));
    let small = Need::Integer { minimum: 0, maximum: 255 };
    assert_eq!(found, [(0, &small), (1, &Need::Text), (2, &maybe)]);
    assert_eq!(
        checked.needs[0].message,
        "`small` of `things.made` v1 is an integer from 0 to 255, which `Quantity` does not hold\n\
         help: read it as `u32`"
    );
}

#[test]
fn a_built_reader_is_held_against_a_contract_it_never_saw() {
    let field = |name: &str, ty: Type| Field { name: name.to_owned(), ty };
    let line = || Type::Vec(Box::new(Type::Object(vec![field("sku", Type::String)])));
    let known = |values: &[&str]| Type::OneOf(values.iter().map(|value| (*value).to_owned()).collect());
    let sku = |required: &str| {
        format!(
            r#""a": {{"type": "array", "items": {{"type": "object", "additionalProperties": false,
                "required": {required}, "properties": {{"sku": {{"type": "string"}}}}}}}}"#
        )
    };
    for (schema, ty, verdict) in [
        (r#""b": {"type": "string", "pattern": "^x"}"#.to_owned(), Type::String, "cannot: `a` is not there"),
        (r#""a": {"type": "string"}"#.to_owned(), Type::String, "reads"),
        (
            r#""a": {"type": "string"}"#.to_owned(),
            Type::Unchecked("Mine".to_owned()),
            "unknown: `a` is read by",
        ),
        (r#""a": {"type": ["string", "integer"]}"#.to_owned(), Type::String, "unknown: `a` is not pinned"),
        (sku(r#"["sku"]"#), line(), "reads"),
        (sku("[]"), line(), "cannot: `a[].sku` is not required"),
        (r#""a": {"enum": ["x", "y", "z"]}"#.to_owned(), known(&["x", "z"]), "cannot: `a` can be `y`"),
        (r#""a": {"enum": ["x", "z"]}"#.to_owned(), known(&["x", "y", "z"]), "reads"),
    ] {
        let required = if schema.contains(r#""b""#) { r#"["b"]"# } else { r#"["a"]"# };
        let loaded = load(&format!("--- things.made/v1.json\n{}", contract(&schema, required)));
        assert_eq!(loaded.problems, []);
        let contract = loaded.registry.contracts().next().unwrap();
        let bundled = tidings_contracts::Contract::from_schema("things.made", 3, &contract.schema).unwrap();
        let found = match judge(&bundled, &[field("a", ty)]) {
            Verdict::Reads => "reads".to_owned(),
            Verdict::Cannot(why) => format!("cannot: {why}"),
            Verdict::Unknown(why) => format!("unknown: {why}"),
        };
        assert!(found.starts_with(verdict), "{schema}: {found}");
    }
}
