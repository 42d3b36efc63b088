//! Retention and distribution.
