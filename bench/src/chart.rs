//! A bar chart of CPU per call, as SVG. A page may be dark without saying so to a picture in it, so
//! the colours are such that can be read on white and on black.

use std::fmt::Write;

use crate::compare::Comparison;
use crate::rows::Kind;

const WIDTH: f64 = 860.0;
/// Where the bars begin: the names stand before it.
const LEFT: f64 = 250.0;
/// What the longest bar may take; its figure stands behind it.
const LONGEST: f64 = 520.0;
const TOP: f64 = 56.0;
const STEP: f64 = 24.0;
const BAR: f64 = 15.0;

/// The chart of one server.
pub fn svg(title: &str, comparison: &Comparison) -> String {
    let bars: Vec<(&str, Kind, f64)> = comparison
        .lines
        .iter()
        .filter_map(|line| Some((line.name, line.kind, line.spread(0, |sample| sample.cpu_us)?.median)))
        .collect();
    let most = bars.iter().map(|(_, _, cpu_us)| *cpu_us).fold(f64::MIN_POSITIVE, f64::max);
    let height = TOP + STEP * bars.len() as f64 + 12.0;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="CPU per call">
<style>
text {{ font: 13px system-ui, sans-serif; fill: #6e7781 }}
.title {{ font-size: 16px; font-weight: 600 }}
.name {{ text-anchor: end }}
.yardstick {{ fill: #8c959f }} .stock {{ fill: #1a7f64 }} .refusal {{ fill: #58a68f }} .lua {{ fill: #c4622d }}
</style>
<text class="title" x="12" y="22">CPU of the server's main thread, µs per call</text>
<text x="12" y="42">{}</text>
"#,
        escaped(title)
    );
    for (place, (name, kind, cpu_us)) in bars.iter().enumerate() {
        let (y, len) = (TOP + STEP * place as f64, LONGEST * cpu_us / most);
        let (text_y, text_x, left) = (y + 12.0, LEFT + len + 6.0, LEFT - 8.0);
        let (name, class) = (escaped(name), class(*kind));
        let _ = writeln!(
            svg,
            r#"<text class="name" x="{left}" y="{text_y}">{name}</text><rect class="{class}" x="{LEFT}" y="{y}" width="{len:.1}" height="{BAR}" rx="2"/><text x="{text_x:.1}" y="{text_y}">{cpu_us:.1}</text>"#
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Yardstick => "yardstick",
        Kind::Stock => "stock",
        Kind::Refusal => "refusal",
        Kind::Lua => "lua",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{Line, Sample};

    #[test]
    fn the_longest_bar_is_that_of_the_dearest_row() {
        let line = |name, cpu_us| {
            let sample = Sample { cpu_us, calls_per_second: 1.0, calls_per_second_single: 1.0, log_bytes: 0.0 };
            let samples = [vec![sample], Vec::new(), Vec::new(), Vec::new()];
            Line { name, kind: Kind::Lua, samples, instructions: None, touched: None }
        };
        let svg = svg("a < b", &Comparison { lines: vec![line("one", 10.0), line("two", 40.0)], events: false });
        assert!(svg.contains("width=\"520.0\"") && svg.contains("width=\"130.0\""), "{svg}");
        assert!(svg.contains("a &lt; b"));
    }
}
