//! `<program> <words> --name value ..`: by hand, because each program would have to compile a parser.

use std::collections::HashMap;
use std::str::FromStr;

use crate::Result;

/// What was asked for.
#[derive(Debug)]
pub struct Arguments {
    /// The first word: what to do.
    pub task: String,
    named: HashMap<String, String>,
}

impl Arguments {
    /// From the command line.
    ///
    /// # Errors
    /// If there is no task, or a name without a value.
    pub fn parse() -> Result<Self> {
        let mut words = std::env::args().skip(1);
        let task = words.next().ok_or("what to do? see the README of benches/peers")?;
        let mut named = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| format!("`{word}` should be a --name"))?;
            let value = words.next().ok_or_else(|| format!("--{name} has no value"))?;
            named.insert(name.to_owned(), value);
        }
        Ok(Self { task, named })
    }

    /// The value of a name that may be left out.
    ///
    /// # Errors
    /// If it does not parse.
    pub fn maybe<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let Some(value) = self.named.get(name) else { return Ok(None) };
        value.parse().map(Some).map_err(|_| format!("--{name} {value} is no value for it").into())
    }

    /// The value of a name that has to be there.
    ///
    /// # Errors
    /// If it is missing or does not parse.
    pub fn get<T: FromStr>(&self, name: &str) -> Result<T> {
        Ok(self.maybe(name)?.ok_or_else(|| format!("`{}` needs --{name}", self.task))?)
    }
}

/// Which of its ways a program that has several is to go; the driver says it in the environment.
#[must_use]
pub fn variant() -> Option<String> {
    std::env::var("PEER_VARIANT").ok()
}
