//! What the demo says before and after its tour: where things are, and what to try.

use std::{io, net::SocketAddr};

use super::{
    client::{ADMIN_KEY, APP_KEY},
    place::{PLAYGROUND, Place},
    screen::Screen,
};
use crate::cli::serve::Addresses;

pub(super) fn welcome(
    screen: Screen,
    place: &Place,
    addresses: Addresses,
    simulator: &str,
    (listen, admin): (Option<SocketAddr>, Option<SocketAddr>),
) -> io::Result<()> {
    let Addresses {
        listen: at,
        admin: admin_at,
    } = addresses;
    let note = |wished: Option<SocketAddr>, usual: SocketAddr, at: SocketAddr| {
        if wished.is_none() && at != usual {
            format!("   ({} is taken)", usual.port())
        } else {
            String::new()
        }
    };
    let kept = if place.kept > 0 {
        "   (those that were there are kept)"
    } else {
        ""
    };
    screen.line(&screen.bold("Route-Switch demo: a gateway on simulated providers"))?;
    screen.line(&format!(
        "   gateway     http://{at}/v1{}",
        note(listen, super::LISTEN, at)
    ))?;
    screen.line(&format!(
        "   admin       http://{admin_at}{}",
        note(admin, super::ADMIN, admin_at)
    ))?;
    screen.line(&format!("   simulator   {simulator}"))?;
    screen.line(&format!("   manifests   {}{kept}", place.manifests.display()))?;
    screen.line(&format!("   stores      {}", place.data.display()))?;
    screen.line(&format!("   log         {}", place.log.display()))
}

pub(super) fn suggest(screen: Screen, place: &Place, addresses: Addresses) -> io::Result<()> {
    // Not indented: a shell's here-document and Python both mind.
    screen.line(&format!(
        "\n{}\n{}",
        screen.bold("Try next, in another terminal"),
        lines_to_try(addresses, &parent(place))
    ))?;
    screen.line(&format!("\n{}", screen.bold("Then")))?;
    screen.line(&format!(
        "   Edit    {} and ask again: it is live when you have saved.",
        place.manifests.join(PLAYGROUND).display()
    ))?;
    screen.line(&format!(
        "   OpenAI  put your key into {}: then \"model\": \"gpt-4o-mini\"",
        place.manifests.join("50-real-providers.yaml").display()
    ))?;
    screen.line(&format!(
        "           asks it, with the key {ADMIN_KEY}. Ollama, vLLM and others stand there as well."
    ))?;
    screen.line(&format!("   Again   {} demo --dir {}", program(), parent(place)))?;
    screen.line("           goes on with these manifests and stores.")?;
    screen.line("\nRunning until Ctrl-C.")
}

pub(super) fn goodbye(screen: Screen, place: &Place) -> io::Result<()> {
    screen.line(&format!(
        "\nStopped; everything is stored. Manifests, stores and log stay in {}",
        parent(place)
    ))
}

fn parent(place: &Place) -> String {
    place
        .manifests
        .parent()
        .unwrap_or(&place.manifests)
        .display()
        .to_string()
}

/// This program, as a shell finds it.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "route-switch".to_owned(), |path| path.display().to_string())
}

/// Copied into a shell, each part works as it stands.
fn lines_to_try(Addresses { listen, admin: _ }: Addresses, dir: &str) -> String {
    format!(
        r#"
curl -N http://{listen}/v1/chat/completions \
  -H "Authorization: Bearer {APP_KEY}" -H "Content-Type: application/json" \
  -d '{{"model": "support-triage", "stream": true, "messages": [{{"role": "user", "content": "Where is my parcel?"}}]}}'

curl -H "Authorization: Bearer {ADMIN_KEY}" "http://{listen}/v1/system/analytics?group_by=route,provider"

python3 -m venv {dir}/venv && {dir}/venv/bin/pip install --quiet openai
{dir}/venv/bin/python - <<'PYTHON'
from openai import OpenAI
client = OpenAI(base_url="http://{listen}/v1", api_key="{APP_KEY}")
answer = client.chat.completions.create(model="support-triage", messages=[{{"role": "user", "content": "Hello"}}])
print(answer.choices[0].message.content, answer.usage)
PYTHON"#
    )
}
