//! Disks that were written to harm: nothing panics, nothing runs away, and the world's failures stay the
//! world's.
