//! A thousand Routes and two hundred prompts in front of three gateways and two operators.

use anyhow::Context as _;
use e2e::fleet::Fleet;
use tokio::time::Instant;

use crate::catalogue::Catalogue;
use crate::{Suite, tell};

pub(crate) const THOUSAND: Catalogue = Catalogue {
    namespace: "thousand",
    routes: 1000,
    prompts: 200,
};

impl Suite {
    /// The fleet with the thousand Routes, all ready. The first scene that asks brings it up.
    pub(crate) async fn thousand(&mut self) -> anyhow::Result<&mut Fleet> {
        if self.thousand.is_none() {
            let fleet = self.fleet(THOUSAND.namespace, 1, 2, 3).await?;
            let began = Instant::now();
            fleet.objects.apply_all(&THOUSAND.all()).await?;
            let applied = began.elapsed();
            fleet.all_ready(&["Provider", "PromptTemplate", "Route"]).await?;
            let ready = began.elapsed();
            tell(&format!(
                "for the reader: 1,200 objects applied in {applied:.1?}, all ready after {ready:.1?}"
            ));
            self.thousand = Some(fleet);
        }
        self.thousand.as_mut().context("just made")
    }
}
