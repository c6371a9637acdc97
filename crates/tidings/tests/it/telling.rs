//! What the application says: its spans, and what it logs.

use std::fmt::Debug;
use std::sync::{Mutex, OnceLock};

use tracing::field::{Field, Visit};
use tracing::span::Attributes;
use tracing::{Event, Id, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// From now on everything is taken down, for the whole process: handlers run on threads of their own.
pub(crate) fn listen() {
    static LISTENING: OnceLock<()> = OnceLock::new();
    LISTENING.get_or_init(|| {
        let subscriber = tracing_subscriber::registry().with(TakeDown);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// How many spans and lines were of a kind.
pub(crate) fn told(of_kind: impl Fn(&str) -> bool) -> usize {
    TOLD.lock().unwrap().iter().filter(|text| of_kind(text)).count()
}

struct TakeDown;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{}={value:?} ", field.name());
    }
}

impl<S: Subscriber> Layer<S> for TakeDown {
    fn on_new_span(&self, attributes: &Attributes<'_>, _id: &Id, _context: Context<'_, S>) {
        let mut text = Text(String::new());
        attributes.record(&mut text);
        TOLD.lock().unwrap().push(text.0);
    }

    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut text = Text(format!("{} ", event.metadata().level()));
        event.record(&mut text);
        TOLD.lock().unwrap().push(text.0);
    }
}
