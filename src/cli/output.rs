//! Output of results: columns for people, JSON for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::dcs::{model::text::one_line, redact};

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    Table,
    /// JSON for programs.
    Json,
}

/// Placeholder of an absent value.
const ABSENT: &str = "-";

/// `value`, or a dash if it is absent or empty.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).filter(|text| !text.is_empty()).unwrap_or_else(|| ABSENT.to_owned())
}

/// `values` separated by commas, or a dash if there are none.
pub(super) fn joined<T: ToString>(values: impl IntoIterator<Item = T>) -> String {
    let texts: Vec<_> = values.into_iter().map(|value| value.to_string()).collect();
    or_dash(Some(texts.join(",")))
}

/// Writes `value` as indented JSON with secrets masked.
pub(super) fn json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut value = serde_json::to_value(value)?;
    redact::fields(&mut value);
    serde_json::to_writer_pretty(&mut *out, &value)?;
    writeln!(out)
}

/// Writes `rows` below `header`.
pub(super) fn table(out: &mut impl Write, header: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let header = header.iter().map(|&title| title.to_owned()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(rows.iter().cloned()).collect();
    aligned(out, &lines)
}

/// Writes aligned columns. Widths count terminal cells: characters of some scripts take two.
pub(super) fn aligned(out: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, value) in widths.iter_mut().zip(row) {
            *width = value.width().max(*width);
        }
    }
    for row in rows {
        let mut line = String::new();
        for (value, width) in row.iter().zip(&widths) {
            let padding = width.saturating_sub(value.width()) + 3;
            line.push_str(&one_line(value));
            line.push_str(&" ".repeat(padding));
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_with_wide_characters() {
        let rows = [vec!["可用区1".to_owned(), "true".to_owned()], vec!["az".to_owned(), ABSENT.to_owned()]];
        let mut out = Vec::new();
        table(&mut out, &["NAME", "LEFT"], &rows).expect("writing to a vector succeeds");
        assert_eq!(String::from_utf8_lossy(&out), "NAME      LEFT\n可用区1   true\naz        -\n");
    }

    #[test]
    fn absent_values_are_dashes() {
        assert_eq!(or_dash(None::<String>), "-");
        assert_eq!(joined(Vec::<String>::new()), "-");
        assert_eq!(joined(["a", "b"]), "a,b");
    }
}
