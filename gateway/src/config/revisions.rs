//! Revisions of prompts that are kept: one file each in `DATA/revisions/NAMESPACE/`, so that what served once can be pinned, compared
//! and served again. Read when the gateway starts and written when the configuration changes, never for a request.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use crds::{
    admission::{Admitted, admit},
    compiler::{Compiled, Resources, Submitted, revision_manifest},
    object::{Kind, ObjectName},
    prompt_revision::PromptRevision,
    snapshot::Snapshot,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use crate::capture::make_directory;

/// Below the directory of the data.
pub const DIRECTORY: &str = "revisions";
/// Largest file that is read, in bytes: more than any revision that the schema allows.
const MAX_FILE_BYTES: u64 = 32 * 1024 * 1024;
/// How many unused revisions of a prompt are kept whose template is gone.
const ORPHANS: usize = 10;

/// The revisions that are kept.
pub struct Revisions {
    directory: PathBuf,
    now: fn() -> Timestamp,
    kept: BTreeMap<ObjectName, Arc<PromptRevision>>,
    /// Those that could not be written yet.
    unwritten: BTreeSet<ObjectName>,
}

impl Revisions {
    /// Reads what is kept in `directory`, which need not be there. A file that is no revision is left alone, and told.
    pub fn open(directory: PathBuf, now: fn() -> Timestamp) -> Self {
        let mut kept = BTreeMap::new();
        for path in files(&directory) {
            match read(&path) {
                Ok((name, revision)) => drop(kept.insert(name, revision)),
                Err(problem) => {
                    tracing::warn!(file = %path.display(), %problem, "not a revision of a prompt; it is not used");
                }
            }
        }
        Self {
            directory,
            now,
            kept,
            unwritten: BTreeSet::new(),
        }
    }

    /// Adds what is kept to what was read. What stands in a manifest counts.
    pub fn add_to(&self, resources: &mut Resources) {
        for (name, revision) in &self.kept {
            let submitted = || Submitted::WellFormed(Arc::clone(revision));
            resources.prompt_revisions.entry(name.clone()).or_insert_with(submitted);
        }
    }

    /// Keeps the revisions that are new.
    pub fn keep(&mut self, compiled: &mut Compiled) {
        for name in &compiled.unkept {
            let Some(entry) = Arc::make_mut(&mut compiled.snapshot).revisions.get_mut(name) else {
                continue;
            };
            let now = (self.now)();
            entry.created = Some(now.to_string());
            let mut revision = revision_manifest(name, entry);
            revision.metadata.creation_timestamp = Some(Time(now));
            self.kept.insert(name.clone(), Arc::new(revision));
            self.unwritten.insert(name.clone());
        }
        for name in std::mem::take(&mut self.unwritten) {
            let Some(revision) = self.kept.get(&name) else { continue };
            if let Err(error) = write(&self.path(&name), revision) {
                tracing::warn!(revision = %name, %error, "failed to keep a revision of a prompt; it is tried again with the next change");
                self.unwritten.insert(name);
            }
        }
    }

    /// Removes those that nothing uses, the oldest first, beyond what each prompt wants kept.
    pub fn collect(&mut self, snapshot: &Snapshot) {
        let used = snapshot.used_revisions();
        let mut unused: BTreeMap<ObjectName, Vec<(Option<Timestamp>, ObjectName)>> = BTreeMap::new();
        for (name, revision) in self.kept.iter().filter(|(name, _)| !used.contains(name)) {
            let template = ObjectName::new(&*name.namespace, &*revision.spec.template_name);
            let created = revision.metadata.creation_timestamp.as_ref().map(|time| time.0);
            unused.entry(template).or_default().push((created, name.clone()));
        }
        for (template, mut revisions) in unused {
            let limit = snapshot
                .prompts
                .get(&template)
                .map_or(ORPHANS, |prompt| prompt.revision_history_limit);
            revisions.sort_by(|one, other| other.cmp(one));
            for (_, name) in revisions.into_iter().skip(limit) {
                self.remove(&name);
            }
        }
    }

    fn remove(&mut self, name: &ObjectName) {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(revision = %name, %error, "failed to remove a revision of a prompt");
            }
            _ => {
                self.kept.remove(name);
                self.unwritten.remove(name);
            }
        }
    }

    /// Names of objects are safe in paths: neither has a slash, nor begins with a dot.
    fn path(&self, name: &ObjectName) -> PathBuf {
        self.directory
            .join(&*name.namespace)
            .join(format!("{}.json", name.name))
    }
}

/// The files of all namespaces; nothing where nothing was kept yet.
fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let namespaces = entries(directory);
    let files = namespaces.iter().flat_map(|namespace| entries(namespace));
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect()
}

