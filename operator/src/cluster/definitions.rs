//! Whether our kinds are installed. A watch of a kind that is not there would fail; a watch that failed at first is slow to begin.

use std::time::Duration;

use crds::admission::API_VERSION;
use kube::Client;
use tokio::time::sleep;

use crate::admin::Readiness;

const SUBJECT: &str = "CustomResourceDefinitions";
/// By their plural names.
const KINDS: [&str; 4] = ["providers", "promptrevisions", "prompttemplates", "routes"];
const PAUSE: Duration = Duration::from_secs(1);

/// Waits until all are. Asked by discovery, which lists what is established, and which everybody may read.
pub(super) async fn established(client: &Client, readiness: &Readiness) {
    let mut told = String::new();
    loop {
        let reason = match client.list_api_group_resources(API_VERSION).await {
            Ok(found) => missing(found.resources.iter().map(|resource| &*resource.name)),
            Err(kube::Error::Api(status)) if status.code == 404 => missing(std::iter::empty()),
            Err(error) => Some(format!("the API server does not tell: {error}")),
        };
        let Some(reason) = reason else {
            readiness.is_there(SUBJECT);
            return;
        };
        if reason != told {
            tracing::warn!("waiting for the CustomResourceDefinitions: {reason}");
            told.clone_from(&reason);
        }
        readiness.waits(SUBJECT, reason);
        sleep(PAUSE).await;
    }
}

fn missing<'a>(found: impl Iterator<Item = &'a str>) -> Option<String> {
    let found: Vec<&str> = found.collect();
    let missing: Vec<&str> = KINDS.into_iter().filter(|kind| !found.contains(kind)).collect();
    (!missing.is_empty()).then(|| format!("{} are not installed; apply deploy/crds/", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_that_are_missing_are_named() {
        let all = [
            "providers",
            "providers/status",
            "routes",
            "prompttemplates",
            "promptrevisions",
        ];
        assert_eq!(missing(all.into_iter()), None);
        let some = missing(["providers", "routes/status"].into_iter()).unwrap();
        assert!(
            some.starts_with("promptrevisions, prompttemplates, routes are not installed"),
            "{some}"
        );
    }
}
