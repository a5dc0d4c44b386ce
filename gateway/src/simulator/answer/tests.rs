use serde_json::json;

use super::{Ask, End, Format, Part, Tool, ToolChoice, answer};
use crate::simulator::behaviour::Behaviour;

fn ask() -> Ask {
    Ask {
        choices: 1,
        parallel: true,
        ..Ask::default()
    }
}

fn text(ask: &Ask, behaviour: &Behaviour) -> String {
    answer(1, ask, behaviour).unwrap()[0]
        .pieces
        .iter()
        .map(super::Piece::text)
        .collect()
}

#[test]
fn the_same_seed_and_request_give_the_same_answer_and_another_of_either_another() {
    let behaviour = Behaviour::default();
    assert_eq!(answer(1, &ask(), &behaviour), answer(1, &ask(), &behaviour));
    assert_ne!(answer(1, &ask(), &behaviour), answer(2, &ask(), &behaviour));
    assert_ne!(
        answer(1, &ask(), &behaviour),
        answer(
            1,
            &Ask {
                conversation: 1,
                ..ask()
            },
            &behaviour
        )
    );
    let two = answer(1, &Ask { choices: 2, ..ask() }, &behaviour).unwrap();
    assert_ne!(two[0], two[1]);
}

#[test]
fn a_limit_cuts_at_the_token_and_a_stop_sequence_before_itself() {
    let whole = text(&ask(), &Behaviour::default());
    let cut = answer(
        1,
        &Ask {
            limit: Some(5),
            ..ask()
        },
        &Behaviour::default(),
    )
    .unwrap();
    assert_eq!((cut[0].tokens(), cut[0].end.clone()), (5, End::Length));
    let second = whole.split(' ').nth(1).unwrap().to_owned();
    let stopped = text(
        &Ask {
            stop: vec![second.clone()],
            ..ask()
        },
        &Behaviour::default(),
    );
    assert_eq!(stopped, whole[..whole.find(&second).unwrap()]);
}

#[test]
fn a_stream_of_so_many_chunks_has_so_many() {
    for (words, chunks) in [(24, 5), (24, 24), (3, 40), (1000, 7), (24, 1)] {
        let behaviour = Behaviour {
            words,
            chunks: Some(chunks),
            ..Behaviour::default()
        };
        assert_eq!(answer(1, &ask(), &behaviour).unwrap()[0].pieces.len(), chunks);
    }
}

/// The names of the tools called, two being on offer.
fn called(change: impl FnOnce(&mut Ask), tool_calls: Option<usize>) -> Vec<String> {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
    let tool = |name: &str| Tool {
        name: name.to_owned(),
        parameters: parameters.clone(),
    };
    let mut ask = ask();
    ask.tools = vec![tool("get_weather"), tool("get_time")];
    change(&mut ask);
    let behaviour = Behaviour {
        tool_calls,
        ..Behaviour::default()
    };
    let choice = answer(1, &ask, &behaviour).unwrap().remove(0);
    let names = choice.pieces.into_iter().filter_map(|piece| match piece.part {
        Part::Call { name, .. } => Some(name),
        _ => None,
    });
    names.collect()
}

#[test]
fn tools_are_called_when_the_choice_the_model_or_the_users_text_asks() {
    let none: [&str; 0] = [];
    assert_eq!(called(|_| {}, None), none);
    assert_eq!(
        called(|ask| ask.user_text = Some("use get_time".to_owned()), None),
        ["get_time"]
    );
    assert_eq!(called(|_| {}, Some(2)), ["get_weather", "get_time"]);
    assert_eq!(called(|_| {}, Some(3)), ["get_weather", "get_time", "get_weather"]);
    assert_eq!(called(|ask| ask.parallel = false, Some(2)), ["get_weather"]);
    assert_eq!(
        called(|ask| ask.tool_choice = ToolChoice::Required, None),
        ["get_weather"]
    );
    let named = ToolChoice::Named("get_time".to_owned());
    assert_eq!(called(|ask| ask.tool_choice = named, None), ["get_time"]);
    assert_eq!(called(|ask| ask.tool_choice = ToolChoice::None, Some(2)), none);
    assert_eq!(called(|ask| ask.tool_results = vec!["21".to_owned()], Some(2)), none);
}

#[test]
fn json_results_and_images_are_answered_to() {
    let plain = Behaviour::default();
    assert!(
        text(
            &Ask {
                format: Format::Object,
                ..ask()
            },
            &plain
        )
        .starts_with("{\"answer\":")
    );
    assert_eq!(
        text(
            &Ask {
                format: Format::Schema(json!({"const": 3})),
                ..ask()
            },
            &plain
        ),
        "3"
    );
    assert_eq!(
        text(
            &Ask {
                tool_results: vec!["21 C".to_owned()],
                ..ask()
            },
            &plain
        ),
        "The tools answered: 21 C"
    );
    assert!(
        text(
            &Ask {
                images: vec!["a cat".to_owned()],
                ..ask()
            },
            &plain
        )
        .starts_with("I see a cat. ")
    );
    assert_eq!(
        text(
            &Ask {
                user_text: Some("repeat: hi".to_owned()),
                ..ask()
            },
            &plain
        ),
        "hi"
    );
}

#[test]
fn an_echo_is_whole_whatever_the_request_asks() {
    let ask = Ask {
        echo: "the request as it came".to_owned(),
        stop: vec!["request".to_owned()],
        limit: Some(1),
        tool_choice: ToolChoice::Required,
        ..ask()
    };
    let echo = Behaviour {
        echo: true,
        ..Behaviour::default()
    };
    assert_eq!(text(&ask, &echo), ask.echo);
}
