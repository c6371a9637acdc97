//! Who asks, and how: the request's headers.

use std::time::Duration;

use axum::http::HeaderMap;
use tidings::{Caller, TraceContext};

use super::problem::Problem;

/// The longest idempotency key, in bytes: it is stored with every outcome.
const KEY_BYTES_MAX: usize = 255;

/// Reads `Idempotency-Key`, `Deadline-Ms`, `X-Caller` and the trace headers.
///
/// The caller's name is taken at its word, which is good enough for a demo on the loopback interface; a real edge takes
/// it from whoever has authenticated.
pub(super) fn of(headers: &HeaderMap, deadline_ms_max: u64) -> Result<Caller, Problem> {
    let trace = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let idempotency_key = text(headers, "idempotency-key")?;
    if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
        return Err(Problem::invalid(format!("`Idempotency-Key` has 1 to {KEY_BYTES_MAX} bytes")));
    }
    Ok(Caller {
        id: text(headers, "x-caller")?.unwrap_or_else(|| "anonymous".to_owned()),
        idempotency_key,
        deadline: deadline(headers, deadline_ms_max)?,
        trace: TraceContext::from_headers(trace("traceparent"), trace("tracestate"), trace("baggage")),
    })
}

fn deadline(headers: &HeaderMap, ms_max: u64) -> Result<Option<Duration>, Problem> {
    let Some(text) = text(headers, "deadline-ms")? else { return Ok(None) };
    let ms = text.parse::<u64>().ok().filter(|ms| *ms > 0);
    let ms =
        ms.ok_or_else(|| Problem::invalid("`Deadline-Ms` is a number of milliseconds from 1".to_owned()))?;
    // A caller may be in more of a hurry than the shop, never in less.
    Ok(Some(Duration::from_millis(ms.min(ms_max))))
}

/// A header that is there at most once. Two would have to be chosen from, and a proxy may choose otherwise.
fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid(format!("header `{name}` is there twice")));
    }
    let text = value.to_str().map_err(|_| Problem::invalid(format!("header `{name}` is not plain text")))?;
    Ok(Some(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS_MAX: u64 = 10_000;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_caller_in_a_hurry() {
        let caller = of(&headers(&[("deadline-ms", "250"), ("idempotency-key", "a")]), MS_MAX).unwrap();
        assert_eq!(caller.deadline, Some(Duration::from_millis(250)));
        assert_eq!(caller.idempotency_key.as_deref(), Some("a"));
        let patient = of(&headers(&[("deadline-ms", "99999999")]), MS_MAX).unwrap();
        assert_eq!(patient.deadline, Some(Duration::from_millis(MS_MAX)));
    }

    #[test]
    fn headers_that_mean_nothing_are_refused() {
        let long = "k".repeat(KEY_BYTES_MAX + 1);
        for pairs in [
            &[("deadline-ms", "soon")][..],
            &[("deadline-ms", "0")],
            &[("idempotency-key", "")],
            &[("idempotency-key", &long)],
        ] {
            assert!(of(&headers(pairs), MS_MAX).is_err(), "{pairs:?}");
        }
        let mut twice = headers(&[("idempotency-key", "a")]);
        twice.append("idempotency-key", "b".parse().unwrap());
        assert!(of(&twice, MS_MAX).is_err());
    }
}
