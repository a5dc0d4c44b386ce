//! The tour: one step after another, each named before it begins, so that one sees what takes its time.

use std::io;

use jiff::Timestamp;

use super::{
    client::{Client, Unexpected},
    place::Place,
    screen::Screen,
    steps::{accounts, chats, edits, prompts, refusals},
};

/// What a step has to say, line by line.
pub(super) type Told = Result<Vec<String>, Unexpected>;

/// How the tour went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tour {
    pub(super) steps: usize,
    pub(super) failed: usize,
}

impl Tour {
    fn begin(&mut self, screen: Screen, title: &str) -> io::Result<()> {
        self.steps += 1;
        screen.line(&format!("\n{}", screen.bold(&format!("{}. {title}", self.steps))))
    }

    fn end(&mut self, screen: Screen, told: Told) -> io::Result<()> {
        match told {
            Ok(lines) => lines
                .iter()
                .try_for_each(|line| screen.line(format!("   {line}").trim_end())),
            Err(unexpected) => {
                self.failed += 1;
                screen.line(&format!(
                    "   {}",
                    screen.bad(&format!("NOT AS IT SHOULD BE: {unexpected}"))
                ))
            }
        }
    }
}

pub(super) async fn run(screen: Screen, mut client: Client, place: &Place) -> io::Result<Tour> {
    let mut tour = Tour::default();
    let client = &mut client;
    // The stores may hold earlier demos.
    let since = Timestamp::now().to_string();

    tour.begin(screen, "Models: what a key may use")?;
    tour.end(screen, chats::models(client).await)?;
    tour.begin(screen, "A chat")?;
    tour.end(screen, chats::whole(client).await)?;
    tour.begin(screen, "A stream, word by word as the provider sends it")?;
    tour.end(screen, chats::streamed(client, screen).await)?;
    tour.begin(screen, "Tools")?;
    tour.end(screen, chats::tools(client).await)?;
    tour.begin(screen, "Shares: 20 requests, weights 7 to 3")?;
    tour.end(screen, chats::shares(client).await)?;
    tour.begin(screen, "Failover: the first target is overloaded")?;
    let mut failed_over = String::new();
    tour.end(screen, chats::failover(client, &mut failed_over).await)?;
    tour.begin(screen, "Refusals: errors as OpenAI sends them")?;
    tour.end(screen, refusals::refusals(client).await)?;
    tour.begin(screen, "An edit that goes live")?;
    tour.end(screen, edits::good(client, place).await)?;
    tour.begin(screen, "An edit with a mistake")?;
    tour.end(screen, edits::bad(client, place).await)?;
    tour.begin(screen, "A prompt, rendered by the gateway")?;
    tour.end(screen, prompts::rendered(client, place).await)?;
    tour.begin(screen, "One request, looked up")?;
    tour.end(screen, accounts::generation(client, &failed_over).await)?;
    tour.begin(screen, "Examples: requests and answers that were kept")?;
    tour.end(screen, accounts::examples(client, place, &since).await)?;
    tour.begin(screen, "Analytics")?;
    tour.end(screen, accounts::analytics(client, &since).await)?;
    tour.begin(screen, "Metrics for Prometheus")?;
    tour.end(screen, accounts::metrics(client).await)?;

    let verdict = match tour.failed {
        0 => screen.good(&format!("All {} steps gave what they should.", tour.steps)),
        failed => screen.bad(&format!(
            "{failed} of {} steps did not give what they should.",
            tour.steps
        )),
    };
    screen.line(&format!("\n{verdict}"))?;
    Ok(tour)
}
