//! A step whose undo is neither given nor waived in words does not compile.

#[test]
fn a_step_without_its_undo_does_not_compile() {
    trybuild::TestCases::new().compile_fail("compile_fail/*.rs");
}
