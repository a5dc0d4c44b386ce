use super::*;

fn completion(content: &str, usage: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"x","choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}"}},"finish_reason":"stop"}}],"usage":{usage}}}"#
    )
    .into_bytes()
}

const USAGE: &str = r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}"#;

#[test]
fn the_right_completion_passes() {
    assert_eq!(
        check_completion(&completion("[[0000000000000042]] yes", USAGE), Some(42)),
        Ok(())
    );
    assert_eq!(check_completion(&completion("anything", USAGE), None), Ok(()));
}

#[test]
fn the_answer_to_another_request_fails() {
    assert!(check_completion(&completion("[[0000000000000043]] yes", USAGE), Some(42)).is_err());
    assert!(check_completion(&completion("yes", USAGE), Some(42)).is_err());
    assert!(check_completion(&completion("[[42", USAGE), Some(42)).is_err());
}

#[test]
fn an_answer_without_usage_or_with_usage_that_does_not_add_up_fails() {
    let of_usage = |usage| check_completion(&completion("[[0000000000000042]]", usage), Some(42));
    assert_eq!(of_usage("null"), Err("no usage".to_owned()));
    assert!(of_usage(r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":4}"#).is_err());
    assert!(of_usage(r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#).is_err());
}

#[test]
fn half_an_answer_and_an_error_body_fail() {
    let whole = completion("[[0000000000000042]]", USAGE);
    assert!(check_completion(&whole[..whole.len() / 2], Some(42)).is_err());
    assert!(check_completion(br#"{"error":{"message":"no"}}"#, Some(42)).is_err());
}

fn content(index: usize, number: u64) -> String {
    format!(r#"data: {{"choices":[{{"index":0,"delta":{{"content":"{index}@{number:016} "}},"finish_reason":null}}]}}"#)
}

const ROLE: &str = r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const FINISH: &str = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const LAST: &str = r#"data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#;
const DONE: &str = "data: [DONE]";

fn verdict(events: &[&str]) -> Outcome {
    let mut check = StreamCheck::new(Some((42, 2)));
    for event in events {
        if let Err(why) = check.event(event.as_bytes()) {
            return Outcome::Wrong(why);
        }
    }
    check.end()
}

#[test]
fn the_right_stream_passes_with_comments_in_between() {
    let (first, second) = (content(0, 42), content(1, 42));
    assert_eq!(
        verdict(&[ROLE, &first, ": keep-alive", &second, FINISH, LAST, DONE]),
        Outcome::Ok
    );
}

#[test]
fn a_stream_with_a_chunk_lost_doubled_swapped_or_of_another_fails() {
    let (first, second, foreign) = (content(0, 42), content(1, 42), content(1, 43));
    let streams: [&[&str]; 4] = [
        &[&first],
        &[&first, &first, &second],
        &[&second, &first],
        &[&first, &foreign],
    ];
    for chunks in streams {
        let events = [&[ROLE], chunks, &[FINISH, LAST, DONE]].concat();
        assert!(matches!(verdict(&events), Outcome::Wrong(_)), "{chunks:?}");
    }
}

#[test]
fn a_stream_without_finish_usage_or_done_fails() {
    let (first, second) = (content(0, 42), content(1, 42));
    let whole = [ROLE, &first, &second, FINISH, LAST, DONE];
    for left_out in 3..whole.len() {
        let events: Vec<&str> = (0..whole.len())
            .filter(|at| *at != left_out)
            .map(|at| whole[at])
            .collect();
        assert!(
            matches!(verdict(&events), Outcome::Wrong(_)),
            "without {}",
            whole[left_out]
        );
    }
}

#[test]
fn a_typed_error_in_a_stream_is_told_apart_from_a_wrong_answer() {
    let first = content(0, 42);
    let error = r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}],"error":{"message":"cut"}}"#;
    assert_eq!(
        verdict(&[ROLE, &first, error, DONE]),
        Outcome::StreamError(r#"{"message":"cut"}"#.to_owned())
    );
}

#[test]
fn an_event_after_done_fails() {
    let (first, second) = (content(0, 42), content(1, 42));
    assert!(matches!(
        verdict(&[&first, &second, FINISH, LAST, DONE, FINISH]),
        Outcome::Wrong(_)
    ));
}
