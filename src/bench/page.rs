// SPDX-License-Identifier: Apache-2.0
//! The report as one page: tables and plots in SVG, nothing from elsewhere.

use std::fmt::Write;

use serde_json::Value as Json;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
table{border-collapse:collapse;margin:.5rem 0}td,th{padding:.15rem .8rem;text-align:right;border-bottom:1px solid #ddd}\
td:first-child,th:first-child{text-align:left}.wrong{color:#b00020}svg{width:100%;height:auto}h2{margin-top:2.5rem}\
text{font:11px system-ui,sans-serif;fill:#444}";
const COLOURS: [&str; 7] = ["#bbbbbb", "#88a9c3", "#4e79a7", "#59a14f", "#f28e2b", "#e15759", "#76448a"];

/// The page of a report.
pub fn page(document: &Json) -> String {
    let mut html = String::new();
    let machine = &document["machine"];
    let text = |key: &str| escaped(machine[key].as_str().unwrap_or_default());
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/><title>wirebeat bench</title><style>{STYLE}</style></head><body>\n\
         <h1>wirebeat bench</h1>\n<p>{}, {} CPUs, {} MB, Linux {}; Wirebeat {} {} ({}); {}</p>\n",
        text("processor"),
        machine["cpus"],
        machine["memory_bytes"].as_u64().unwrap_or(0) >> 20,
        text("kernel"),
        text("version"),
        text("revision"),
        text("build"),
        text("time"),
    );
    let results = document["scenarios"].as_array().cloned().unwrap_or_default();
    overview(&mut html, &results);
    results.iter().for_each(|result| scenario(&mut html, result));
    html.push_str("</body></html>\n");
    html
}

fn overview(html: &mut String, results: &[Json]) {
    html.push_str("<table><tr><th>scenario</th><th>Mpackets/s</th><th>Gbit/s</th><th>ns CPU</th><th>own ns</th><th>own ns an event</th><th>bytes a flow</th><th>goals</th></tr>\n");
    for result in results {
        let number = |key: &str, scale: f64| match result[key].as_f64() {
            Some(value) => format!("{:.2}", value / scale),
            None => String::new(),
        };
        let goals = result["goals"].as_array().cloned().unwrap_or_default();
        let met = goals.iter().filter(|goal| goal["met"] == true).count();
        let _ = writeln!(
            html,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escaped(result["name"].as_str().unwrap_or_default()),
            number("packets_per_second", 1e6),
            number("wire_gigabits_per_second", 1.0),
            number("cpu_packet_ns", 1.0),
            number("own_packet_ns", 1.0),
            number("own_event_ns", 1.0),
            number("bytes_per_flow", 1.0),
            if goals.is_empty() { String::new() } else { format!("{met} of {}", goals.len()) },
        );
    }
    html.push_str("</table>\n");
}

fn scenario(html: &mut String, result: &Json) {
    let _ = write!(
        html,
        "<h2>{}</h2>\n<p>{}</p>\n<pre>{}</pre>\n",
        escaped(result["name"].as_str().unwrap_or_default()),
        escaped(result["description"].as_str().unwrap_or_default()),
        escaped(&super::report::table(result)),
    );
    for problem in result["problems"].as_array().into_iter().flatten() {
        let _ = writeln!(html, "<p class=\"wrong\">{}</p>", escaped(problem.as_str().unwrap_or_default()));
    }
    if let Some(stages) = result["stages"].as_array() {
        html.push_str(&bars(stages));
    }
    let pairs = |values: &Json, x: &str, y: &str| -> Vec<(f64, f64)> {
        let points = values.as_array().into_iter().flatten();
        points.filter_map(|point| Some((point[x].as_f64()?, point[y].as_f64()?))).collect()
    };
    if let Some(over) = result["sweep"]["over"].as_str() {
        let points = &result["sweep"]["points"];
        html.push_str(&curve(&pairs(points, "value", "own_packet_ns"), &format!("own ns a packet over {over}")));
        html.push_str(&curve(&pairs(points, "value", "packets_per_second"), &format!("packets/s over {over}")));
    }
    if result["rfc2544"].is_object() {
        let mut trials = pairs(&result["rfc2544"]["trials"], "packets_per_second", "loss_share");
        trials.sort_by(|one, other| one.0.total_cmp(&other.0));
        html.push_str(&curve(&trials, "share lost over packets/s"));
    }
    let samples: Vec<[f64; 4]> = result["samples"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|sample| std::array::from_fn(|place| sample[place].as_f64().unwrap_or(0.0)))
        .collect();
    if samples.len() > 2 {
        let rates = samples.windows(2).map(|pair| {
            let seconds = (pair[1][0] - pair[0][0]).max(1e-9);
            (pair[1][0], (pair[1][1] - pair[0][1]).max(0.0) / seconds)
        });
        html.push_str(&curve(&rates.collect::<Vec<_>>(), "packets/s over seconds"));
        let of = |place: usize| samples.iter().map(|sample| (sample[0], sample[place])).collect::<Vec<_>>();
        html.push_str(&curve(&of(2), "resident bytes over seconds"));
        html.push_str(&curve(&of(3), "open flows over seconds"));
    }
}

const WIDTH: f64 = 900.0;

/// The stages of a packet as parts of one bar.
fn bars(stages: &[Json]) -> String {
    let parts: Vec<(&str, f64)> = stages
        .iter()
        .map(|stage| (stage["stage"].as_str().unwrap_or_default(), stage["packet_ns"].as_f64().unwrap_or(0.0).max(0.0)))
        .collect();
    let total: f64 = parts.iter().map(|(_, ns)| ns).sum();
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} 70\" role=\"img\"><title>ns a packet by stage</title>");
    let mut place = 0.0;
    for (number, (name, ns)) in parts.iter().enumerate() {
        let width = ns / total.max(1e-9) * WIDTH;
        let _ = write!(
            svg,
            "<rect x=\"{place:.1}\" y=\"20\" width=\"{width:.1}\" height=\"26\" fill=\"{}\"><title>{} {ns:.1} ns</title></rect>",
            COLOURS[number % COLOURS.len()],
            escaped(name)
        );
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\">{} {ns:.1}</text>",
            number as f64 * WIDTH / parts.len() as f64 + 14.0,
            64,
            escaped(name)
        );
        let _ = write!(
            svg,
            "<rect x=\"{:.1}\" y=\"55\" width=\"9\" height=\"9\" fill=\"{}\"/>",
            number as f64 * WIDTH / parts.len() as f64,
            COLOURS[number % COLOURS.len()]
        );
        place += width;
    }
    let _ = writeln!(svg, "<text x=\"0\" y=\"14\">{total:.1} ns of CPU time a packet</text></svg>");
    svg
}

