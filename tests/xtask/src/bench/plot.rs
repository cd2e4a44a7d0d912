//! Bars as SVG, readable on light and on dark pages.

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
rect{fill:#8c959f}.own{fill:#0d7a5f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#6e7681}.own{fill:#2fbf95}}";

/// A picture of `bars`, of which those of `own` stand out.
pub(super) fn bars(title: &str, own: &str, bars: &[Bar]) -> String {
    let height = TOP + bars.len() * ROW + 12;
    let longest = bars.iter().map(|bar| bar.value).fold(f64::MIN_POSITIVE, f64::max);
    let mut svg = String::new();
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n<text class=\"title\" x=\"12\" y=\"26\">{title}</text>",
        title = escaped(title),
    );
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
}
