use std::{fs, path::Path};

use crds::{
    compiler::Submitted,
    object::{Kind, ObjectId, ObjectName},
};
use tempfile::TempDir;

use super::{gather::Content, *};

mod keeping;
mod places;
mod splits;

/// A directory with a loader.
pub(super) struct Fixture {
    pub(super) directory: TempDir,
    pub(super) loader: Loader,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let loader = Loader::new(directory.path()).unwrap();
        Self { directory, loader }
    }

    pub(super) fn with(files: &[(&str, &str)]) -> Self {
        let fixture = Self::new();
        for (name, text) in files {
            fixture.write(name, text);
        }
        fixture
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    pub(super) fn read(&mut self) -> Reading {
        self.loader.read()
    }
}

pub(in crate::config) fn route(name: &str, model: &str) -> String {
    format!(
        "apiVersion: routeswitch.io/v1alpha1\nkind: Route\nmetadata:\n  name: {name}\nspec:\n  model: {model}\n  targets:\n    - name: only\n      providerRef: {{name: p}}\n      model: {model}\n"
    )
}

pub(in crate::config) fn secret(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{key: {value}}}\n")
}

pub(in crate::config) fn id(kind: Kind, name: &str) -> ObjectId {
    ObjectId {
        kind,
        name: ObjectName::new("default", name),
    }
}

/// The models of the Routes, by name; `!` for a malformed one.
pub(in crate::config) fn routes(reading: &Reading) -> Vec<(String, String)> {
    let model = |name: &ObjectName, route: &Submitted<crds::route::Route>| match route {
        Submitted::Written(text) => text.read::<crds::route::Route>(name).spec.model,
        _ => "!".to_owned(),
    };
    reading
        .resources
        .routes
        .iter()
        .map(|(name, route)| (name.to_string(), model(name, route)))
        .collect()
}

pub(in crate::config) fn names(reading: &Reading) -> Vec<String> {
    routes(reading)
        .into_iter()
        .map(|(name, _)| name.trim_start_matches("default/").to_owned())
        .collect()
}

fn faults(reading: &Reading) -> Vec<(String, Option<u32>, String)> {
    let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
    reading
        .faults
        .iter()
        .map(|fault| (name(&fault.file), fault.line, fault.field.clone()))
        .collect()
}

#[test]
fn a_pass_is_known_when_nothing_changed_and_nothing_waits_for_it() {
    let knows = |fixture: &Fixture| fixture.loader.knows(&fixture.loader.gather(&fixture.loader.survey()));
    let mut fixture = Fixture::with(&[("a.yaml", &route("one", "one")), ("b.yaml", &route("two", "two"))]);
    assert!(!knows(&fixture), "nothing was read yet");
    fixture.read();
    assert!(knows(&fixture));
    fixture.write("a.yaml", &route("one", "other"));
    assert!(!knows(&fixture));
    fixture.read();
    assert!(knows(&fixture));
    fixture.remove("b.yaml");
    fixture.read();
    assert!(!knows(&fixture), "the next pass takes the object away");
    fixture.read();
    assert!(knows(&fixture));
}

#[test]
fn of_files_that_nobody_changed_no_text_is_held() {
    let mut fixture = Fixture::with(&[("a.yaml", &route("one", "one")), ("b.yaml", &route("two", "two"))]);
    fixture.read();
    let gather = |fixture: &Fixture| fixture.loader.gather(&fixture.loader.survey());
    let texts = |gathered: &Gathered| {
        let contents = gathered.files.values();
        contents.filter(|content| !matches!(content, Content::Known(_))).count()
    };
    let gathered = gather(&fixture);
    assert_eq!(texts(&gathered), 0);
    assert_eq!(names(&fixture.loader.absorb(&gathered).0), ["one", "two"]);
    fixture.write("b.yaml", &route("two", "other"));
    let gathered = gather(&fixture);
    assert_eq!(texts(&gathered), 1);
    let (reading, is_new) = fixture.loader.absorb(&gathered);
    assert!(is_new && reading.faults.is_empty());
    assert_eq!(routes(&reading)[1], ("default/two".into(), "other".into()));
}

