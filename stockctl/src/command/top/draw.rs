//! How `top` looks. It has to fit 80x24: numbers are shortened, names are cut.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use ratatui::Frame;

use super::view::{Server, View, ANSWERS};
use crate::snapshot::{Hot, TopBy};
use crate::text::{escape, time};

/// Pools that are asked for: a tall window has no more.
pub const MOST_POOLS: usize = 60;
/// Lines for servers, in a window of 24 lines.
const MOST_SERVERS: u16 = 6;
/// Columns of the table of servers.
const ADDRESS: u16 = 22;
const ROLE: u16 = 8;

/// Draws the picture.
pub fn draw(frame: &mut Frame<'_>, view: &View) {
    let servers = u16::try_from(view.servers.len() + view.lost.len()).unwrap_or(u16::MAX);
    let few = MOST_SERVERS.max(frame.area().height / 4);
    let rows = Layout::vertical([
        Constraint::Length(6),
        Constraint::Length(2 + servers.min(few)),
        Constraint::Fill(1),
        Constraint::Length(1),
    ]);
    let [head, middle, pools, foot] = rows.areas(frame.area());
    frame.render_widget(Paragraph::new(summary(view)), head);
    frame.render_widget(servers_table(view, usize::from(middle.height.saturating_sub(2))), middle);
    why_lost(frame, view, middle);
    frame.render_widget(pools_table(view, usize::from(pools.width)), pools);
    let keys = "sort: c calls r reserved s sold out l limited h held o orders m memory   q quit";
    frame.render_widget(Paragraph::new(keys).style(Style::new().add_modifier(Modifier::DIM)), foot);
}

fn summary(view: &View) -> Vec<Line<'static>> {
    let mut title = vec![Span::from("stockctl top  ").bold(), Span::from(time(view.at_ms))];
    let count = view.servers.len() + view.lost.len();
    title.push(Span::from(format!("  {count} server{}", if count == 1 { "" } else { "s" })));
    if !view.lost.is_empty() {
        title.push(Span::from(format!(", {} lost", view.lost.len())).red().bold());
    }
    let rates = view.rates.unwrap_or_default();
    let mut answers = ANSWERS.iter().zip(rates).map(|(name, rate)| {
        let shown = if view.rates.is_some() { rate_text(rate) } else { "-".to_string() };
        let style = if rate > 0.0 && ["nopool", "error"].contains(name) {
            Style::new().fg(Color::Yellow)
        } else {
            Style::new()
        };
        Span::styled(format!("{name} {shown:<9}"), style)
    });
    let first: Vec<Span<'static>> =
        std::iter::once(Span::from("calls/s  ").bold()).chain(answers.by_ref().take(4)).collect();
    let second: Vec<Span<'static>> = std::iter::once(Span::from("         ")).chain(answers).collect();
    let sums = view.sums;
    let pools = vec![
        Span::from("pools    ").bold(),
        Span::from(format!("{}  sold out {}  suspended {}  ", short(sums.pools), sums.soldout, sums.suspended)),
        alarm(format!("short {}", sums.short), sums.short > 0),
        Span::from("  "),
        alarm(format!("nearly full {}", sums.nearly_full), sums.nearly_full > 0),
    ];
    let orders = vec![
        Span::from("orders   ").bold(),
        Span::from(format!(
            "{} units in {} holds  {} remembered  {} of memory",
            short(sums.held),
            short(sums.holds),
            short(sums.orders),
            bytes(sums.memory_bytes)
        )),
    ];
    [title, first, second, pools, orders, ledger(view)].map(Line::from).into()
}

fn ledger(view: &View) -> Vec<Span<'static>> {
    let mut line = vec![Span::from("ledger   ").bold()];
    match &view.ledger {
        None => line.push(Span::from("(--ledger http://host:port/metrics)").dim()),
        Some(Err(why)) => line.push(Span::from(why.clone()).red()),
        Some(Ok(lag)) => {
            line.push(alarm(format!("{:.1} s, {} entries behind", lag.seconds, lag.entries), lag.seconds > 60.0));
            if lag.to_audit > 0 {
                line.push(alarm(format!("  {} pools to audit", lag.to_audit), true));
            }
        }
    }
    line
}

fn alarm(text: String, wrong: bool) -> Span<'static> {
    if wrong {
        Span::from(text).red().bold()
    } else {
        Span::from(text)
    }
}

fn head(names: &[&str]) -> Row<'static> {
    let cells = names.iter().map(|name| Cell::from(Line::from(name.to_string())));
    Row::new(cells.collect::<Vec<_>>()).style(Style::new().add_modifier(Modifier::REVERSED))
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).right_aligned())
}

