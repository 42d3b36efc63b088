//! The one binary, `kiln`. It only wires.

fn main() {}
