//! How often the provider misbehaves, and in which way.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

/// One way to misbehave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// Answers late.
    Slow,
    /// Does what it was asked to and never answers, so that the caller's patience ends.
    Silent,
    /// 503, and nothing was done.
    Busy,
    /// Closes the connection without an answer, and nothing was done.
    Closed,
    /// Does what it was asked to, and closes the connection without an answer.
    Lost,
    /// Does what it was asked to, and answers nonsense.
    Garbage,
    /// Does what it was asked to, and closes the connection in the middle of the answer.
    Half,
}

impl Fault {
    const ALL: [Self; 7] =
        [Self::Slow, Self::Silent, Self::Busy, Self::Closed, Self::Lost, Self::Garbage, Self::Half];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Silent => "silent",
            Self::Busy => "busy",
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Garbage => "garbage",
            Self::Half => "half",
        }
    }
}

/// How often, in percent of the requests, and how late.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Faults {
    percent: [f64; Fault::ALL.len()],
    /// How long every answer takes.
    delay: Duration,
    /// How long a slow one takes.
    slow: Duration,
}

const NONE: Faults =
    Faults { percent: [0.0; Fault::ALL.len()], delay: Duration::ZERO, slow: Duration::from_millis(200) };
/// Long enough for any caller to lose patience.
const SILENCE: Duration = Duration::from_secs(600);

impl Faults {
    /// What befalls a request; at most one thing.
    pub(crate) fn draw(&self) -> Option<Fault> {
        // The low half of a random UUID is random but for its two highest bits.
        let (_, random) = Uuid::new_v4().as_u64_pair();
        self.at((random & 0xFFFF_FFFF) as f64 / 4_294_967_296.0 * 100.0)
    }

    /// `place` is from 0 up to 100.
    fn at(&self, mut place: f64) -> Option<Fault> {
        for (fault, percent) in Fault::ALL.into_iter().zip(self.percent) {
            if place < percent {
                return Some(fault);
            }
            place -= percent;
        }
        None
    }

    pub(crate) async fn delay(&self, fault: Option<Fault>) {
        let delay = if fault == Some(Fault::Slow) { self.slow } else { self.delay };
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
    }

    pub(crate) async fn silence() {
        tokio::time::sleep(SILENCE).await;
    }
}

/// What was typed is not a list of faults.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFaults {
    #[error("`{0}` is not `<fault>=<percent>`")]
    NotAPair(String),
    #[error(
        "there is no fault `{0}`; there are slow, silent, busy, closed, lost, garbage and half, in percent, and delay-ms and slow-ms"
    )]
    Unknown(String),
    #[error("`{0}`: a rate is a number from 0 to 100, a time a whole number of milliseconds")]
    BadNumber(String),
    #[error("the rates add up to more than 100 percent")]
    TooMany,
}

/// `none`, or a list such as `slow=10,lost=2.5,slow-ms=300`.
impl FromStr for Faults {
    type Err = BadFaults;

    fn from_str(text: &str) -> Result<Self, BadFaults> {
        let mut faults = NONE;
        if text == "none" {
            return Ok(faults);
        }
        for part in text.split(',') {
            let (name, number) = part.split_once('=').ok_or_else(|| BadFaults::NotAPair(part.to_owned()))?;
            let bad = || BadFaults::BadNumber(part.to_owned());
            let ms = || number.parse().map(Duration::from_millis).map_err(|_| bad());
            match (name, Fault::ALL.iter().position(|fault| fault.as_str() == name)) {
                ("delay-ms", _) => faults.delay = ms()?,
                ("slow-ms", _) => faults.slow = ms()?,
                (_, Some(place)) => faults.percent[place] = percent(number).ok_or_else(bad)?,
                (_, None) => return Err(BadFaults::Unknown(name.to_owned())),
            }
        }
        // A sum of decimal fractions may be off by a hair.
        if faults.percent.iter().sum::<f64>() > 100.000_001 { Err(BadFaults::TooMany) } else { Ok(faults) }
    }
}

fn percent(text: &str) -> Option<f64> {
    text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent))
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates = Fault::ALL.into_iter().zip(self.percent).filter(|(_, percent)| *percent > 0.0);
        let mut parts: Vec<_> =
            rates.map(|(fault, percent)| format!("{} {percent} %", fault.as_str())).collect();
        if parts.is_empty() {
            parts.push("no faults".to_owned());
        }
        f.write_str(&parts.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_become_faults() {
        let faults: Faults = "slow=10,lost=2.5,slow-ms=300,delay-ms=5".parse().unwrap();
        assert_eq!(faults.at(0.0), Some(Fault::Slow));
        assert_eq!(faults.at(9.9), Some(Fault::Slow));
        assert_eq!(faults.at(10.0), Some(Fault::Lost));
        assert_eq!(faults.at(12.5), None);
        assert_eq!((faults.delay, faults.slow), (Duration::from_millis(5), Duration::from_millis(300)));
        assert_eq!(faults.to_string(), "slow 10 %, lost 2.5 %");
        let always: Faults = "half=100".parse().unwrap();
        assert!((0..1_000).all(|_| always.draw() == Some(Fault::Half)));
        assert_eq!("none".parse::<Faults>().unwrap().draw(), None);
    }

    #[test]
    fn what_is_no_rate_is_refused() {
        for (text, error) in [
            ("slow", BadFaults::NotAPair("slow".to_owned())),
            ("", BadFaults::NotAPair(String::new())),
            ("rude=1", BadFaults::Unknown("rude".to_owned())),
            ("slow=101", BadFaults::BadNumber("slow=101".to_owned())),
            ("slow=-1", BadFaults::BadNumber("slow=-1".to_owned())),
            ("slow=NaN", BadFaults::BadNumber("slow=NaN".to_owned())),
            ("slow-ms=soon", BadFaults::BadNumber("slow-ms=soon".to_owned())),
            ("slow=60,busy=60", BadFaults::TooMany),
        ] {
            assert_eq!(text.parse::<Faults>(), Err(error), "{text}");
        }
    }
}
