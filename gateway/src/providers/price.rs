//! What tokens cost. Prices are micro-USD per million tokens, so tokens x price = pico-USD (10^-12 USD).

use crds::snapshot::ModelEntry;

use crate::capture::record::Usage;

/// Prices of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "a unit stands in the name of each amount")]
pub struct Price {
    input_micro_usd_per_m_tok: u64,
    output_micro_usd_per_m_tok: u64,
    cached_input_micro_usd_per_m_tok: u64,
    cache_write_micro_usd_per_m_tok: u64,
}

impl Price {
    /// None when a price is missing: the cost is then unknown, not zero.
    pub fn of(model: &ModelEntry) -> Option<Self> {
        let input_micro_usd_per_m_tok = model.input_micro_usd_per_m_tok?;
        Some(Self {
            input_micro_usd_per_m_tok,
            output_micro_usd_per_m_tok: model.output_micro_usd_per_m_tok?,
            cached_input_micro_usd_per_m_tok: model
                .cached_input_micro_usd_per_m_tok
                .unwrap_or(input_micro_usd_per_m_tok),
            cache_write_micro_usd_per_m_tok: model
                .cache_write_micro_usd_per_m_tok
                .unwrap_or(input_micro_usd_per_m_tok),
        })
    }

    /// Cost in pico-USD; none if it does not fit.
    pub fn cost_pico_usd(&self, usage: &Usage) -> Option<i64> {
        let cached = usage.cached_tokens.min(usage.prompt_tokens);
        let written = usage.cache_write_tokens.min(usage.prompt_tokens - cached);
        let parts = [
            (usage.prompt_tokens - cached - written, self.input_micro_usd_per_m_tok),
            (cached, self.cached_input_micro_usd_per_m_tok),
            (written, self.cache_write_micro_usd_per_m_tok),
            (usage.completion_tokens, self.output_micro_usd_per_m_tok),
        ];
        let sum: u128 = parts
            .iter()
            .map(|(tokens, price)| u128::from(*tokens) * u128::from(*price))
            .sum();
        i64::try_from(sum).ok()
    }
}

/// Pico-USD as a JSON number in USD, exact.
pub fn usd(pico_usd: i64) -> String {
    let mut out = Vec::with_capacity(24);
    write_usd(pico_usd, &mut out);
    String::from_utf8(out).expect("digits are UTF-8")
}

/// Appends what [`usd`] gives.
pub fn write_usd(pico_usd: i64, out: &mut Vec<u8>) {
    const PLACES: usize = 12;
    let magnitude = pico_usd.unsigned_abs();
    if pico_usd < 0 {
        out.push(b'-');
    }
    let whole = magnitude / 1_000_000_000_000;
    if whole < 10 {
        out.push(digit(whole));
    } else {
        out.extend_from_slice(whole.to_string().as_bytes());
    }
    let mut rest = magnitude % 1_000_000_000_000;
    if rest == 0 {
        return;
    }
    let mut digits = [0; PLACES];
    for place in digits.iter_mut().rev() {
        *place = digit(rest % 10);
        rest /= 10;
    }
    let length = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(0, |last| last + 1);
    out.push(b'.');
    out.extend_from_slice(&digits[..length]);
}

/// The last decimal digit.
fn digit(number: u64) -> u8 {
    b"0123456789"[(number % 10) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_tokens_have_their_own_price() {
        let model = ModelEntry {
            input_micro_usd_per_m_tok: Some(150_000),
            output_micro_usd_per_m_tok: Some(600_000),
            cached_input_micro_usd_per_m_tok: Some(75_000),
            cache_write_micro_usd_per_m_tok: Some(187_500),
            ..ModelEntry::default()
        };
        let usage = Usage {
            prompt_tokens: 1_000,
            cached_tokens: 400,
            cache_write_tokens: 100,
            completion_tokens: 10,
            ..Usage::default()
        };
        assert_eq!(
            Price::of(&model).unwrap().cost_pico_usd(&usage),
            Some(500 * 150_000 + 400 * 75_000 + 100 * 187_500 + 10 * 600_000)
        );
        assert_eq!(
            Price::of(&ModelEntry {
                output_micro_usd_per_m_tok: None,
                ..model
            }),
            None
        );
    }

    #[test]
    fn usd_is_exact() {
        for (pico, text) in [
            (0, "0"),
            (1, "0.000000000001"),
            (1_500_000_000_000, "1.5"),
            (-20_000_000, "-0.00002"),
            (12_000_000_000_001, "12.000000000001"),
        ] {
            assert_eq!(usd(pico), text);
        }
    }
}
