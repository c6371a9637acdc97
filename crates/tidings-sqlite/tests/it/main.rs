//! The store against real files.

mod basics;
mod groups;
mod support;
