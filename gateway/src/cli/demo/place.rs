//! Where the demo keeps its files: manifests, stores and log, in one directory.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use jiff::Zoned;

/// The sample manifests, by file name.
const SAMPLES: [(&str, &str); 6] = [
    (
        "10-providers.yaml",
        include_str!("../../../../deploy/samples/10-providers.yaml"),
    ),
    (
        "20-routes.yaml",
        include_str!("../../../../deploy/samples/20-routes.yaml"),
    ),
    (
        "30-prompts.yaml",
        include_str!("../../../../deploy/samples/30-prompts.yaml"),
    ),
    (
        "40-demo-keys.yaml",
        include_str!("../../../../deploy/samples/40-demo-keys.yaml"),
    ),
    (
        "50-real-providers.yaml",
        include_str!("../../../../deploy/samples/50-real-providers.yaml"),
    ),
    (PLAYGROUND, PLAYGROUND_TEXT),
];

/// The file that the demo edits while the gateway runs.
pub(super) const PLAYGROUND: &str = "60-playground.yaml";
/// What is in it before.
pub(super) const PLAYGROUND_TEXT: &str = include_str!("../../../../deploy/samples/60-playground.yaml");

/// Directories of one demo.
pub(super) struct Place {
    pub(super) manifests: PathBuf,
    pub(super) data: PathBuf,
    pub(super) log: PathBuf,
    /// Sample files that were there and were left as they are.
    pub(super) kept: usize,
}

/// Why there is no place for the demo.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("failed to make the directory {}", .0.display())]
    MakeDirectory(PathBuf, #[source] io::Error),
    #[error("failed to write {}", .0.display())]
    Write(PathBuf, #[source] io::Error),
}

impl Place {
    /// Makes what is not there yet, in `dir` or in a new directory among the temporary files.
    pub(super) fn make(dir: Option<PathBuf>) -> Result<Self, Error> {
        let dir = dir.map_or_else(fresh, Ok)?;
        let mut place = Self {
            manifests: dir.join("manifests"),
            data: dir.join("data"),
            log: dir.join("gateway.log"),
            kept: 0,
        };
        make(&place.manifests, true)?;
        for (name, text) in SAMPLES {
            let file = place.manifests.join(name);
            if name != PLAYGROUND && file.exists() {
                place.kept += 1;
            } else {
                fs::write(&file, text).map_err(|source| Error::Write(file, source))?;
            }
        }
        Ok(place)
    }

    /// The log, to be written on at its end.
    pub(super) fn open_log(&self) -> Result<File, Error> {
        let opened = OpenOptions::new().create(true).append(true).open(&self.log);
        opened.map_err(|source| Error::Write(self.log.clone(), source))
    }
}

/// A new directory, named by the time.
fn fresh() -> Result<PathBuf, Error> {
    let name = format!(
        "route-switch-demo-{}-{}",
        Zoned::now().strftime("%Y%m%d-%H%M%S"),
        std::process::id()
    );
    let dir = std::env::temp_dir().join(name);
    make(&dir, false)?;
    Ok(dir)
}

/// Makes a directory for this user alone: it will hold keys and what requests said.
fn make(dir: &Path, may_exist: bool) -> Result<(), Error> {
    let made = DirBuilder::new().mode(0o700).recursive(may_exist).create(dir);
    made.map_err(|source| Error::MakeDirectory(dir.to_owned(), source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::manifests::Loader;
    use crds::compiler::{Settings, compile};

    #[test]
    fn the_samples_are_served_without_a_fault() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(Some(dir.path().to_owned())).unwrap();
        let reading = Loader::new(&place.manifests).unwrap().read();
        assert_eq!((reading.faults, reading.warnings), (vec![], vec![]));
        let settings = Settings {
            simulator_url: Some("http://127.0.0.1:1".to_owned()),
            ..Settings::default()
        };
        let compiled = compile(&reading.resources, &settings, None);
        assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
        let snapshot = compiled.snapshot;
        assert_eq!((snapshot.providers.len(), snapshot.routes.len()), (4, 8));
        assert_eq!((snapshot.prompts.len(), snapshot.keys.len()), (2, 3));
    }

    #[test]
    fn every_sample_of_the_repository_is_written() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/samples");
        let mut there: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(there, SAMPLES.map(|(name, _)| name));
    }

    #[test]
    fn files_that_are_there_are_kept_but_for_the_playground() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(Some(dir.path().to_owned())).unwrap();
        assert_eq!(place.kept, 0);
        for name in ["20-routes.yaml", PLAYGROUND] {
            fs::write(place.manifests.join(name), "# mine").unwrap();
        }
        let place = Place::make(Some(dir.path().to_owned())).unwrap();
        assert_eq!(place.kept, SAMPLES.len() - 1);
        let read = |name| fs::read_to_string(place.manifests.join(name)).unwrap();
        assert_eq!(
            (read("20-routes.yaml").as_str(), read(PLAYGROUND).as_str()),
            ("# mine", PLAYGROUND_TEXT)
        );
    }
}
