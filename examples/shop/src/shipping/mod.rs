//! Shipping: how goods leave the house. Context `sales`, with orders: queries stay inside a context, and shipping asks
//! orders where a parcel goes.

mod deliver;
mod dispatch;
mod follow;

use tidings::{Module, Queue, migrations};

use crate::contracts::shipping::{Delivered, Shipped};

pub(crate) fn module() -> Module {
    let queue = || Queue::named("shipping").concurrency(16);
    Module::new("shipping")
        .context("sales")
        .owns::<Shipped>()
        .owns::<Delivered>()
        .tables(["shipments"])
        .migrations(migrations!("migrations/shipping"))
        .on("follow-orders", follow::prepare)
        .job(queue(), dispatch::dispatch)
        .job(queue(), deliver::deliver)
}
