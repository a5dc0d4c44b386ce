//! `route-switch restore`: puts a backup into an empty directory, for a gateway to start on.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use crate::backup::restore::{self, Restored, restore};

#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  route-switch restore --data ./restored < backup.tar
  route-switch serve --manifests ./manifests --data ./restored

All of it is restored or, if it is not whole or holds anything else than a gateway's files, nothing. No gateway may run on the directory
yet. A pod's backup belongs into the volume of the pod with the same number, in a fleet with the same fleet key.")]
pub struct Arguments {
    /// The directory; it is made if it is not there
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    data: PathBuf,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "the standard input is a terminal: give the backup to it, for instance route-switch restore --data DIR < backup.tar"
    )]
    Terminal,
    #[error(transparent)]
    Restore(#[from] restore::Error),
}

pub fn run(Arguments { data }: &Arguments) -> Result<(), Error> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        return Err(Error::Terminal);
    }
    let Restored { about, files, bytes } = restore(data, input)?;
    let pod = about.pod.map_or_else(String::new, |pod| format!(" of {pod}"));
    // Where standard error is closed, there is nobody to tell.
    let _ = writeln!(
        io::stderr(),
        "restored {files} files, {bytes} bytes, to {}: the backup{pod} of {}, by route-switch {}",
        data.display(),
        about.created,
        about.version
    );
    Ok(())
}
