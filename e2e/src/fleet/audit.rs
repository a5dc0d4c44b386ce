//! The API server's audit log: every write that it was asked for, also those that changed nothing.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

/// One write.
#[derive(Clone, Debug)]
pub struct Write {
    pub user: String,
    pub verb: String,
    /// Plural, for instance `routes`.
    pub resource: String,
    /// For instance `status`; empty for the object itself.
    pub part: String,
    pub namespace: String,
    pub name: String,
    /// What it was answered.
    pub code: u16,
}

/// Reads on in the log.
#[derive(Clone, Debug)]
pub struct Audit {
    log: PathBuf,
    at: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectRef {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    #[serde(default)]
    code: u16,
}

impl Audit {
    pub(super) fn from_now(log: &Path) -> anyhow::Result<Self> {
        let at = std::fs::metadata(log)
            .with_context(|| format!("there is no {}", log.display()))?
            .len();
        Ok(Self {
            log: log.to_owned(),
            at,
        })
    }

    /// What was written since the last call.
    pub fn new_writes(&mut self) -> anyhow::Result<Vec<Write>> {
        let mut file = File::open(&self.log)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // The rest is being written.
        let whole = memchr::memrchr(b'\n', &text).map_or(0, |end| end + 1);
        self.at += whole as u64;
        let lines = text[..whole]
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines.map(read).collect()
    }
}

fn read(line: &[u8]) -> anyhow::Result<Write> {
    let line: Line = serde_json::from_slice(line).with_context(|| String::from_utf8_lossy(line).into_owned())?;
    let object = line.object_ref.unwrap_or_default();
    Ok(Write {
        user: line.user.username,
        verb: line.verb,
        resource: object.resource,
        part: object.subresource,
        namespace: object.namespace,
        name: object.name,
        code: line.response_status.map_or(0, |status| status.code),
    })
}

impl fmt::Display for Write {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user,
            verb,
            resource,
            part,
            namespace,
            name,
            code,
        } = self;
        write!(
            formatter,
            "{verb} {resource}/{part} {namespace}/{name} by {user}: {code}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_who_wrote_what() {
        let line = br#"{"kind":"Event","verb":"patch","user":{"username":"system:serviceaccount:a:b"},
            "objectRef":{"resource":"routes","namespace":"a","name":"r","apiGroup":"routeswitch.io","subresource":"status"},
            "responseStatus":{"metadata":{},"code":200}}"#;
        let write = read(line).unwrap();
        assert_eq!(
            write.to_string(),
            "patch routes/status a/r by system:serviceaccount:a:b: 200"
        );
    }
}
