//! Rooms, and who has them when.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tidings::{Command, Ctx, Module, Outcome, Query, QueryCtx, Result, migrations, reject, sql};
use uuid::Uuid;

use crate::contracts::rooms::Booked;

/// Takes a room for an hour.
#[derive(Debug, Command, Serialize, Deserialize)]
#[command("rooms.book", output = Uuid)]
pub(crate) struct Book {
    pub(crate) room: String,
    pub(crate) starts_at: Timestamp,
    pub(crate) guest: String,
}

/// Whom to invite to a booking.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("rooms.guest-of", output = Option<String>)]
pub(crate) struct GuestOf {
    pub(crate) booking_id: Uuid,
}

pub(crate) fn module() -> Module {
    Module::new("rooms")
        .context("office") // queries and commands stay inside a context
        .owns::<Booked>()
        .tables(["bookings"])
        .migrations(migrations!("migrations/rooms"))
        .command(book)
        .query(guest_of)
}

async fn book(ctx: &mut Ctx, Book { room, starts_at, guest }: Book) -> Outcome<Uuid> {
    let booking_id = Uuid::now_v7();
    let taken = sql("INSERT INTO bookings (id, room, starts_at, guest) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (room, starts_at) DO NOTHING")
    .bind(booking_id)
    .bind(&room)
    .bind(starts_at)
    .bind(guest)
    .execute(ctx.tx())
    .await?;
    if taken == 0 {
        return reject("room_taken", format!("{room} is taken at {starts_at}"));
    }
    // In the same transaction: the event is published if and only if the booking is there.
    ctx.publish(Booked { booking_id, room, starts_at }).await?;
    Ok(booking_id)
}

async fn guest_of(ctx: &mut QueryCtx, GuestOf { booking_id }: GuestOf) -> Result<Option<String>> {
    sql("SELECT guest FROM bookings WHERE id = $1").bind(booking_id).fetch_scalar(ctx.tx()).await
}
