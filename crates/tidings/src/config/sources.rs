//! Where settings come from: a file and the environment, laid over the defaults one by one, so that a wrong one is
//! named with its place.

use std::ffi::OsString;

use tidings_contracts::did_you_mean;
use toml::de::DeTable;
use toml::{Spanned, Table, Value};

use super::limits::unusable;
use super::{Config, ConfigError, DEFAULTS, QueueConfig, StorePlace};

const PREFIX: &str = "TIDINGS_";
/// The section whose settings are sections themselves, one for each queue.
const QUEUES: &str = "queues";
const STORE: &str = "store";

/// Settings as they are laid over each other.
pub(super) struct Settings(Table);

impl Settings {
    pub(super) fn defaults() -> Result<Self, ConfigError> {
        DEFAULTS.parse().map(Self).map_err(|error: toml::de::Error| invalid("defaults", error.message()))
    }

    /// What a file says; `name` is how it is called in errors.
    pub(super) fn lay_file(&mut self, name: &str, text: &str) -> Result<(), ConfigError> {
        let at = |start: usize, problem: &str| {
            let (line, column) = line_column(text, start);
            invalid(&format!("{name}:{line}:{column}"), problem)
        };
        let broken = |error: toml::de::Error| at(error.span().map_or(0, |span| span.start), error.message());
        let values: Table = text.parse().map_err(broken)?;
        // The same once more, with the places.
        let places = DeTable::parse(text).map_err(broken)?;
        self.choose_store(&settings_of_store(&places)).map_err(|(start, problem)| at(start, &problem))?;
        for (section, inner) in places.get_ref() {
            let start = section.span().start;
            let section = section.get_ref().as_ref();
            let Some(inner) = inner.get_ref().as_table() else {
                return Err(at(start, &self.not_a_section(section)));
            };
            let Some(values) = values.get(section).and_then(Value::as_table) else { continue };
            if !self.0.contains_key(section) {
                return Err(at(start, &self.not_a_section(section)));
            }
            for (key, place) in inner {
                if section == QUEUES {
                    let name = key.get_ref().as_ref();
                    let (Some(settings), Some(values)) =
                        (place.get_ref().as_table(), values.get(name).and_then(Value::as_table))
                    else {
                        return Err(at(
                            key.span().start,
                            &format!("`{name}` is a queue: write `[queues.{name}]`"),
                        ));
                    };
                    for (key, _) in settings {
                        let (setting, value) = (key.get_ref().as_ref(), values.get(key.get_ref().as_ref()));
                        let slot = self.queue_slot(name, setting);
                        let slot = slot.map_err(|problem| at(key.span().start, &problem))?;
                        slot.extend(value.map(|value| (setting.to_owned(), value.clone())));
                    }
                    let first = settings.iter().next().map_or(key.span(), |(_, place)| place.span());
                    self.config().map_err(|problem| at(first.start, &problem))?;
                    continue;
                }
                let known = self.slot(section, key.get_ref().as_ref());
                let slot = known.map_err(|problem| at(key.span().start, &problem))?;
                let Some(value) = values.get(key.get_ref().as_ref()) else { continue };
                *slot = value.clone();
                self.config().map_err(|problem| at(place.span().start, &problem))?;
            }
        }
        Ok(())
    }

    /// What the variables say that begin with `TIDINGS_` and name a setting.
    pub(super) fn lay_variables(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<(), ConfigError> {
        // Names of other programs need not be text at all.
        let ours = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(PREFIX));
        let variables: Vec<_> = variables.into_iter().filter(|(name, _)| ours(name)).collect();
        self.choose_store(&variables_of_store(&variables))
            .map_err(|(name, problem)| invalid(&name, &problem))?;
        for (name, text) in &variables {
            let Some(name) = name.to_str() else { continue };
            let key = name[PREFIX.len()..].to_lowercase();
            let Some((section, key)) = key.split_once("__") else {
                self.refuse_slip(name, &key)?;
                continue;
            };
            let text = text.to_str().ok_or_else(|| invalid(name, "its value is not UTF-8"))?;
            if section == QUEUES {
                self.lay_queue_variable(name, key, text)?;
                continue;
            }
            let slot = self.slot(section, key).map_err(|problem| invalid(name, &problem))?;
            *slot = match slot {
                Value::String(_) => Value::String(text.to_owned()),
                // The default's type says how the text is read.
                _ => text
                    .parse::<Value>()
                    .map_err(|_| invalid(name, &format!("`{text}` is not a {}", slot.type_str())))?,
            };
            self.config().map_err(|problem| invalid(name, &problem))?;
        }
        Ok(())
    }

    /// A source that names the store overrules what earlier ones have named, and may not contradict itself: two places, or
    /// a setting that the store does not have. (The settings of earlier sources may be another store's: those are idle.)
    fn choose_store<P: Clone>(&mut self, given: &[Given<P>]) -> Result<(), (P, String)> {
        let named =
            |setting: &str| given.iter().rfind(|given| given.setting == setting && !given.text.is_empty());
        let (path, url) = match (named("path"), named("url")) {
            (Some(path), Some(url)) => {
                let last =
                    given.iter().rfind(|given| given.setting == path.setting || given.setting == url.setting);
                let problem =
                    "`store.path` and `store.url` both say where the data is; take one of the two out";
                return Err((last.unwrap_or(url).place.clone(), problem.to_owned()));
            }
            (None, None) => return Ok(()),
            (path, url) => (path.map_or("", |path| &path.text), url.map_or("", |url| &url.text).into()),
        };
        for key in ["path", "url"] {
            // What is wrong with the new one is told where it is laid.
            if let Ok(slot) = self.slot(STORE, key) {
                *slot = Value::String(String::new());
            }
        }
        let Ok(place) = StorePlace::of(path.as_ref(), &url) else { return Ok(()) };
        match given.iter().find_map(|given| Some((given, place.has_no(&given.setting)?))) {
            Some((given, problem)) => Err((given.place.clone(), problem)),
            None => Ok(()),
        }
    }