fn servers_table(view: &View, most: usize) -> Table<'static> {
    let lost = view.lost.iter().map(|(address, _)| Row::new([address.clone(), "lost".to_string()]).red());
    let rows: Vec<Row<'static>> = lost.chain(view.servers.iter().map(server)).take(most).collect();
    let widths = [
        Constraint::Length(ADDRESS),
        Constraint::Length(ROLE),
        Constraint::Length(9),
        Constraint::Length(6),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths).header(head(&["server", "role", "calls/s", "cpu", "sweep lag", "notes"]))
}

/// Why each lost server is lost: across the columns that it has nothing in.
fn why_lost(frame: &mut Frame<'_>, view: &View, table: Rect) {
    let before = ADDRESS + 1 + ROLE + 1;
    let lines = table.height.saturating_sub(2);
    for (line, (address, why)) in (1..=lines).zip(&view.lost) {
        let why = why.strip_prefix(address.as_str()).unwrap_or(why).trim_start();
        let width = table.width.saturating_sub(before);
        let area = Rect { x: table.x + before, y: table.y + line, width, height: 1 };
        frame.render_widget(Paragraph::new(why.to_string()).red(), area.intersection(frame.area()));
    }
}

fn server(server: &Server) -> Row<'static> {
    let shown = |n: Option<f64>, text: fn(f64) -> String| n.map_or_else(|| "-".to_string(), text);
    let mut notes = Vec::new();
    if let Some(error) = server.refuses {
        notes.push(format!("refuses writes: {error}"));
    }
    if server.divergences > 0 {
        notes.push(format!("{} divergences", server.divergences));
    }
    if server.events_dropped > 0 {
        notes.push(format!("{} events dropped", server.events_dropped));
    }
    if server.evicting {
        notes.push("may evict pools".to_string());
    }
    let late = server.sweep_lag_ms > 10_000;
    let lag = format!("{:.1} s", server.sweep_lag_ms as f64 / 1000.0);
    Row::new(vec![
        Cell::from(server.address.clone()),
        Cell::from(server.role.name()),
        Cell::from(shown(server.calls, rate_text)),
        Cell::from(shown(server.cpu, |cores| format!("{:.0} %", cores * 100.0))),
        Cell::from(alarm(lag, late)),
        Cell::from(Span::from(notes.join(", ")).red()),
    ])
}

fn pools_table(view: &View, width: usize) -> Table<'static> {
    const NUMBERS: [(&str, TopBy); 7] = [
        ("calls", TopBy::Calls),
        ("reserved", TopBy::Reserved),
        ("soldout", TopBy::SoldOut),
        ("limited", TopBy::Limited),
        ("held", TopBy::Held),
        ("orders", TopBy::Orders),
        ("memory", TopBy::Memory),
    ];
    let numbers: u16 = 7 * 9;
    let name = width.saturating_sub(usize::from(numbers));
    let rows = view.hot.iter().map(|hot| {
        let cells = NUMBERS
            .iter()
            .map(|(_, by)| right(if *by == TopBy::Memory { bytes(by.of(hot)) } else { short(by.of(hot)) }));
        let row = Row::new(std::iter::once(Cell::from(cut(&pool(hot), name.max(8)))).chain(cells).collect::<Vec<_>>());
        if hot.exists {
            row
        } else {
            row.style(Style::new().fg(Color::Yellow))
        }
    });
    let widths = std::iter::once(Constraint::Fill(1)).chain(NUMBERS.iter().map(|_| Constraint::Length(8)));
    let titles = NUMBERS.iter().map(|(title, by)| {
        let mark = if *by == view.by { format!("{title}*") } else { title.to_string() };
        right(mark)
    });
    let titles = std::iter::once(Cell::from("pool, last minute")).chain(titles).collect::<Vec<_>>();
    let header = Row::new(titles).style(Style::new().add_modifier(Modifier::REVERSED));
    Table::new(rows, widths).column_spacing(1).header(header)
}

/// The name of a hot key; one that nobody made is marked.
fn pool(hot: &Hot) -> String {
    let mark = if hot.exists { "" } else { "? " };
    format!("{mark}{}", escape(&hot.key))
}

/// The beginning and the end of a name: the end tells products apart.
fn cut(text: &str, most: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= most {
        return text.to_string();
    }
    let tail = most / 2;
    let head = most - tail - 1;
    let begin: String = chars.iter().take(head).collect();
    let end: String = chars.iter().skip(chars.len() - tail).collect();
    format!("{begin}…{end}")
}

fn rate_text(rate: f64) -> String {
    if rate < 10.0 {
        format!("{rate:.1}")
    } else {
        short(rate as i64)
    }
}

/// A number in at most seven characters.
fn short(n: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1_000_000_000, "G"), (1_000_000, "M"), (10_000, "k")];
    for (from, unit) in UNITS {
        if n >= from {
            let size = if unit == "k" { 1000 } else { from };
            return format!("{:.1}{unit}", n as f64 / size as f64);
        }
    }
    n.to_string()
}

/// Bytes in at most seven characters.
fn bytes(n: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB")];
    for (size, unit) in UNITS {
        if n >= size {
            return format!("{:.1}{unit}", n as f64 / size as f64);
        }
    }
    format!("{n}B")
}

