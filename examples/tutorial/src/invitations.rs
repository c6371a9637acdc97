//! Invitations: a mail for each booking.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{Ctx, Error, Job, JobCtx, Module, Queue, Reads, Result, migrations, sql, with};
use uuid::Uuid;

use crate::contracts::invitations::Sent;
use crate::rooms::GuestOf;

/// What this module reads of a booking. Fields that it does not name may change without its noticing.
#[derive(Reads)]
#[reads("rooms.booked", versions = "1")]
struct RoomBooked {
    booking_id: Uuid,
}

/// Sends the invitation to one booking.
#[derive(Debug, Job, Serialize, Deserialize)]
#[job("invitations.send")]
struct Send {
    booking_id: Uuid,
}

/// Mails are dropped into this folder. An application would have the client of a mail server here.
pub(crate) fn module(mail_folder: PathBuf) -> Module {
    Module::new("invitations")
        .context("office")
        .owns::<Sent>()
        .tables(["sent"])
        .migrations(migrations!("migrations/invitations"))
        .on("invite", invite) // a durable name: its progress is kept under it
        .job(Queue::named("mail").concurrency(4).rate(60, Duration::from_secs(60)), with(mail_folder, send))
}

async fn invite(ctx: &mut Ctx, RoomBooked { booking_id }: RoomBooked) -> Result<()> {
    ctx.enqueue(Send { booking_id }).await?;
    Ok(())
}

async fn send(ctx: &mut JobCtx, Send { booking_id }: Send, mail_folder: PathBuf) -> Result<()> {
    let Some(guest) = ctx.ask(GuestOf { booking_id }).await? else {
        return Err(Error::permanent(format!("there is no booking {booking_id}"))); // no attempt will help
    };
    // The world outside. Should the process die behind this line, the next attempt writes the same file again.
    let mail = mail_folder.join(format!("{}.txt", ctx.dedupe_key()));
    std::fs::write(mail, format!("Dear {guest}, you are invited."))?;
    // The job's one transaction: what it writes and publishes, and that it is done.
    let now = ctx.now();
    let mut done = ctx.finish().await?;
    sql("INSERT INTO sent (booking_id, sent_at) VALUES ($1, $2)")
        .bind(booking_id)
        .bind(now)
        .execute(done.tx())
        .await?;
    done.publish(Sent { booking_id }).await?;
    done.commit().await
}
