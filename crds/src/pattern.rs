//! The patterns of the schema and what they mean in plain words, so that a refusal need not quote a regular expression.
//!
//! They are written in the part of the syntax that Go's RE2 (the API server) and Rust's engines read alike: no `\s`, no `\d`, no look-around.

/// `500ms`, `30s`, `1m30s`.
pub const DURATION: &str = "^([0-9]+(ms|s|m|h|d))+$";
/// DNS-1123 subdomain.
pub const OBJECT_NAME: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// DNS-1123 label.
pub const NAMESPACE: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";
/// DNS-1123 label or `*`.
pub const NAMESPACE_OR_ALL: &str = "^([*]|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$";
/// A key of a Secret's or `ConfigMap`'s data.
pub const DATA_KEY: &str = "^[-._a-zA-Z0-9]+$";
/// A model as a provider calls it: visible ASCII.
pub const MODEL_NAME: &str = "^[!-~]+$";
/// A model as clients call it: visible ASCII without `@`, which separates a model from a preset.
pub const ROUTE_NAME: &str = "^[!-?A-~]+$";
/// Name of a target within its Route.
pub const TARGET_NAME: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
/// An identifier of the template language.
pub const VARIABLE_NAME: &str = "^[A-Za-z_][A-Za-z0-9_]*$";
/// http or https, a host, perhaps a port and a path; no user, query or fragment.
pub const BASE_URL: &str =
    r"^https?://([-A-Za-z0-9._]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[-A-Za-z0-9._~%!$&'()*+,;=:@/]*)?$";
/// Visible ASCII with spaces inside.
pub const HEADER_VALUE: &str = "^[!-~]([ -~]*[!-~])?$";
/// A decimal number without sign and exponent.
pub const DECIMAL: &str = "^[0-9]+([.][0-9]+)?$";
/// The name of a JSON schema, as `OpenAI` takes it.
pub const SCHEMA_NAME: &str = "^[-_a-zA-Z0-9]+$";
/// A SHA-256.
pub const SHA256: &str = "^[0-9a-f]{64}$";

/// What a text that matches `pattern` looks like, to follow "must be".
pub fn words(pattern: &str) -> Option<&'static str> {
    Some(match pattern {
        DURATION => "a duration like 500ms, 30s or 1m30s",
        OBJECT_NAME | TARGET_NAME => "lower-case letters, digits, - and ., beginning and ending with a letter or digit",
        NAMESPACE => "lower-case letters, digits and -, beginning and ending with a letter or digit",
        NAMESPACE_OR_ALL => "the name of a namespace (lower-case letters, digits and -) or *",
        DATA_KEY => "letters, digits, -, _ and .",
        MODEL_NAME => "visible ASCII characters without spaces",
        ROUTE_NAME => "visible ASCII characters without spaces and @",
        VARIABLE_NAME => "letters, digits and _, not beginning with a digit",
        BASE_URL => {
            "an http or https URL with a host and without user, query or fragment, like https://api.example.com/v1"
        }
        DECIMAL => "a decimal number like 0.7",
        SCHEMA_NAME => "letters, digits, - and _",
        SHA256 => "64 lower-case hexadecimal digits",
        HEADER_VALUE => "visible ASCII characters and spaces, without a space at the ends",
        _ => return None,
    })
}