    fn lay_queue_variable(&mut self, name: &str, key: &str, text: &str) -> Result<(), ConfigError> {
        let Some((queue, setting)) = key.split_once("__") else {
            return Err(invalid(
                name,
                "say which setting of the queue: `TIDINGS_QUEUES__<NAME>__CONCURRENCY`",
            ));
        };
        let value = text.parse::<Value>().map_err(|_| invalid(name, &format!("`{text}` is not a number")))?;
        // A variable's name has no dashes.
        let slot = self.queue_slot(&queue.replace('_', "-"), setting);
        slot.map_err(|problem| invalid(name, &problem))?.insert(setting.to_owned(), value);
        Ok(())
    }

    /// The settings of a queue, if there may be such a one among them.
    fn queue_slot(&mut self, queue: &str, setting: &str) -> Result<&mut Table, String> {
        let unknown = || {
            let help =
                did_you_mean(setting, QueueConfig::KEYS).map(|meant| format!("; did you mean `{meant}`?"));
            format!("there is no setting `{setting}` under `[queues.{queue}]`{}", help.unwrap_or_default())
        };
        let queues = self.0.get_mut(QUEUES).and_then(Value::as_table_mut);
        let queues = queues.filter(|_| QueueConfig::KEYS.contains(&setting)).ok_or_else(unknown)?;
        let settings = queues.entry(queue).or_insert_with(|| Value::Table(Table::new()));
        settings.as_table_mut().ok_or_else(unknown)
    }

    pub(super) fn config(&self) -> Result<Config, String> {
        let config: Config =
            self.0.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        match unusable(&config) {
            Some((setting, problem)) => Err(format!("`{setting}` {problem}")),
            None => Ok(config),
        }
    }

    fn slot(&mut self, section: &str, key: &str) -> Result<&mut Value, String> {
        if !self.0.contains_key(section) {
            return Err(self.not_a_section(section));
        }
        let settings = self.0.get(section).and_then(Value::as_table);
        let known = settings.into_iter().flat_map(Table::keys).map(String::as_str);
        let help = did_you_mean(key, known).map(|meant| format!("; did you mean `{meant}`?"));
        let slot = self.0.get_mut(section).and_then(|settings| settings.get_mut(key));
        slot.ok_or_else(|| {
            format!("there is no setting `{key}` under `[{section}]`{}", help.unwrap_or_default())
        })
    }

    fn not_a_section(&self, name: &str) -> String {
        let known: Vec<&str> = self.0.keys().map(String::as_str).collect();
        let of = known.iter().find(|section| self.slot_exists(section, name));
        match of.or(did_you_mean(name, known.iter().copied()).as_ref()) {
            Some(section) if self.slot_exists(section, name) => {
                format!("`{name}` is a setting of `[{section}]`; write it under that line")
            }
            Some(section) => format!("there is no section `[{name}]`; did you mean `[{section}]`?"),
            None => format!("there is no section `[{name}]`; there are `[{}]`", known.join("]`, `[")),
        }
    }

    fn slot_exists(&self, section: &str, key: &str) -> bool {
        self.0.get(section).is_some_and(|settings| settings.get(key).is_some())
    }

    /// `TIDINGS_STORE_PATH` would be ignored, while its author believes that it works. Other variables of that prefix
    /// are somebody else's.
    fn refuse_slip(&self, name: &str, key: &str) -> Result<(), ConfigError> {
        let slips = self.0.keys().find_map(|section| {
            let setting = key.strip_prefix(section.as_str())?.strip_prefix('_')?;
            self.slot_exists(section, setting).then_some((section, setting))
        });
        let Some((section, setting)) = slips else { return Ok(()) };
        let meant = format!("{PREFIX}{}__{}", section.to_uppercase(), setting.to_uppercase());
        Err(invalid(name, &format!("two underscores stand between section and setting: write `{meant}`")))
    }
}

/// A setting of `[store]` in one source.
struct Given<P> {
    setting: String,
    /// Its value, if that is text.
    text: String,
    place: P,
}

fn settings_of_store(places: &Spanned<DeTable<'_>>) -> Vec<Given<usize>> {
    let store = places.get_ref().iter().find(|(section, _)| section.get_ref() == STORE);
    let settings = store.and_then(|(_, settings)| settings.get_ref().as_table()).into_iter().flatten();
    settings
        .map(|(key, value)| Given {
            setting: key.get_ref().to_string(),
            text: value.get_ref().as_str().unwrap_or_default().to_owned(),
            place: key.span().start,
        })
        .collect()
}

fn variables_of_store(variables: &[(OsString, OsString)]) -> Vec<Given<String>> {
    let of_store = |(name, text): &(OsString, OsString)| {
        let (name, text) = (name.to_str()?, text.to_str()?);
        let (section, setting) = name.strip_prefix(PREFIX)?.split_once("__")?;
        let setting = section.eq_ignore_ascii_case(STORE).then(|| setting.to_lowercase())?;
        Some(Given { setting, text: text.to_owned(), place: name.to_owned() })
    };
    variables.iter().filter_map(of_store).collect()
}

pub(super) fn invalid(place: &str, problem: &str) -> ConfigError {
    ConfigError::Invalid { place: place.to_owned(), problem: problem.to_owned() }
}

/// Line and column of a byte, both counted from 1, the column in characters.
fn line_column(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
}
