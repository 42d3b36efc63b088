//! Records of a CSV file, one at a time: quoting as RFC 4180 has it, with LF or CRLF, a byte order mark or none.
//!
//! Bytes are looked at as they come, and no more of them is kept than one record.

use std::io::{self, BufRead};

use crate::manifest::LINE_BYTES_MAX;

/// The byte order mark that some programs write first of all.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// A record, and the line of the file it begins on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    /// Its line, from 1.
    pub(crate) line: u64,
    /// Its fields.
    pub(crate) fields: Vec<String>,
}

/// What is wrong with a record: the line it is on, the field from 1, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) line: u64,
    pub(crate) field: usize,
    pub(crate) why: &'static str,
    pub(crate) advice: &'static str,
}

/// Where the next byte belongs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum In {
    /// At the beginning of a field.
    Begin,
    /// In a field without quotes.
    Plain,
    /// Between quotes.
    Quoted,
    /// Behind a quote that ends the field, or is the first of two.
    Quote,
}

/// A CSV file that is being read.
pub(crate) struct Csv<R> {
    from: R,
    line: u64,
}

impl<R: BufRead> Csv<R> {
    pub(crate) fn new(mut from: R) -> io::Result<Self> {
        if from.fill_buf()?.starts_with(MARK) {
            from.consume(MARK.len());
        }
        Ok(Self { from, line: 1 })
    }

    /// The next record that is not an empty line.
    pub(crate) fn next(&mut self) -> io::Result<Option<Result<Record, Broken>>> {
        loop {
            let record = self.record()?;
            match &record {
                Some(Ok(record)) if record.fields == [""] => {}
                _ => return Ok(record),
            }
        }
    }

    fn record(&mut self) -> io::Result<Option<Result<Record, Broken>>> {
        let line = self.line;
        let (mut fields, mut field, mut state) = (Vec::new(), Vec::new(), In::Begin);
        let (mut bytes, mut broken, mut ended) = (0, None, false);
        let mut is_there = false;
        while !ended {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                if !is_there {
                    return Ok(None);
                }
                if state == In::Quoted {
                    broken.get_or_insert((
                        fields.len(),
                        "a quote is never closed",
                        "end the field with `\"`",
                    ));
                }
                fields.push(std::mem::take(&mut field));
                break;
            }
            is_there = true;
            let mut used = 0;
            for &byte in buffer {
                used += 1;
                bytes += 1;
                match (state, byte) {
                    (In::Quoted, b'"') => state = In::Quote,
                    (In::Quote, b'"') => {
                        field.push(b'"');
                        state = In::Quoted;
                    }
                    (In::Begin, b'"') => state = In::Quoted,
                    (In::Begin | In::Plain | In::Quote, b',') => {
                        fields.push(std::mem::take(&mut field));
                        state = In::Begin;
                    }
                    (In::Begin | In::Plain | In::Quote, b'\n') => {
                        // Of a line that ends in CRLF, the CR is no part of its last field.
                        if state == In::Plain && field.last() == Some(&b'\r') {
                            field.pop();
                        }
                        fields.push(std::mem::take(&mut field));
                        ended = true;
                        break;
                    }
                    (In::Quote, b'\r') => {}
                    (In::Quote, _) => {
                        let why = "text follows the quote that ends a field";
                        let advice = "write a quote inside a quoted field twice: `\"\"`";
                        broken.get_or_insert((fields.len(), why, advice));
                    }
                    (In::Plain, b'"') => {
                        let advice = "put the whole field between quotes, and a quote in it twice: `\"\"`";
                        broken.get_or_insert((fields.len(), "a quote stands inside a field", advice));
                    }
                    (In::Begin, _) => {
                        field.push(byte);
                        state = In::Plain;
                    }
                    (In::Plain | In::Quoted, _) => field.push(byte),
                }
                self.line += u64::from(byte == b'\n');
                if bytes > LINE_BYTES_MAX {
                    // The rest is not kept; it is read to its end all the same, to go on behind it.
                    field.clear();
                    broken.get_or_insert((fields.len(), "the line is too long", "a line has at most 64 KiB"));
                }
            }
            self.from.consume(used);
            // The line feed that ends the record is counted here, for the loop left before.
            self.line += u64::from(ended);
        }
        if let Some((field, why, advice)) = broken {
            return Ok(Some(Err(Broken { line, field: field + 1, why, advice })));
        }
        let mut texts = Vec::with_capacity(fields.len());
        for (number, field) in fields.into_iter().enumerate() {
            let Ok(text) = String::from_utf8(field) else {
                let (why, advice) = ("a field is not UTF-8", "write the file as UTF-8");
                return Ok(Some(Err(Broken { line, field: number + 1, why, advice })));
            };
            texts.push(text);
        }
        Ok(Some(Ok(Record { line, fields: texts })))
    }
}

