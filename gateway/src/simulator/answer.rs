//! What is answered: a pure function of the seed, the request and the behaviour. Knows no dialect.

use serde_json::{Value, json};

use super::behaviour::{Behaviour, Fault};
use super::document;
use super::random::{Random, digest};
use super::words;

/// Stands in an answer where the filler of an oversized one goes; `script.rs` puts it there while sending.
pub(crate) const FILLER: &str = "{{oversized}}";

/// What an image counts for, in tokens.
const IMAGE_TOKENS: usize = 85;
/// What a message counts for beside its text, in tokens.
const MESSAGE_TOKENS: usize = 3;
/// Characters to a token of a prompt.
const CHARACTERS: usize = 4;
/// Tokens of reasoning where a request wants some and the behaviour does not say how many.
const REASONING_TOKENS: usize = 8;

/// What a request asks for, whatever its dialect.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    /// Stands for the conversation: the same messages give the same answer.
    pub conversation: u64,
    /// The request as it came in, for an echo.
    pub echo: String,
    /// Text of the last message, if a user sent it.
    pub user_text: Option<String>,
    /// What the last message's images are.
    pub images: Vec<String>,
    /// Results of tools at the end of the messages.
    pub tool_results: Vec<String>,
    pub tools: Vec<Tool>,
    pub tool_choice: ToolChoice,
    /// Whether several tools may be called at once.
    pub parallel: bool,
    pub format: Format,
    pub reasoning: Reasoning,
    pub choices: usize,
    pub stop: Vec<String>,
    /// Longest answer in tokens.
    pub limit: Option<usize>,
    pub prompt_tokens: usize,
}

/// A tool on offer.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    pub name: String,
    /// JSON schema of its arguments.
    pub parameters: Value,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum ToolChoice {
    #[default]
    Auto,
    None,
    Required,
    Named(String),
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Format {
    #[default]
    Text,
    /// Any JSON object.
    Object,
    /// A document of this JSON schema.
    Schema(Value),
}

/// Whether an answer begins with reasoning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reasoning {
    #[default]
    AsTheBehaviourSays,
    Wanted,
    Unwanted,
}

/// One of the answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    pub pieces: Vec<Piece>,
    pub end: End,
}

/// A part of an answer; one chunk of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub part: Part,
    pub tokens: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Reasoning,
    Text,
    /// A call begins; it has no tokens of its own.
    Call {
        index: usize,
        /// 24 letters, which each vendor puts a prefix to.
        id: String,
        name: String,
    },
    Arguments {
        index: usize,
    },
}

/// Why an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    /// This stop sequence would have come next.
    Sequence(String),
    Length,
    ToolCalls,
}

impl Ask {
    /// Counts a message and its text.
    pub(crate) fn count(&mut self, text: &str) {
        self.prompt_tokens += MESSAGE_TOKENS + text.chars().count().div_ceil(CHARACTERS);
    }

    /// Notes an image, and counts it.
    pub(crate) fn see(&mut self, image: String) {
        self.images.push(image);
        self.prompt_tokens += IMAGE_TOKENS;
    }

    /// Forgets what only counts in the last message.
    pub(crate) fn next_message(&mut self) {
        self.user_text = None;
        self.images.clear();
    }
}

impl Piece {
    pub(crate) fn text(&self) -> String {
        self.tokens.concat()
    }
}

impl Choice {
    pub(crate) fn tokens(&self) -> usize {
        self.pieces.iter().map(|piece| piece.tokens.len()).sum()
    }

    pub(crate) fn reasoning_tokens(&self) -> usize {
        self.pieces
            .iter()
            .filter(|piece| piece.part == Part::Reasoning)
            .map(|piece| piece.tokens.len())
            .sum()
    }
}

/// The answers to a request.
pub(crate) fn answer(seed: u64, ask: &Ask, behaviour: &Behaviour) -> Result<Vec<Choice>, document::Error> {
    (0..ask.choices.max(1))
        .map(|choice| {
            let mut random = Random::of(seed, &[ask.conversation, choice as u64]);
            let (mut pieces, mut end) = content(ask, behaviour, &mut random)?;
            if let Some(limit) = ask.limit
                && !behaviour.echo
                && shorten(&mut pieces, limit)
            {
                end = End::Length;
            }
            if let Some(chunks) = behaviour.chunks {
                pieces = regrouped(pieces, chunks);
            }
            Ok(Choice { pieces, end })
        })
        .collect()
}

/// The whole answer, a token a piece.
fn content(ask: &Ask, behaviour: &Behaviour, random: &mut Random) -> Result<(Vec<Piece>, End), document::Error> {
    let reasoning = words::sentence(reasoning_tokens(ask, behaviour), random);
    let mut pieces = split(&Part::Reasoning, &reasoning);
    let calls = calls(ask, behaviour);
    if calls.is_empty() {
        let text = text(ask, behaviour, random)?;
        let stop: &[String] = if behaviour.echo { &[] } else { &ask.stop };
        let (text, end) = stopped(text, stop);
        pieces.extend(split(&Part::Text, &text));
        return Ok((pieces, end));
    }
    for (index, tool) in calls.into_iter().enumerate() {
        pieces.push(Piece {
            part: Part::Call {
                index,
                id: random.letters(24),
                name: tool.name.clone(),
            },
            tokens: Vec::new(),
        });
        let arguments = document::document(&tool.parameters, random)?;
        pieces.extend(split(&Part::Arguments { index }, &arguments.to_string()));
    }
    Ok((pieces, End::ToolCalls))
}

