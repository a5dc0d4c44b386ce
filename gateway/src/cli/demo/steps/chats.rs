//! Steps that chat: whole, streamed, with tools, over shares and past a failure.

use serde_json::{Value, json};

use super::{ATTEMPTS, GENERATION_ID, OVERHEAD, TARGET, ask, check, check_ok};
use crate::cli::demo::{
    client::{APP_KEY, Answer, Client},
    figures::{ms, short, usd},
    screen::Screen,
    tour::Told,
};

const SHARED_REQUESTS: usize = 20;

pub(in crate::cli::demo) async fn models(client: &Client) -> Told {
    let answer = client.get(APP_KEY, "/v1/models").await?;
    check_ok(&answer)?;
    let models = answer.body["data"].as_array().into_iter().flatten();
    let names: Vec<&str> = models.filter_map(|model| model["id"].as_str()).collect();
    check(names.contains(&"support-triage"), || {
        format!("support-triage is not among {names:?}")
    })?;
    Ok(vec![format!(
        "GET /v1/models with the key {APP_KEY}: {}",
        names.join(", ")
    )])
}

pub(in crate::cli::demo) async fn whole(client: &mut Client) -> Told {
    let answer = client
        .chat(APP_KEY, &ask("support-triage", "My parcel never came. Who can help?"))
        .await?;
    check_ok(&answer)?;
    check(!answer.text().is_empty(), || format!("no text in {}", answer.body))?;
    Ok(vec![
        format!(
            "answered in {} by target {}: \"{}\"",
            ms(answer.took),
            answer.header(TARGET),
            short(answer.text(), 60)
        ),
        spent(&answer),
        format!(
            "the gateway itself took {} microseconds of that",
            answer.header(OVERHEAD)
        ),
    ])
}

pub(in crate::cli::demo) async fn streamed(client: &mut Client, screen: Screen) -> Told {
    let mut body = ask("support-triage", "Tell me a story about a parcel.");
    body["stream"] = json!(true);
    screen.part("   ")?;
    let streamed = client.stream(APP_KEY, &body, |text| screen.part(text)).await;
    screen.part("\n")?;
    let streamed = streamed?;
    let answer = &streamed.answer;
    check_ok(answer)?;
    check(streamed.is_done && streamed.chunks > 1, || {
        format!("{} chunks, [DONE]: {}", streamed.chunks, streamed.is_done)
    })?;
    let first = streamed.first_token.unwrap_or_default();
    check(first < answer.took / 2, || {
        format!("first words after {} of {}", ms(first), ms(answer.took))
    })?;
    Ok(vec![
        format!(
            "first words after {}, the rest in {} chunks until {}",
            ms(first),
            streamed.chunks,
            ms(answer.took)
        ),
        spent(answer),
    ])
}

pub(in crate::cli::demo) async fn tools(client: &mut Client) -> Told {
    let mut body = ask("support-triage", "Use look_up_order: where is order 4711?");
    let order = json!({ "type": "object", "properties": { "order": { "type": "integer" } }, "required": ["order"] });
    body["tools"] = json!([{ "type": "function", "function": { "name": "look_up_order", "parameters": order } }]);
    let asked = client.chat(APP_KEY, &body).await?;
    check_ok(&asked)?;
    let message = &asked.body["choices"][0]["message"];
    let call = &message["tool_calls"][0];
    check(call["function"]["name"] == "look_up_order", || {
        format!("no call of the tool in {}", asked.body)
    })?;
    let result = json!({ "role": "tool", "tool_call_id": call["id"], "content": "{\"status\": \"on its way\"}" });
    if let Some(messages) = body["messages"].as_array_mut() {
        messages.extend([message.clone(), result]);
    }
    let answer = client.chat(APP_KEY, &body).await?;
    check_ok(&answer)?;
    let arguments = call["function"]["arguments"].as_str().unwrap_or("");
    Ok(vec![
        format!("the model called look_up_order({arguments}) after {}", ms(asked.took)),
        format!(
            "with the tool's result it said after {}: \"{}\"",
            ms(answer.took),
            short(answer.text(), 60)
        ),
        spent(&answer),
    ])
}

pub(in crate::cli::demo) async fn shares(client: &mut Client) -> Told {
    let (mut quick, mut careful) = (Vec::new(), Vec::new());
    for number in 0..SHARED_REQUESTS {
        let answer = client
            .chat(APP_KEY, &ask("support-triage", &format!("Message {number}")))
            .await?;
        check_ok(&answer)?;
        let times = if answer.header(TARGET) == "quick" {
            &mut quick
        } else {
            &mut careful
        };
        times.push(answer.took);
    }
    check((quick.len(), careful.len()) == (14, 6), || {
        format!("{} and {}, not 14 and 6", quick.len(), careful.len())
    })?;
    let middle = |times: &mut Vec<std::time::Duration>| {
        times.sort_unstable();
        ms(times[times.len() / 2])
    };
    Ok(vec![format!(
        "{} went to quick (median {}), {} to careful (median {})",
        quick.len(),
        middle(&mut quick),
        careful.len(),
        middle(&mut careful)
    )])
}

/// Leaves the request's id in `id`.
pub(in crate::cli::demo) async fn failover(client: &mut Client, id: &mut String) -> Told {
    let answer = client.chat(APP_KEY, &ask("steady", "Are you there?")).await?;
    check_ok(&answer)?;
    let (target, attempts) = (answer.header(TARGET), answer.header(ATTEMPTS));
    check((target, attempts) == ("standby", "2"), || {
        format!("answered by {target} in attempt {attempts}")
    })?;
    answer.header(GENERATION_ID).clone_into(id);
    Ok(vec![
        format!(
            "overloaded said 503, standby answered: the client saw status {} after {}",
            answer.status,
            ms(answer.took)
        ),
        spent(&answer),
    ])
}

fn spent(answer: &Answer) -> String {
    let Value::Object(_) = answer.body["usage"] else {
        return "tokens are not known".to_owned();
    };
    let cost = answer.cost_pico_usd().map_or_else(|| "cost unknown".to_owned(), usd);
    format!(
        "{} tokens in, {} out, {cost}",
        answer.tokens("prompt_tokens"),
        answer.tokens("completion_tokens")
    )
}
