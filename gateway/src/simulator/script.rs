//! How an answer is sent: a list of steps, made by a pure function from the dialect's frames and the behaviour.

use std::time::Duration;

use bytes::Bytes;

use super::answer::FILLER;
use super::behaviour::{Behaviour, Break, Fault};

const DRIP_BYTES: usize = 5;

/// One event of a stream, as the dialect writes it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub bytes: Bytes,
    pub place: Place,
}

/// Where in the stream an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Neither content nor end: the role, or where a part of the answer begins or ends.
    Edge,
    Content,
    /// Why the answer ended.
    Finish,
    /// Usage and end mark.
    Trailer,
}

/// One thing to do while sending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Send(Bytes),
    /// Notes the time: a chunk of content follows.
    Note,
    /// Sends so many bytes of filler.
    Fill(usize),
    Wait(Duration),
    /// Waits for a release of this gate.
    Gate(u64),
    Break(Break),
}

/// The steps of a stream. `garbage` and `error` are the dialect's events for those faults.
pub(crate) fn stream(
    frames: Vec<Frame>,
    behaviour: &Behaviour,
    fault: Option<Fault>,
    garbage: &Bytes,
    error: Bytes,
) -> Vec<Step> {
    let mut steps = Vec::with_capacity(frames.len() * 2);
    let mut content = 0;
    let mut garbled = matches!(fault, Some(Fault::Garbage { after: None }));
    if garbled {
        send(&mut steps, garbage, behaviour, fault);
    }
    for frame in frames {
        if matches!(frame.place, Place::Content | Place::Finish) {
            let finish = frame.place == Place::Finish;
            match fault {
                Some(Fault::Break {
                    how,
                    after: Some(after),
                }) if finish || after == content => {
                    steps.push(Step::Break(how));
                    return steps;
                }
                Some(Fault::ErrorEvent { after }) if finish || after == content => {
                    steps.push(Step::Send(error));
                    return steps;
                }
                _ => pace(&mut steps, behaviour, content, finish),
            }
        }
        let garble = matches!(fault, Some(Fault::Garbage { after: Some(after) }) if !garbled && after <= content);
        if garble && frame.place != Place::Edge {
            garbled = true;
            send(&mut steps, garbage, behaviour, fault);
        } else {
            if frame.place == Place::Content {
                steps.push(Step::Note);
            }
            send(&mut steps, &frame.bytes, behaviour, fault);
        }
        content += usize::from(frame.place == Place::Content);
    }
    steps
}

/// The length in bytes and the steps of an answer that is not streamed, or of the garbage in its place. Its latency lies before the
/// headers, not here.
pub(crate) fn whole(
    body: &Bytes,
    behaviour: &Behaviour,
    fault: Option<Fault>,
    garbage: &'static str,
) -> (usize, Vec<Step>) {
    let mut steps = Vec::new();
    let body = if matches!(fault, Some(Fault::Garbage { .. })) {
        &Bytes::from_static(garbage.as_bytes())
    } else {
        body
    };
    if let Some(Fault::Break { how, after: Some(_) }) = fault {
        send(&mut steps, &body.slice(..body.len() / 2), behaviour, fault);
        steps.push(Step::Break(how));
        return (body.len(), steps);
    }
    send(&mut steps, body, behaviour, fault);
    let length = steps.iter().map(|step| match step {
        Step::Send(bytes) => bytes.len(),
        Step::Fill(length) => *length,
        _ => 0,
    });
    (length.sum(), steps)
}

/// What lies before a chunk of content, or before the end of the content.
fn pace(steps: &mut Vec<Step>, behaviour: &Behaviour, content: usize, finish: bool) {
    if content > 0
        && let Some(gate) = behaviour.gate
    {
        steps.push(Step::Gate(gate));
    }
    let micros = match content {
        0 => behaviour.latency_ms * 1000,
        _ if finish => 0,
        _ => behaviour.gap_micros,
    };
    if micros > 0 {
        steps.push(Step::Wait(Duration::from_micros(micros)));
    }
}

