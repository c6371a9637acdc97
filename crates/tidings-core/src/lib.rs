//! The ground floor of [Tidings](https://docs.rs/tidings).
pub mod contract;
