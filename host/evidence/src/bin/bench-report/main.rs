// SPDX-License-Identifier: BSD-2-Clause
//! Says what client binding costs: instructions of each call on the stock system and on
//! ours, where they are, and whether there are more than there were.

mod chart;
mod places;
mod run;
mod standing;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use client_binding_evidence::exit_code;
use client_binding_proto::calls::Call;
use comfy_table::{CellAlignment, Table, presets};
use places::{Layer, Places};
use run::{Counts, Run};
use standing::Standing;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Says what client binding costs
///
/// Exit status: 0 nothing rose, 1 something did, or boots differ, 2 the files cannot be
/// read.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The counts that stand; without it nothing can rise
    #[arg(long)]
    standing: Option<PathBuf>,
    /// Write what was measured there instead of comparing
    #[arg(long, requires = "standing")]
    update: bool,
    /// Compilers and Linux; counts of others are not compared
    #[arg(long)]
    made_with: String,
    /// Draw an empty invoke there, as SVG
    #[arg(long)]
    chart: Option<PathBuf>,
    /// Where everything was built
    #[arg(long)]
    build: PathBuf,
    /// What the names of the cores begin with
    #[arg(long)]
    prefix: String,
    /// The cores with many sessions were not counted
    #[arg(long, conflicts_with = "update")]
    no_crowd: bool,
    /// Folders of one boot of each core: CORE.counts and CORE.symbols of stock, off (the
    /// series without the option) and bound; the first has the same of the cores with many
    /// sessions, crowd-stock and crowd-bound
    #[arg(required = true)]
    boots: Vec<PathBuf>,
}

fn main() -> ExitCode {
    exit_code("bench-report", report(&Args::parse()))
}

/// One system: its boots, and the first of them with its instructions at their places.
struct System {
    boots: Vec<Run>,
    counts: BTreeMap<Call, Counts>,
}

fn system(args: &Args, name: &str, has_crowd: bool) -> Result<System> {
    let mut boots = Vec::new();
    let mut counts = BTreeMap::new();
    for folder in &args.boots {
        let (run, detail) = boot(args, folder, name)?;
        if boots.is_empty() {
            counts = detail;
        }
        boots.push(run);
    }
    if has_crowd {
        let (run, detail) = boot(args, &args.boots[0], &format!("crowd-{name}"))?;
        counts.extend(detail);
        boots[0].take_in(run);
    }
    Ok(System { boots, counts })
}

/// A boot of the core with that name, and the instructions of each call at their places.
fn boot(args: &Args, folder: &Path, core: &str) -> Result<(Run, BTreeMap<Call, Counts>)> {
    let core = format!("{}{core}", args.prefix);
    let file = |kind| folder.join(format!("{core}.{kind}"));
    let run = Run::read(&file("counts"))?;
    let places = Places::read(&args.build, &core, &file("symbols"))?;
    let calls = Call::ALL.iter();
    let counts = calls.filter_map(|call| Some((*call, run.counts(*call, &places)?)));
    let counts = counts.collect();
    Ok((run, counts))
}

