//! Books rooms, and has the guests invited.
#![allow(clippy::print_stderr, reason = "it is a program, and this is how it answers")]

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
    eprintln!("type `<room> <guest>`, and end with ctrl-d");
    for line in std::io::stdin().lines() {
        let line = line?;
        let Some((room, guest)) = line.split_once(' ') else { continue };
        let book =
            rooms::Book { room: room.to_owned(), starts_at: jiff::Timestamp::now(), guest: guest.to_owned() };
        match app.send(book).await {
            Ok(booking_id) => eprintln!("booked: {booking_id}"),
            Err(error) => eprintln!("{error}"),
        }
    }
    app.shutdown().await?; // running work ends; what is left goes on with the next start
    Ok(())
}
