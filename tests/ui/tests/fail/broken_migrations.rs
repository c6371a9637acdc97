fn main() {
    let _: &[tidings::Migration] = tidings::migrations!("broken-migrations");
    let _: &[tidings::Migration] = tidings::migrations!("nowhere");
}
