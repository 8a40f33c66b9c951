//! `stockctl top`: what happens now, live.

mod draw;
mod view;

use std::io::IsTerminal;
use std::time::Duration;

use anyhow::Result;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::Terminal;
use tokio::sync::mpsc;

use crate::connect::Servers;
use crate::failure::{Ended, Failure};
use crate::ledger::{self, Lag};
use crate::snapshot::{Snapshot, TopBy};

pub use view::View;

/// What happens now: calls a second by answer, the hottest pools, lag of sweep and ledger
///
/// Fits a terminal of 80x24, over ssh. Keys: c, r, s, l, h, o, m sort the pools by calls, reserved,
/// sold out, limited, held, orders, memory; q ends. It asks every server once in --every seconds:
/// INFO and STOCK.TOP, whose cost does not grow with the number of pools.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3600))]
    every: u64,
    /// The figures of `stock-ledger run --metrics`: http://host:port/metrics
    #[arg(long, env = "STOCKCTL_LEDGER", value_name = "URL")]
    ledger: Option<String>,
    /// Look twice, write one picture of 80x24 to standard output, and end (with --json: the
    /// figures)
    #[arg(long)]
    once: bool,
}

/// Shows the figures until `q`.
///
/// # Errors
/// [`Failure::Refused`]: standard output is no terminal, and neither --once nor --json was given.
/// With these [`Failure::Unreachable`]: no server answers.
pub async fn run(args: &Args, servers: &mut Servers, as_json: bool) -> Result<Ended> {
    if args.once || as_json {
        let view = twice(args, servers).await?;
        if as_json {
            println!("{}", view.json());
        } else {
            print(&view)?;
        }
        return Ok(if view.lost.is_empty() { Ended::Well } else { Ended::Unwell });
    }
    if !std::io::stdout().is_terminal() {
        return Err(
            Failure::Refused("this is no terminal: --once writes one picture, --json the figures".into()).into()
        );
    }
    let terminal = ratatui::init();
    let ended = live(args, servers, terminal).await;
    ratatui::restore();
    ended
}

/// Two looks, and what happened between them.
async fn twice(args: &Args, servers: &mut Servers) -> Result<View> {
    let mut looks = Looks::new(args);
    looks.look(servers, TopBy::Calls).await;
    tokio::time::sleep(Duration::from_secs(args.every)).await;
    looks.look(servers, TopBy::Calls).await;
    looks.view().ok_or_else(|| Failure::Unreachable("no server answers".to_string()).into())
}

/// The picture as text.
fn print(view: &View) -> Result<()> {
    let mut terminal = Terminal::new(TestBackend::new(80, 24))?;
    terminal.draw(|frame| draw::draw(frame, view))?;
    for line in terminal.backend().buffer().content().chunks(80) {
        let line: String = line.iter().map(|cell| cell.symbol()).collect();
        println!("{}", line.trim_end());
    }
    Ok(())
}

async fn live(args: &Args, servers: &mut Servers, mut terminal: ratatui::DefaultTerminal) -> Result<Ended> {
    let mut events = events();
    let mut looks = Looks::new(args);
    let mut by = TopBy::Calls;
    let mut ticks = tokio::time::interval(Duration::from_secs(args.every));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => looks.look(servers, by).await,
            event = events.recv() => match event {
                // The terminal is gone.
                None => return Ok(Ended::Well),
                Some(Event::Key(key)) if key.kind == KeyEventKind::Press => match key.code {
                    KeyCode::Char('q') | KeyCode::Esc => return Ok(Ended::Well),
                    KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(Ended::Well),
                    KeyCode::Char(c) => {
                        if let Some(chosen) = TopBy::of_key(c) {
                            by = chosen;
                            looks.again(servers, by).await;
                        }
                    }
                    _ => {}
                },
                Some(_) => {}
            },
        }
        if let Some(view) = looks.view() {
            terminal.draw(|frame| draw::draw(frame, &view))?;
        }
    }
}

/// What is typed, and that the window has another size. A thread of its own waits for it, until
/// nobody listens any more.
fn events() -> mpsc::Receiver<Event> {
    let (typed, events) = mpsc::channel(16);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if typed.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// The last two looks.
struct Looks {
    ledger_url: Option<String>,
    patience: Duration,
    before: Option<Snapshot>,
    now: Option<Snapshot>,
    ledger: Option<Result<Lag, String>>,
    by: TopBy,
}

impl Looks {
    fn new(args: &Args) -> Looks {
        let patience = Duration::from_secs(args.every.min(3));
        Looks { ledger_url: args.ledger.clone(), patience, before: None, now: None, ledger: None, by: TopBy::Calls }
    }

    /// Takes the next look.
    async fn look(&mut self, servers: &mut Servers, by: TopBy) {
        let now = self.take(servers, by).await;
        if now.nodes.iter().any(|(_, seen)| seen.is_lost()) {
            // After a failover somebody else is primary.
            let _ = tokio::time::timeout(self.patience, servers.discover()).await;
        }
        self.before = self.now.replace(now);
    }

    /// Takes the last look again, in another order of pools: the rates stay those of a whole span.
    async fn again(&mut self, servers: &mut Servers, by: TopBy) {
        if self.before.is_some() {
            self.now = Some(self.take(servers, by).await);
        }
    }

    async fn take(&mut self, servers: &mut Servers, by: TopBy) -> Snapshot {
        self.by = by;
        if let Some(url) = &self.ledger_url {
            let asked = tokio::time::timeout(self.patience, ledger::lag(url)).await;
            let late = |_| Err("it does not answer in time".to_string());
            self.ledger = Some(asked.map_or_else(late, |lag| lag.map_err(|e| crate::failure::error_chain(&e))));
        }
        Snapshot::take(servers, Some((by, draw::MOST_POOLS)), self.patience).await
    }

    /// What is to be shown; none before the first look.
    fn view(&self) -> Option<View> {
        let now = self.now.as_ref()?;
        Some(View::of(self.before.as_ref(), now, self.by, self.ledger.as_ref()))
    }
}
