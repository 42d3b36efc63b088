//! For tests: a simulated disk.