fn report(args: &Args) -> Result<bool> {
    let stock = system(args, "stock", !args.no_crowd)?;
    let off = system(args, "off", false)?;
    let bound = system(args, "bound", !args.no_crowd)?;
    let systems = [("stock", &stock), ("off", &off), ("bound", &bound)];
    for (name, system) in systems {
        let nothing = system.counts.get(&Call::Nothing).map(Counts::total);
        ensure!(
            nothing == Some(0),
            "between two marks there is something on {name}"
        );
    }
    println!("{}\n", totals(&stock, &bound));
    let layers = layers(&stock, &bound);
    println!("{}\n", layer_table(&layers));
    if let Some(path) = &args.chart {
        chart::draw(path, &layers)?;
    }
    println!("{}\n", dearest(&stock, &bound));
    println!(
        "{}\n",
        differences("mended, by layer: off against stock", &stock, &off)
    );
    println!(
        "{}\n",
        differences("added, by layer: bound against off", &off, &bound)
    );
    println!("{}\n", added_by_symbol(&off, &bound));
    println!("{}\n", lending_table(&bound)?);
    let size = |name: &str| -> Result<i64> {
        let name = format!("{}{name}", args.prefix);
        let file = args.build.join("optee").join(name).join("core/tee.bin");
        let size = file
            .metadata()
            .with_context(|| file.display().to_string())?;
        Ok(size.len() as i64)
    };
    // The pseudo TA and delegation are options of their own, which the booted system has.
    let [without, off_size, plain, with] = ["stock", "off", "plain", "bound"].map(size);
    let (without, off_size, plain, with) = (without?, off_size?, plain?, with?);
    println!(
        "tee.bin of {without} octets grows by {} with the series, by {} more with the option, by {} more with its options.",
        off_size - without,
        plain - off_size,
        with - plain
    );
    for option in ["quota", "pta", "delegation"] {
        if let Ok(alone) = size(option) {
            println!("Of its options alone, {option} adds {}.", alone - plain);
        }
    }

    let mut complaints = Vec::new();
    for (name, system) in systems {
        complaints.extend(unequal(name, system));
    }
    let mut measured = Standing::new(&args.made_with);
    measured.add_calls(&stock.counts, &off.counts, &bound.counts);
    measured.add_lending(&bound.counts);
    measured.add_size(plain - without);
    match &args.standing {
        Some(path) if args.update => measured.write(path)?,
        Some(path) => {
            let mut standing = Standing::read(path)?;
            if args.no_crowd {
                standing.forget(&CROWD);
            }
            complaints.extend(measured.compare(&standing, path));
            complaints.extend(measured.beyond());
        }
        None => {}
    }
    if complaints.is_empty() {
        let rose = args.standing.as_ref().map_or("", |_| ", and nothing rose");
        println!("The same in each of {} boots{rose}.", args.boots.len());
    }
    for complaint in &complaints {
        println!("{complaint}");
    }
    Ok(complaints.is_empty())
}

/// Counted on cores of their own.
const CROWD: [Call; 2] = [Call::Crowd, Call::CrowdOfFile];

/// Of those, the first is the owner's, and the second what a grantee's is compared with.
const LENDING: [Call; 5] = [
    Call::Invoke0,
    Call::Lender0,
    Call::Grantee0,
    Call::Lend,
    Call::Revoke,
];

/// Whether each boot says the same of what repeats.
fn unequal(name: &str, system: &System) -> Vec<String> {
    let mut complaints = Vec::new();
    let everywhere = |call: &&Call| !call.is_of_lending() && !CROWD.contains(call);
    for call in Call::ALL.iter().filter(everywhere) {
        let boots = system.boots.iter();
        let modes: Vec<_> = boots.map(|boot| boot.mode(*call)).collect();
        let differs = modes.windows(2).any(|pair| pair[0] != pair[1]);
        // AArch32's machine has no room for the largest TA.
        let missing = modes.contains(&None) && *call != Call::Invoke8M;
        if call.repeats() && (differs || missing) {
            complaints.push(format!(
                "{} on {name} differs from boot to boot: {modes:?}",
                call.name()
            ));
        }
    }
    complaints
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn signed(number: i64) -> String {
    if number == 0 {
        "0".into()
    } else {
        format!("{number:+}")
    }
}

/// A row for each call: what it takes.
fn totals(stock: &System, bound: &System) -> Table {
    let mut table = table([
        "instructions of a call",
        "stock",
        "min",
        "max",
        "bound",
        "min",
        "max",
        "bound / stock",
    ]);
    for call in Call::ALL.iter().filter(|call| **call != Call::Nothing) {
        let [a, b] = [stock, bound].map(|system| system.boots[0].typical(*call));
        let (Some(a), Some(b)) = (a, b) else { continue };
        let about = |typical: &run::Typical| match typical.is_mode {
            true => typical.number.to_string(),
            false => format!("~{}", typical.number),
        };
        table.add_row([
            call.title().into(),
            about(&a),
            a.min.to_string(),
            a.max.to_string(),
            about(&b),
            b.min.to_string(),
            b.max.to_string(),
            format!("{:.3}", b.number as f64 / a.number as f64),
        ]);
    }
    table
}

/// A row for each call that has to do with lending, and what a grantee's takes more than the owner's.
fn lending_table(bound: &System) -> Result<Table> {
    let mut table = table(["with delegation", "instructions"]);
    let mut of = BTreeMap::new();
    for call in LENDING {
        let counts = bound.counts.get(&call);
        let total = counts.with_context(|| format!("{} was not counted", call.name()))?;
        of.insert(call, total.total() as i64);
        table.add_row([call.title(), &of[&call].to_string()]);
    }
    let (own, more) = (of[&Call::Lender0], of[&Call::Grantee0] - of[&Call::Lender0]);
    let percent = more as f64 * 100.0 / own as f64;
    table.add_row([
        "a grantee's more than the owner's",
        &format!("{more}, {percent:.2} %"),
    ]);
    Ok(table)
}

/// The round trip of an empty invoke, layer by layer: stock, bound.
fn layers(stock: &System, bound: &System) -> Vec<(Layer, u64, u64)> {
    let of = |system: &System, layer| {
        let counts = system.counts.get(&Call::Invoke0);
        counts.map_or(0, |counts| counts.of(layer))
    };
    let layers = Layer::ALL.into_iter();
    layers
        .map(|layer| (layer, of(stock, layer), of(bound, layer)))
        .collect()
}

fn layer_table(layers: &[(Layer, u64, u64)]) -> Table {
    let mut table = table(["an empty invoke, by layer", "stock", "bound", "added"]);
    for (layer, a, b) in layers {
        table.add_row([
            layer.title().into(),
            a.to_string(),
            b.to_string(),
            signed(*b as i64 - *a as i64),
        ]);
    }
    table
}

/// The functions in which an empty invoke of the stock system spends most, and what is left of them.
fn dearest(stock: &System, bound: &System) -> Table {
    let mut table = table(["an empty invoke, by function", "", "stock", "bound"]);
    let left = bound.counts.get(&Call::Invoke0);
    let counts = stock.counts.get(&Call::Invoke0);
    let mut rows: Vec<_> = counts.iter().flat_map(|counts| &counts.0).collect();
    rows.sort_by_key(|(_, number)| std::cmp::Reverse(**number));
    for (place, number) in rows.into_iter().take(10) {
        let (layer, name) = place;
        let left = left.and_then(|counts| counts.0.get(place)).unwrap_or(&0);
        table.add_row([layer.title(), name, &number.to_string(), &left.to_string()]);
    }
    table
}

/// The calls that have a mode on both systems.
fn exact<'a>(stock: &'a System, bound: &'a System) -> Vec<(Call, &'a Counts, &'a Counts)> {
    let calls = stock
        .counts
        .iter()
        .filter(|(call, _)| **call != Call::Nothing);
    let both = calls.filter_map(|(call, a)| Some((*call, a, bound.counts.get(call)?)));
    both.collect()
}

