//! The custom resource definitions in a real API server, and the same verdicts from what `serve` loads files with.
//!
//! Runs inside a cluster (`e2e/cluster run`), and fails without one: a suite that shows nothing must not pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};
use e2e::stage::Stage;
use serde_json::{Value, json};

/// What the API server says beside our own words, where the two differ: the second line of a manifest.
const EXPECT_API: &str = "# expect-api: ";
/// What `serve` says: the first line.
const EXPECT: &str = "# expect: ";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Name and text of each manifest of one half of the corpus.
fn corpus(half: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let mut manifests = BTreeMap::new();
    for entry in fs::read_dir(root().join("e2e/manifests").join(half))? {
        let path = entry?.path();
        let name = path
            .file_name()
            .context("an entry has a name")?
            .to_string_lossy()
            .into_owned();
        manifests.insert(name, fs::read_to_string(&path)?);
    }
    Ok(manifests)
}

/// Runs kubectl in the repository's root, with the definitions installed.
fn kubectl(arguments: &[&str]) -> anyhow::Result<Output> {
    static INSTALLED: OnceLock<Result<(), String>> = OnceLock::new();
    INSTALLED
        .get_or_init(|| install().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)?;
    run(arguments)
}

fn run(arguments: &[&str]) -> anyhow::Result<Output> {
    let (cluster, config) = (std::env::var_os("CLUSTER_DIR"), std::env::var_os("KUBECONFIG"));
    // Any other cluster is somebody's.
    if config.is_none()
        || config.map(PathBuf::from) != cluster.map(|cluster| Path::new(&cluster).join("admin.kubeconfig"))
    {
        bail!(
            "this is not inside a cluster of e2e/cluster: run this suite with e2e/test crds, or by `e2e/cluster up control` and `e2e/cluster run cargo test ...`"
        );
    }
    Command::new("kubectl")
        .args(arguments)
        .current_dir(root())
        .output()
        .context("failed to run kubectl")
}

fn install() -> anyhow::Result<()> {
    told(run(&["apply", "--server-side", "-f", "deploy/crds"])?)?;
    told(run(&[
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        "deploy/crds",
    ])?)?;
    // Discovery and the published schemas, and with them what kubectl knows of the kinds, follow a moment later.
    let questions: [&[&str]; 5] = [
        &["get", "providers,routes,prompttemplates,promptrevisions"],
        &["explain", "provider.spec"],
        &["explain", "route.spec"],
        &["explain", "prompttemplate.spec"],
        &["explain", "promptrevision.spec"],
    ];
    let deadline = std::time::Instant::now() + e2e::wait::PATIENCE;
    for question in questions {
        while !run(question)?.status.success() {
            ensure!(
                std::time::Instant::now() < deadline,
                "the API server does not serve the kinds: kubectl {question:?}"
            );
        }
    }
    Ok(())
}

/// What a command that must work wrote.
fn told(output: Output) -> anyhow::Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// As `kubectl apply` does it, but nothing is stored.
fn dry_run(what: &str) -> anyhow::Result<Output> {
    kubectl(&["apply", "--dry-run=server", "--validate=strict", "-f", what])
}

fn admitted(text: &str) -> anyhow::Result<Result<(), Vec<String>>> {
    let document: Value = serde_yaml::from_str(text)?;
    let verdict = crds::admission::admit(&document);
    Ok(verdict
        .map(drop)
        .map_err(|refused| refused.faults.iter().map(ToString::to_string).collect()))
}

#[test]
fn valid_manifests_are_accepted_by_the_api_server_and_by_serve() -> anyhow::Result<()> {
    let manifests = corpus("valid")?;
    ensure!(manifests.len() >= 40, "{} manifests", manifests.len());
    let accepted = told(dry_run("e2e/manifests/valid")?)?;
    ensure!(accepted.lines().count() == manifests.len(), "{accepted}");
    for (name, text) in &manifests {
        ensure!(admitted(text)? == Ok(()), "{name}: {:?}", admitted(text)?);
    }
    Ok(())
}

