//! Figures as people read them.

use std::time::Duration;

/// USD to pico-USD, for exact sums.
#[expect(
    clippy::cast_possible_truncation,
    reason = "what a demo spends is far below 2^63 pico-USD, 9 million USD"
)]
pub(super) fn pico_usd(usd: f64) -> i64 {
    (usd * 1e12).round() as i64
}

/// Money in US dollars, to the millionth.
pub(super) fn usd(pico_usd: i64) -> String {
    let micro_usd = (pico_usd + 500_000).div_euclid(1_000_000);
    format!("${}.{:06}", micro_usd / 1_000_000, micro_usd % 1_000_000)
}

/// A time in milliseconds.
pub(super) fn ms(time: Duration) -> String {
    match time.as_millis() {
        0..10 => format!("{:.1} ms", time.as_secs_f64() * 1e3),
        whole => format!("{whole} ms"),
    }
}

/// `text` on one line, cut where it gets long.
pub(super) fn short(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_rounded_to_the_millionth_when_shown() {
        assert_eq!(usd(pico_usd(0.000_017_85)), "$0.000018");
        assert_eq!(usd(1_234_567_499_999), "$1.234567");
        assert_eq!(usd(0), "$0.000000");
    }

    #[test]
    fn short_times_keep_a_decimal() {
        assert_eq!(ms(Duration::from_micros(1_260)), "1.3 ms");
        assert_eq!(ms(Duration::from_micros(123_900)), "123 ms");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(short("one\n two", 7), "one two");
        assert_eq!(short("äöü", 2), "äö...");
    }
}
