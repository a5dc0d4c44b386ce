//! Which Route, target and prompt a request means: pure, and the same for every dialect that clients speak.

use std::sync::Arc;

use crds::{object::ObjectName, reference::is_allowed};

use super::{
    library::Template,
    prompt::Prompt,
    request::{Asked, Named},
};
use crate::config::resolved::{Caller, Config, Route, Target};

/// Longest name that an error repeats, in characters.
const SHOWN: usize = 253;

/// What a request means.
pub struct Selection {
    pub route: Arc<Route>,
    pub choice: Choice,
}

/// What a request wants other than what its Route says.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// The only target that may answer.
    pub only_target: Option<usize>,
    /// The prompt for every target.
    prompt: Option<Chosen>,
}

#[derive(Clone, Debug)]
enum Chosen {
    /// The active revision; a target that has a revision of the same prompt keeps that.
    Active(Arc<Template>),
    Revision(Arc<Prompt>),
}

/// Why a request means nothing here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("The model `{0}` does not exist or you do not have access to it.")]
    UnknownModel(Box<str>),
    #[error("Unknown prompt in '{field}': there is no prompt `{name}` that you may use.")]
    UnknownPrompt { field: &'static str, name: Box<str> },
    #[error("Unknown revision in 'prompt.version': the prompt {prompt} has no revision `{version}`.")]
    UnknownVersion { prompt: Box<str>, version: Box<str> },
    #[error("Unknown target in 'metadata.combination_id': `{0}` is not ROUTE/TARGET of a Route that you may use.")]
    UnknownTarget(Box<str>),
    #[error("'{field}' names the prompt {prompt}, which {routes} of your Routes follow: name the Route as model.")]
    NotOneRoute {
        field: &'static str,
        prompt: Box<str>,
        routes: usize,
    },
    #[error("The Route {route} has no prompt, so '{field}' means nothing: remove it, or name a prompt as prompt.id.")]
    NoPrompt { field: &'static str, route: Arc<str> },
}

impl Error {
    /// The field of the request.
    pub fn field(&self) -> &'static str {
        match self {
            Self::UnknownModel(_) => "model",
            Self::UnknownPrompt { field, .. } | Self::NotOneRoute { field, .. } | Self::NoPrompt { field, .. } => field,
            Self::UnknownVersion { .. } => "prompt.version",
            Self::UnknownTarget(_) => "metadata.combination_id",
        }
    }
}

impl Choice {
    /// The prompt of a request at `target`.
    pub fn prompt_at<'a>(&'a self, target: &'a Target) -> Option<&'a Arc<Prompt>> {
        let own = target.prompt.as_ref();
        match &self.prompt {
            None => own,
            Some(Chosen::Revision(prompt)) => Some(prompt),
            Some(Chosen::Active(template)) => {
                let same = own.filter(|own| own.template == template.object);
                Some(same.unwrap_or(&template.active))
            }
        }
    }
}

/// Finds what a request means: `model` is its model without a preset, empty when it has none.
pub fn select(config: &Config, caller: &Caller, model: &str, asked: Option<&Asked>) -> Result<Selection, Error> {
    let unknown_model = || Error::UnknownModel(shown(model));
    let Some(asked) = asked else {
        return match config.route(caller, model) {
            Some(route) => Ok(Selection {
                route: Arc::clone(route),
                choice: Choice::default(),
            }),
            None => Err(unknown_model()),
        };
    };
    let (route, only_target) = match &asked.combination {
        Some(combination) => {
            let (route, target) =
                combined(config, caller, combination).ok_or_else(|| Error::UnknownTarget(shown(combination)))?;
            (route, Some(target))
        }
        None if model.is_empty() => match &asked.id {
            Some(named) => (follower(config, caller, named)?, None),
            None => return Err(unknown_model()),
        },
        None => (config.route(caller, model).ok_or_else(unknown_model)?, None),
    };
    let route = Arc::clone(route);
    let prompt = chosen(config, caller, &route, asked)?;
    let choice = Choice { only_target, prompt };
    let has_prompt = || route.targets.iter().any(|target| choice.prompt_at(target).is_some());
    if let Some(variables) = asked
        .variables
        .as_ref()
        .filter(|_| !route.targets.is_empty() && !has_prompt())
    {
        return Err(Error::NoPrompt {
            field: variables.place,
            route: Arc::clone(&route.name),
        });
    }
    Ok(Selection { route, choice })
}

