//! Bars and lines as SVG, readable on light and on dark pages.

use std::fmt::Write;

/// One bar: its name, its length, and what is written behind it.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) label: String,
}

const WIDTH: usize = 720;
const ROW: usize = 28;
const TOP: usize = 48;
/// Where bars begin, behind the names.
const LEFT: f64 = 190.0;
/// How long the longest bar is; the label stands behind it.
const LONGEST: f64 = 330.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}\
rect{fill:#8c959f}rect.own{fill:#0d7a5f}.end{text-anchor:end}\
polyline{fill:none;stroke-width:2;stroke:#8c959f}polyline.own{stroke:#0d7a5f}line{stroke:#8c959f;opacity:.3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#6e7681}rect.own{fill:#2fbf95}\
polyline{stroke:#8b949e}polyline.own{stroke:#2fbf95}}";

/// A picture of `bars`, of which those of `own` stand out.
pub(super) fn bars(title: &str, own: &str, bars: &[Bar]) -> String {
    let height = TOP + bars.len() * ROW + 12;
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = head(title, height);
    for (index, bar) in bars.iter().enumerate() {
        let top = TOP + index * ROW;
        let length = bar.value / longest * LONGEST;
        let class = if bar.name == own { " class=\"own\"" } else { "" };
        let _ = writeln!(
            svg,
            "<text x=\"12\" y=\"{y}\">{name}</text><rect{class} x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" \
             height=\"18\" rx=\"3\"/><text x=\"{x:.1}\" y=\"{y}\">{label}</text>",
            y = top + 14,
            x = LEFT + length + 8.0,
            name = escaped(&bar.name),
            label = escaped(&bar.label),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line through points: its name, and pairs of x and y.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// How high the field of lines is.
const FIELD: f64 = 240.0;

/// A picture of `lines` over seconds, of which that of `own` stands out. `unit` is that of the points' height.
pub(super) fn lines(title: &str, own: &str, unit: &str, lines: &[Line]) -> String {
    let all = || lines.iter().flat_map(|line| &line.points);
    let most = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN_POSITIVE, f64::max);
    let (right, top) = (most(&mut all().map(|point| point.0)), most(&mut all().map(|point| point.1)));
    let (left, width, above) = (90.0, 440.0, TOP as f64);
    let x = |value: f64| left + value / right * width;
    let y = |value: f64| above + FIELD - value / top * FIELD;
    let mut svg = head(title, TOP + FIELD as usize + 40);
    for part in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (height, seconds) = (top * part, right * part);
        let _ = writeln!(
            svg,
            "<line x1=\"{left}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text class=\"end\" x=\"{label}\" \
             y=\"{text:.1}\">{height:.0} {unit}</text><text x=\"{x:.1}\" y=\"{bottom}\">{seconds:.0} s</text>",
            end = left + width,
            y = y(height),
            text = y(height) + 4.0,
            label = left - 8.0,
            x = x(seconds),
            bottom = above + FIELD + 24.0,
        );
    }
    // Names stand at the ends of their lines, and one below another where these are close.
    let mut ends: Vec<(f64, &Line)> =
        lines.iter().filter_map(|line| Some((y(line.points.last()?.1), line))).collect();
    ends.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut free = 0.0_f64;
    for (end, line) in ends {
        let class = if line.name == own { " class=\"own\"" } else { "" };
        let points: Vec<_> =
            line.points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let beside = end.max(free);
        free = beside + 16.0;
        let _ = writeln!(
            svg,
            "<polyline{class} points=\"{points}\"/><text x=\"{x:.1}\" y=\"{beside:.1}\">{name}</text>",
            points = points.join(" "),
            x = left + width + 8.0,
            name = escaped(&line.name),
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn head(title: &str, height: usize) -> String {
    let title = escaped(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<text class=\"title\" x=\"12\" y=\"26\">{title}</text>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_has_the_full_length_and_names_are_escaped() {
        let bar = |name: &str, value| Bar { name: name.into(), value, label: format!("{value}") };
        let svg = bars("a < b", "own", &[bar("own", 1.0), bar("x & y", 4.0)]);
        assert!(svg.contains("<rect class=\"own\" x=\"190\" y=\"48\" width=\"82.5\""), "{svg}");
        assert!(
            svg.contains("width=\"330.0\"") && svg.contains("x &amp; y") && svg.contains("a &lt; b"),
            "{svg}"
        );
    }

    #[test]
    fn lines_begin_at_zero_and_names_do_not_cover_each_other() {
        let line = |name: &str, points: &[(f64, f64)]| Line { name: name.into(), points: points.to_vec() };
        let svg = lines(
            "t",
            "own",
            "KiB",
            &[line("own", &[(0.0, 0.0), (10.0, 100.0)]), line("b", &[(10.0, 99.0)])],
        );
        assert!(svg.contains("<polyline class=\"own\" points=\"90.0,288.0 530.0,48.0\"/>"), "{svg}");
        assert!(svg.contains("y=\"48.0\">own</text>") && svg.contains("y=\"64.0\">b</text>"), "{svg}");
    }
}
