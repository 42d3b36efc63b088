//! Use cases and views.
