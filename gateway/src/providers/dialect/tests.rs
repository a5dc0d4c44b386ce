//! Translations between the dialects: goldens from wire shapes, and properties.

use std::{fs, path::Path};

use bytes::{Bytes, BytesMut};
use crds::provider::Dialect;

use super::openai::stream::{Event, Setting, Stamp, Trailer, UsagePlace};
use crate::{
    capture::record::Usage,
    providers::{fault::Fault, sse::Parser, stream::StreamWriter},
};

mod goldens;
mod properties;

const DIALECTS: [(Dialect, &str); 2] = [(Dialect::OpenAI, "openai"), (Dialect::Anthropic, "anthropic")];

/// Names and texts of the fixtures of one kind (`requests`, `answers`, `streams`) in one dialect.
fn fixtures(dialect: &str, kind: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/dialects")
        .join(dialect)
        .join(kind);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        found.push((name.to_owned(), fs::read(&path).unwrap()));
    }
    found.sort();
    assert!(found.len() >= 4, "{dialect} {kind}");
    found
}

fn stamp() -> Stamp {
    Stamp {
        id: "\"gen-0-X\"".into(),
        model: "\"served\"".into(),
        provider: "\"acme\"".into(),
    }
}

fn writer(provider: Dialect, client: Dialect, place: UsagePlace) -> StreamWriter {
    let setting = Setting {
        stamp: stamp(),
        place,
        price: None,
        created_unix_seconds: 1_795_000_000,
        estimated_prompt_tokens: 11,
        capture: true,
    };
    StreamWriter::new(provider, client, setting)
}

/// What a client gets of a provider's stream that comes in these reads.
fn streamed<'a>(writer: &mut StreamWriter, reads: impl IntoIterator<Item = &'a [u8]>) -> Result<String, Fault> {
    let mut out = BytesMut::new();
    let mut parser = Parser::new(1 << 20);
    for read in reads {
        parser.push(Bytes::copy_from_slice(read));
        while let Some(data) = parser.next_event().unwrap() {
            writer.event(data, &mut out)?;
        }
    }
    if let Some(data) = parser.finish() {
        writer.event(data, &mut out)?;
    }
    let trailer = Trailer {
        target: b"\"a\"",
        attempts: 1,
        overhead_micros: 9,
    };
    writer.end(trailer, &mut out);
    Ok(String::from_utf8(out.to_vec()).unwrap())
}
