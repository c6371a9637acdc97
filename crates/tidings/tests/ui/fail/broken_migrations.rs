fn main() {
    let _: &[tidings::Migration] = tidings::migrations!("tests/ui/broken-migrations");
    let _: &[tidings::Migration] = tidings::migrations!("tests/ui/nowhere");
}
