//! Who this pod is.

/// The last number of a pod's name, as a `StatefulSet` gives them: 2 of `gateway-2`. 0 where there is none, or one too large.
pub fn ordinal(name: &str) -> u32 {
    let end = name.trim_end_matches(|letter: char| !letter.is_ascii_digit());
    let start = end.trim_end_matches(|letter: char| letter.is_ascii_digit()).len();
    end[start..].parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ordinal_is_the_last_number_of_the_name() {
        for (name, expected) in [
            ("route-switch-gateway-12", 12),
            ("gw-3-a", 3),
            ("gateway", 0),
            ("", 0),
            ("g-99999999999", 0),
            ("7", 7),
        ] {
            assert_eq!(ordinal(name), expected, "{name}");
        }
    }
}
