//! What the status of a Provider says beside conditions and pods.

use crds::{provider::Provider, snapshot::ProviderEntry};

use crate::controllers::stored::Details;

/// What is declared counts; where that cannot be read, what is served.
pub(super) fn details(provider: Option<&Provider>, entry: Option<&ProviderEntry>) -> Details<'static> {
    let declared = provider.map(|provider| provider.spec.models.len());
    let models = declared.or_else(|| entry.map(|entry| entry.models.len()));
    Details::Provider {
        models: models.and_then(|models| i32::try_from(models).ok()),
    }
}
