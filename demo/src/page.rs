//! The result as one HTML file that can be forwarded: it needs nothing else.

use crate::grouped::grouped;
use crate::live::{Live, Sample};

/// `line` is the result; a shop has a name, and one for what it has not sold; `texts` are shown as
/// they are.
pub fn html(line: &str, shops: &[(&str, &str, &Live)], texts: &[String]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>A flash sale</title><style>\
         body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#23262b}}\
         pre{{overflow:auto;font-size:13px;line-height:1.3}}svg{{width:100%;height:12rem;background:#f6f7f9}}\
         b{{margin:0 1rem 0 .3rem}}i{{display:inline-block;width:.8rem;height:.8rem}}</style>\n\
         <h1>A flash sale</h1><p><strong>{}</strong></p>\n",
        escaped(line)
    );
    for (name, unsold, live) in shops {
        let Sample { left, held, sold } = live.now();
        page += &format!(
            "<h2>{}</h2>\n{}\n<p><i style=\"background:#2f9e63\"></i><b>sold {}</b><i style=\"background:#e8a33d\"></i>\
             <b>held {}</b><i style=\"background:#3b82c4\"></i><b>{} {}</b></p>\n<p>Refused: ",
            escaped(name),
            chart(&live.samples()),
            grouped(sold),
            grouped(held),
            escaped(unsold),
            grouped(left)
        );
        let refused = live.refusals().into_iter().map(|(why, count)| format!("{why} {}", grouped(count as i64)));
        page += &escaped(&refused.collect::<Vec<_>>().join(", "));
        page += "</p>\n";
    }
    for text in texts {
        page += &format!("<pre>{}</pre>\n", escaped(text));
    }
    page
}

/// Units over time: sold below, held on top of it, then what is left.
fn chart(samples: &[Sample]) -> String {
    let most = samples.iter().map(|at| (at.sold + at.held + at.left).max(1)).max().unwrap_or(1) as f64;
    let wide = samples.len().saturating_sub(1).max(1) as f64;
    let area = |color: &str, from: fn(&Sample) -> i64, to: fn(&Sample) -> i64| {
        let point = |(at, sample): (usize, &Sample), units: fn(&Sample) -> i64| {
            let y = 100.0 - units(sample).max(0) as f64 / most * 96.0;
            format!("{:.1},{y:.1}", at as f64 / wide * 600.0)
        };
        let up = samples.iter().enumerate().map(|place| point(place, to));
        let down = samples.iter().enumerate().rev().map(|place| point(place, from));
        format!("<polygon fill=\"{color}\" points=\"{}\"/>", up.chain(down).collect::<Vec<_>>().join(" "))
    };
    let parts = [
        area("#2f9e63", |_| 0, |at| at.sold),
        area("#e8a33d", |at| at.sold, |at| at.sold + at.held),
        area("#3b82c4", |at| at.sold + at.held, |at| at.sold + at.held + at.left),
    ];
    format!("<svg viewBox=\"0 0 600 100\" preserveAspectRatio=\"none\">{}</svg>", parts.concat())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_text_stays_text() {
        let live = Live::new(10);
        live.held(3);
        live.ended(3, 2);
        live.refused("sold <out>");
        let page = html("0 oversold", &[("redis-stock", "left", &live)], &["a < b".into()]);
        for part in ["0 oversold", "sold 2", "left 8", "sold &lt;out&gt; 1", "a &lt; b", "<svg"] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("http"), "it loads nothing");
    }
}