/// What the second takes more than the first, in each layer.
fn differences(title: &str, first: &System, second: &System) -> Table {
    let [a, b, c, d, e, f, g] = Layer::ALL.map(Layer::title);
    let mut table = table([title, a, b, c, d, e, f, g, "all"]);
    for (call, a, b) in exact(first, second) {
        let added = Layer::ALL.map(|layer| b.of(layer) as i64 - a.of(layer) as i64);
        let row = std::iter::once(call.title().to_owned())
            .chain(added.map(signed))
            .chain([signed(added.iter().sum())]);
        table.add_row(row);
    }
    table
}

/// Where the added ones are: functions in rows, calls in columns.
fn added_by_symbol(stock: &System, bound: &System) -> Table {
    // A stranger's calls end early, which says nothing about what was added.
    let mut calls = exact(stock, bound);
    calls.retain(|(call, ..)| !matches!(call, Call::Stranger0 | Call::Stranger4));
    let mut rows = BTreeMap::<_, Vec<i64>>::new();
    for (column, (_, a, b)) in calls.iter().enumerate() {
        for (sign, counts) in [(-1, a), (1, b)] {
            for (place, number) in &counts.0 {
                let row = rows.entry(place).or_insert_with(|| vec![0; calls.len()]);
                row[column] += sign * *number as i64;
            }
        }
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.retain(|(_, row)| row.iter().any(|number| *number != 0));
    rows.sort_by_key(|((layer, _), row)| {
        let most = row.iter().map(|number| number.abs()).max();
        (*layer, std::cmp::Reverse(most))
    });
    let mut table = Table::new();
    let titles = calls.iter().map(|(call, ..)| call.name());
    table
        .load_preset(presets::NOTHING)
        .set_header(["added, by function", ""].into_iter().chain(titles));
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for ((layer, name), row) in rows {
        let cells = row.into_iter().map(|number| match number {
            0 => String::new(),
            number => signed(number),
        });
        table.add_row(
            [layer.title().to_owned(), name.clone()]
                .into_iter()
                .chain(cells),
        );
    }
    table
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