/// A line through points; where they span more than a hundredfold the axis is logarithmic.
fn curve(points: &[(f64, f64)], title: &str) -> String {
    if points.is_empty() {
        return String::new();
    }
    const HEIGHT: f64 = 180.0;
    const LEFT: f64 = 80.0;
    let bounds = |value: fn(&(f64, f64)) -> f64| {
        let values = points.iter().map(value);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let ((left, right), (_, top)) = (bounds(|point| point.0), bounds(|point| point.1));
    let logarithmic = left > 0.0 && right / left > 100.0;
    let place = |x: f64| {
        let (x, left, right) = match logarithmic {
            true => (x.ln(), left.ln(), right.ln()),
            false => (x, left, right),
        };
        LEFT + (x - left) / (right - left).max(1e-9) * (WIDTH - LEFT - 20.0)
    };
    let top = top.max(1e-9);
    let level = |y: f64| 24.0 + (1.0 - y / top) * (HEIGHT - 48.0);
    let path: Vec<String> = points.iter().map(|(x, y)| format!("{:.1},{:.1}", place(*x), level(*y))).collect();
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{0}</title><text x=\"{LEFT}\" y=\"14\">{0}</text>\
         <line x1=\"{LEFT}\" y1=\"{1}\" x2=\"{WIDTH}\" y2=\"{1}\" stroke=\"#999\"/>\
         <polyline points=\"{2}\" fill=\"none\" stroke=\"#4e79a7\" stroke-width=\"2\"/>",
        escaped(title),
        level(0.0),
        path.join(" ")
    );
    let _ = write!(svg, "<text x=\"0\" y=\"{:.1}\">{}</text>", level(top) + 4.0, short(top));
    let _ = write!(svg, "<text x=\"0\" y=\"{:.1}\">0</text>", level(0.0));
    let labelled = if points.len() <= 12 { points } else { &[points[0], points[points.len() - 1]] };
    for (x, _) in labelled {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            place(*x).min(WIDTH - 20.0),
            HEIGHT - 6.0,
            short(*x)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e9 => format!("{:.2}G", value / 1e9),
        size if size >= 1e6 => format!("{:.2}M", value / 1e6),
        size if size >= 1e4 => format!("{:.0}k", value / 1e3),
        size if size >= 10.0 => format!("{value:.0}"),
        _ => format!("{}", super::report::rounded(value)),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
