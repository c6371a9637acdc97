tidings::contracts!("broken-schemas");

fn main() {}
