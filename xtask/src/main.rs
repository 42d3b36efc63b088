//! Kiln's own chores.
fn main() {}
