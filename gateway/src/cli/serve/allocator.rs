//! What `serve` asks of the allocator that `DuckDB` brings along (jemalloc): that memory it has freed goes back to the system at once. By itself it
//! keeps a second's worth, which under load is a third of all that the gateway holds.
//!
//! That allocator reads its settings once, before `main`, and from the environment only. So the program starts itself anew with them set: the
//! process stays the same one, with its id, arguments and open files.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    process::Command,
};

const VARIABLE: &str = "DUCKDB_JE_MALLOC_CONF";
const SETTINGS: &str = "narenas:1,dirty_decay_ms:0,muzzy_decay_ms:0";

/// Returns when the settings are in place: somebody set the variable, or this program did before it started itself anew. Where it cannot be started
/// (its file is gone, say) it goes on as it is, with more memory. No other thread may run yet.
pub(super) fn settle() {
    if env::var_os(VARIABLE).is_some() {
        return;
    }
    let mut arguments = env::args_os();
    let Some(name) = arguments.next() else { return };
    if let Ok(program) = env::current_exe() {
        // It returns only when it failed, and that changes nothing.
        let _ = anew(program.as_os_str(), &name, arguments).exec();
    }
}

fn anew(program: &OsStr, name: &OsStr, arguments: impl Iterator<Item = OsString>) -> Command {
    let mut command = Command::new(program);
    command.arg0(name).args(arguments).env(VARIABLE, SETTINGS);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_started_anew_as_it_was_with_the_settings() {
        let arguments = ["serve", "--manifests", "a b"].map(OsString::from);
        let command = anew(OsStr::new("/bin/route-switch"), OsStr::new("rs"), arguments.clone().into_iter());
        assert_eq!(command.get_program(), "/bin/route-switch");
        assert!(command.get_args().eq(&arguments));
        let set: Vec<_> = command.get_envs().collect();
        assert_eq!(set, [(OsStr::new(VARIABLE), Some(OsStr::new(SETTINGS)))]);
    }
}
