//! What is in use, and how one pass over the files changes it.
//!
//! An object stays as long as nobody took it away: taken away is what two equal passes in a row miss. What a file held that cannot be
//! read now was not taken away.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use crds::{
    admission::{Admitted, Refused},
    compiler::Resources,
    object::{Kind, ObjectId, ObjectName},
};

use super::{
    FileFault, Reading, Source, admit,
    gather::{Digest, Gathered},
    parse::{Found, Parsed},
};

#[derive(Default)]
pub(super) struct Held {
    files: BTreeMap<PathBuf, HeldFile>,
    objects: BTreeMap<ObjectId, Entry>,
    /// Objects that another file has too, with the file that does not count.
    shadowed: BTreeSet<(ObjectId, PathBuf)>,
    /// What the last pass missed.
    missing: BTreeSet<ObjectId>,
    /// What the last pass read.
    last: Option<BTreeMap<PathBuf, Option<Digest>>>,
}

struct HeldFile {
    digest: Option<Digest>,
    parsed: Arc<Parsed>,
}

/// An object in use.
#[derive(Clone)]
struct Entry {
    source: Source,
    verdict: Verdict,
    digest: Digest,
}

#[derive(Clone)]
enum Verdict {
    Good(Admitted),
    /// Refused, with what it was when it was good.
    Bad(Refused, Option<Admitted>),
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
        self.reading(remarks)
    }

    fn parse(&mut self, gathered: &Gathered, remarks: &mut Remarks) {
        let mut files = BTreeMap::new();
        for (path, content) in &gathered.files {
            let digest = content.digest();
            let known = self
                .files
                .remove(path)
                .filter(|file| digest.is_some() && file.digest == digest);
            let file = known.unwrap_or_else(|| HeldFile {
                digest,
                parsed: Arc::new(Parsed::from(path, content)),
            });
            remarks.faults.extend(file.parsed.faults.iter().cloned());
            remarks.warnings.extend(file.parsed.warnings.iter().cloned());
            files.insert(path.clone(), file);
        }
        self.files = files;
    }

    /// The objects that the files have now, each from the first file that has it.
    fn find(&mut self, remarks: &mut Remarks) -> BTreeMap<ObjectId, Entry> {
        let mut objects: BTreeMap<ObjectId, Entry> = BTreeMap::new();
        let mut shadowed = BTreeSet::new();
        for (path, file) in &self.files {
            for found in &file.parsed.objects {
                let first = objects.get(&found.id).or_else(|| self.in_front(&found.id, path));
                if let Some(first) = first {
                    remarks.faults.push(shadow_fault(path, found, &first.source));
                    shadowed.insert((found.id.clone(), path.clone()));
                } else {
                    objects.insert(found.id.clone(), self.entry(path, found));
                }
            }
        }
        self.shadowed = shadowed;
        objects
    }

    /// The object of a file that cannot be read now, where the one in `path` already stood behind it.
    fn in_front(&self, id: &ObjectId, path: &Path) -> Option<&Entry> {
        let entry = self.objects.get(id)?;
        let is_broken = self
            .files
            .get(&entry.source.file)
            .is_some_and(|file| file.parsed.doubt.includes(id.kind));
        (is_broken && self.shadowed.contains(&(id.clone(), path.to_owned()))).then_some(entry)
    }

    fn entry(&self, path: &Path, found: &Found) -> Entry {
        let source = Source {
            file: path.to_owned(),
            line: found.line,
        };
        let verdict = match &found.verdict {
            Ok(object) => Verdict::Good(object.clone()),
            Err(refused) => Verdict::Bad(refused.clone(), self.objects.get(&found.id).and_then(Entry::last_good)),
        };
        Entry {
            source,
            verdict,
            digest: found.digest,
        }
    }

    /// Keeps what no file has now: what is in doubt, and for one more pass everything else.
    fn keep_missing(&mut self, objects: &mut BTreeMap<ObjectId, Entry>, gathered: &Gathered, is_equal: bool) {
        let before = std::mem::take(&mut self.objects);
        let missed = std::mem::take(&mut self.missing);
        for (id, entry) in before
            .into_iter()
            .filter(|(id, _)| !objects.contains_key(id))
            .collect::<Vec<_>>()
        {
            let file = &entry.source.file;
            let in_doubt = gathered.unreadable.keys().any(|path| file.starts_with(path))
                || self
                    .files
                    .get(file)
                    .is_some_and(|file| file.parsed.doubt.includes(id.kind));
            if !in_doubt {
                if is_equal && missed.contains(&id) {
                    continue;
                }
                self.missing.insert(id.clone());
            }
            objects.insert(id, entry);
        }
    }

    fn reading(&self, remarks: Remarks) -> Reading {
        let mut resources = Resources::default();
        let mut sources = BTreeMap::new();
        let mut digests = Vec::new();
        for (id, entry) in &self.objects {
            sources.insert(id.clone(), entry.source.clone());
            digests.push(entry.digest);
            entry.clone().put_into(id.kind, id.name.clone(), &mut resources);
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
    fn last_good(&self) -> Option<Admitted> {
        match &self.verdict {
            Verdict::Good(object) => Some(object.clone()),
            Verdict::Bad(_, last_good) => last_good.clone(),
        }
    }

    fn put_into(self, kind: Kind, name: ObjectName, resources: &mut Resources) {
        match self.verdict {
            Verdict::Good(object) => admit::put(object, name, resources),
            Verdict::Bad(refused, last_good) => admit::put_refused(refused, last_good, (kind, name), resources),
        }
    }
}

fn shadow_fault(path: &Path, found: &Found, first: &Source) -> FileFault {
    let message = format!(
        "{} is given twice; {}:{} counts, this one does not",
        found.id,
        first.file.display(),
        first.line
    );
    FileFault {
        file: path.to_owned(),
        line: Some(found.line),
        object: Some(found.id.clone()),
        field: String::new(),
        message,
    }
}