/// `ROUTE/TARGET`, where the Route is named as an object (`namespace/name`, or `name` of the caller's namespace) or as a model.
fn combined<'a>(config: &'a Config, caller: &'a Caller, text: &str) -> Option<(&'a Arc<Route>, usize)> {
    let (named, target) = text.rsplit_once('/')?;
    let object = object(caller, named);
    let by_object = config.usable_routes(caller).find(|route| route.is(&object));
    let route = by_object.or_else(|| config.route(caller, named))?;
    let index = route.targets.iter().position(|known| *known.name == *target)?;
    Some((route, index))
}

/// The one Route that follows a prompt.
fn follower<'a>(config: &'a Config, caller: &'a Caller, named: &Named) -> Result<&'a Arc<Route>, Error> {
    let Named { name, field } = named;
    let template = find(config, caller, name).ok_or_else(|| unknown_prompt(named))?;
    let mut followers: Vec<&Arc<Route>> = config
        .usable_routes(caller)
        .filter(|route| {
            let mut prompts = route.targets.iter().filter_map(|target| target.prompt.as_ref());
            prompts.any(|prompt| prompt.template == template.object)
        })
        .collect();
    followers.sort_by(|one, other| one.parts().cmp(&other.parts()));
    followers.dedup_by(|one, other| Arc::ptr_eq(one, other));
    match followers.as_slice() {
        [route] => Ok(route),
        others => Err(Error::NotOneRoute {
            field,
            prompt: template.object.to_string().into(),
            routes: others.len(),
        }),
    }
}

fn chosen(config: &Config, caller: &Caller, route: &Route, asked: &Asked) -> Result<Option<Chosen>, Error> {
    let own = || route.targets.iter().filter_map(|target| target.prompt.as_ref());
    let named = |template: &ObjectName, name: &str| {
        *name == *template.name || name.split_once('/') == Some((&*template.namespace, &*template.name))
    };
    let template = match &asked.id {
        Some(id) => {
            // What the Route itself uses may be named by whoever may use the Route.
            let of_route = own().find(|prompt| named(&prompt.template, &id.name));
            let of_route = of_route.and_then(|prompt| config.library.template(&prompt.template));
            let template = of_route.or_else(|| find(config, caller, &id.name));
            Some(template.ok_or_else(|| unknown_prompt(id))?)
        }
        None => None,
    };
    let Some(version) = &asked.version else {
        return Ok(template.map(|template| Chosen::Active(Arc::clone(template))));
    };
    let object = match (template, own().next()) {
        (Some(template), _) => &template.object,
        (None, Some(first)) if own().all(|prompt| prompt.template == first.template) => &first.template,
        (None, _) => {
            return Err(Error::NoPrompt {
                field: "prompt.version",
                route: Arc::clone(&route.name),
            });
        }
    };
    let revision = config
        .library
        .version(object, version)
        .ok_or_else(|| Error::UnknownVersion {
            prompt: object.to_string().into(),
            version: shown(version),
        })?;
    Ok(Some(Chosen::Revision(Arc::clone(revision))))
}

/// The prompt of this name that a caller may use.
pub fn find<'a>(config: &'a Config, caller: &Caller, name: &str) -> Option<&'a Arc<Template>> {
    let template = config.library.template(&object(caller, name))?;
    let is_usable = caller.confined_to().is_none_or(|namespace| {
        is_allowed(
            &template.object.namespace,
            &template.entry.allowed_namespaces,
            namespace,
        )
    });
    is_usable.then_some(template)
}

fn object(caller: &Caller, name: &str) -> ObjectName {
    match name.split_once('/') {
        Some((namespace, name)) => ObjectName::new(namespace, name),
        None => ObjectName::new(caller.namespace(), name),
    }
}

fn unknown_prompt(named: &Named) -> Error {
    Error::UnknownPrompt {
        field: named.field,
        name: shown(&named.name),
    }
}

fn shown(text: &str) -> Box<str> {
    text.chars().take(SHOWN).collect::<String>().into()
}
