//! The ground floor of [Tidings](https://docs.rs/tidings): what every other crate of it names.
//!
//! No async runtime, no SQL, no HTTP. Applications use the `tidings` crate, which re-exports what they need; this
//! crate is for those who write a store or a tool.
//!
//! ```
//! use tidings_core::{fan_out::FanOut, retry::RetrySchedule};
//!
//! assert_eq!(RetrySchedule::default().attempts_max(), 6);
//! assert_eq!(FanOut::of(45).to_string(), "ask who publishes in a loop");
//! ```

pub mod clock;
pub mod contract;
pub mod envelope;
pub mod error;
pub mod fan_out;
pub mod flow;
pub mod ids;
pub mod key;
pub mod partition;
pub mod reads;
pub mod retry;
pub mod store;
pub mod trace;
pub mod value;