fn read(path: &Path) -> Result<(ObjectName, Arc<PromptRevision>), String> {
    let length = fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > MAX_FILE_BYTES {
        return Err(format!("longer than {MAX_FILE_BYTES} bytes"));
    }
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let admitted = admit(&document).map_err(|refused| {
        let faults: Vec<String> = refused.faults.iter().map(ToString::to_string).collect();
        faults.join("; ")
    })?;
    let id = admitted.id();
    let expected = format!("{}.json", id.name.name);
    if id.kind != Kind::PromptRevision || path.file_name().is_none_or(|name| *name != *expected) {
        return Err(format!("holds {id}"));
    }
    let Admitted::PromptRevision(revision) = admitted else {
        return Err(format!("holds {id}"));
    };
    Ok((id.name, revision))
}

/// Writes a file that is there whole or not at all.
fn write(path: &Path, revision: &PromptRevision) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        make_directory(directory)?;
    }
    let text = serde_json::to_vec_pretty(revision)?;
    let draft = path.with_extension("draft");
    let mut file = fs::File::create(&draft)?;
    file.write_all(&text)?;
    file.sync_all()?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::example::{compiled, object, provider, route, template};

    fn now() -> Timestamp {
        use std::sync::atomic::{AtomicI64, Ordering};
        static SECOND: AtomicI64 = AtomicI64::new(1_700_000_000);
        Timestamp::from_second(SECOND.fetch_add(1, Ordering::Relaxed)).unwrap()
    }

    /// What the manifests give with what is kept; the new ones are kept.
    fn turn(revisions: &mut Revisions, objects: &[Value]) -> Compiled {
        let mut compiled = compiled(objects, |resources| revisions.add_to(resources));
        revisions.keep(&mut compiled);
        revisions.collect(&compiled.snapshot);
        compiled
    }

    #[test]
    fn revisions_outlive_edits_and_restarts_up_to_the_limit_and_as_long_as_they_are_used() {
        let directory = tempfile::tempdir().unwrap();
        let open = || Revisions::open(directory.path().join("revisions"), now);
        let saying = |text: &str, limit: i32| {
            let mut prompt = template("t", &[("user", text)], &[]);
            prompt["spec"]["revisionHistoryLimit"] = json!(limit);
            prompt
        };
        let mut revisions = open();
        let first = turn(&mut revisions, &[saying("0", 2)]);
        let first = first.snapshot.prompts.values().next().unwrap().active_revision.clone();
        let pin = route("r", json!({ "promptRef": { "revision": first } }));
        let mut names = Vec::new();
        for text in ["1", "2", "3", "4"] {
            let compiled = turn(&mut revisions, &[provider("p"), pin.clone(), saying(text, 2)]);
            assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
            names.push(
                compiled
                    .snapshot
                    .prompts
                    .values()
                    .next()
                    .unwrap()
                    .active_revision
                    .clone(),
            );
        }
        let kept = |revisions: &Revisions| {
            revisions
                .kept
                .keys()
                .map(|name| name.name.to_string())
                .collect::<BTreeSet<_>>()
        };
        let expected: BTreeSet<String> = [&first, &names[1], &names[2], &names[3]].into_iter().cloned().collect();
        assert_eq!(kept(&revisions), expected);
        assert_eq!(kept(&open()), expected);
        let mut revisions = open();
        let mut back = saying("4", 0);
        back["spec"]["pinnedRevision"] = json!(names[1]);
        let compiled = turn(&mut revisions, &[provider("p"), pin, back]);
        assert_eq!(
            compiled.snapshot.prompts.values().next().unwrap().active_revision,
            names[1]
        );
        assert_eq!(
            kept(&open()),
            [&first, &names[1], &names[3]].into_iter().cloned().collect()
        );
    }

    #[test]
    fn files_that_are_no_revisions_are_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("default");
        fs::create_dir(&path).unwrap();
        let mut revisions = Revisions::open(directory.path().to_owned(), now);
        turn(&mut revisions, &[template("t", &[("user", "x")], &[])]);
        let good = fs::read(files(directory.path()).remove(0)).unwrap();
        fs::write(path.join("cut.json"), &good[..40]).unwrap();
        fs::write(path.join("other.json"), &good).unwrap();
        let provider = object("Provider", "p", json!({ "vendor": "Simulated" })).to_string();
        fs::write(path.join("p.json"), provider).unwrap();
        assert_eq!(Revisions::open(directory.path().to_owned(), now).kept.len(), 1);
        assert_eq!(files(directory.path()).len(), 4);
    }

    #[test]
    fn what_cannot_be_written_is_used_all_the_same_and_written_later() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("revisions");
        fs::write(&place, "in the way").unwrap();
        let mut revisions = Revisions::open(place.clone(), now);
        let prompt = |text| template("t", &[("user", text)], &[]);
        assert_eq!(turn(&mut revisions, &[prompt("1")]).snapshot.prompts.len(), 1);
        fs::remove_file(&place).unwrap();
        turn(&mut revisions, &[prompt("2")]);
        assert_eq!(Revisions::open(place, now).kept.len(), 2);
    }
}
