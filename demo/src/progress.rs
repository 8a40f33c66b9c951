//! Progress bars. Where nobody looks at a terminal, one line says that a phase has begun.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressFinish, ProgressState, ProgressStyle};

pub fn bar(phase: &'static str, steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>12} [{bar:40}] {human_pos} of {human_len}, {rate}, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let rate = |state: &ProgressState, text: &mut dyn Write| {
        // A bar has nowhere to report a failed write to.
        let _ = write!(text, "{:.0} per second", state.per_sec());
    };
    begin(phase, ProgressBar::new(steps).with_style(style.with_key("rate", rate)))
}

pub fn spinner(phase: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>12} {spinner} {elapsed}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
    let spinner = begin(phase, ProgressBar::new_spinner().with_style(style));
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

/// A line of text that is written anew.
pub fn line(phase: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix:>12} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    let line = ProgressBar::new_spinner().with_style(style).with_prefix(phase);
    if line.is_hidden() {
        eprintln!("{phase} ...");
    }
    line.with_finish(ProgressFinish::AndLeave)
}

fn begin(phase: &'static str, bar: ProgressBar) -> ProgressBar {
    if bar.is_hidden() {
        eprintln!("{phase} ...");
    }
    bar.with_message(phase).with_finish(ProgressFinish::AndLeave)
}
