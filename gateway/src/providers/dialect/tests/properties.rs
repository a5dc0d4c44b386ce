//! Properties of the translations: what both dialects know is not lost, how a stream is cut into reads does not matter, and nothing
//! that a provider or a client sends makes them panic.

use proptest::prelude::*;

use super::*;
use crate::capture::unescape;
use crate::providers::{
    answer::Answer,
    canonical::{
        Block, Format, Media, Message, Reasoning, ReasoningMode, Request, Role, Tool, ToolChoice,
        answer::{Answer as Said, Finish, FinishReason},
    },
    dialect::{anthropic::translate as anthropic_form, openai::translate as openai_form},
    document::Json,
};

fn json(text: &str) -> Json {
    Json::parse(text.to_owned()).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    "\\PC{0,12}[a-z]"
}

fn media() -> impl Strategy<Value = Media> {
    prop_oneof![
        "https://[a-z]{1,8}/[a-z]{1,8}".prop_map(Media::Url),
        ("image/(png|jpeg)", "[A-Za-z0-9+/]{4,12}").prop_map(|(media_type, data)| Media::Base64 { media_type, data }),
    ]
}

fn arguments() -> impl Strategy<Value = String> {
    proptest::collection::vec(("[a-z]{1,4}", any::<i32>()), 0..3).prop_map(|members| {
        let members: Vec<String> = members
            .iter()
            .map(|(key, value)| format!("\"{key}\": {value}"))
            .collect();
        format!("{{{}}}", members.join(", "))
    })
}

fn call() -> impl Strategy<Value = Block> {
    ("[a-zA-Z0-9_-]{1,12}", "[a-z_]{1,8}", arguments()).prop_map(|(id, name, arguments)| Block::ToolCall {
        id,
        name,
        arguments,
    })
}

fn result() -> impl Strategy<Value = Block> {
    ("[a-zA-Z0-9_-]{1,12}", text()).prop_map(|(call_id, text)| Block::ToolResult {
        call_id,
        content: vec![Block::text(text)],
        is_error: false,
    })
}

fn turn(role: Role, content: Vec<Block>) -> Message {
    Message { role, content }
}

/// An exchange of the user and the assistant, with calls of tools and their results.
fn conversation() -> impl Strategy<Value = Vec<Message>> {
    let user = proptest::collection::vec(
        prop_oneof![
            text().prop_map(Block::text),
            media().prop_map(|source| Block::Image {
                source,
                cache_control: None
            }),
        ],
        1..4,
    );
    let assistant = (
        proptest::collection::vec(text().prop_map(Block::text), 1..2),
        proptest::collection::vec(call(), 0..3),
    );
    let turns =
        (user, assistant, proptest::collection::vec(result(), 0..3)).prop_map(|(said, (answer, calls), results)| {
            let mut turns = vec![turn(Role::User, said), turn(Role::Assistant, [answer, calls].concat())];
            if !results.is_empty() {
                turns.push(turn(Role::User, results));
                turns.push(turn(Role::Assistant, vec![Block::text("so")]));
            }
            turns
        });
    (proptest::option::of(text()), proptest::collection::vec(turns, 1..4)).prop_map(|(system, turns)| {
        let system = system.map(|text| turn(Role::System, vec![Block::text(text)]));
        system.into_iter().chain(turns.into_iter().flatten()).collect()
    })
}

