//! What is in use, and how one pass over the files changes it.
//!
//! An object stays as long as nobody took it away: taken away is what two equal passes in a row miss. What a file held that cannot be
//! read now was not taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use crds::{compiler::Resources, object::ObjectId};

use super::{
    FileFault, Reading, Source, admit,
    gather::{Digest, Gathered},
    kept::{Kept, Texts},
    parse::{Found, Parsed},
};

#[derive(Default)]
pub(super) struct Held {
    files: BTreeMap<Arc<Path>, HeldFile>,
    objects: BTreeMap<Arc<ObjectId>, Entry>,
    /// Objects that another file has too, with the file that does not count.
    shadowed: BTreeSet<(Arc<ObjectId>, Arc<Path>)>,
    /// What the last pass missed.
    missing: BTreeSet<Arc<ObjectId>>,
    /// What the last pass read.
    last: Option<BTreeMap<PathBuf, Option<Digest>>>,
    texts: Texts,
}

struct HeldFile {
    digest: Option<Digest>,
    parsed: Parsed,
}

/// An object in use.
struct Entry {
    file: Arc<Path>,
    found: Arc<Found>,
    /// What it was when it was good, if it is refused now.
    last_good: Option<Kept>,
}

/// What there is to say of one pass.
#[derive(Default)]
struct Remarks {
    faults: Vec<FileFault>,
    warnings: Vec<FileFault>,
}

impl Held {
    /// Whether a pass over the files would change nothing and find nothing new to say. What cannot be read says why, which may change.
    pub(super) fn knows(&self, gathered: &Gathered) -> bool {
        let digests = gathered.digests();
        self.missing.is_empty() && digests.values().all(Option::is_some) && self.last.as_ref() == Some(&digests)
    }

    /// Of what the last pass read from a file.
    pub(super) fn digest(&self, path: &Path) -> Option<Digest> {
        self.files.get(path)?.digest
    }

    /// Takes one pass over the files.
    pub(super) fn absorb(&mut self, gathered: &Gathered) -> Reading {
        let digests = gathered.digests();
        let is_equal = self.last.as_ref() == Some(&digests);
        self.last = Some(digests);
        let mut remarks = Remarks::default();
        for (path, message) in &gathered.unreadable {
            remarks.faults.extend(
                Parsed::broken(path, None, &format!("cannot be read: {message}"))
                    .faults
                    .clone(),
            );
        }
        self.parse(gathered, &mut remarks);
        let mut objects = self.find(&mut remarks);
        self.keep_missing(&mut objects, gathered, is_equal);
        // Built anew from what is in order, its nodes are full; what grew in order is half empty.
        self.objects = objects.into_iter().collect();
        self.texts.forget_unused();
        self.reading(remarks)
    }

    fn parse(&mut self, gathered: &Gathered, remarks: &mut Remarks) {
        let mut files = BTreeMap::new();
        for (path, content) in &gathered.files {
            let digest = content.digest();
            let known = self.files.remove_entry(&**path);
            let (path, file) = match known {
                Some((path, file)) if digest.is_some() && file.digest == digest => (path, file),
                _ => {
                    let parsed = Parsed::from(path, content, &mut self.texts);
                    (path.as_path().into(), HeldFile { digest, parsed })
                }
            };
            remarks.faults.extend(file.parsed.faults.iter().cloned());
            remarks.warnings.extend(file.parsed.warnings.iter().cloned());
            files.insert(path, file);
        }
        self.files = files;
    }

    /// The objects that the files have now, each from the first file that has it.
    fn find(&mut self, remarks: &mut Remarks) -> BTreeMap<Arc<ObjectId>, Entry> {
        let mut objects: BTreeMap<Arc<ObjectId>, Entry> = BTreeMap::new();
        let mut shadowed = BTreeSet::new();
        for (path, file) in &self.files {
            for found in &file.parsed.objects {
                let first = objects.get(&found.id).or_else(|| self.in_front(&found.id, path));
                if let Some(first) = first {
                    remarks.faults.push(shadow_fault(path, found, first));
                    shadowed.insert((Arc::clone(&found.id), Arc::clone(path)));
                } else {
                    objects.insert(Arc::clone(&found.id), self.entry(path, found));
                }
            }
        }
        self.shadowed = shadowed;
        objects
    }

    /// The object of a file that cannot be read now, where the one in `path` already stood behind it.
    fn in_front(&self, id: &Arc<ObjectId>, path: &Arc<Path>) -> Option<&Entry> {
        let entry = self.objects.get(id)?;
        let is_broken = self
            .files
            .get(&entry.file)
            .is_some_and(|file| file.parsed.doubt.includes(id.kind));
        (is_broken && self.shadowed.contains(&(Arc::clone(id), Arc::clone(path)))).then_some(entry)
    }

    fn entry(&self, path: &Arc<Path>, found: &Arc<Found>) -> Entry {
        let before = || self.objects.get(&found.id).and_then(Entry::last_good);
        Entry {
            file: Arc::clone(path),
            last_good: if found.verdict.is_ok() { None } else { before() },
            found: Arc::clone(found),
        }
    }

    /// Keeps what no file has now: what is in doubt, and for one more pass everything else.
    fn keep_missing(&mut self, objects: &mut BTreeMap<Arc<ObjectId>, Entry>, gathered: &Gathered, is_equal: bool) {
        let before = std::mem::take(&mut self.objects);
        let missed = std::mem::take(&mut self.missing);
        for (id, entry) in before
            .into_iter()
            .filter(|(id, _)| !objects.contains_key(id))
            .collect::<Vec<_>>()
        {
            let file = &entry.file;
            let in_doubt = gathered.unreadable.keys().any(|path| file.starts_with(path))
                || self
                    .files
                    .get(file)
                    .is_some_and(|file| file.parsed.doubt.includes(id.kind));
            if !in_doubt {
                if is_equal && missed.contains(&id) {
                    continue;
                }
                self.missing.insert(Arc::clone(&id));
            }
            objects.insert(id, entry);
        }
    }

    fn reading(&self, remarks: Remarks) -> Reading {
        let mut resources = Resources::default();
        let mut sources = BTreeMap::new();
        let mut digests = Vec::new();
        for (id, entry) in &self.objects {
            sources.insert(Arc::clone(id), entry.source());
            digests.push(entry.found.digest);
            entry.put_into(&mut resources);
        }
        let Remarks { faults, warnings } = remarks;
        Reading {
            resources,
            sources,
            faults,
            warnings,
            settled: self.missing.is_empty(),
            digests,
        }
    }
}

impl Entry {
    fn source(&self) -> Source {
        Source {
            file: Arc::clone(&self.file),
            line: self.found.line,
        }
    }

    fn last_good(&self) -> Option<Kept> {
        let now = self.found.verdict.as_ref().ok();
        now.or(self.last_good.as_ref()).cloned()
    }

    fn put_into(&self, resources: &mut Resources) {
        let ObjectId { kind, name } = &*self.found.id;
        match &self.found.verdict {
            Ok(object) => object.clone().put_into(resources, *kind, name.clone()),
            Err(refused) => {
                let refused = (**refused).clone();
                admit::put_refused(refused, self.last_good.clone(), (*kind, name.clone()), resources);
            }
        }
    }
}

fn shadow_fault(path: &Path, found: &Found, first: &Entry) -> FileFault {
    let message = format!(
        "{} is given twice; {}:{} counts, this one does not",
        found.id,
        first.file.display(),
        first.found.line
    );
    FileFault {
        file: path.to_owned(),
        line: Some(found.line),
        object: Some((*found.id).clone()),
        field: String::new(),
        message,
    }
}
