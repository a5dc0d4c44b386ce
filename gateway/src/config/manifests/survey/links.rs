//! Where a path leads, and by which symbolic links.

use std::{
    collections::{BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

/// As many links in a row as the kernel follows.
const MOST_LINKS: usize = 40;

/// The path without symbolic links, whether or not something is there; each link on the way, itself free of links, joins `passages`.
pub(super) fn resolve(path: &Path, passages: &mut BTreeSet<PathBuf>) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    let mut real = PathBuf::from("/");
    let mut rest = VecDeque::new();
    prepend(&absolute, &mut rest);
    let mut links = 0;
    while let Some(step) = rest.pop_front() {
        match Path::new(&step).components().next()? {
            Component::RootDir | Component::Prefix(_) => real = PathBuf::from("/"),
            Component::CurDir => {}
            Component::ParentDir => {
                real.pop();
            }
            Component::Normal(name) => {
                let candidate = real.join(name);
                let Ok(target) = fs::read_link(&candidate) else {
                    real = candidate;
                    continue;
                };
                links += 1;
                if links > MOST_LINKS {
                    return None;
                }
                passages.insert(candidate);
                prepend(&target, &mut rest);
            }
        }
    }
    Some(real)
}

fn prepend(path: &Path, rest: &mut VecDeque<OsString>) {
    for component in path.components().rev() {
        rest.push_front(component.as_os_str().to_owned());
    }
}
