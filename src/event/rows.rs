//! Projections: rows folded from records, and the narrow view a decide has of them.
//!
//! A row lives in a [`Table`], in a scope, under a key of text parts; on disk it is one key of
//! bytes (`table 0 scope 0 part 0 part`) and one rmp-serde value. Who keeps the rows is the
//! engine's business; what stands in them is the domain's.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Record, Scope};

/// Rows a decide may read. It runs inside the commit, where everybody waits for it; 100,000 rows
/// are some 50 ms. A rule that needs more wants an index row of its own.
pub const DECIDE_ROWS_MAX: u32 = 100_000;

/// Between the parts of a key. Parts are ids and checked names, which hold no control characters.
const SEPARATOR: u8 = 0;

/// Rows that can be read, sorted by key.
pub trait Rows {
    /// The value under a key.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;
    /// Visits the rows whose key begins with `prefix`, in order, until `visit` says `false`.
    fn scan(&self, prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool);
}

/// Rows that can be changed, by a fold.
pub trait RowsMut: Rows {
    /// Puts a value under a key, or removes the row.
    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>);
}

/// How records become rows. It has to be total: whatever the log holds, it folds without failing.
pub trait Fold: Send + Sync + 'static {
    /// The version of the fold's code; when it differs from the one on disk, rows are refolded.
    fn version(&self) -> u32;
    /// Whether the fold knows a kind of record. A log with an unknown one is not opened.
    fn knows(&self, kind: &str) -> bool;
    /// Folds one record. Runs before the next decide of the same commit.
    fn apply(&self, rows: &mut dyn RowsMut, record: &Record);
}

/// A kind of row: `T` under a scope and text parts.
#[derive(Debug)]
pub struct Table<T> {
    name: &'static str,
    by_place: bool,
    row: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned> Table<T> {
    /// The table of that name; names are unique in the house.
    pub const fn new(name: &'static str) -> Self {
        Self { name, by_place: false, row: PhantomData }
    }

    /// The same with rows that hold their fields by place, without names: a third of the size where fields
    /// are short. A type of such rows leaves none of its fields out.
    #[must_use]
    pub const fn by_place(self) -> Self {
        Self { by_place: true, ..self }
    }

    /// The bytes of a key.
    pub fn key(&self, scope: &Scope, parts: &[&str]) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        key.extend_from_slice(self.name.as_bytes());
        for part in std::iter::once(scope.as_str()).chain(parts.iter().copied()) {
            debug_assert!(!part.as_bytes().contains(&SEPARATOR), "key parts hold no control characters");
            key.push(SEPARATOR);
            key.extend_from_slice(part.as_bytes());
        }
        key
    }

    /// One row.
    pub fn get(&self, rows: &dyn Rows, scope: &Scope, parts: &[&str]) -> Option<T> {
        rows.get(&self.key(scope, parts)).map(|value| decode(&value))
    }

    /// A row from its value.
    pub fn read(&self, value: &[u8]) -> T {
        decode(value)
    }

    /// Puts one row.
    pub fn put(&self, rows: &mut dyn RowsMut, scope: &Scope, parts: &[&str], row: &T) {
        let value = if self.by_place { rmp_serde::to_vec(row) } else { rmp_serde::to_vec_named(row) };
        let value = value.expect("rows are plain data");
        rows.set(self.key(scope, parts), Some(value));
    }

    /// Removes one row; fine if there is none.
    pub fn remove(&self, rows: &mut dyn RowsMut, scope: &Scope, parts: &[&str]) {
        rows.set(self.key(scope, parts), None);
    }

    /// Changes one row in place, if it is there.
    pub fn change(&self, rows: &mut dyn RowsMut, scope: &Scope, parts: &[&str], change: impl FnOnce(&mut T)) {
        if let Some(mut row) = self.get(rows, scope, parts) {
            change(&mut row);
            self.put(rows, scope, parts, &row);
        }
    }

    /// The rows of a scope under the given first parts, sorted by key.
    pub fn list(&self, rows: &dyn Rows, scope: &Scope, parts: &[&str]) -> Vec<T> {
        let mut prefix = self.key(scope, parts);
        prefix.push(SEPARATOR);
        let mut found = Vec::new();
        rows.scan(&prefix, &mut |_, value| {
            found.push(decode(value));
            true
        });
        found
    }

    /// The first row of a scope, by key.
    pub fn first(&self, rows: &dyn Rows, scope: &Scope) -> Option<T> {
        let mut prefix = self.key(scope, &[]);
        prefix.push(SEPARATOR);
        let mut found = None;
        rows.scan(&prefix, &mut |_, value| {
            found = Some(decode(value));
            false
        });
        found
    }

    /// The rows of all scopes, sorted by scope and key.
    pub fn list_all(&self, rows: &dyn Rows) -> Vec<T> {
        let mut prefix = self.name.as_bytes().to_vec();
        prefix.push(SEPARATOR);
        let mut found = Vec::new();
        rows.scan(&prefix, &mut |_, value| {
            found.push(decode(value));
            true
        });
        found
    }
}

fn decode<T: DeserializeOwned>(value: &[u8]) -> T {
    rmp_serde::from_slice(value).expect("a row was written by the fold that reads it, see `Fold::version`")
}

/// What a decide sees: the rows of one scope at the head of the log.
pub struct View<'a> {
    rows: &'a dyn Rows,
    scope: &'a Scope,
    now_ms: i64,
    rows_left: Cell<u32>,
}

impl<'a> View<'a> {
    /// A view of `scope`, at the time of the record that is about to be written.
    pub fn new(rows: &'a dyn Rows, scope: &'a Scope, now_ms: i64) -> Self {
        Self { rows, scope, now_ms, rows_left: Cell::new(DECIDE_ROWS_MAX) }
    }

    /// The scope in view.
    pub fn scope(&self) -> &Scope {
        self.scope
    }

    /// The time the record will have, milliseconds since 1970 UTC.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// One row of the scope. There is none of a name with control characters, which callers may send.
    pub fn get<T: Serialize + DeserializeOwned>(&self, table: &Table<T>, parts: &[&str]) -> Option<T> {
        self.spend(1);
        if parts.iter().any(|part| part.as_bytes().contains(&SEPARATOR)) {
            return None;
        }
        table.get(self.rows, self.scope, parts)
    }

    /// The rows of the scope under the given first parts, sorted by key.
    pub fn list<T: Serialize + DeserializeOwned>(&self, table: &Table<T>, parts: &[&str]) -> Vec<T> {
        let mut prefix = table.key(self.scope, parts);
        prefix.push(SEPARATOR);
        let mut found = Vec::new();
        self.rows.scan(&prefix, &mut |_, value| {
            self.spend(1);
            found.push(decode(value));
            true
        });
        found
    }

    fn spend(&self, rows: u32) {
        let left = self.rows_left.get().checked_sub(rows);
        self.rows_left.set(left.expect("a decide reads a bounded number of rows"));
    }
}
