//! What the compiler says about code that must not build.
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p tidings --test ui`, and read the diff.

#[test]
fn messages() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/fail/*.rs");
}
