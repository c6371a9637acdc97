//! Jobs: each rule of theirs, on a real file with a clock that is moved by hand.

mod app;
mod attempts;
mod cancelling;
mod crons;
mod deaths;
mod enqueueing;
mod finishing;
mod leases;
mod queues;
mod refusals;
mod stopping;
