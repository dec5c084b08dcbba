//! The summary as Markdown.

use std::fmt::Write as _;

use super::{Figure, Run, Size};
use crate::load::Protocol;
use crate::peers::Kind;
use crate::stats::{Spread, spread};

/// All tables.
pub fn render(runs: &[Run], peers: &[Kind]) -> String {
    let mut text = String::new();
    for size in [Size::Small, Size::Megabyte, Size::Twenty] {
        for protocol in [Protocol::H1, Protocol::H2] {
            let cell = |figure| -> Vec<&Run> {
                runs.iter().filter(|run| run.size == size && run.protocol == protocol && run.figure == figure).collect()
            };
            saturation(&mut text, size, protocol, &cell(Figure::Cpu), peers);
            latency(&mut text, size, protocol, &cell(Figure::Latency), peers);
        }
    }
    text
}

fn saturation(text: &mut String, size: Size, protocol: Protocol, runs: &[&Run], peers: &[Kind]) {
    if runs.is_empty() {
        return;
    }
    let (unit, cpu): (&str, fn(&Run) -> f64) = if size == Size::Small {
        ("CPU µs/request", |run| run.report.cpu_per_request())
    } else {
        ("CPU µs/MB", |run| run.report.cpu_per_megabyte())
    };
    let _ = writeln!(text, "### {}, {} clients, at saturation\n", size.name(), protocol.name());
    let _ = writeln!(
        text,
        "| peer | {unit} | requests/s | Drover's CPU ÷ its | Drover's throughput ÷ its |\n|---|---|---|---|---|"
    );
    for peer in peers.iter().filter(|peer| **peer != Kind::Direct) {
        let of = |value: fn(&Run) -> f64| spread(runs.iter().filter(|run| run.peer == *peer).map(|run| value(run)));
        let paired = |value: fn(&Run) -> f64| ratio(runs, *peer, value);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            peer.name(),
            number(of(cpu), 1),
            number(of(|run| run.report.throughput()), 0),
            paired(cpu),
            paired(|run| run.report.throughput()),
        );
    }
    text.push('\n');
}

fn latency(text: &mut String, size: Size, protocol: Protocol, runs: &[&Run], peers: &[Kind]) {
    let Some(rate) = runs.first().and_then(|run| run.rate) else { return };
    let _ = writeln!(text, "### {}, {} clients, open loop at {rate:.0} requests/s\n", size.name(), protocol.name());
    let _ = writeln!(
        text,
        "| peer | p50 µs | p99 µs | p99.9 µs | added p50 | added p99 | Drover's added p50 ÷ its | Drover's added p99 ÷ its |\n|---|---|---|---|---|---|---|---|"
    );
    for peer in peers {
        let of = |value: fn(&Run) -> f64| spread(runs.iter().filter(|run| run.peer == *peer).map(|run| value(run)));
        let plain = format!(
            "| {} | {} | {} | {}",
            peer.name(),
            number(of(|run| run.report.latency.p50), 0),
            number(of(|run| run.report.latency.p99), 0),
            number(of(|run| run.report.latency.p999), 0)
        );
        if *peer == Kind::Direct {
            let _ = writeln!(text, "{plain} | | | | |");
            continue;
        }
        let (p50, p99): (fn(&Run) -> f64, fn(&Run) -> f64) =
            (|run| run.report.latency.p50, |run| run.report.latency.p99);
        let _ = writeln!(
            text,
            "{plain} | {} | {} | {} | {} |",
            number(spread(added(runs, *peer, p50).into_iter().map(|(_, value)| value)), 0),
            number(spread(added(runs, *peer, p99).into_iter().map(|(_, value)| value)), 0),
            added_ratio(runs, *peer, p50),
            added_ratio(runs, *peer, p99),
        );
    }
    text.push('\n');
}

/// What `peer` adds to the direct way, round by round.
fn added(runs: &[&Run], peer: Kind, value: fn(&Run) -> f64) -> Vec<(usize, f64)> {
    let of =
        |kind: Kind, round: usize| runs.iter().find(|run| run.peer == kind && run.round == round).map(|run| value(run));
    rounds(runs).filter_map(|round| Some((round, of(peer, round)? - of(Kind::Direct, round)?))).collect()
}

fn rounds(runs: &[&Run]) -> std::ops::RangeInclusive<usize> {
    0..=runs.iter().map(|run| run.round).max().unwrap_or(0)
}

fn added_ratio(runs: &[&Run], peer: Kind, value: fn(&Run) -> f64) -> String {
    let ours = added(runs, Kind::Drover, value);
    let theirs = added(runs, peer, value);
    pairs(
        ours.iter()
            .filter_map(|(round, mine)| theirs.iter().find(|(other, _)| other == round).map(|(_, its)| mine / its)),
        peer,
    )
}

/// The median of Drover ÷ `peer` over the rounds.
fn ratio(runs: &[&Run], peer: Kind, value: fn(&Run) -> f64) -> String {
    let of =
        |kind: Kind, round: usize| runs.iter().find(|run| run.peer == kind && run.round == round).map(|run| value(run));
    pairs(rounds(runs).filter_map(|round| Some(of(Kind::Drover, round)? / of(peer, round)?)), peer)
}

fn pairs(ratios: impl Iterator<Item = f64>, peer: Kind) -> String {
    let ratios: Vec<f64> = ratios.collect();
    if peer == Kind::Drover || ratios.is_empty() {
        return String::new();
    }
    let Spread { median, low, high } = spread(ratios);
    format!("**{median:.2}** ({low:.2}–{high:.2})")
}

fn number(value: Spread, digits: usize) -> String {
    let Spread { median, low, high } = value;
    format!("{median:.digits$} ({low:.digits$}–{high:.digits$})")
}