#[test]
fn a_name_is_held_once_for_all_who_hold_it() {
    let both = format!("{}---\n{}", route("one", "one"), route("two", "two"));
    let reading = Fixture::with(&[("a.yaml", &both)]).read();
    let ids: Vec<_> = reading.sources.keys().collect();
    let filed: Vec<_> = reading.resources.routes.keys().collect();
    assert_eq!(ids.len(), 2);
    for name in &filed {
        assert!(Arc::ptr_eq(&name.namespace, &ids[0].name.namespace), "{name}");
    }
    assert!(Arc::ptr_eq(&filed[1].name, &ids[1].name.name));
}

#[test]
fn all_kinds_are_read_from_several_documents_and_lists() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: c, namespace: other}\n  data: {a: b}\n- apiVersion: routeswitch.io/v1alpha1\n  kind: Provider\n  metadata: {name: p}\n  spec: {vendor: Simulated}\n";
    let template = "apiVersion: routeswitch.io/v1alpha1\nkind: PromptTemplate\nmetadata: {name: t}\nspec:\n  messages: [{role: user, content: hi}]\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Secret\", \"metadata\": {\"name\": \"j\"}, \"data\": {\"key\": \"c2Vj\"}}";
    let many = format!("---\n{}---\n---\n{}---\n{template}", route("a", "m"), secret("s", "v"));
    let mut fixture = Fixture::with(&[
        ("many.yaml", &many),
        ("list.yml", list),
        ("one.json", json),
        ("note.txt", "nothing: ["),
    ]);
    let reading = fixture.read();
    assert_eq!(reading.faults, []);
    assert_eq!(reading.warnings, []);
    assert!(reading.settled);
    assert_eq!(names(&reading), ["a"]);
    assert!(matches!(
        reading.resources.providers[&ObjectName::new("default", "p")],
        Submitted::Written(_)
    ));
    assert!(matches!(
        reading.resources.prompt_templates[&ObjectName::new("default", "t")],
        Submitted::Written(_)
    ));
    assert_eq!(
        reading
            .resources
            .config_maps
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["other/c"]
    );
    assert_eq!(
        reading.sources[&id(Kind::PromptTemplate, "t")],
        Source {
            file: fixture.path("many.yaml").into(),
            line: 19
        }
    );
    assert_eq!(reading.sources[&id(Kind::Provider, "p")].line, 8);
}

#[test]
fn secrets_give_data_and_string_data() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: c2Vj, b: eA==}\nstringData: {b: plain}\n";
    let mut fixture = Fixture::with(&[("s.yaml", text)]);
    let reading = fixture.read();
    assert_eq!(reading.faults, []);
    let secret = &reading.resources.secrets[&ObjectName::new("default", "s")];
    assert_eq!(secret.data.as_ref().unwrap()["a"].0, b"sec");
    let written = secret
        .string_data
        .as_ref()
        .and_then(|data| data.get("b"))
        .map(|text| text.as_bytes().to_vec());
    let merged = written.unwrap_or_else(|| secret.data.as_ref().unwrap()["b"].0.clone());
    assert_eq!(merged, b"plain");
}

#[test]
fn faults_name_the_line_of_the_field() {
    let bad = route("b", "m").replace("model: m\n  targets", "model: {}\n  targets");
    let unknown = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
    let nameless = "apiVersion: routeswitch.io/v1alpha1\nkind: Route\nmetadata: {}\nspec: {}\n";
    let text = format!(
        "{}---\n{bad}---\n{unknown}---\n{nameless}---\njust text\n",
        route("a", "m")
    );
    let mut fixture = Fixture::with(&[("r.yaml", &text)]);
    let reading = fixture.read();
    assert_eq!(
        routes(&reading),
        [("default/a".into(), "m".into()), ("default/b".into(), "!".into())]
    );
    let found: Vec<_> = reading
        .faults
        .iter()
        .map(|fault| (fault.object.is_some(), fault.line, fault.field.as_str()))
        .collect();
    assert!(found.contains(&(true, Some(17), "spec.model")), "{found:?}");
    assert!(found.contains(&(false, Some(24), "kind")), "{found:?}");
    assert!(
        found
            .iter()
            .any(|(_, line, field)| *line == Some(29) && field.starts_with("metadata")),
        "{found:?}"
    );
    assert!(found.contains(&(false, Some(32), "")), "{found:?}");
    let message = reading
        .faults
        .iter()
        .find(|fault| fault.field == "kind")
        .unwrap()
        .to_string();
    assert!(message.contains("r.yaml:24: kind: "), "{message}");
    assert!(
        message.contains("Provider, Route, PromptTemplate or PromptRevision") && message.contains("Deployment"),
        "{message}"
    );
}

