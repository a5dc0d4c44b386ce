//! `/prompts...`: the prompts that a caller may see, their revisions, and what they render to. No model is asked.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use crds::{compiler::revision_manifest, object::ObjectName, snapshot::Role};
use http::Request;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    analytics::Parameters,
    authenticate::authorize,
    body::read_body,
    error::{ApiError, Contract},
    fleet::Reach,
    router::Worker,
    server::Connection,
};
use crate::{
    analytics::{
        prompts::{Asked, PromptShare, PromptStats},
        system::{Pods, Scope},
    },
    config::resolved::{Caller, Config},
    prompts::{library::Template, prompt::Prompt, request::Variables, selection},
    providers::{dialect::openai::request, json},
};

pub(super) fn list(worker: &Worker, contract: Contract, request: &Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    respond(
        contract,
        caller_of(&config, request, Role::Viewer).map(|caller| {
            let visible = config
                .library
                .templates()
                .filter(|template| is_visible(&caller, &template.object));
            let data: Vec<Value> = visible.map(|template| summary(&config, &caller, template)).collect();
            json!({ "object": "list", "data": data })
        }),
    )
}

/// `GET /prompts/{id}` and what is under it. A prompt's name may hold a slash: `namespace/name`.
pub(super) async fn get(worker: Arc<Worker>, contract: Contract, rest: String, request: Request<Body>) -> Response {
    let config = worker.app.config.load_full();
    let caller = match caller_of(&config, &request, Role::Viewer) {
        Ok(caller) => caller,
        Err(error) => return error.respond(contract),
    };
    let (id, part) = match rest.rsplit_once('/') {
        Some((id, part @ ("revisions" | "stats"))) => (id, part),
        _ => (&*rest, ""),
    };
    let template = match visible(&config, &caller, id) {
        Ok(template) => template,
        Err(error) => return error.respond(contract),
    };
    let answer = match part {
        "revisions" => Ok(revisions(&config, template)),
        "stats" => stats(&worker, template, request.uri().query()).await,
        _ => Ok(one(&config, &caller, template)),
    };
    respond(contract, answer)
}

/// Zeros for a prompt that was not used yet.
async fn stats(worker: &Worker, template: &Template, query: Option<&str>) -> Result<Value, ApiError> {
    let parameters = Parameters::read(query, &["scope"])?;
    let reach = Reach::of(&worker.app, parameters.get("scope"))?;
    let asked = Asked {
        prompt: template.object.to_string().into(),
        until_unix_micros: Timestamp::now().as_microsecond() + 1,
    };
    let (about, revision) = (asked.clone(), template.entry.active_revision.clone());
    let finish = move |share: PromptShare, told: Option<(Scope, Pods)>| {
        let (scope, pods) = told.unzip();
        serde_json::to_value(PromptStats {
            scope,
            pods,
            ..share.stats(&about, &revision)
        })
    };
    let stats = reach.ask(&worker.app, asked, finish).await?;
    stats.map_err(|_| ApiError::internal("The figures of the prompt cannot be written as JSON."))
}

/// `POST /prompts/{id}/render`.
pub(super) async fn post(worker: Arc<Worker>, contract: Contract, rest: String, request: Request<Body>) -> Response {
    respond(contract, render(&worker, &rest, request).await)
}

async fn render(worker: &Worker, rest: &str, request: Request<Body>) -> Result<Value, ApiError> {
    let config = worker.app.config.load_full();
    let Some(id) = rest.strip_suffix("/render") else {
        return Err(ApiError::not_found(&format!(
            "There is nothing at POST /prompts/{rest}."
        )));
    };
    let caller = caller_of(&config, &request, Role::User)?;
    let template = selection::find(&config, &caller, id).ok_or_else(|| unknown(id))?;
    let (parts, body) = request.into_parts();
    let body = read_body(body, &parts.headers).await?;
    let (version, variables) = read_render(&body)?;
    let prompt = match &version {
        None => &template.active,
        Some(version) => config.library.version(&template.object, version).ok_or_else(|| {
            ApiError::invalid(
                "version",
                format!(
                    "Unknown revision in 'version': the prompt {} has none such.",
                    template.object
                ),
            )
        })?,
    };
    let rendered = prompt
        .render(variables.as_ref())
        .map_err(|error| ApiError::from(&error))?;
    let messages: Vec<Value> = rendered
        .messages
        .iter()
        .map(|message| json!({ "role": message.role.as_str(), "content": &*message.text }))
        .collect();
    Ok(json!({ "id": &*prompt.name, "version": &*prompt.revision, "messages": messages }))
}

