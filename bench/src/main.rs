//! Measures the redis-stock module: beside built-in commands, beside a module command that does
//! nothing, and beside the Lua scripts that it replaces. Everything runs on servers of its own, on
//! unix sockets in fresh directories.

mod against;
mod callgrind;
mod chart;
mod client;
mod cold;
mod compare;
mod goals;
mod ids;
mod machine;
mod memory;
mod rdb;
mod report;
mod rows;
mod server;
mod shards;
mod sizes;
mod stats;
mod summary;
mod tails;
mod touched;
mod wire;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};

use crate::compare::Comparison;
use crate::goals::Finding;
use crate::report::Section;
use crate::server::{Options, Plan, Server};
use crate::sizes::Sizes;

#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Only this part; without it all of them
    #[arg(value_enum)]
    part: Option<Part>,
    /// Redis or Valkey to measure; several servers get a section each
    #[arg(long, value_name = "PROGRAM", default_value = "redis-server")]
    server: Vec<String>,
    /// The module
    #[arg(long, value_name = "SO", default_value = "target/release/libredis_stock.so")]
    module: PathBuf,
    /// The module with the command that does nothing
    #[arg(long, value_name = "SO", default_value = "target/release/libstock_floor.so")]
    floor: PathBuf,
    /// Of `against`: the module of the other build
    #[arg(long, env = "BEFORE", value_name = "SO", required_if_eq("part", "against"))]
    before: Option<PathBuf>,
    /// Write benchmarks.md and benchmarks.svg into this directory
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the goals of the first server between the markers of this page
    #[arg(long, value_name = "PAGE")]
    readme: Option<PathBuf>,
    /// Threads of the server that read calls and write answers; CPU time stays that of its main
    /// thread
    #[arg(long, env = "IO_THREADS", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=16))]
    io_threads: u8,
    /// A word on the circumstances, for the head of the report
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    sizes: Sizes,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The rows in turns, with instructions counted by callgrind
    Rows,
    /// Slowest calls, due holds, freeing
    Tails,
    /// Memory per live order
    Memory,
    /// Saving and loading
    Rdb,
    /// One SKU in several buckets, and its balancer
    Shards,
    /// Lines that the caches lack in a large pool; only where it is asked for
    Cold,
    /// This build and another one in turns; only where it is asked for
    Against,
}

/// All that was measured on one server.
struct Measured {
    server: String,
    sections: Vec<Section>,
    findings: Vec<Finding>,
    comparison: Option<Comparison>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let library = |path: &Path| {
        path.canonicalize().with_context(|| format!("no module at {}: `make bench` builds it", path.display()))
    };
    let (module, floor) = (library(&args.module)?, library(&args.floor)?);
    let before = args.before.as_deref().map(library).transpose()?;
    let threads = (args.io_threads > 1).then(|| format!("io-threads {}", args.io_threads));
    let notes: Vec<&str> = args.note.as_deref().into_iter().chain(threads.as_deref()).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let head = machine::describe(&args.sizes, &module, note.as_deref());
    let mut all = Vec::new();
    for (at, program) in args.server.iter().enumerate() {
        // Servers run in directories of their own; a bare name is looked for as the shell does.
        let path =
            program.contains('/').then(|| fs::canonicalize(program).with_context(|| program.clone())).transpose()?;
        let program = path.as_deref().and_then(Path::to_str).unwrap_or(program);
        let plan = Plan { program, module: &module, floor: &floor, io_threads: args.io_threads };
        let scale = args.sizes.scales.get(at).or(args.sizes.scales.last()).copied().unwrap_or(1.0);
        all.push(measure(&plan, args.part, before.as_deref(), &Sizes { scale, ..args.sizes.clone() })?);
        // After each server: a run takes long, and may be ended.
        write(&args, &head, &all)?;
    }
    print(&head, &all);
    Ok(())
}

/// Runs the parts. One that fails is named in the report; the others go on.
fn measure(plan: &Plan<'_>, part: Option<Part>, before: Option<&Path>, sizes: &Sizes) -> Result<Measured> {
    let server = machine::server_name(&mut Server::start(plan, Options::default())?.connection()?)?;
    eprintln!("{server}");
    let wanted = |this| part.is_none_or(|only| only == this);
    let mut measured = Measured { server, sections: Vec::new(), findings: Vec::new(), comparison: None };
    if wanted(Part::Rows) {
        let mut comparison = compare::run(plan, sizes)?;
        let counted = callgrind::add(plan, sizes, &mut comparison);
        measured.findings.extend(comparison.findings());
        measured.sections.extend(report::comparison(&comparison, counted));
        measured.comparison = Some(comparison);
    }
    let always = [Part::Memory, Part::Tails, Part::Rdb, Part::Shards].into_iter().filter(|part| wanted(*part));
    let asked = [Part::Cold, Part::Against].into_iter().filter(|asked| part == Some(*asked));
    for part in always.chain(asked) {
        let (title, section) = match part {
            Part::Memory => ("Memory per live order", memory::run(plan, sizes)),
            Part::Tails => ("Tails", tails::run(plan, sizes)),
            Part::Rdb => ("RDB", rdb::run(plan, sizes)),
            Part::Shards => ("Shards", shards::run(plan, sizes)),
            Part::Cold => ("Cold lines", cold::run(plan, sizes)),
            Part::Against => {
                let before = before.context("the other build: --before");
                ("Against another build", before.and_then(|before| against::run(plan, before, sizes)))
            }
            Part::Rows => continue,
        };
        let mut section = section.unwrap_or_else(|error| {
            let mut failed = Section::new(title);
            failed.attempt("all of it", |_| Err(error));
            failed
        });
        measured.findings.append(&mut section.findings);
        measured.sections.push(section);
    }
    Ok(measured)
}

/// The report.
fn report(head: &str, all: &[Measured]) -> String {
    let mut text = head.to_string();
    for measured in all {
        let goals = report::goals(&measured.findings);
        text.push_str(&format!("\n## {}\n\n### Goals\n\n{goals}", measured.server));
        for section in &measured.sections {
            text.push_str(&format!("\n{}", section.text()));
        }
    }
    if all.iter().any(|measured| measured.comparison.is_some()) {
        text.push_str(&report::calls());
    }
    text
}

/// Prints the report, and the goals once more behind it.
fn print(head: &str, all: &[Measured]) {
    println!("{}", report(head, all));
    for measured in all {
        println!("\n{}: the goals\n\n{}", measured.server, report::goals(&measured.findings));
    }
}

/// Writes the files that are asked for.
fn write(args: &Args, head: &str, all: &[Measured]) -> Result<()> {
    if let Some(out) = &args.out {
        fs::create_dir_all(out)?;
        fs::write(out.join("benchmarks.md"), report(head, all))?;
        let first = all.iter().find_map(|measured| Some((measured, measured.comparison.as_ref()?)));
        if let Some((measured, comparison)) = first {
            fs::write(out.join("benchmarks.svg"), chart::svg(&measured.server, comparison))?;
        }
    }
    let first = all.iter().find_map(|measured| Some((measured, measured.comparison.as_ref()?)));
    if let (Some(page), Some((first, comparison))) = (&args.readme, first) {
        let text = fs::read_to_string(page).with_context(|| page.display().to_string())?;
        let note = args.note.as_ref().map_or(String::new(), |note| format!("**{note}**\n\n"));
        let numbers = format!("{note}{}", summary::summary(&first.server, comparison, &first.findings));
        fs::write(page, report::between_markers(&text, &numbers).context("the page has no markers")?)?;
    }
    Ok(())
}
