//! What can be typed.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use jiff::SignedDuration;
use tidings::Config;
use tidings::store::StoreUrl;

use crate::provider::Faults;

/// A shop of modules joined by events.
#[derive(Debug, Parser)]
#[command(name = "shop", version, arg_required_else_help = true)]
#[command(after_help = "RUST_LOG says what is logged to stderr, for example RUST_LOG=tidings=debug.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) task: Task,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Place orders over HTTP on a fresh database, let them settle, and show what happened.
    ///
    /// Among the orders are some whose payment is declined, some that are cancelled while they are being paid, some whose
    /// goods are out of stock until a delivery comes halfway, one that a listener cannot handle, and one whose customer
    /// cannot be reached. The provider of payments and e-mail misbehaves. The exit code is 0 if money, goods, mails and
    /// orders agree at the end.
    Demo(DemoOptions),
    /// Serve commands and queries over HTTP until Ctrl-C.
    Serve(ServeOptions),
    /// Place orders at a steady rate, whether the shop keeps up or not, and print throughput and latencies.
    Load(LoadOptions),
    /// Work on the messages and jobs of a shop that others serve, without HTTP, until Ctrl-C. It needs PostgreSQL.
    Work(WorkOptions),
    /// Serve the provider of payments and e-mail alone, until Ctrl-C.
    Provider(LoneProviderOptions),
    /// List the dead messages and jobs of a database that is not being served, and retry or discard them.
    DeadLetters(DeadLettersOptions),
    /// Print as JSON who publishes, reads, sends and answers what.
    Manifest,
}

/// Where the shop keeps its data.
#[derive(Clone, Debug, Args)]
pub(crate) struct StoreOptions {
    /// A SQLite file, or `postgres://user:password@host/database`; else what tidings.toml or TIDINGS_STORE__URL says
    #[arg(long, value_name = "FILE OR URL", visible_alias = "file")]
    pub(crate) store: Option<StoreUrl>,
    /// The schema of a PostgreSQL database that the tables are in
    #[arg(long, value_name = "NAME", requires = "store")]
    pub(crate) schema: Option<String>,
}

impl StoreOptions {
    /// Has the configuration name what was typed.
    pub(crate) fn apply(&self, config: &mut Config) {
        if let Some(store) = &self.store {
            config.store.locate(store.expose());
        }
        if let Some(schema) = &self.schema {
            config.store.schema.clone_from(schema);
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// How many orders to place
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(40..=100_000))]
    pub(crate) orders: u32,
    /// How many to place at the same time
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(crate) concurrency: u16,
    /// A SQLite file that is not there yet, or `postgres://user:password@host/database`; by default a new file in the
    /// folder for temporary files. It is kept
    #[arg(long, value_name = "FILE OR URL", visible_alias = "file")]
    pub(crate) store: Option<StoreUrl>,
    /// The schema of the PostgreSQL database that the demo makes, and has to itself [default: shop_demo]
    #[arg(long, value_name = "NAME", requires = "store")]
    pub(crate) schema: Option<String>,
    /// Replace the file, or the schema with all that is in it, if there is one already
    #[arg(long, requires = "store")]
    pub(crate) force: bool,
    /// How many processes share the work; more than one need PostgreSQL
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=32))]
    pub(crate) processes: u16,
    /// How many seconds the orders may take to settle
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) settle_seconds: u64,
    /// How often the provider misbehaves, in percent, and in milliseconds how late it answers; or `none`.
    ///
    /// At rates so high that a job fails nine times in a row orders come to nothing that were planned to arrive, and the
    /// demo says so; nobody is charged for them all the same.
    #[arg(long, value_name = "FAULTS", default_value = DEMO_FAULTS)]
    pub(crate) faults: Faults,
}

/// A provider for a demo: every seventh request goes wrong in some way.
const DEMO_FAULTS: &str = "slow=10,silent=1,busy=4,closed=2,lost=4,garbage=2,half=2,slow-ms=150,delay-ms=5";

