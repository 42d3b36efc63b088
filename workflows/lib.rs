//! The book of operations.
