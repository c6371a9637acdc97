//! Books a room, and has the guest invited.

mod contracts;
mod invitations;
mod rooms;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use tidings::{App, Config, Module};

fn modules(mail_folder: PathBuf) -> [Module; 2] {
    [rooms::module(), invitations::module(mail_folder)]
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mail_folder = PathBuf::from("mails");
    std::fs::create_dir_all(&mail_folder)?;
    // `tidings.toml` and `TIDINGS_*`, if there are any. Without them the database is `tidings.db`, here.
    let app = App::builder().modules(modules(mail_folder)).config(Config::load()?).build().await?;
    let book = rooms::Book {
        room: "library".to_owned(),
        starts_at: jiff::Timestamp::now(),
        guest: "Ada".to_owned(),
    };
    let booking_id = app.send(book).await?;
    eprintln!("booked: {booking_id}");
    app.shutdown().await?; // running work ends; what is left goes on with the next start
    Ok(())
}
