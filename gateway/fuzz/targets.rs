//! What is fuzzed: every parser of what others send, with what must hold whatever that is. `main.rs` hands each to the fuzzer; the
//! test `corpus` replays the committed inputs.
//!
//! Each function panics if something does not hold, and that is its only way to tell.

#![expect(clippy::panic, reason = "a fuzzer and a test hear nothing else")]

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

use bytes::{Bytes, BytesMut};
use crds::{
    compiler::{Settings, compile},
    provider::Dialect,
};
use gateway::{
    capture::record::Usage,
    config::{
        manifests::Loader,
        resolved::{Config, Route},
    },
    providers::{
        answer::{Answer, Marks},
        dialect::{
            anthropic::request::{MessagesRequest, Purpose},
            openai::{
                request::ChatRequest,
                stream::{Event, Setting, Trailer, UsagePlace},
            },
        },
        front::ClientRequest,
        sse::Parser,
        stamp::Stamp,
        stream::StreamWriter,
        upstream_error::UpstreamError,
    },
};
use http::HeaderMap;
use serde::{Deserialize, de::IgnoredAny};

/// A thing to fuzz, by name.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// The folder of inputs to begin with, beside `fuzz/corpus/NAME`, from this crate's folder.
    pub(crate) seeds: &'static str,
    pub(crate) run: fn(&[u8]),
}

pub(crate) const TARGETS: [Target; 7] = [
    Target {
        name: "openai-request",
        seeds: "tests/golden/dialects/openai/requests",
        run: openai_request,
    },
    Target {
        name: "anthropic-request",
        seeds: "tests/golden/dialects/anthropic/requests",
        run: anthropic_request,
    },
    Target {
        name: "openai-answer",
        seeds: "tests/golden/dialects/openai/answers",
        run: |data| answer(Dialect::OpenAI, data),
    },
    Target {
        name: "anthropic-answer",
        seeds: "tests/golden/dialects/anthropic/answers",
        run: |data| answer(Dialect::Anthropic, data),
    },
    Target {
        name: "openai-stream",
        seeds: "tests/golden/dialects/openai/streams",
        run: |data| stream(Dialect::OpenAI, data),
    },
    Target {
        name: "anthropic-stream",
        seeds: "tests/golden/dialects/anthropic/streams",
        run: |data| stream(Dialect::Anthropic, data),
    },
    Target {
        name: "manifests",
        seeds: "../deploy/samples",
        run: manifests,
    },
];

const DIALECTS: [Dialect; 2] = [Dialect::OpenAI, Dialect::Anthropic];
const MAX_EVENT_BYTES: usize = 1 << 16;

// === Requests ===

/// A Route with a target of each dialect.
fn route() -> Arc<Route> {
    static CONFIG: LazyLock<Config> = LazyLock::new(|| {
        const MANIFESTS: &str = "
{apiVersion: routeswitch.io/v1alpha1, kind: Provider, metadata: {name: one},
 spec: {vendor: OpenAICompatible, baseUrl: 'http://127.0.0.1:1/v1', allowInsecure: true}}
---
{apiVersion: routeswitch.io/v1alpha1, kind: Provider, metadata: {name: other},
 spec: {vendor: Anthropic, baseUrl: 'http://127.0.0.1:1', allowInsecure: true, auth: {none: {}}}}
---
{apiVersion: routeswitch.io/v1alpha1, kind: Route, metadata: {name: both}, spec: {model: both, targets: [
 {name: one, providerRef: {name: one}, model: m}, {name: other, providerRef: {name: other}, model: m}]}}
";
        let directory = Directory::new("route");
        directory.write(MANIFESTS.as_bytes());
        let reading = Loader::new(&directory.0).expect("the directory is there").read();
        let compiled = compile(&reading.resources, &Settings::default(), None);
        assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
        Config::resolve(std::sync::Arc::unwrap_or_clone(compiled.snapshot), None)
    });
    Arc::clone(CONFIG.all_routes()[0])
}

fn openai_request(data: &[u8]) {
    if let Ok(request) = ChatRequest::scan(Bytes::copy_from_slice(data)) {
        bodies(&ClientRequest::OpenAi(request), is_json(data));
    }
}

fn anthropic_request(data: &[u8]) {
    for purpose in [Purpose::Answer, Purpose::Count] {
        if let Ok(request) = MessagesRequest::scan(Bytes::copy_from_slice(data), &HeaderMap::new(), purpose) {
            bodies(&ClientRequest::Anthropic(request), is_json(data));
        }
    }
}

/// What is looked at in a body. The rest is only held against the grammar, which allows half of a surrogate pair, as clients send it
/// and providers get it.
#[derive(Deserialize)]
struct Asked {
    model: String,
}

/// What goes to a provider asks for the target's model and is JSON, if what came was, or if it is written anew: a scan finds what it
/// must change and leaves it to the provider to judge the rest.
fn bodies(request: &ClientRequest, is_json: bool) {
    let route = route();
    assert_eq!(route.targets.len(), DIALECTS.len());
    for target in &route.targets {
        let Ok(body) = request.body_for(target) else { continue };
        if !is_json && target.dialect == request.dialect() {
            continue;
        }
        let body = body.concat();
        json::<IgnoredAny>(&body);
        // Keys are decoded here, and may hold what the grammar allows and no text can.
        if let Ok(asked) = serde_json::from_slice::<Asked>(&body) {
            assert_eq!(asked.model, "m", "{}", String::from_utf8_lossy(&body));
        }
    }
}

// === Answers ===

fn stamp() -> Stamp {
    Stamp {
        id: Bytes::from_static(b"\"gen-0-1\""),
        model: Bytes::from_static(b"\"m\""),
        provider: Bytes::from_static(b"\"p\""),
    }
}

