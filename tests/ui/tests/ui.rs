//! What the compiler says about code that must not build.
//!
//! After a change of wording: `TRYBUILD=overwrite cargo test -p tidings-ui-tests`, and read the diff.

#[test]
fn messages() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
