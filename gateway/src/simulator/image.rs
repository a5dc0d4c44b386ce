//! What an image is, for an answer to tell; nothing if it is none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// An image elsewhere.
pub(crate) fn at(url: &str) -> Option<String> {
    (url.starts_with("https://") || url.starts_with("http://")).then(|| format!("an image at {url}"))
}

/// An image in base64, `kind` being for instance png.
pub(crate) fn inline(kind: &str, data: &str) -> Option<String> {
    let bytes = STANDARD.decode(data).ok()?;
    ["png", "jpeg", "gif", "webp"]
        .contains(&kind)
        .then(|| format!("an image/{kind} of {} bytes", bytes.len()))
}
