//! Names: of events and owners, and what becomes of them in Rust.

/// Whether a text is one lower-case segment: `[a-z][a-z0-9-]*`.
#[must_use]
pub fn is_segment(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

/// Says what is wrong with an event's name, if anything is.
pub(crate) fn event_name_error(name: &str) -> Option<&'static str> {
    let segments: Vec<&str> = name.split('.').collect();
    if !segments.iter().all(|segment| is_segment(segment)) {
        return Some("segments are lower-case letters, digits and dashes, and begin with a letter");
    }
    if segments.len() < 2 {
        return Some("a name has at least two segments, the owner's first");
    }
    if segments.iter().any(|segment| is_version(segment)) {
        return Some("`v1`, `v2`, ... are kept for versions");
    }
    if segments[0] == SHARED {
        return Some("`shared` is kept for the definitions that several contracts use");
    }
    None
}

/// The Rust module of definitions that belong to no single contract.
pub(crate) const SHARED: &str = "shared";

/// `v2`, and `v-2`, which would be the same in Rust.
fn is_version(segment: &str) -> bool {
    let segment = segment.replace('-', "");
    let digits = segment.strip_prefix('v').unwrap_or("");
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

/// The module's name for a segment: `stock-level` is `stock_level`.
pub(crate) fn module_name(segment: &str) -> String {
    escape(segment.replace('-', "_"))
}

/// A field's name: `orderId` and `order-id` are `order_id`, `type` is `type_`.
pub(crate) fn field_name(property: &str) -> String {
    let words = words(property).map(|word| word.to_ascii_lowercase());
    let name = words.collect::<Vec<_>>().join("_");
    escape(match name.chars().next() {
        None => "field".to_owned(),
        Some(first) if first.is_ascii_digit() => format!("n{name}"),
        Some(_) => name,
    })
}

/// A type's or variant's name: `shipped-late` is `ShippedLate`.
pub(crate) fn type_name(text: &str, if_empty: &str) -> String {
    let name: String = words(text).map(|word| capitalised(&word)).collect();
    match name.chars().next() {
        None => if_empty.to_owned(),
        Some(first) if first.is_ascii_digit() => format!("{if_empty}{name}"),
        Some(_) => escape(name),
    }
}

/// Names of the prelude that generated code uses; a generated type of that name would hide them.
pub(crate) fn is_prelude(name: &str) -> bool {
    matches!(name, "Option" | "Some" | "None" | "Result" | "Ok" | "Err" | "String" | "Vec" | "Box")
}

/// Splits at everything but ASCII letters and digits, and before a capital after a small letter.
fn words(text: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for c in text.chars() {
        let boundary = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && after_small);
        if boundary {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c);
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.into_iter().filter(|word| !word.is_empty())
}

fn capitalised(word: &str) -> String {
    let all_capitals = word.chars().all(|c| !c.is_ascii_lowercase());
    let rest = word.get(1..).unwrap_or("");
    let rest = if all_capitals { rest.to_ascii_lowercase() } else { rest.to_owned() };
    word.get(..1).unwrap_or("").to_ascii_uppercase() + &rest
}

fn escape(name: String) -> String {
    if KEYWORDS.contains(&name.as_str()) { name + "_" } else { name }
}

const KEYWORDS: &[&str] = &[
    "Self", "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "crate", "do",
    "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop",
    "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return", "self", "static",
    "struct", "super", "trait", "true", "try", "type", "typeof", "unsafe", "unsized", "use", "virtual",
    "where", "while", "yield",
];

/// The nearest of the known names, if it is near enough to be what was meant.
pub fn did_you_mean<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = 1 + name.chars().count() / 4;
    let plain = plain(name);
    // The distance takes quadratic time, and nobody misspells a name of a hundred letters.
    let short = |text: &str| text.len() <= 100;
    known
        .into_iter()
        .filter(|candidate| short(name) && short(candidate))
        .map(|candidate| {
            // `orderId` for `order_id` is the same name in another spelling.
            let same = self::plain(candidate) == plain;
            (if same { 0 } else { distance(name, candidate) }, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Edits (insert, delete, replace, swap of neighbours) from one name to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_names() {
        for good in ["orders.placed", "a.b.c", "stock-level.changed2"] {
            assert_eq!(event_name_error(good), None, "{good}");
        }
        for bad in ["orders", "Orders.placed", "orders..placed", "orders.v1", "shared.x", "1.b", "a._b", ""] {
            assert!(event_name_error(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn rust_names() {
        for (property, field) in [
            ("order_id", "order_id"),
            ("orderId", "order_id"),
            ("order-id", "order_id"),
            ("type", "type_"),
            ("2fa", "n2fa"),
            ("größe", "gr_e"),
            ("$", "field"),
            ("HTTPStatus", "httpstatus"),
        ] {
            assert_eq!(field_name(property), field, "{property}");
        }
        for (text, name) in [
            ("shipped-late", "ShippedLate"),
            ("DHL", "Dhl"),
            ("inStock", "InStock"),
            ("2", "Value2"),
            ("", "Value"),
            ("self", "Self_"),
        ] {
            assert_eq!(type_name(text, "Value"), name, "{text}");
        }
    }

    #[test]
    fn near_names() {
        let known = ["order_id", "customer_id", "placedAt"];
        for (name, meant) in [
            ("order_idd", Some("order_id")),
            ("odrer_id", Some("order_id")),
            ("placed_at", Some("placedAt")),
            ("total", None),
        ] {
            assert_eq!(did_you_mean(name, known), meant, "{name}");
        }
    }
}
