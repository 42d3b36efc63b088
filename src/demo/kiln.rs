//! The program itself, as a user would call it.