/// Reads `{version, variables}`; an empty body is an empty object.
fn read_render(body: &bytes::Bytes) -> Result<(Option<String>, Option<Variables>), ApiError> {
    let mut version = None;
    let mut variables = None;
    if body.is_empty() {
        return Ok((version, variables));
    }
    let malformed = |error: json::Malformed| ApiError::from(&request::Error::from(error));
    let mut members = json::members(body, 0).map_err(malformed)?;
    for member in members.by_ref() {
        let member = member.map_err(malformed)?;
        let value = body.slice(member.value.clone());
        match member.key {
            _ if *value == *b"null" => {}
            b"version" => {
                let text = serde_json::from_slice(&value);
                version = Some(
                    text.map_err(|_| ApiError::invalid("version", "Invalid type for 'version': expected a string."))?,
                );
            }
            b"variables" => {
                variables = Some(Variables {
                    json: value,
                    place: "variables",
                });
            }
            key => {
                let key: String = String::from_utf8_lossy(key).chars().take(64).collect();
                return Err(ApiError::invalid(
                    &key,
                    format!("Unknown parameter '{key}'; there are: version, variables."),
                ));
            }
        }
    }
    json::ends(body, members.end().unwrap_or(body.len())).map_err(malformed)?;
    Ok((version, variables))
}

fn respond(contract: Contract, answer: Result<Value, ApiError>) -> Response {
    answer.map_or_else(|error| error.respond(contract), |answer| Json(answer).into_response())
}

fn caller_of(config: &Config, request: &Request<Body>, needed: Role) -> Result<Caller, ApiError> {
    let remote = Connection::in_extensions(request.extensions()).remote.ip();
    authorize(config, request.headers(), remote, needed)
}

/// A Viewer sees the prompts of its namespace.
fn is_visible(caller: &Caller, object: &ObjectName) -> bool {
    caller
        .confined_to()
        .is_none_or(|namespace| *object.namespace == *namespace)
}

/// The prompt that `id` names, if the caller may see it.
fn visible<'a>(config: &'a Config, caller: &Caller, id: &str) -> Result<&'a Arc<Template>, ApiError> {
    let found = selection::find(config, caller, id).filter(|template| is_visible(caller, &template.object));
    found.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    let shown: String = id.chars().take(253).collect();
    ApiError::not_found(&format!("There is no prompt `{shown}`."))
}

/// A prompt in a list. Its id is as the caller would write it.
fn summary(config: &Config, caller: &Caller, template: &Template) -> Value {
    let Template { object, entry, active } = template;
    let id = if *object.namespace == *caller.namespace() {
        object.name.to_string()
    } else {
        object.to_string()
    };
    let uses = |prompt: &Arc<Prompt>| prompt.template == *object;
    let routes: Vec<String> = config
        .all_routes()
        .into_iter()
        .filter(|route| {
            route
                .targets
                .iter()
                .any(|target| target.prompt.as_ref().is_some_and(uses))
        })
        .map(|route| route.name.to_string())
        .collect();
    let variables: Vec<&str> = active
        .content
        .variables
        .iter()
        .map(|variable| &*variable.name)
        .collect();
    json!({
        "id": id,
        "object": "prompt",
        "namespace": object.namespace,
        "name": object.name,
        "active_revision": entry.active_revision,
        "spec_revision": entry.spec_revision,
        "pinned_revision": entry.pinned_revision,
        "serving_last_good": entry.stale,
        "variables": variables,
        "routes": routes,
        "revisions": config.library.revisions_of(object).count(),
    })
}

fn one(config: &Config, caller: &Caller, template: &Template) -> Value {
    let mut answer = summary(config, caller, template);
    let content = &template.active.content;
    // As manifests have it: this is what somebody wrote, and copies.
    answer["messages"] = json!(content.messages);
    answer["variables"] = json!(content.variables);
    answer["demonstrations"] = json!(content.demonstrations);
    answer["parameters"] = json!(content.parameters);
    answer["response_format"] = json!(content.response_format);
    answer
}

/// All revisions, the active one first, then the newest.
fn revisions(config: &Config, template: &Template) -> Value {
    let Template { object, entry, .. } = template;
    let mut found: Vec<_> = config
        .snapshot
        .revisions
        .iter()
        .filter(|(name, revision)| name.namespace == object.namespace && *revision.template == *object.name)
        .collect();
    found.sort_by(|(name, revision), (other_name, other)| {
        let key = |name: &ObjectName| *name.name != *entry.active_revision;
        (key(name), &other.created, name).cmp(&(key(other_name), &revision.created, other_name))
    });
    let data: Vec<Value> = found
        .into_iter()
        .map(|(name, revision)| {
            json!({
                "id": name.name,
                "object": "prompt.revision",
                "prompt": object.to_string(),
                "digest": revision.digest,
                "origin": revision.origin,
                "created": revision.created,
                "active": *name.name == *entry.active_revision,
                "spec": *name.name == *entry.spec_revision,
                "manifest": revision_manifest(name, revision),
            })
        })
        .collect();
    json!({ "object": "list", "data": data })
}