fn tool() -> impl Strategy<Value = Tool> {
    (
        "[a-z_]{1,8}",
        proptest::option::of(text()),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(name, description, strict)| Tool {
            name,
            description,
            schema: Some(json(r#"{"type": "object", "properties": {"b": {}, "a": {}}}"#)),
            strict,
        })
}

fn request() -> impl Strategy<Value = Request> {
    let choice = prop_oneof![
        Just(ToolChoice::Auto),
        Just(ToolChoice::Any),
        Just(ToolChoice::None),
        "[a-z]{1,8}".prop_map(ToolChoice::Named),
    ];
    let tools = proptest::option::of((proptest::collection::vec(tool(), 1..3), choice, any::<bool>()));
    let reasoning = prop_oneof![
        Just(Reasoning::default()),
        "(low|medium|high|xhigh|max)".prop_map(|effort| Reasoning {
            mode: Some(ReasoningMode::Adaptive),
            effort: Some(effort)
        }),
    ];
    let limits = (
        1..100_000_u64,
        proptest::option::of(0..=10_u8),
        proptest::collection::vec(text(), 0..3),
        proptest::option::of(text()),
        any::<bool>(),
    );
    (conversation(), tools, reasoning, limits, any::<bool>()).prop_map(
        |(messages, tools, reasoning, (max_tokens, temperature, stop, user, stream), formatted)| {
            let (tools, tool_choice, parallel) = match tools {
                Some((tools, choice, parallel)) => (tools, Some(choice), Some(parallel)),
                None => (Vec::new(), None, None),
            };
            Request {
                messages,
                tools,
                // Where no tool may be called, how many at once is no question.
                parallel_tool_calls: parallel.filter(|_| tool_choice != Some(ToolChoice::None)),
                tool_choice,
                format: formatted.then(|| Format {
                    name: None,
                    description: None,
                    schema: json(r#"{"type": "object", "properties": {}, "additionalProperties": false}"#),
                    strict: None,
                }),
                max_tokens: Some(max_tokens),
                temperature: temperature.map(|tenths| json(&format!("{:.1}", f64::from(tenths) / 10.0))),
                stop,
                reasoning,
                user,
                stream,
                ..Request::default()
            }
        },
    )
}

fn said() -> impl Strategy<Value = Said> {
    let reasoning = proptest::option::of((text(), text()));
    let content = (
        reasoning,
        proptest::option::of(text()),
        proptest::collection::vec(call(), 0..3),
    );
    let usage = (0..9_u64, 0..9_u64, 0..9_u64, 0..9_u64).prop_map(|(prompt, cached, written, completion)| Usage {
        prompt_tokens: prompt + cached + written,
        cached_tokens: cached,
        cache_write_tokens: written,
        completion_tokens: completion,
        reasoning_tokens: completion / 2,
        estimated: false,
    });
    (content, usage, any::<bool>()).prop_map(|((reasoning, text, calls), usage, is_cut)| {
        let mut content = Vec::new();
        content.extend(reasoning.map(|(text, signature)| Block::Reasoning {
            text,
            signature: Some(signature),
        }));
        content.extend(text.map(Block::text));
        let reason = match (is_cut, calls.is_empty()) {
            (true, _) => FinishReason::Length,
            (false, true) => FinishReason::Stop,
            (false, false) => FinishReason::ToolCalls,
        };
        content.extend(calls);
        Said {
            upstream_id: Some("gen-0-X".into()),
            content,
            finish: Finish {
                reason,
                native: Box::default(),
                stop_sequence: None,
            },
            usage: Some(usage),
        }
    })
}

/// Without what is each vendor's own: the word for how it ended.
fn without_word(mut answer: Said) -> Said {
    answer.finish.native = Box::default();
    answer
}

/// `text` cut at these places.
fn cut<'a>(text: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
    places.extend([0, text.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn a_request_that_goes_through_anthropics_form_loses_nothing(request in request()) {
        let asked = anthropic_form::write_request::Asked { model: "m", max_output_tokens: None };
        let written = anthropic_form::write_request::write_request(&request, asked).unwrap();
        prop_assert_eq!(anthropic_form::read_request::read_request(&written).unwrap(), request);
    }

    #[test]
    fn a_request_that_goes_through_openais_form_loses_nothing(mut request in request(), old in any::<bool>()) {
        let output_limit_field = if old { "max_tokens" } else { "max_completion_tokens" };
        let asked = openai_form::write_request::Asked { model: "m", output_limit_field };
        let written = openai_form::write_request::write_request(&request, asked).unwrap();
        if let Some(format) = &mut request.format {
            // These must be given there.
            format.name = Some("answer".to_owned());
            format.strict = Some(true);
        }
        prop_assert_eq!(openai_form::read_request::read_request(&written).unwrap(), request);
    }

    #[test]
    fn an_answer_that_goes_through_either_form_loses_nothing(answer in said()) {
        let used = answer.usage.unwrap();
        let written = anthropic_form::write_answer::write_answer(&answer, &stamp(), &used).unwrap();
        prop_assert_eq!(without_word(anthropic_form::read_answer::read_answer(&written).unwrap()), answer.clone());
        let written = openai_form::write_answer::write_answer(&answer, &stamp(), 7, &used, None).unwrap();
        prop_assert_eq!(without_word(openai_form::read_answer::read_answer(&written).unwrap()), answer);
    }

    #[test]
    fn how_a_stream_is_cut_into_reads_does_not_matter(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12)) {
        for (provider, name) in DIALECTS {
            for (fixture, text) in fixtures(name, "streams") {
                for client in [Dialect::OpenAI, Dialect::Anthropic] {
                    let whole = streamed(&mut writer(provider, client, UsagePlace::EmptyDelta), [&text[..]]).unwrap();
                    let pieces = streamed(&mut writer(provider, client, UsagePlace::EmptyDelta), cut(&text, &cuts)).unwrap();
                    prop_assert_eq!(pieces, whole, "{} {} to {:?}", name, fixture, client);
                }
            }
        }
    }

    #[test]
    fn a_stream_means_the_same_after_both_translations(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..4)) {
        let there_and_back = |provider: Dialect, other: Dialect, text: &[u8]| {
            let there = streamed(&mut writer(provider, other, UsagePlace::OwnChunk), cut(text, &cuts)).unwrap();
            let mut back = writer(other, provider, UsagePlace::OwnChunk);
            streamed(&mut back, [there.as_bytes()]).unwrap();
            let mut direct = writer(provider, provider, UsagePlace::OwnChunk);
            streamed(&mut direct, [text]).unwrap();
            (back, direct)
        };
        for (provider, other, name) in [(Dialect::OpenAI, Dialect::Anthropic, "openai"), (Dialect::Anthropic, Dialect::OpenAI, "anthropic")] {
            for (fixture, text) in fixtures(name, "streams").into_iter().filter(|(fixture, _)| !["interleaved", "refusal"].contains(&fixture.as_str())) {
                let (mut back, mut direct) = there_and_back(provider, other, &text);
                prop_assert_eq!(back.finish_reason(), direct.finish_reason(), "{} {}", name, &fixture);
                let said = |writer: &mut StreamWriter| unescape(&writer.take_deltas().unwrap().content);
                prop_assert_eq!(said(&mut back), said(&mut direct), "{} {}", name, &fixture);
            }
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        never_panics(&bytes);
    }

    #[test]
    fn no_broken_fixture_makes_a_reader_panic(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        removed in 0..8_usize,
        with in "[\\[\\]{}\",:0-9a-z]{0,3}",
    ) {
        let kinds = ["requests", "answers", "streams"].into_iter();
        let all: Vec<_> = kinds.flat_map(|kind| DIALECTS.map(|(_, name)| fixtures(name, kind))).flatten().collect();
        let text = &all[which.index(all.len())].1;
        let from = at.index(text.len());
        let broken = [&text[..from], with.as_bytes(), &text[(from + removed).min(text.len())..]].concat();
        never_panics(&broken);
        for (provider, _) in DIALECTS {
            for (client, _) in DIALECTS {
                let _ = streamed(&mut writer(provider, client, UsagePlace::FinishChunk), [&broken[..]]);
            }
        }
    }
}

fn never_panics(bytes: &[u8]) {
    let openai = openai_form::read_request::read_request(bytes);
    let anthropic = anthropic_form::read_request::read_request(bytes);
    for request in [openai, anthropic].into_iter().flatten() {
        let asked = anthropic_form::write_request::Asked {
            model: "m",
            max_output_tokens: Some(9),
        };
        let _ = anthropic_form::write_request::write_request(&request, asked);
        let asked = openai_form::write_request::Asked {
            model: "m",
            output_limit_field: "max_tokens",
        };
        let _ = openai_form::write_request::write_request(&request, asked);
    }
    for (provider, _) in DIALECTS {
        for (client, _) in DIALECTS {
            let bytes = Bytes::copy_from_slice(bytes);
            let _ = Answer::read(bytes.clone(), provider, client);
            let _ = writer(provider, client, UsagePlace::OwnChunk).event(bytes, &mut BytesMut::new());
        }
    }
}
