//! One revision of a prompt, ready to be rendered.

use std::sync::Arc;

use crds::{
    object::ObjectName,
    prompt_content::PromptContent,
    prompt_template::{Message, Parameters, Role},
    snapshot::RevisionEntry,
};
use http::HeaderValue;
use minijinja::{Environment, ErrorKind, UndefinedBehavior, Value};

use super::{
    parameters::Defaults,
    request::Variables,
    shape::Shape,
    values::{self, Declared},
};
use crate::telemetry::metrics::PromptMetrics;

/// Work that one rendering may take: about one unit an instruction, or for 64 bytes that are made or read.
const FUEL: u64 = 200_000;
/// Longest text of all messages together, in bytes.
const MAX_RENDERED_BYTES: usize = 4 * 1024 * 1024;
/// How deep macros and blocks may nest.
const MAX_DEPTH: usize = 64;

/// A revision.
#[derive(Debug)]
pub struct Prompt {
    /// `namespace/name` of the `PromptTemplate`.
    pub name: Arc<str>,
    pub template: ObjectName,
    /// Name of the `PromptRevision`.
    pub revision: Arc<str>,
    pub digest: Box<str>,
    pub header: HeaderValue,
    pub defaults: Defaults,
    /// Of the answers that the prompt asks for.
    pub shape: Option<Shape>,
    pub content: Arc<PromptContent>,
    pub metrics: PromptMetrics,
    engine: Environment<'static>,
    variables: Box<[Declared]>,
    pieces: Box<[Piece]>,
}

/// One message of the prompt, demonstrations included.
#[derive(Debug)]
struct Piece {
    role: Role,
    text: Text,
}

#[derive(Debug)]
enum Text {
    /// The same for every request.
    Fixed(Arc<str>),
    /// The template of this name in the engine.
    Template(String),
}

/// The messages of a prompt for one request, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    pub messages: Vec<RenderedMessage>,
}

/// A message. Its text is data, wherever it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedMessage {
    pub role: Role,
    pub text: Arc<str>,
}

/// Why a prompt cannot be rendered for a request: the request is at fault, or what it and the template make together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("Invalid type for '{0}': expected an object of names and values.")]
    NotAnObject(&'static str),
    #[error("{}", fault.message(field))]
    Variable { field: Box<str>, fault: Fault },
    #[error("The prompt {prompt} cannot be rendered with these variables: message {index}: {problem}.")]
    Render {
        prompt: Arc<str>,
        index: usize,
        problem: Box<str>,
    },
    #[error("The prompt {0} takes more work to render with these variables than is allowed. Send shorter ones.")]
    TooMuchWork(Arc<str>),
    #[error("The prompt {prompt} becomes longer than {limit_bytes} bytes with these variables. Send shorter ones.")]
    TooLong { prompt: Arc<str>, limit_bytes: usize },
}

/// What is wrong with one variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    Missing,
    Unknown,
    NotJson,
    NotOfType(&'static str),
    /// What is allowed.
    NotAllowed(Box<str>),
    /// How many characters are.
    TooLong(usize),
}

impl Fault {
    fn message(&self, field: &str) -> String {
        match self {
            Self::Missing => format!("Missing required parameter: '{field}'. The prompt needs this variable."),
            Self::Unknown => format!("Unknown parameter: '{field}'. The prompt has no such variable."),
            Self::NotJson => format!("Invalid value for '{field}': its text is not valid JSON."),
            Self::NotOfType(expected) => format!("Invalid type for '{field}': expected {expected}."),
            Self::NotAllowed(allowed) => format!("Invalid value for '{field}': expected one of {allowed}."),
            Self::TooLong(most) => format!("Invalid '{field}': longer than {most} characters."),
        }
    }
}

impl Error {
    /// The field of the request.
    pub fn field(&self) -> &str {
        match self {
            Self::NotAnObject(place) => place,
            Self::Variable { field, .. } => field,
            Self::Render { .. } | Self::TooMuchWork(_) | Self::TooLong { .. } => "variables",
        }
    }
}

