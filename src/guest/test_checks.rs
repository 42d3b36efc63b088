//! Each check against files in a map: one finding a case.
