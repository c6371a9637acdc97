//! Chain tests.
mod app;
mod builder;
mod events;
mod fail;
mod flow;
mod json_path;
mod pending;
mod readers;
mod redeliver;
mod sending;
mod settle;
mod time;

pub use app::TestApp;
pub use builder::TestAppBuilder;
pub use flow::FlowAssert;
pub use redeliver::{FailedAgain, Redelivered};
pub use sending::{Sending, Sent};
