//! A QR code as text: each character shows two cells, one above the other.

use qrcodegen::{QrCode, QrCodeEcc};

/// The width of the light border. The standard asks for four cells, but two are enough for cameras, and lines
/// are short.
const MARGIN: i32 = 2;

/// The size of the largest code that is shown, which takes a terminal of more than 24 lines.
const LARGEST: i32 = 45;

pub(crate) struct Qr(QrCode);

impl Qr {
    /// Encodes a text; `None` if it is too long for a terminal.
    pub(crate) fn of(text: &str) -> Option<Self> {
        // A screen is never torn or dirty, so the lowest error correction is enough, which needs fewer cells.
        let code = QrCode::encode_text(text, QrCodeEcc::Low).ok()?;
        (code.size() <= LARGEST).then_some(Self(code))
    }

    /// The width in characters.
    pub(crate) fn width(&self) -> usize {
        self.span().count()
    }

    /// The height in lines.
    pub(crate) fn height(&self) -> usize {
        self.width().div_ceil(2)
    }

    /// The lines of the code. The characters draw its dark cells if `dark_ink` is true, and else its light
    /// ones.
    pub(crate) fn rows(&self, dark_ink: bool) -> Vec<String> {
        let ink = |x, y| self.0.get_module(x, y) == dark_ink;
        let cell = |x, y| match (ink(x, y), ink(x, y + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        self.span().step_by(2).map(|y| self.span().map(|x| cell(x, y)).collect()).collect()
    }

    fn span(&self) -> std::ops::Range<i32> {
        -MARGIN..self.0.size() + MARGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_has_its_corners_and_a_margin_of_light_cells() {
        let code = Qr::of("https://x.test/device?user_code=WDJB-MJHT").unwrap();
        let rows = code.rows(true);
        assert_eq!((code.width(), rows.len()), (33, 17));
        assert_eq!(rows[0], " ".repeat(33));
        // The upper half of a finder pattern (ISO/IEC 18004, 6.3.3): a ring of 7, a ring of 5, a square of 3.
        for (row, finder) in rows[1..].iter().zip(["█▀▀▀▀▀█", "█ ███ █", "█ ▀▀▀ █", "▀▀▀▀▀▀▀"])
        {
            let cells: String = row.chars().skip(2).take(7).collect();
            assert_eq!(cells, finder);
            assert!(row.starts_with("  ") && row.ends_with("  "));
        }
    }

    #[test]
    fn on_dark_ground_the_light_cells_are_drawn() {
        let code = Qr::of("x").unwrap();
        assert!(code.rows(false)[0].chars().all(|cell| cell == '█'));
    }

    #[test]
    fn a_text_that_no_terminal_shows_is_none() {
        assert!(Qr::of(&"x".repeat(300)).is_none());
    }
}