fn send(steps: &mut Vec<Step>, bytes: &Bytes, behaviour: &Behaviour, fault: Option<Fault>) {
    if let Some(Fault::Oversized { mebibytes }) = fault
        && let Some(at) = memchr::memmem::find(bytes, FILLER.as_bytes())
    {
        let (before, after) = (bytes.slice(..at), bytes.slice(at + FILLER.len()..));
        steps.extend([
            Step::Send(before),
            Step::Fill(mebibytes * 1024 * 1024),
            Step::Send(after),
        ]);
        return;
    }
    let Some(drip_ms) = behaviour.drip_ms else {
        steps.push(Step::Send(bytes.clone()));
        return;
    };
    for start in (0..bytes.len()).step_by(DRIP_BYTES) {
        steps.push(Step::Send(bytes.slice(start..bytes.len().min(start + DRIP_BYTES))));
        steps.push(Step::Wait(Duration::from_millis(drip_ms)));
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{FILLER, Frame, Place, Step, stream, whole};
    use crate::simulator::behaviour::Behaviour;

    fn frames() -> Vec<Frame> {
        let places = [
            Place::Edge,
            Place::Content,
            Place::Content,
            Place::Content,
            Place::Finish,
            Place::Trailer,
        ];
        let texts = ["role", "a", "b", "c", "finish", "done"];
        places
            .into_iter()
            .zip(texts)
            .map(|(place, text)| Frame {
                place,
                bytes: Bytes::from_static(text.as_bytes()),
            })
            .collect()
    }

    fn steps(words: &str) -> String {
        let behaviour = Behaviour::default().with_header(words).unwrap();
        let fault = behaviour.fault_of(0, 0);
        let steps = stream(
            frames(),
            &behaviour,
            fault,
            &Bytes::from_static(b"garbage"),
            Bytes::from_static(b"error"),
        );
        let shown = steps.iter().filter(|step| **step != Step::Note).map(|step| match step {
            Step::Send(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            other => format!("{other:?}"),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn each_behaviour_has_its_steps() {
        assert_eq!(steps(""), "role a b c finish done");
        assert_eq!(
            steps("latency=7,gap=2"),
            "role Wait(7ms) a Wait(2ms) b Wait(2ms) c finish done"
        );
        assert_eq!(steps("gate=4"), "role a Gate(4) b Gate(4) c Gate(4) finish done");
        assert_eq!(steps("hang=0"), "role Break(Hang)");
        assert_eq!(steps("cut=2"), "role a b Break(Cut)");
        assert_eq!(steps("reset=99"), "role a b c Break(Reset)");
        assert_eq!(steps("error=1"), "role a error");
        assert_eq!(steps("garbage"), "garbage role a b c finish done");
        assert_eq!(steps("garbage=1"), "role a garbage c finish done");
        assert_eq!(steps("garbage=3"), "role a b c garbage done");
        assert!(steps("drip=1").ends_with("finis Wait(1ms) h Wait(1ms) done Wait(1ms)"));
    }

    #[test]
    fn without_stream_the_length_is_told_in_full_whatever_is_sent() {
        let of = |words: &str, body: &str| {
            let behaviour = Behaviour::default().with_header(words).unwrap();
            whole(&Bytes::from(body.to_owned()), &behaviour, behaviour.fault, "garbage")
        };
        assert_eq!(of("", "0123456789").0, 10);
        let (length, steps) = of("cut=0", "0123456789");
        assert_eq!((length, &steps[0]), (10, &Step::Send(Bytes::from_static(b"01234"))));
        assert_eq!(of("oversized=1", &format!("<{FILLER}>")).0, 2 + 1024 * 1024);
        assert_eq!(of("drip", "0123456789").0, 10);
    }
}
