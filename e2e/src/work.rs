//! Requests of all kinds, each decided by its number, and what their client saw.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context as _, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use crate::client::Answer;
use crate::manifest::{provider, route, target};

const SEED: u64 = 9;
/// What texts are made of: also what JSON escapes and what takes several bytes.
const SYLLABLES: [&str; 12] = [
    "river ", "Å", "\"", "\\", "\n", "ß", "水", "🦀", "\u{7}", "end. ", "</s>", "\u{2028}",
];

/// Hands out the requests.
#[derive(Debug)]
pub struct Work {
    next: AtomicUsize,
    count: usize,
}

/// One request to send.
#[derive(Debug)]
pub struct Job {
    pub body: String,
    kind: Kind,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Whole,
    Stream,
    Tools,
    Cut,
    Limited,
    Refused,
    Unknown,
}

/// A request of which the client has the head of the answer, and what it saw of the rest.
#[derive(Clone, Debug)]
pub struct Begun {
    pub id: String,
    pub body: String,
    pub outcome: &'static str,
    /// It went to a Route, all of which capture content.
    pub is_captured: bool,
    pub content: Option<String>,
    pub tool_calls: Option<Value>,
}

/// Routes that all capture content.
pub fn objects() -> Vec<Value> {
    let routes = [
        ("plain", "sim-chunks-5"),
        ("tools", "sim-tools-2"),
        ("cut", "sim-cut-3"),
        ("limited", "sim-429"),
        ("refused", "sim-400"),
        ("slow", "sim-gap-100-words-600-chunks-600"),
    ];
    let routes = routes.map(|(name, model)| {
        route(
            name,
            json!({
                "targets": [target("only", "sim", model, 1)], "capture": { "content": true }, "retry": { "attempts": 0 },
            }),
        )
    });
    [vec![provider("sim", json!({ "vendor": "Simulated" }))], routes.to_vec()].concat()
}

pub fn slow_body(number: usize) -> String {
    json!({ "model": "slow", "stream": true, "messages": [{ "role": "user", "content": format!("slow {number}") }] })
        .to_string()
}

impl Work {
    pub fn new(count: usize) -> Self {
        Self {
            next: AtomicUsize::new(0),
            count,
        }
    }

    pub fn taken(&self) -> usize {
        self.next.load(Ordering::Relaxed)
    }

    pub fn take(&self) -> Option<Job> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        (number < self.count).then(|| Job::new(number))
    }
}

impl Job {
    fn new(number: usize) -> Self {
        let mut random = SmallRng::seed_from_u64(SEED ^ (number as u64) << 20);
        let kind = match random.random_range(0..100) {
            0..55 => Kind::Whole,
            55..83 => Kind::Stream,
            83..88 => Kind::Tools,
            88..91 => Kind::Cut,
            91..94 => Kind::Limited,
            94..97 => Kind::Refused,
            _ => Kind::Unknown,
        };
        let length = if random.random_range(0..50) == 0 { 4000 } else { 60 };
        let syllables = random.random_range(1..length);
        let text: String = (0..syllables)
            .map(|_| SYLLABLES[random.random_range(0..SYLLABLES.len())])
            .collect();
        let text = format!("{number} {text}");
        Self {
            body: body(kind, &text, &mut random),
            kind,
            text,
        }
    }

    /// What the client saw, which must be the answer to this very request.
    pub fn check(&self, answer: &Answer) -> anyhow::Result<Begun> {
        let (status, outcome) = match self.kind {
            Kind::Whole | Kind::Stream | Kind::Tools => (200, "ok"),
            Kind::Cut => (200, "cut"),
            Kind::Limited => (429, "rate_limited"),
            Kind::Refused => (400, "client_error"),
            Kind::Unknown => (404, "client_error"),
        };
        ensure!(
            answer.status == status && answer.broken.is_none(),
            "{:?} got {answer:?}",
            self.kind
        );
        let content = matches!(self.kind, Kind::Whole | Kind::Stream | Kind::Cut)
            .then(|| answer.content())
            .transpose()?;
        if self.kind != Kind::Cut {
            ensure!(
                content.as_ref().is_none_or(|content| *content == self.text),
                "{content:?} to {:?}",
                self.text
            );
        }
        let tool_calls = (self.kind == Kind::Tools).then(|| tool_calls(answer)).transpose()?;
        let (id, body, is_captured) = (answer.id().to_owned(), self.body.clone(), self.kind != Kind::Unknown);
        Ok(Begun {
            id,
            body,
            outcome,
            is_captured,
            content,
            tool_calls,
        })
    }
}

/// A body as no library would write it, so that it is seen if it is written anew on the way to the store.
fn body(kind: Kind, text: &str, random: &mut SmallRng) -> String {
    let content = json!(format!("repeat: {text}"))
        .to_string()
        .replace('ß', "\\u00DF")
        .replace('/', "\\/");
    let messages = format!("\"messages\" :[ {{\"content\":{content} , \"role\":\"user\"}}]");
    let (model, more) = match kind {
        Kind::Whole => ("plain", ""),
        Kind::Stream => ("plain", ", \"stream\" : true"),
        Kind::Tools => (
            "tools",
            ",\"stream\":true , \"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"parameters\":\
             {\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[\"city\"]}}}]",
        ),
        Kind::Cut => ("cut", ",\"stream\":true"),
        Kind::Limited => ("limited", ""),
        Kind::Refused => ("refused", ""),
        Kind::Unknown => ("unknown", ""),
    };
    let temperature = random.random_range(0..20);
    format!("{{\n\t{messages},\r\n \"temperature\":{temperature}e-1, \"model\":\"{model}\"{more}  }}")
}

/// The calls of a stream, put together as clients do.
fn tool_calls(answer: &Answer) -> anyhow::Result<Value> {
    let mut calls: Vec<Value> = Vec::new();
    for chunk in answer.transcript()?.chunks {
        for part in chunk["choices"][0]["delta"]["tool_calls"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let index = usize::try_from(part["index"].as_u64().context("a call without index")?)?;
            if index == calls.len() {
                let mut call = part.clone();
                call.as_object_mut().map(|call| call.remove("index"));
                calls.push(call);
            } else {
                let more = part["function"]["arguments"].as_str().unwrap_or_default();
                let arguments = &mut calls[index]["function"]["arguments"];
                *arguments = json!(format!("{}{more}", arguments.as_str().unwrap_or_default()));
            }
        }
    }
    ensure!(!calls.is_empty(), "no calls in {}", answer.text());
    Ok(Value::Array(calls))
}
