//! W3C trace context, carried on every message.
//!
//! Source of the rules: [Trace Context](https://www.w3.org/TR/trace-context/) and
//! [Baggage](https://www.w3.org/TR/baggage/). An invalid `traceparent` is dropped and a new trace
//! begins, as the specification asks; `tracestate` is only kept beside a valid `traceparent`.

use std::fmt;

use uuid::Uuid;

/// The longest `tracestate` and `baggage` kept, in bytes. The specifications ask for at least 512 and
/// 8,192; longer values are dropped whole rather than cut, because a cut list may say something else.
pub const HEADER_BYTES_MAX: usize = 8_192;

/// A message's place in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TraceContext {
    /// The span that caused the message, if its trace is known.
    pub parent: Option<TraceParent>,
    /// Vendor-specific trace data, passed on as it came.
    pub tracestate: Option<String>,
    /// The application's own key-value pairs, passed on as they came.
    pub baggage: Option<String>,
}

impl TraceContext {
    /// A new trace whose first span has a fresh id.
    #[must_use]
    pub fn root() -> Self {
        Self { parent: Some(TraceParent::root()), ..Self::default() }
    }

    /// Reads the three headers as they came from outside. Never fails: what is invalid is dropped.
    #[must_use]
    pub fn from_headers(traceparent: Option<&str>, tracestate: Option<&str>, baggage: Option<&str>) -> Self {
        let keep = |text: &&str| !text.trim().is_empty() && text.len() <= HEADER_BYTES_MAX;
        let parent = traceparent.and_then(TraceParent::parse);
        Self {
            tracestate: parent.and(tracestate).filter(keep).map(str::to_owned),
            parent,
            baggage: baggage.filter(keep).map(str::to_owned),
        }
    }

    /// The context of work that this one causes: same trace, a new span id; a new trace if there was none.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            parent: Some(self.parent.map_or_else(TraceParent::root, TraceParent::child)),
            tracestate: self.tracestate.clone(),
            baggage: self.baggage.clone(),
        }
    }

    /// The `traceparent` header, if there is a trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<String> {
        self.parent.map(|parent| String::from_utf8_lossy(&parent.text()).into_owned())
    }
}

/// A parsed `traceparent`: version 00, trace id, span id, flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceParent {
    /// 16 bytes, not all zero.
    pub trace_id: u128,
    /// 8 bytes, not all zero.
    pub span_id: u64,
    /// Bit 0: sampled.
    pub flags: u8,
}

impl TraceParent {
    /// A new, sampled trace.
    #[must_use]
    pub fn root() -> Self {
        let trace_id = Uuid::new_v4().as_u128();
        Self { trace_id, span_id: random_span_id(), flags: 1 }
    }

    /// A new span in the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: random_span_id(), ..self }
    }

    /// Parses a header by the specification's rules: lower-case hex, non-zero ids, version not `ff`;
    /// of a future version the first four fields are read.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t']);
        let (version, rest) = (text.get(0..2)?, text.get(2..)?);
        if version == "ff" || lower_hex(version.as_bytes()).is_none() {
            return None;
        }
        let known = version == "00" && rest.len() == 53;
        let future = version != "00" && (rest.len() == 53 || rest.as_bytes().get(53) == Some(&b'-'));
        if !(known || future) {
            return None;
        }
        let rest = rest.as_bytes();
        if [rest[0], rest[33], rest[50]] != [b'-'; 3] {
            return None;
        }
        let parent = Self {
            trace_id: u128::from(lower_hex(&rest[1..17])?) << 64 | u128::from(lower_hex(&rest[17..33])?),
            span_id: lower_hex(&rest[34..50])?,
            flags: u8::try_from(lower_hex(&rest[51..53])?).ok()?,
        };
        (parent.trace_id != 0 && parent.span_id != 0).then_some(parent)
    }

    /// The header's text. Every message is stored and read with one, so this does not go through `fmt`.
    fn text(self) -> [u8; 55] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        write_lower_hex(&mut text[3..19], (self.trace_id >> 64) as u64);
        write_lower_hex(&mut text[19..35], self.trace_id as u64);
        write_lower_hex(&mut text[36..52], self.span_id);
        write_lower_hex(&mut text[53..55], self.flags.into());
        text
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// At most 16 lower-case hexadecimal digits.
fn lower_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(value))
    })
}

/// Fills `digits` with the number's last ones.
fn write_lower_hex(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(number & 0xf) as usize];
        number >>= 4;
    }
}

fn random_span_id() -> u64 {
    // The low half of a v4 UUID has two fixed bits, which keeps it from ever being zero.
    Uuid::new_v4().as_u64_pair().1
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn parses_by_the_rules() {
        let zero_trace = format!("00-{:032}-00f067aa0ba902b7-01", 0);
        let zero_span = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016}-01", 0);
        let cases: &[(&str, bool)] = &[
            (VALID, true),
            (&format!("{VALID}-extra"), false),
            (&format!("cc{}-future", &VALID[2..]), true),
            (&format!("cc{}.future", &VALID[2..]), false),
            (&format!("ff{}", &VALID[2..]), false),
            (&VALID.to_uppercase(), false),
            (&zero_trace, false),
            (&zero_span, false),
            ("", false),
            ("00-4bf9", false),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01", false),
        ];
        for (text, valid) in cases {
            assert_eq!(TraceParent::parse(text).is_some(), *valid, "{text}");
        }
        assert_eq!(TraceParent::parse(VALID).map(|p| p.to_string()).as_deref(), Some(VALID));
    }

    #[test]
    fn a_child_stays_in_its_trace() {
        let context = TraceContext::from_headers(Some(VALID), Some("a=b"), Some("tenant=7"));
        let child = context.child();
        let (old, new) = (context.parent.unwrap(), child.parent.unwrap());
        assert_eq!(old.trace_id, new.trace_id);
        assert_ne!(old.span_id, new.span_id);
        assert_eq!(child.tracestate.as_deref(), Some("a=b"));
        assert_eq!(child.baggage.as_deref(), Some("tenant=7"));
    }

    #[test]
    fn tracestate_needs_a_traceparent() {
        let context = TraceContext::from_headers(Some("broken"), Some("a=b"), Some(""));
        assert_eq!(context, TraceContext::default());
    }
}
