//! Sizes as a person writes them, where options of commands find how they are read.

pub(crate) use service::size;