/// A field as it stands in a file.
pub(crate) fn quoted(field: &str) -> String {
    let plain = !field.contains(['"', ',', '\n', '\r']) && field.trim() == field;
    if plain { field.to_owned() } else { format!("\"{}\"", field.replace('"', "\"\"")) }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    /// Read through a buffer of one byte as well, so that nothing hangs on where a buffer ends.
    fn read(text: &[u8]) -> Vec<Result<Record, Broken>> {
        let all = |from: &mut dyn BufRead| {
            let mut csv = Csv { from, line: 1 };
            std::iter::from_fn(|| csv.next().unwrap()).collect::<Vec<_>>()
        };
        let whole = all(&mut &*text);
        assert_eq!(all(&mut BufReader::with_capacity(1, text)), whole);
        whole
    }

    fn fields(text: &str) -> Vec<Vec<String>> {
        read(text.as_bytes()).into_iter().map(|record| record.unwrap().fields).collect()
    }

    #[test]
    fn quotes_commas_and_lines_inside_quotes_are_read_as_rfc_4180_has_them() {
        for (text, expected) in [
            ("a,b\n1,2\n", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("a,b\r\n1,2", vec![vec!["a", "b"], vec!["1", "2"]]),
            ("a\n\"x,y\"\n\"say \"\"hi\"\"\"\r\n", vec![vec!["a"], vec!["x,y"], vec!["say \"hi\""]]),
            ("\"one\ntwo\",b\n", vec![vec!["one\ntwo", "b"]]),
            ("a,,\n,\n", vec![vec!["a", "", ""], vec!["", ""]]),
            ("\n\na\n\r\n\n", vec![vec!["a"]]),
            ("\"\",\"\"\n", vec![vec!["", ""]]),
            ("", vec![]),
        ] {
            assert_eq!(fields(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_was_quoted_is_read_as_it_was() {
        for field in ["", "plain", "a,b", "\"", "say \"hi\"", "two\nlines", " edge ", "\r", "äöü"] {
            let text = format!("{},x\r\n", quoted(field));
            assert_eq!(fields(&text), [[field, "x"]], "{text:?}");
        }
    }

    #[test]
    fn what_is_broken_is_told_with_its_line_and_field_and_the_next_is_read() {
        for (text, line, field, why) in [
            ("a,b\n1,\"x\"y\n3,4\n", 2, 2, "text follows the quote"),
            ("a,b\n1,x\"y\n3,4\n", 2, 2, "a quote stands inside"),
            ("a,b\n\"1\n2\",3\n\"4,5", 4, 1, "a quote is never closed"),
        ] {
            let all = read(text.as_bytes());
            let broken: Vec<_> = all.iter().filter_map(|record| record.as_ref().err()).collect();
            assert_eq!((broken[0].line, broken[0].field), (line, field), "{text:?}");
            assert!(broken[0].why.starts_with(why), "{broken:?}");
        }
        assert_eq!(read(b"a,b\n1,x\"y\n3,4\n")[2].as_ref().unwrap().line, 3);
        let latin = read(b"a\n\xe4\nb\n");
        assert_eq!(latin[1].as_ref().unwrap_err().why, "a field is not UTF-8");
        assert!(latin[2].is_ok());
        let long = format!("a\n{}\nb\n", "x".repeat(LINE_BYTES_MAX + 1));
        let long = read(long.as_bytes());
        assert_eq!(long[1].as_ref().unwrap_err().why, "the line is too long");
        assert_eq!(long[2].as_ref().unwrap().line, 3);
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_column() {
        let mut csv = Csv::new(&b"\xef\xbb\xbfimage\nweb-1\n"[..]).unwrap();
        assert_eq!(csv.next().unwrap().unwrap().unwrap().fields, ["image"]);
    }
}