/// The tools that are called: those that the choice names or demands, those that the behaviour demands until their results are
/// there, or those that the user's text names. An echo calls none, as it is neither stopped nor cut.
fn calls<'a>(ask: &'a Ask, behaviour: &Behaviour) -> Vec<&'a Tool> {
    let wished = behaviour.tool_calls.unwrap_or(1);
    let mut called: Vec<&Tool> = match &ask.tool_choice {
        _ if behaviour.echo => Vec::new(),
        ToolChoice::None => Vec::new(),
        ToolChoice::Named(name) => ask.tools.iter().filter(|tool| tool.name == *name).collect(),
        ToolChoice::Required => ask.tools.iter().cycle().take(wished).collect(),
        ToolChoice::Auto if !ask.tool_results.is_empty() => Vec::new(),
        ToolChoice::Auto if behaviour.tool_calls.is_some() => ask.tools.iter().cycle().take(wished).collect(),
        ToolChoice::Auto => {
            let text = ask.user_text.as_deref().unwrap_or_default();
            ask.tools.iter().filter(|tool| text.contains(&tool.name)).collect()
        }
    };
    if !ask.parallel {
        called.truncate(1);
    }
    called
}

fn text(ask: &Ask, behaviour: &Behaviour, random: &mut Random) -> Result<String, document::Error> {
    if behaviour.echo {
        return Ok(ask.echo.clone());
    }
    if matches!(behaviour.fault, Some(Fault::Oversized { .. })) {
        return Ok(FILLER.to_owned());
    }
    let made_up = words::sentence(behaviour.answer_tokens(), random);
    match &ask.format {
        Format::Schema(schema) => return Ok(document::document(schema, random)?.to_string()),
        Format::Object => return Ok(json!({ "answer": made_up }).to_string()),
        Format::Text => {}
    }
    if !ask.tool_results.is_empty() {
        return Ok(format!("The tools answered: {}", ask.tool_results.join("; ")));
    }
    if !ask.images.is_empty() {
        return Ok(format!("I see {}. {made_up}", ask.images.join(" and ")));
    }
    Ok(
        match ask.user_text.as_deref().and_then(|text| text.strip_prefix("repeat: ")) {
            Some(repeated) => repeated.to_owned(),
            None => made_up,
        },
    )
}

fn reasoning_tokens(ask: &Ask, behaviour: &Behaviour) -> usize {
    match (ask.reasoning, behaviour.reasoning_tokens) {
        (Reasoning::Unwanted, _) => 0,
        (Reasoning::Wanted, 0) => REASONING_TOKENS,
        (_, tokens) => tokens,
    }
}

/// The text up to the first of the stop sequences, and why it ends there.
fn stopped(mut text: String, stop: &[String]) -> (String, End) {
    let first = stop
        .iter()
        .filter(|sequence| !sequence.is_empty())
        .filter_map(|sequence| Some((text.find(sequence.as_str())?, sequence)))
        .min_by_key(|(position, _)| *position);
    match first {
        None => (text, End::Stop),
        Some((position, sequence)) => {
            text.truncate(position);
            (text, End::Sequence(sequence.clone()))
        }
    }
}

/// Cuts the answer to so many tokens; whether anything was cut.
fn shorten(pieces: &mut Vec<Piece>, limit: usize) -> bool {
    let mut tokens = 0;
    let kept = pieces.iter().take_while(|piece| {
        tokens += piece.tokens.len();
        tokens <= limit
    });
    let kept = kept.count();
    let cut = kept < pieces.len();
    pieces.truncate(kept);
    cut
}

/// The same answer in so many chunks, evenly; a chunk never mixes text with reasoning or calls, so there can be a few more.
fn regrouped(pieces: Vec<Piece>, chunks: usize) -> Vec<Piece> {
    let total = pieces.len();
    let mut grouped: Vec<Piece> = Vec::new();
    let mut chunk_before = None;
    for (position, piece) in pieces.into_iter().enumerate() {
        let chunk = position * chunks.min(total) / total;
        match grouped.last_mut() {
            Some(last) if last.part == piece.part && chunk_before == Some(chunk) => last.tokens.extend(piece.tokens),
            _ => grouped.push(piece),
        }
        chunk_before = Some(chunk);
    }
    grouped
}

fn split(part: &Part, text: &str) -> Vec<Piece> {
    let tokens = if text == FILLER {
        vec![text.to_owned()]
    } else {
        words::tokens(text)
    };
    tokens
        .into_iter()
        .map(|token| Piece {
            part: part.clone(),
            tokens: vec![token],
        })
        .collect()
}

/// A number that stands for the conversation and whatever else may change the answer.
pub(crate) fn conversation(messages: &Value, vendor_seed: Option<i64>) -> u64 {
    digest(format!("{messages}{vendor_seed:?}").as_bytes())
}

#[cfg(test)]
mod tests;
