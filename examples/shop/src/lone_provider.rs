//! `shop provider`.

use std::net::{Ipv4Addr, SocketAddr};

use tidings::Result;

use crate::cli::LoneProviderOptions;
use crate::provider::Bound;
use crate::serve::told_to_stop;

/// Serves until Ctrl-C or SIGTERM.
pub(crate) async fn run(options: LoneProviderOptions) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    println!("faults: {}", options.faults);
    let serving = Bound::at(address).await?.serve(&options.ledger, options.faults)?;
    println!("listening on {}; what was booked is in {}", serving.url(), options.ledger.display());
    Ok(told_to_stop().await?)
}