#[test]
fn invalid_manifests_are_refused_by_the_api_server_and_by_serve_in_words_that_name_the_fault() -> anyhow::Result<()> {
    let manifests = corpus("invalid")?;
    ensure!(manifests.len() >= 60, "{} manifests", manifests.len());
    let output = dry_run("e2e/manifests/invalid")?;
    ensure!(
        output.stdout.is_empty() && !output.status.success(),
        "accepted: {}",
        String::from_utf8_lossy(&output.stdout)
    );
    let said = String::from_utf8(output.stderr)?;
    let mut wrong = Vec::new();
    for (name, text) in &manifests {
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(EXPECT))
            .with_context(|| name.clone())?;
        match admitted(text)? {
            Err(faults) if faults.iter().any(|fault| fault.contains(expected)) => {}
            other => wrong.push(format!("{name}: serve says {other:?}, not `{expected}`")),
        }
        let refusal = match refusal_of(&said, name) {
            Some(refusal) => refusal.to_owned(),
            None => String::from_utf8(dry_run(&format!("e2e/manifests/invalid/{name}"))?.stderr)?,
        };
        let expected = text
            .lines()
            .nth(1)
            .and_then(|line| line.strip_prefix(EXPECT_API))
            .unwrap_or_else(|| field_or_words(expected));
        if refusal.is_empty() || !refusal.contains(expected) {
            wrong.push(format!(
                "{name}: the API server says `{}`, not `{expected}`",
                refusal.trim()
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// What follows the name of a file in the output, up to the next.
fn refusal_of<'a>(said: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = said.split_once(&format!("e2e/manifests/invalid/{name}\""))?;
    Some(
        rest.lines()
            .next()
            .unwrap_or_default()
            .split("e2e/manifests/invalid/")
            .next()
            .unwrap_or_default(),
    )
}

/// Of what `serve` says, that which the API server must say too: the name of the field, or else the words of a rule.
fn field_or_words(expected: &str) -> &str {
    match expected.split_once(": ") {
        Some((path, _)) => {
            let field = path.rsplit('.').next().unwrap_or(path);
            let entry = field.split_once('[').and_then(|(_, entry)| entry.strip_suffix(']'));
            match entry {
                Some(entry) if entry.parse::<usize>().is_err() => entry,
                _ => field.split('[').next().unwrap_or(field),
            }
        }
        None => expected,
    }
}

/// The loader as a whole, not its judgement alone: each bad file is named, and no good one.
#[tokio::test]
async fn serve_reports_each_invalid_file_and_no_valid_one() -> anyhow::Result<()> {
    for half in ["invalid", "valid"] {
        let manifests = corpus(half)?;
        let stage = Stage::new().await?;
        for (name, text) in &manifests {
            stage.write(name, text)?;
        }
        let gateway = stage.gateway(&[]).await?;
        let status = gateway.client.get_json("/status").await?;
        let faults = status["faults"].as_array().context("no faults")?;
        let malformed = faults.iter().filter(|fault| fault["reason"] == "Malformed");
        let reported: BTreeSet<&str> = malformed
            .filter_map(|fault| Path::new(fault["file"].as_str()?).file_name()?.to_str())
            .collect();
        let expected: BTreeSet<&str> = if half == "invalid" {
            manifests.keys().map(String::as_str).collect()
        } else {
            BTreeSet::new()
        };
        let difference: Vec<_> = reported.symmetric_difference(&expected).collect();
        ensure!(
            difference.is_empty(),
            "{half}: serve and the API server differ over {difference:?}: {faults:?}"
        );
    }
    Ok(())
}

#[test]
fn people_find_their_way_with_kubectl() -> anyhow::Result<()> {
    told(kubectl(&[
        "apply",
        "--server-side",
        "-f",
        "e2e/tests/crds/sample.yaml",
    ])?)?;
    for (name, columns) in [
        ("prov", &["NAME", "VENDOR", "MODELS", "ACCEPTED", "READY", "AGE"][..]),
        (
            "rt",
            &[
                "NAME",
                "MODEL",
                "STRATEGY",
                "ACCEPTED",
                "PROGRAMMED",
                "READY",
                "ACKED",
                "AGE",
            ][..],
        ),
        ("pt", &["NAME", "ACCEPTED", "ACTIVE", "AGE"][..]),
    ] {
        let table = told(kubectl(&["get", name])?)?;
        let head: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
        ensure!(
            head == columns && table.contains("sample"),
            "kubectl get {name}: {table}"
        );
    }
    let all = told(kubectl(&["get", "llm", "--output=name"])?)?;
    for name in [
        "provider.routeswitch.io/sample",
        "route.routeswitch.io/sample",
        "prompttemplate.routeswitch.io/sample",
    ] {
        ensure!(all.contains(name), "kubectl get llm: {all}");
    }
    for (selector, kind, found) in [
        ("spec.vendor=Simulated", "prov", true),
        ("spec.vendor=OpenAI", "prov", false),
        ("spec.model=sample", "rt", true),
        ("spec.model=other", "rt", false),
    ] {
        let selected = told(kubectl(&["get", kind, "--output=name", "--field-selector", selector])?)?;
        ensure!(selected.contains("/sample") == found, "{selector}: {selected}");
    }
    Ok(())
}

/// Whoever waits for an object takes one without conditions for one that has nothing to wait for.
#[test]
fn a_fresh_object_is_not_ready_before_the_operator_has_seen_it() -> anyhow::Result<()> {
    for (name, kind, object) in [
        ("70-provider-status.yaml", "provider", "status-as-it-was-read"),
        ("71-route-status-default.yaml", "route", "status-default"),
    ] {
        let object = stored(name, kind, object)?;
        ensure!(object["status"]["observedGeneration"].is_null(), "{object}");
        let conditions = object["status"]["conditions"].as_array().context("no conditions")?;
        let told = conditions
            .iter()
            .map(|condition| json!([condition["type"], condition["status"], condition["reason"]]));
        ensure!(
            told.collect::<Value>() == json!([["Accepted", "Unknown", "Pending"], ["Ready", "Unknown", "Pending"]]),
            "{object}"
        );
    }
    Ok(())
}

#[test]
fn every_field_is_explained() -> anyhow::Result<()> {
    for kind in ["provider", "route", "prompttemplate", "promptrevision"] {
        let definition = told(kubectl(&[
            "get",
            "crd",
            &format!("{kind}s.routeswitch.io"),
            "--output=json",
        ])?)?;
        let definition: Value = serde_json::from_str(&definition)?;
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut bare = Vec::new();
        find_bare(&schema["properties"]["spec"], "spec", &mut bare);
        find_bare(&schema["properties"]["status"], "status", &mut bare);
        ensure!(bare.is_empty(), "{kind}: no description of {bare:?}");
    }
    for (path, words) in [
        ("provider.spec.baseUrl", "Where the API lives"),
        ("route.spec.targets.weight", "Share of the requests under Weighted"),
        ("prompttemplate.spec.messages.content", "emplate"),
    ] {
        let explained = told(kubectl(&["explain", path])?)?;
        // kubectl breaks lines where it likes.
        let explained = explained.split_whitespace().collect::<Vec<_>>().join(" ");
        ensure!(explained.contains(words), "kubectl explain {path}: {explained}");
    }
    Ok(())
}

/// The file `name` of the corpus as the API server gives it back once it is stored.
fn stored(name: &str, kind: &str, object: &str) -> anyhow::Result<Value> {
    told(kubectl(&[
        "apply",
        "--server-side",
        "-f",
        &format!("e2e/manifests/valid/{name}"),
    ])?)?;
    Ok(serde_json::from_str(&told(kubectl(&[
        "get",
        kind,
        object,
        "--output=json",
    ])?)?)?)
}

#[test]
fn one_file_gives_the_same_digest_through_the_api_server_and_through_the_loader() -> anyhow::Result<()> {
    for (name, object) in [
        ("45-prompt-everything.yaml", "prompt-everything"),
        ("400-prompt-parameters.yaml", "prompt-parameters"),
        ("50-prompt-unicode.yaml", "prompt-unicode"),
    ] {
        let text = &corpus("valid")?[name];
        let mut digests = BTreeSet::new();
        for mut document in [
            serde_yaml::from_str::<Value>(text)?,
            stored(name, "prompttemplate", object)?,
        ] {
            // The pin names a revision that is not there.
            document["spec"]
                .as_object_mut()
                .context("a spec")?
                .remove("pinnedRevision");
            let admitted = crds::admission::admit(&document).map_err(|refused| anyhow::anyhow!("{refused:?}"))?;
            let crds::admission::Admitted::PromptTemplate(template) = admitted else {
                bail!("{name} is no PromptTemplate")
            };
            let mut resources = crds::compiler::Resources::default();
            let id = crds::object::ObjectName::new("default", object);
            let submitted = crds::compiler::Submitted::WellFormed(template);
            resources.prompt_templates.insert(id.clone(), submitted);
            let compiled = crds::compiler::compile(&resources, &crds::compiler::Settings::default(), None);
            let prompt = compiled.snapshot.prompts.get(&id);
            digests.insert(
                prompt
                    .with_context(|| format!("{:?}", compiled.diagnostics))?
                    .spec_revision
                    .clone(),
            );
        }
        ensure!(digests.len() == 1, "{name}: {digests:?}");
    }
    Ok(())
}

#[test]
fn a_revision_cannot_be_changed() -> anyhow::Result<()> {
    stored("402-revision.yaml", "promptrevision", "triage-aaaaaaaaaa")?;
    let patch = r#"{"spec":{"messages":[{"role":"user","content":"other"}]}}"#;
    let changed = kubectl(&[
        "patch",
        "promptrevision",
        "triage-aaaaaaaaaa",
        "--type=merge",
        "--patch",
        patch,
    ])?;
    let said = String::from_utf8_lossy(&changed.stderr);
    ensure!(
        !changed.status.success() && said.contains("a revision cannot be changed"),
        "{said}"
    );
    Ok(())
}

fn find_bare(schema: &Value, path: &str, bare: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        if field["description"].as_str().is_none_or(str::is_empty) {
            bare.push(path.clone());
        }
        find_bare(field, &path, bare);
        find_bare(&field["items"], &path, bare);
    }
}