/// An answer that is taken is written as JSON, for clients of either dialect, and so is what is kept of it; unless it was none, and
/// is passed on.
fn answer(provider: Dialect, data: &[u8]) {
    let _ = UpstreamError::read(data);
    let stamp = stamp();
    for client in DIALECTS {
        let Ok(answer) = Answer::read(Bytes::copy_from_slice(data), provider, client) else {
            continue;
        };
        let used = answer.usage().unwrap_or_default();
        let marks = Marks {
            stamp: &stamp,
            created_unix_seconds: 0,
            used: &used,
            cost_pico_usd: Some(1),
        };
        let (written, message) = (answer.written(&marks).concat(), answer.message());
        if client != provider || is_json(data) {
            json::<IgnoredAny>(&written);
            assert!(message.is_empty() || is_json(&message), "{message:?}");
        }
        let _: (Usage, _, usize) = (used, answer.finish_reason(), answer.content_bytes());
    }
}

// === Streams ===

/// What a client was sent of a stream, and whether it ended well.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    text: BytesMut,
    ended: bool,
}

/// What is looked at in the last event of a stream.
#[derive(Deserialize)]
struct Last {
    #[serde(rename = "type")]
    kind: String,
}

/// However a stream is cut into reads, a client is sent the same; each event of it is JSON, unless one that was none is passed on; it
/// ends with the dialect's last event or with a failure that the gateway tells in words of its own.
fn stream(provider: Dialect, data: &[u8]) {
    // The last byte says how: the files that it begins with end in a line's end, which a stream can do without.
    let Some((step, data)) = data.split_last() else { return };
    let came_as_json = events_of(data).iter().all(|event| is_json(event) || event == "[DONE]");
    for client in DIALECTS {
        let whole = sent(provider, client, [data]);
        let cut = sent(provider, client, data.chunks(usize::from(*step) + 1));
        assert_eq!(whole, cut);
        assert!(
            whole.text.is_empty() || whole.text.ends_with(b"\n\n"),
            "an event without its end"
        );
        let events = events_of(&whole.text);
        let (last, others) = match events.split_last() {
            Some((last, others)) if whole.ended => (Some(last), others),
            _ => (None, &events[..]),
        };
        if client != provider || came_as_json {
            for event in others {
                json::<IgnoredAny>(event);
            }
        }
        match (last, client) {
            (None, _) => assert!(!whole.ended, "a stream that ended well without a word"),
            (Some(last), Dialect::OpenAI) => assert_eq!(last, "[DONE]"),
            (Some(last), Dialect::Anthropic) => assert_eq!(json::<Last>(last).kind, "message_stop"),
        }
    }
}

fn sent<'a>(provider: Dialect, client: Dialect, reads: impl IntoIterator<Item = &'a [u8]>) -> Sent {
    let mut writer = StreamWriter::new(
        provider,
        client,
        Setting {
            stamp: stamp(),
            place: UsagePlace::OwnChunk,
            price: None,
            created_unix_seconds: 0,
            estimated_prompt_tokens: 1,
            capture: true,
        },
    );
    let mut text = BytesMut::new();
    let taken = take_all(&mut writer, reads, &mut text);
    let ended = taken && writer.is_finished();
    if ended {
        let trailer = Trailer {
            target: b"\"t\"",
            attempts: 1,
            overhead_micros: 1,
        };
        writer.end(trailer, &mut text);
    }
    let _ = (writer.usage(), writer.finish_reason(), writer.take_deltas());
    Sent { text, ended }
}

/// False if the provider's stream is at fault.
fn take_all<'a>(writer: &mut StreamWriter, reads: impl IntoIterator<Item = &'a [u8]>, text: &mut BytesMut) -> bool {
    let mut parser = Parser::new(MAX_EVENT_BYTES);
    for read in reads {
        parser.push(Bytes::copy_from_slice(read));
        loop {
            match parser.next_event() {
                Ok(Some(event)) => match writer.event(event, text) {
                    Ok(Event::Done) => return true,
                    Ok(_) => {}
                    Err(_) => return false,
                },
                Ok(None) => break,
                Err(_) => return false,
            }
        }
    }
    parser.finish().is_none_or(|event| writer.event(event, text).is_ok())
}

fn events_of(text: &[u8]) -> Vec<Bytes> {
    let mut parser = Parser::new(usize::MAX);
    parser.push(Bytes::copy_from_slice(text));
    let mut events = Vec::new();
    while let Ok(Some(event)) = parser.next_event() {
        events.push(event);
    }
    events.extend(parser.finish());
    events
}

fn is_json(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok() && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn json<T: serde::de::DeserializeOwned>(text: &[u8]) -> T {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

// === Manifests ===

/// Any file is read and compiled, or refused; doing it once more gives the same.
fn manifests(data: &[u8]) {
    static DIRECTORY: LazyLock<Directory> = LazyLock::new(|| Directory::new("manifests"));
    DIRECTORY.write(data);
    let reading = Loader::new(&DIRECTORY.0).expect("the directory is there").read();
    let first = compile(&reading.resources, &Settings::default(), None);
    let second = compile(&reading.resources, &Settings::default(), Some(&first.snapshot));
    assert_eq!(first.snapshot.revision, second.snapshot.revision);
    Config::resolve(std::sync::Arc::unwrap_or_clone(second.snapshot), None);
}

/// A directory of one file, for this process; in memory where there is such a place.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let memory = PathBuf::from("/dev/shm");
        let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let path = root.join(format!("route-switch-fuzz-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }

    fn write(&self, data: &[u8]) {
        fs::write(self.0.join("all.yaml"), data).expect("a file can be written");
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
