//! A program under test in the background: its output in a file, ended by its process id, its last words shown when a test fails.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};

use crate::wait::until;

/// Where `deploy/build` or cargo put the programs.
const PROGRAMS: &str = "ROUTE_SWITCH_PROGRAMS";
const LAST_WORDS: usize = 80;
/// What a person may have set that a test must not depend on.
const AMBIENT: [&str; 6] = [
    "OPENAI_API_KEY",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "OTEL_TRACES_SAMPLER_ARG",
    "ROUTE_SWITCH_LOG",
    "ROUTE_SWITCH_SIMULATOR_API_KEY",
];

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Program {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

/// The program `route-switch`.
pub fn route_switch() -> anyhow::Result<PathBuf> {
    ours("route-switch")
}

/// The program `route-switch-operator`.
pub fn operator() -> anyhow::Result<PathBuf> {
    ours("route-switch-operator")
}

/// A program of the folder that the environment names, else of the one that this test was built into.
fn ours(name: &str) -> anyhow::Result<PathBuf> {
    let folder = match std::env::var_os(PROGRAMS) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::current_exe()?
            .parent()
            .and_then(Path::parent)
            .context("a test lies in target/*/deps")?
            .into(),
    };
    let program = folder.join(name);
    if !program.is_file() {
        bail!(
            "there is no {}; build it (deploy/build) or set {PROGRAMS} to its folder",
            program.display()
        );
    }
    Ok(program)
}

/// A program that is not ours, by the variable in which `e2e/test` says where it is.
pub fn from_environment(variable: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os(variable)
        .with_context(|| format!("{variable} must name a program; e2e/test has it and names it"))?;
    Ok(path.into())
}

impl Program {
    /// Starts `route-switch` with these arguments. What it writes is appended to `log`.
    pub fn start<S: AsRef<OsStr>>(name: &'static str, arguments: &[S], log: &Path) -> anyhow::Result<Self> {
        Self::run(name, &route_switch()?, arguments, log)
    }

    /// Starts any program.
    pub fn run<S: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        arguments: &[S],
        log: &Path,
    ) -> anyhow::Result<Self> {
        Self::run_with(name, program, arguments, &[], log)
    }

    /// Starts any program, with these variables in its environment.
    pub fn run_with<S: AsRef<OsStr>>(
        name: &'static str,
        program: &Path,
        arguments: &[S],
        environment: &[(&str, &OsStr)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        for ambient in AMBIENT {
            command.env_remove(ambient);
        }
        command.envs(environment.iter().copied());
        let child = command
            .spawn()
            .with_context(|| format!("failed to start {}", program.display()))?;
        Ok(Self {
            child,
            name,
            log: log.to_owned(),
        })
    }

    /// All that it wrote so far, and what earlier ones wrote to the same file.
    pub fn output(&self) -> anyhow::Result<String> {
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }

    /// Waits for something in the output behind its first `skip` bytes.
    pub async fn says<T>(&mut self, what: &str, skip: usize, find: impl Fn(&str) -> Option<T>) -> anyhow::Result<T> {
        let name = self.name;
        until(&format!("{what} of {name}"), async || {
            let output = self.output()?;
            if let Some(found) = output.get(skip..).and_then(&find) {
                return Ok(Some(found));
            }
            match self.child.try_wait()? {
                Some(status) => bail!("{name} ended with {status}"),
                None => Ok(None),
            }
        })
        .await
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> anyhow::Result<()> {
        // The shell's own kill: there is no other program that every machine has, and no way from safe Rust.
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\""])
            .arg(self.child.id().to_string())
            .status()?;
        if status.success() {
            Ok(())
        } else {
            bail!("failed to signal {}: it had ended", self.name)
        }
    }

    /// Ends the program as if the machine had: it gets no chance to do anything.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// How it ended, if it did.
    pub fn exited(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program to end by itself.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let name = self.name;
        until(&format!("the end of {name}"), async || Ok(self.child.try_wait()?)).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Shown by the test harness for tests that fail, and for those alone.
        let output = self.output().unwrap_or_default();
        let lines: Vec<&str> = output.lines().collect();
        eprintln!("--- the end of the log of {} ({} lines in all)", self.name, lines.len());
        for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
            eprintln!("{line}");
        }
    }
}
