//! Vendors are data: one row each. What differs between vendors that speak one wire dialect stands here and nowhere else.

use crate::provider::{Dialect, Vendor};

/// What a Provider of a vendor is when its spec does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VendorRow {
    pub vendor: Vendor,
    /// What it speaks, unless the Provider chooses.
    pub dialect: Dialect,
    /// The vendor's public endpoint, without a slash at the end; `None`: `baseUrl` is required, or the simulator's.
    pub default_base_url: Option<&'static str>,
    /// What OpenTelemetry's conventions for generative AI call it (`gen_ai.provider.name`).
    pub gen_ai_name: &'static str,
    /// The environment variable that holds the credential of Providers without `auth`, for
    /// [`crate::compiler::Settings::ambient_credentials`]; `None`: such Providers send no credential.
    pub ambient_variable: Option<&'static str>,
    /// What the limit of an answer is called in `OpenAI`'s dialect. `OpenAI`'s newer models refuse the old name; many others know only that.
    pub output_limit_field: &'static str,
}

/// The table.
const ROWS: [VendorRow; 4] = [
    VendorRow {
        vendor: Vendor::OpenAI,
        gen_ai_name: "openai",
        dialect: Dialect::OpenAI,
        default_base_url: Some("https://api.openai.com/v1"),
        ambient_variable: Some("OPENAI_API_KEY"),
        output_limit_field: "max_completion_tokens",
    },
    VendorRow {
        vendor: Vendor::Anthropic,
        gen_ai_name: "anthropic",
        dialect: Dialect::Anthropic,
        default_base_url: Some("https://api.anthropic.com"),
        ambient_variable: Some("ANTHROPIC_API_KEY"),
        output_limit_field: "max_tokens",
    },
    VendorRow {
        vendor: Vendor::OpenAICompatible,
        gen_ai_name: "openai_compatible",
        dialect: Dialect::OpenAI,
        default_base_url: None,
        ambient_variable: None,
        output_limit_field: "max_tokens",
    },
    VendorRow {
        vendor: Vendor::Simulated,
        gen_ai_name: "simulated",
        dialect: Dialect::OpenAI,
        default_base_url: None,
        ambient_variable: None,
        output_limit_field: "max_completion_tokens",
    },
];

/// All vendors, for instance to read the environment variables that they name.
pub fn rows() -> &'static [VendorRow] {
    &ROWS
}

/// The row of one vendor.
pub fn row(vendor: Vendor) -> &'static VendorRow {
    ROWS.iter()
        .find(|row| row.vendor == vendor)
        .expect("the table has a row for each vendor, which a test checks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vendor_has_exactly_one_row() {
        for vendor in [
            Vendor::OpenAI,
            Vendor::Anthropic,
            Vendor::OpenAICompatible,
            Vendor::Simulated,
        ] {
            assert_eq!(
                rows().iter().filter(|row| row.vendor == vendor).count(),
                1,
                "{vendor:?}"
            );
            assert_eq!(row(vendor).vendor, vendor);
        }
    }
}
