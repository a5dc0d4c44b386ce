//! What Helm 4, Flux and kpt read in an object: the rules of kstatus (sigs.k8s.io/cli-utils) for kinds that it does not know.

use serde_json::Value;

/// kstatus's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    InProgress,
    Failed,
    Current,
    Terminating,
}

/// The first rule that fits decides.
pub fn verdict(object: &Value) -> Verdict {
    if object["metadata"]["deletionTimestamp"]
        .as_str()
        .is_some_and(|time| !time.is_empty())
    {
        return Verdict::Terminating;
    }
    let (generation, observed) = (
        &object["metadata"]["generation"],
        &object["status"]["observedGeneration"],
    );
    if generation.is_i64() && observed.is_i64() && generation != observed {
        return Verdict::InProgress;
    }
    let conditions = object["status"]["conditions"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    for condition in conditions.iter().filter(|condition| condition["status"] == "True") {
        match condition["type"].as_str() {
            Some("Reconciling") => return Verdict::InProgress,
            Some("Stalled") => return Verdict::Failed,
            _ => {}
        }
    }
    match conditions.iter().find(|condition| condition["type"] == "Ready") {
        Some(ready) if ready["status"] != "True" => Verdict::InProgress,
        // Without any Ready too: the trap.
        _ => Verdict::Current,
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;

    fn object(observed: Option<i64>, conditions: &[(&str, &str)]) -> Value {
        let conditions = conditions
            .iter()
            .map(|(kind, status)| json!({ "type": kind, "status": status }));
        let mut object =
            json!({ "metadata": { "generation": 2 }, "status": { "conditions": conditions.collect::<Vec<_>>() } });
        if let Some(observed) = observed {
            object["status"]["observedGeneration"] = json!(observed);
        }
        object
    }

    #[test]
    fn recorded_objects_get_the_verdicts_that_kstatus_itself_gives() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("verdicts");
        let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
        let lines: Vec<_> = table.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines.len() > 10, "{table}");
        for line in lines {
            let (name, verdicts) = line.split_once('\t').unwrap();
            let object = fs::read(folder.join(format!("objects/{name}.json"))).unwrap();
            let found = verdict(&serde_json::from_slice(&object).unwrap());
            assert_eq!(format!("{found:?}"), verdicts.split('\t').next().unwrap(), "{name}");
        }
    }

    #[test]
    fn each_rule_comes_before_those_below_it() {
        let all = [("Reconciling", "True"), ("Stalled", "True"), ("Ready", "True")];
        let mut deleted = object(Some(1), &all);
        deleted["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        for (object, expected) in [
            (deleted, Verdict::Terminating),
            (object(Some(1), &all[1..]), Verdict::InProgress),
            (object(Some(2), &all), Verdict::InProgress),
            (object(Some(2), &all[1..]), Verdict::Failed),
            (object(Some(2), &all[2..]), Verdict::Current),
            (object(Some(2), &[("Ready", "False")]), Verdict::InProgress),
            (object(None, &[("Ready", "Unknown")]), Verdict::InProgress),
            (object(Some(2), &[("Stalled", "False")]), Verdict::Current),
            (json!({ "metadata": { "generation": 1 } }), Verdict::Current),
        ] {
            assert_eq!(verdict(&object), expected, "{object}");
        }
    }
}
