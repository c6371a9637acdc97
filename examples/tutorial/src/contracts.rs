//! The events, as types made from the files in `schemas`.

tidings::contracts!("schemas");
