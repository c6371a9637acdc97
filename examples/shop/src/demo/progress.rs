//! The progress bar. It goes to stderr, and only if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

pub(super) fn bar(orders: u32) -> ProgressBar {
    let style = ProgressStyle::with_template("placing orders {bar:40} {pos}/{len}  {per_sec}");
    let bar = ProgressBar::new(orders.into());
    // The template is checked by running the demo; a bar that looks plainer than meant is no reason to stop it.
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
