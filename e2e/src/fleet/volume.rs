//! A Secret as kubelet mounts it: files are links into a directory that is swapped as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use k8s_openapi::ByteString;
use serde_json::Value;

/// A mounted Secret.
#[derive(Debug)]
pub struct Volume {
    path: PathBuf,
    version: u32,
}

impl Volume {
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir_all(&path)?;
        Ok(Self { path, version: 0 })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Shows what the Secret holds now.
    pub fn sync(&mut self, secret: &Value) -> anyhow::Result<()> {
        self.fill(&data(secret)?)
    }

    /// Shows these files and no others.
    pub fn fill(&mut self, files: &BTreeMap<String, ByteString>) -> anyhow::Result<()> {
        let old = self.path.join(format!("..version-{}", self.version));
        self.version += 1;
        let version = format!("..version-{}", self.version);
        fs::create_dir(self.path.join(&version))?;
        for (name, ByteString(bytes)) in files {
            fs::write(self.path.join(&version).join(name), bytes)?;
        }
        let draft = self.path.join("..data_tmp");
        symlink(&version, &draft)?;
        fs::rename(&draft, self.path.join("..data"))?;
        for name in files.keys() {
            let link = self.path.join(name);
            if fs::symlink_metadata(&link).is_err() {
                symlink(format!("..data/{name}"), &link)?;
            }
        }
        for entry in fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with("..") && !files.contains_key(&name) {
                fs::remove_file(self.path.join(name))?;
            }
        }
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
        Ok(())
    }
}

/// The data of a Secret as the API server gives it.
pub fn data(secret: &Value) -> anyhow::Result<BTreeMap<String, ByteString>> {
    serde_json::from_value(secret["data"].clone()).context("the Secret has no data")
}