impl Prompt {
    /// Compiles a revision; says why if that cannot be, which the compiler of manifests has ruled out.
    pub fn compile(object: &ObjectName, entry: &RevisionEntry) -> Result<Self, Box<str>> {
        let template = ObjectName::new(&*object.namespace, &*entry.template);
        let PromptContent {
            messages,
            variables,
            demonstrations,
            parameters,
            response_format,
        } = &*entry.content;
        let mut engine = engine();
        let mut pieces = Vec::with_capacity(messages.len() + 2 * demonstrations.len());
        for (index, message) in messages.iter().enumerate() {
            pieces.push(Piece {
                role: message.role,
                text: text(&mut engine, index, message).map_err(|error| error.to_string())?,
            });
        }
        let said = |role, text: &str| Piece {
            role,
            text: Text::Fixed(text.into()),
        };
        let at = pieces
            .iter()
            .position(|piece| piece.role == Role::User)
            .unwrap_or(pieces.len());
        let pairs = demonstrations
            .iter()
            .flat_map(|pair| [said(Role::User, &pair.input), said(Role::Assistant, &pair.output)]);
        pieces.splice(at..at, pairs);
        let declared = variables.iter().map(Declared::of).collect::<Option<_>>();
        Ok(Self {
            name: template.to_string().into(),
            template,
            revision: Arc::clone(&object.name),
            digest: entry.digest.as_str().into(),
            header: HeaderValue::from_str(&object.name).map_err(|error| error.to_string())?,
            defaults: Defaults::of(
                parameters.as_ref().unwrap_or(&Parameters::default()),
                response_format.as_ref(),
            ),
            shape: response_format.as_ref().and_then(Shape::of),
            content: Arc::clone(&entry.content),
            metrics: PromptMetrics::default(),
            engine,
            variables: declared.ok_or("a variable's default or enum does not fit its type")?,
            pieces: pieces.into(),
        })
    }

    /// The messages for a request with these variables.
    pub fn render(&self, given: Option<&Variables>) -> Result<Rendered, Error> {
        let values = values::read(&self.variables, given)?;
        let values = Value::from_pairs(values);
        let mut left = Left {
            prompt: &self.name,
            fuel: FUEL,
            bytes: MAX_RENDERED_BYTES,
        };
        let mut messages = Vec::with_capacity(self.pieces.len());
        for (index, piece) in self.pieces.iter().enumerate() {
            let text = match &piece.text {
                Text::Fixed(text) => Arc::clone(text),
                Text::Template(name) => left.render(&self.engine, index, name, &values)?,
            };
            left.take(text.len())?;
            messages.push(RenderedMessage { role: piece.role, text });
        }
        Ok(Rendered { messages })
    }

    /// Whether it has any message, so that a request need not have one of its own.
    pub fn has_messages(&self) -> bool {
        !self.pieces.is_empty()
    }
}

fn engine() -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_fuel(Some(FUEL));
    engine.set_recursion_limit(MAX_DEPTH);
    engine
}

fn text(engine: &mut Environment<'static>, index: usize, message: &Message) -> Result<Text, minijinja::Error> {
    let source = &message.content;
    if !["{{", "{%", "{#"].iter().any(|open| source.contains(open)) {
        return Ok(Text::Fixed(engine.render_str(source, ())?.into()));
    }
    let name = index.to_string();
    engine.add_template_owned(name.clone(), source.clone())?;
    Ok(Text::Template(name))
}

/// What one rendering may still take.
struct Left<'a> {
    prompt: &'a Arc<str>,
    fuel: u64,
    bytes: usize,
}

impl Left<'_> {
    fn render(
        &mut self,
        engine: &Environment<'static>,
        index: usize,
        name: &str,
        values: &Value,
    ) -> Result<Arc<str>, Error> {
        let rendered = engine
            .get_template(name)
            .and_then(|template| template.render_captured(values.clone()));
        let rendered = rendered.map_err(|error| self.fault(index, &error))?;
        let used = rendered.state().fuel_levels().map_or(0, |(consumed, _)| consumed);
        self.fuel = self
            .fuel
            .checked_sub(used)
            .ok_or_else(|| Error::TooMuchWork(Arc::clone(self.prompt)))?;
        Ok(rendered.into_output().into())
    }

    fn take(&mut self, bytes: usize) -> Result<(), Error> {
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| Error::TooLong {
            prompt: Arc::clone(self.prompt),
            limit_bytes: MAX_RENDERED_BYTES,
        })?;
        Ok(())
    }

    fn fault(&self, index: usize, error: &minijinja::Error) -> Error {
        let prompt = Arc::clone(self.prompt);
        if error.kind() == ErrorKind::OutOfFuel {
            return Error::TooMuchWork(prompt);
        }
        let kind = error.kind().to_string();
        let detail = error
            .detail()
            .map_or(kind.clone(), |detail| format!("{kind}: {detail}"));
        let line = error.line().map_or_else(String::new, |line| format!(" (line {line})"));
        Error::Render {
            prompt,
            index,
            problem: format!("{}{line}", detail.chars().take(300).collect::<String>()).into(),
        }
    }
}
