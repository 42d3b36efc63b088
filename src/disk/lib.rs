//! Disk file formats, read and written in-process.
