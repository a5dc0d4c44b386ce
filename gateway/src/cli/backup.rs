//! `route-switch backup`: asks the gateway on this machine, or in this pod, for all that it keeps.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use crds::fleet::{
    Refusal,
    signature::{HEADER, Request, sign},
};

use super::serve::loopback;
use crate::backup::PATH;
use crate::fleet::{keys, siblings::UID_HEADER, unix_millis};

/// How long the gateway may take to be found; how long a backup may take is for its size to say.
const REACH: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch backup > backup.tar
  kubectl exec route-switch-gateway-0 -c gateway -- route-switch backup > gateway-0.tar
  route-switch restore --data ./restored < backup.tar

It holds the stores of examples and analytics, each as of one moment, revisions of prompts and, in a fleet, the last known good
configuration (sealed with the fleet key, which is not in it). The gateway goes on serving. While it is made, the volume holds a second
copy of the stores: it is refused where there is no room. It is a backup only if this ends with status 0. Of a gateway that has stopped,
the directory itself is the backup: copy it.")]
pub struct Arguments {
    /// Admin port of the gateway
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9090", value_parser = loopback)]
    admin: SocketAddr,
    /// Directory of the fleet key, with which a gateway of a fleet must be asked
    #[arg(long, value_name = "DIR", default_value = "/etc/route-switch/fleet-key", value_hint = clap::ValueHint::DirPath)]
    fleet_key: PathBuf,
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the standard output is a terminal: send the backup to a file, for instance route-switch backup > backup.tar"
    )]
    Terminal,
    #[error(
        "failed to reach the admin port of a gateway at {admin}; is it running, and here? --admin names another port; of one that has stopped, copy the directory"
    )]
    Reach { admin: SocketAddr, source: reqwest::Error },
    #[error("the gateway belongs to a fleet; --fleet-key names the directory of its key")]
    Key(#[from] keys::Error),
    #[error("the gateway refused ({status}): {message}")]
    Refused { status: u16, message: String },
    #[error("the backup broke off after {bytes} bytes, and is none; the gateway's log may say why")]
    Cut { bytes: u64, source: reqwest::Error },
    #[error("failed to write to the standard output")]
    Output(#[source] io::Error),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
}

pub fn run(arguments: &Arguments) -> Result<(), Error> {
    let mut output = io::stdout().lock();
    if output.is_terminal() {
        return Err(Error::Terminal);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Error::Runtime)?;
    let bytes = runtime.block_on(take(arguments, &mut output))?;
    // Where standard error is closed, there is nobody to tell.
    let _ = writeln!(io::stderr(), "a backup of {bytes} bytes");
    Ok(())
}

/// Returns how many bytes there were.
async fn take(Arguments { admin, fleet_key }: &Arguments, output: &mut impl Write) -> Result<u64, Error> {
    let reach = |source| Error::Reach { admin: *admin, source };
    let client = reqwest::Client::builder().no_proxy().connect_timeout(REACH).build();
    let client = client.map_err(reach)?;
    let readyz = client.get(format!("http://{admin}/readyz")).timeout(REACH);
    let readyz = readyz.send().await.map_err(reach)?;
    let mut request = client.post(format!("http://{admin}{PATH}"));
    if let Some(uid) = readyz.headers().get(UID_HEADER).and_then(|uid| uid.to_str().ok()) {
        let keys = keys::read(fleet_key)?;
        let asked = Request {
            method: "POST",
            path: PATH,
            body: b"",
            receiver: uid,
        };
        let signature = sign(&keys, keys.current.id(), asked, unix_millis(), rand::random());
        request = request.header(HEADER, signature);
    }
    let mut answer = request.send().await.map_err(reach)?;
    if answer.status() != http::StatusCode::OK {
        let status = answer.status().as_u16();
        let said = answer.json::<Refusal>().await.ok();
        let message = said.map_or_else(
            || "without a reason; is this a gateway's admin port, and is it of this version?".to_owned(),
            |said| said.message,
        );
        return Err(Error::Refused { status, message });
    }
    let mut bytes = 0;
    while let Some(chunk) = answer.chunk().await.map_err(|source| Error::Cut { bytes, source })? {
        output.write_all(&chunk).map_err(Error::Output)?;
        bytes += chunk.len() as u64;
    }
    output.flush().map_err(Error::Output)?;
    Ok(bytes)
}
