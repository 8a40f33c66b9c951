//! The table and the chart.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::designs::Design;
use crate::sale::Outcome;

/// A design with what came of it.
pub struct Row {
    pub design: Design,
    pub outcome: Outcome,
    /// CPU time of its server for an order.
    pub server_us: f64,
    /// CPU time of the application for an order: the buyers are in it, for all designs alike.
    pub client_us: f64,
}

impl Row {
    fn rate(&self) -> f64 {
        self.outcome.orders as f64 / self.outcome.took.as_secs_f64()
    }

    fn wait(&self, of_100: usize) -> f64 {
        let at = (self.outcome.waits.len() * of_100).div_ceil(100).max(1) - 1;
        self.outcome.waits.get(at).copied().unwrap_or(Duration::ZERO).as_secs_f64() * 1000.0
    }

    /// What went wrong, in words.
    fn faults(&self) -> String {
        let of = &self.outcome;
        let parts = [
            (of.oversold, "oversold"),
            (of.leaked, "leaked"),
            (of.over_limit as i64, "over the limit"),
            (of.unanswered as i64, "unanswered"),
        ];
        let said: Vec<String> =
            parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        said.join(", ")
    }
}

pub fn table(rows: &[Row]) -> String {
    let mut text = String::from(
        "| design | orders | orders/s | p50 ms | p99 ms | units oversold | units leaked | limits broken | no answer | \
         CPU µs an order: server | application |\n|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let of = &row.outcome;
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.1} | {:.1} | {} | {} | {} | {} | {:.0} | {:.0} |",
            row.design.name,
            of.orders,
            row.rate(),
            row.wait(50),
            row.wait(99),
            of.oversold,
            of.leaked,
            of.over_limit,
            of.unanswered,
            row.server_us,
            row.client_us,
        );
    }
    text
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 250.0;
const LONGEST: f64 = 330.0;
const TOP: f64 = 56.0;
const STEP: f64 = 24.0;
const BAR: f64 = 15.0;

/// Bars of orders a second; behind each what went wrong. Colours that can be read on white and
/// black.
pub fn chart(title: &str, rows: &[Row]) -> String {
    let most = rows.iter().map(Row::rate).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + STEP * rows.len() as f64 + 12.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Orders a second">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #6e7781 }}
.title {{ font-size: 16px; font-weight: 600 }}
.name {{ text-anchor: end }}
.right {{ fill: #1a7f64 }} .wrong {{ fill: #c4622d }}
</style>
<text class="title" x="12" y="22">Orders a second, and what went wrong</text>
<text x="12" y="42">{}</text>
"#,
        escaped(title)
    );
    for (place, row) in rows.iter().enumerate() {
        let (y, len) = (TOP + STEP * place as f64, LONGEST * row.rate() / most);
        let (text_y, text_x, left) = (y + 12.0, LEFT + len + 6.0, LEFT - 8.0);
        let faults = row.faults();
        let class = if faults.is_empty() { "right" } else { "wrong" };
        let behind = if faults.is_empty() { String::new() } else { format!(": {faults}") };
        let (name, rate) = (escaped(row.design.name), row.rate());
        let _ = writeln!(
            svg,
            r#"<text class="name" x="{left}" y="{text_y}">{name}</text><rect class="{class}" x="{LEFT}" y="{y}" width="{len:.1}" height="{BAR}" rx="2"/><text x="{text_x:.1}" y="{text_y}">{rate:.0}{behind}</text>"#
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

const BEGIN: &str = "<!-- compare: begin -->\n";
const END: &str = "<!-- compare: end -->";

/// The page that takes the table; its chart stands beside it.
pub struct Page<'a> {
    path: &'a Path,
    old: String,
}

impl<'a> Page<'a> {
    /// Reads the page.
    ///
    /// # Errors
    /// That of the file, with its path, or `… has no markers`.
    pub fn open(path: &'a Path) -> Result<Self> {
        let old = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
        between_markers(&old, "").with_context(|| format!("{} has no markers", path.display()))?;
        Ok(Self { path, old })
    }

    /// Writes the page and the chart.
    ///
    /// # Errors
    /// That of the file, with its path.
    pub fn write(&self, table: &str, chart: &str) -> Result<()> {
        let text = between_markers(&self.old, table).context("the markers are gone")?;
        std::fs::write(self.path, text).with_context(|| self.path.display().to_string())?;
        let chart_path = self.path.with_extension("svg");
        std::fs::write(&chart_path, chart).with_context(|| chart_path.display().to_string())
    }
}

/// The page with this text between its markers.
fn between_markers(page: &str, text: &str) -> Option<String> {
    let from = page.find(BEGIN)? + BEGIN.len();
    let to = from + page[from..].find(END)?;
    Some(format!("{}{text}{}", &page[..from], &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::designs::DESIGNS;

    #[test]
    fn a_row_says_how_fast_and_what_went_wrong() {
        let outcome = |leaked| Outcome {
            orders: 100,
            took: Duration::from_secs(2),
            waits: (1..=100).map(Duration::from_millis).collect(),
            leaked,
            ..Outcome::default()
        };
        let row = |leaked| Row { design: DESIGNS[0], outcome: outcome(leaked), server_us: 9.0, client_us: 80.0 };
        let text = table(&[row(3)]);
        assert!(text.ends_with("| redis-stock | 100 | 50 | 50.0 | 99.0 | 0 | 3 | 0 | 0 | 9 | 80 |\n"), "{text}");
        let svg = chart("a < b", &[row(3), row(0)]);
        assert!(
            svg.contains(">50: 3 leaked</text>") && svg.contains(">50</text>") && svg.contains("a &lt; b"),
            "{svg}"
        );
        assert_eq!((svg.matches("class=\"wrong\"").count(), svg.matches("class=\"right\"").count()), (1, 1));
    }

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let page = "a\n<!-- compare: begin -->\nold\n<!-- compare: end -->\nb";
        let wanted = "a\n<!-- compare: begin -->\nnew\n<!-- compare: end -->\nb";
        assert_eq!(between_markers(page, "new\n").as_deref(), Some(wanted));
        assert_eq!(between_markers("a", "new\n"), None);
    }

    #[test]
    fn a_page_that_cannot_take_the_table_is_refused_before_anything_is_measured() {
        let missing = Path::new("no/such/page.md");
        let refused = |path| Page::open(path).err().map(|error| error.to_string());
        assert_eq!(refused(missing).as_deref(), Some("no/such/page.md"));
        let manifest = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        assert_eq!(refused(manifest), Some(format!("{} has no markers", manifest.display())));
    }
}
