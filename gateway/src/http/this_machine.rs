//! Whether a request was meant for this machine. To come from it is not enough: a browser carries out what a page of anybody asks, and a
//! proxy what comes from anywhere.

use std::net::IpAddr;

use http::{HeaderMap, header};

/// Whether `Host` and, if there is one, `Origin` name this machine. A page of another site is named in `Origin`; one whose name was made
/// to lead here (DNS rebinding), and a public name before a proxy, in `Host`.
pub(super) fn is_named(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).map(|host| host.to_str().ok());
    let origin = headers
        .get(header::ORIGIN)
        .map(|origin| origin.to_str().ok()?.split_once("://").map(|(_, authority)| authority));
    [host, origin]
        .into_iter()
        .flatten()
        .all(|authority| authority.is_some_and(is_loopback))
}

fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let address = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || address
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(host: Option<&'static str>, origin: Option<&'static str>) -> HeaderMap {
        [(header::HOST, host), (header::ORIGIN, origin)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::from_static(value?))))
            .collect()
    }

    #[test]
    fn pages_and_names_of_others_are_not_this_machine() {
        for host in [
            "localhost",
            "LocalHost:8080",
            "127.0.0.1:8080",
            "127.8.9.1",
            "[::1]:80",
            "[::1]",
        ] {
            assert!(is_named(&headers(Some(host), None)), "{host}");
        }
        assert!(is_named(&headers(None, None)));
        assert!(is_named(&headers(
            Some("127.0.0.1:8080"),
            Some("http://localhost:3000")
        )));
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "192.0.2.1:80",
            "",
            "127.0.0.1.evil.example",
            "[::1",
        ] {
            assert!(!is_named(&headers(Some(host), None)), "{host}");
        }
        for origin in ["null", "https://evil.example", "http://localhost:80@evil.example"] {
            assert!(!is_named(&headers(Some("127.0.0.1"), Some(origin))), "{origin}");
        }
    }
}
