//! The models that both vendors' lists show: an excerpt, since any name of the grammar is a model.

pub(crate) const LISTED: [&str; 12] = [
    "sim-fast",
    "sim-slow",
    "sim-echo",
    "sim-tools",
    "sim-reasoning",
    "sim-nousage",
    "sim-401",
    "sim-429",
    "sim-500",
    "sim-503",
    "sim-hang",
    "sim-cut-3",
];
/// 2026-01-01, in seconds since 1970.
pub(crate) const CREATED_UNIX_SECONDS: u64 = 1_767_225_600;
/// The same.
pub(crate) const CREATED: &str = "2026-01-01T00:00:00Z";

#[cfg(test)]
mod tests {
    use super::LISTED;
    use crate::simulator::Behaviour;

    #[test]
    fn every_model_of_the_list_exists() {
        for id in LISTED {
            assert!(Behaviour::default().with_model(id).is_ok(), "{id}");
        }
    }
}