#[cfg(test)]
mod tests {
    use ratatui::backend::TestBackend;
    use ratatui::Terminal;

    use super::super::view::Sums;
    use super::*;
    use crate::connect::Role;
    use crate::ledger::Lag;

    const REFUSED: &str = "cannot be reached: Connection refused (os error 111)";

    fn lines(view: &View, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| draw(frame, view)).expect("a picture");
        let cells = terminal.backend().buffer().content();
        let line =
            |line: &[ratatui::buffer::Cell]| line.iter().map(|c| c.symbol()).collect::<String>().trim_end().to_string();
        cells.chunks(usize::from(width)).map(line).collect()
    }

    fn view() -> View {
        let server = |address: &str, role, divergences| Server {
            address: address.to_string(),
            role,
            calls: Some(12_345.0),
            cpu: Some(0.42),
            sweep_lag_ms: 12_300,
            divergences,
            events_dropped: 0,
            evicting: divergences > 0,
            refuses: None,
        };
        let hot = |key: &str, exists, calls| Hot {
            key: key.into(),
            exists,
            calls,
            reserved: 900,
            held: 5_000_000,
            memory_bytes: 3 << 20,
            ..Hot::default()
        };
        View {
            at_ms: 1_000,
            rates: Some([12_345.6, 300.0, 45.0, 3.0, 0.0, 0.0, 2.0, 1.0]),
            sums: Sums {
                pools: 100_000,
                soldout: 3,
                suspended: 1,
                short: 2,
                held: 12_000,
                holds: 8_000,
                orders: 2_000_000,
                memory_bytes: 1 << 31,
                nearly_full: 0,
            },
            servers: vec![server("127.0.0.1:7000", Role::Primary, 0), server("127.0.0.1:7001", Role::Replica, 4)],
            lost: vec![("127.0.0.1:7002".to_string(), format!("127.0.0.1:7002 {REFUSED}"))],
            hot: vec![
                hot("sku:618", true, 45_000),
                hot("sku:a-name-that-is-far-too-long-618", true, 9),
                hot("sku:mispelt\x1b[2J", false, 7),
            ],
            by: TopBy::Calls,
            ledger: Some(Ok(Lag { seconds: 0.3, entries: 12, to_audit: 0 })),
        }
    }

    #[test]
    fn the_picture_fits_80x24() {
        let lines = lines(&view(), 80, 24);
        let expected = [
            "stockctl top  1970-01-01T00:00:01Z  3 servers, 1 lost",
            "calls/s  reserved 12.3k    confirmed 300      soldout 45       limited 3.0",
            "         closed 0.0      suspended 0.0      nopool 2.0      error 1.0",
            "pools    100.0k  sold out 3  suspended 1  short 2  nearly full 0",
            "orders   12.0k units in 8000 holds  2.0M remembered  2.0GB of memory",
            "ledger   0.3 s, 12 entries behind",
            "server                 role     calls/s   cpu    sweep lag  notes",
            "127.0.0.1:7002         lost     cannot be reached: Connection refused (os error",
            "127.0.0.1:7000         primary  12.3k     42 %   12.3 s",
            "127.0.0.1:7001         replica  12.3k     42 %   12.3 s     4 divergences, may e",
            "",
            "pool, last minute   calls* reserved  soldout  limited     held   orders   memory",
            "sku:618              45.0k      900        0        0     5.0M        0    3.0MB",
            "sku:a-na…long-618        9      900        0        0     5.0M        0    3.0MB",
            "? sku:mi…t\\x1b[2J        7      900        0        0     5.0M        0    3.0MB",
        ];
        for (at, line) in expected.iter().enumerate() {
            assert_eq!(&lines[at], line, "line {}:\n{}", at + 1, lines.join("\n"));
        }
        assert_eq!(lines[23], "sort: c calls r reserved s sold out l limited h held o orders m memory   q quit");
    }

    #[test]
    fn every_size_has_a_picture() {
        let mut view = view();
        view.ledger = Some(Err("it does not answer in time".to_string()));
        view.servers.extend((0..50).map(|n| Server {
            address: format!("n{n}"),
            role: Role::Primary,
            calls: None,
            cpu: None,
            sweep_lag_ms: 0,
            divergences: 0,
            events_dropped: 0,
            evicting: false,
            refuses: Some("OOM"),
        }));
        for (width, height) in [(1, 1), (10, 3), (80, 10), (200, 60)] {
            assert_eq!(lines(&view, width, height).len(), usize::from(height));
        }
        assert!(lines(&View::default(), 80, 24)[1].contains("reserved -"), "no rate before the second look");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 9_999, 10_000, 1_234_567, i64::MAX].map(short), ["0", "9999", "10.0k", "1.2M", "9223372036.9G"]);
        assert_eq!([5, 1024, 3 << 30].map(bytes), ["5B", "1.0kB", "3.0GB"]);
    }
}