/// The provider of payments and e-mail.
#[derive(Debug, Args)]
pub(crate) struct ProviderOptions {
    /// The provider's address; without it one runs inside, and keeps its ledger beside the database
    #[arg(long, value_name = "URL")]
    pub(crate) provider: Option<String>,
    /// How often the one inside misbehaves, in percent: `slow=10,silent=1,busy=4,closed=2,lost=4,garbage=2,half=2`; and in
    /// milliseconds how late it answers: `delay-ms=5,slow-ms=150`
    #[arg(long, value_name = "FAULTS", conflicts_with = "provider", default_value = "none")]
    pub(crate) faults: Faults,
    /// The file in which the one inside keeps its bookings; by default beside the database file, and with PostgreSQL
    /// `shop-provider.jsonl` in this folder
    #[arg(long, value_name = "FILE", conflicts_with = "provider")]
    pub(crate) ledger: Option<PathBuf>,
    /// How many milliseconds the shop waits for it
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub(crate) provider_timeout_ms: u64,
}

#[derive(Debug, Args)]
pub(crate) struct WorkOptions {
    #[command(flatten)]
    pub(crate) store: StoreOptions,
    /// The address of the provider of those who serve
    #[arg(long, value_name = "URL")]
    pub(crate) provider: String,
    /// How many milliseconds the shop waits for it
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..=20_000))]
    pub(crate) provider_timeout_ms: u64,
    /// For a demo: its configuration, its store from stdin, and an end with that of stdin
    #[arg(long, hide = true)]
    pub(crate) demo: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoneProviderOptions {
    /// The port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 8081)]
    pub(crate) port: u16,
    /// The file of its bookings
    #[arg(long, default_value = "provider.jsonl")]
    pub(crate) ledger: PathBuf,
    /// How often it misbehaves; see `shop serve --help`
    #[arg(long, value_name = "FAULTS", default_value = "none")]
    pub(crate) faults: Faults,
}

#[derive(Debug, Args)]
pub(crate) struct LoadOptions {
    /// How many orders a second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// For how long, such as `60s` or `2m`
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = load_time)]
    pub(crate) time: Duration,
    /// The address of a shop that is being served, instead of one inside
    #[arg(long, conflicts_with_all = ["store", "provider", "faults"])]
    pub(crate) url: Option<String>,
    /// The store of the one inside, a SQLite file or `postgres://user:password@host/database`; by default a new file, which is
    /// deleted at the end
    #[arg(long, value_name = "FILE OR URL", visible_alias = "file")]
    pub(crate) store: Option<StoreUrl>,
    /// The schema of a PostgreSQL database that the tables are in
    #[arg(long, value_name = "NAME", requires = "store")]
    pub(crate) schema: Option<String>,
    /// How many seconds the orders may take to settle
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=36_000))]
    pub(crate) settle_seconds: u64,
    /// Print the numbers as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) provider: ProviderOptions,
}

fn load_time(text: &str) -> Result<Duration, String> {
    let time: SignedDuration = text.parse().map_err(|error| format!("{error}"))?;
    let time = Duration::try_from(time).map_err(|_| "it is negative".to_owned())?;
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
    if range.contains(&time) { Ok(time) } else { Err("it is from 1s to 24h".to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// The port on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    #[command(flatten)]
    pub(crate) store: StoreOptions,
    /// Start although work is pending for handlers that no longer exist; it is listed and kept
    #[arg(long)]
    pub(crate) allow_orphans: bool,
    #[command(flatten)]
    pub(crate) provider: ProviderOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DeadLettersOptions {
    #[command(flatten)]
    pub(crate) store: StoreOptions,
    /// Try them again, with all their attempts before them
    #[arg(long, conflicts_with = "discard")]
    pub(crate) retry: bool,
    /// Give them up for a reason, which is kept; what waits behind them goes on
    #[arg(long, value_name = "REASON")]
    pub(crate) discard: Option<String>,
    #[command(flatten)]
    pub(crate) provider: ProviderOptions,
}

impl ServeOptions {
    /// Loopback only: whoever can reach the shop can command it.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }
}

impl Task {
    /// The demo's poison order fails by design, and its report says so; the log need not.
    pub(crate) fn default_log_filter(&self) -> &'static str {
        match self {
            Self::Demo(_) => "error,tidings=off",
            Self::Work(options) if options.demo => "error,tidings=off",
            _ => "warn",
        }
    }
}