#[test]
fn lines_within_a_list_are_those_of_the_item() {
    let item = format!("  {}", route("b", "{}").replace('\n', "\n  "));
    let text = format!("apiVersion: v1\nkind: List\nitems:\n-{}", &item[1..]);
    let mut fixture = Fixture::with(&[("l.yaml", &text)]);
    let reading = fixture.read();
    assert_eq!(reading.sources[&id(Kind::Route, "b")].line, 4);
    assert!(
        faults(&reading).contains(&("l.yaml".into(), Some(9), "spec.model".into())),
        "{:?}",
        reading.faults
    );
}

#[test]
fn a_repeated_key_makes_the_object_malformed() {
    let text = format!("{}---\n{}  model: again\n", route("a", "m"), route("b", "m"));
    let mut fixture = Fixture::with(&[("r.yaml", &text)]);
    let reading = fixture.read();
    assert_eq!(
        routes(&reading),
        [("default/a".into(), "m".into()), ("default/b".into(), "!".into())]
    );
    assert_eq!(faults(&reading), [("r.yaml".into(), Some(22), "spec.model".into())]);
    assert!(reading.faults[0].message.contains("line 17"), "{}", reading.faults[0]);
}

#[test]
fn unquoted_booleans_warn_with_their_line() {
    let mut fixture = Fixture::with(&[("r.yaml", &route("a", "on"))]);
    let reading = fixture.read();
    let found: Vec<_> = reading
        .warnings
        .iter()
        .map(|warning| (warning.object.clone(), warning.line, warning.field.as_str()))
        .collect();
    let a = Some(id(Kind::Route, "a"));
    assert_eq!(
        found,
        [
            (a.clone(), Some(6), "spec.model"),
            (a, Some(10), "spec.targets[0].model")
        ]
    );
    assert_eq!(
        routes(&reading),
        [("default/a".into(), "!".into())],
        "as the API server has it"
    );
}

#[test]
fn the_first_of_two_files_counts() {
    let mut fixture = Fixture::with(&[("b.yaml", &route("a", "second")), ("a.yaml", &route("a", "first"))]);
    let reading = fixture.read();
    assert_eq!(routes(&reading), [("default/a".into(), "first".into())]);
    assert_eq!(reading.faults[0].file, fixture.path("b.yaml"));
    assert!(
        reading.faults[0].message.contains("a.yaml:1 counts"),
        "{}",
        reading.faults[0]
    );
    fixture.remove("a.yaml");
    let reading = fixture.read();
    assert_eq!(
        (routes(&reading), reading.faults.len()),
        (vec![("default/a".into(), "second".into())], 0)
    );
}

#[test]
fn values_of_secrets_are_in_no_message() {
    let password = "hunter2-hunter2";
    let files = [
        (
            "a.yaml",
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: a}}\ndata: {{key: \"{password}\"}}\n"),
        ),
        (
            "b.yaml",
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: b}}\nstringData: {{key: [{password}]}}\n"),
        ),
        (
            "c.yaml",
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: c}}\nstringData: {password}\n"),
        ),
        (
            "d.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: d}}\nstringData:\n  key: {password}\n  key: {password}\n"
            ),
        ),
        (
            "e.yaml",
            format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: e}}\nstringData:\n  key: \"{password}\n"),
        ),
        (
            "f.yaml",
            format!(
                "apiVersion: v1\nkind: Secret\nmetadata: {{name: f}}\nimmutable: {password}\nstringData: {{key: {password}}}\n"
            ),
        ),
        ("g.yaml", secret("g", password)),
    ];
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let mut fixture = Fixture::with(&files);
    let reading = fixture.read();
    let printed = format!(
        "{reading:?} {}",
        reading.faults.iter().map(ToString::to_string).collect::<String>()
    );
    assert!(!printed.contains("hunter2"), "{printed}");
    assert!(reading.faults.len() >= 6, "{printed}");
    assert_eq!(
        reading
            .resources
            .secrets
            .keys()
            .map(|name| &*name.name)
            .collect::<Vec<_>>(),
        ["g"]
    );
}

#[test]
fn a_directory_that_is_not_there_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let Err(error) = Loader::new(directory.path().join("none")) else {
        panic!("it was found")
    };
    assert!(error.to_string().contains("create it"), "{error}");
    fs::write(directory.path().join("file"), "").unwrap();
    assert!(matches!(
        Loader::new(directory.path().join("file")),
        Err(Error::NotADirectory(_))
    ));
}
