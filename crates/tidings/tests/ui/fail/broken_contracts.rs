tidings::contracts!("tests/ui/broken-schemas");

fn main() {}
