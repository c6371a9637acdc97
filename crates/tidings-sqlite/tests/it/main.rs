//! The store against real files.

mod basics;
mod support;
