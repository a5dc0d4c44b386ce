//! The same documents mean the same, however they are spread over files.

use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;

use super::*;

/// Everything of `resources`, as text, for comparison.
fn content(reading: &Reading) -> String {
    let Resources {
        providers,
        routes,
        prompt_templates,
        prompt_revisions,
        secrets,
        config_maps,
    } = &reading.resources;
    let ours = [
        texts(providers),
        texts(routes),
        texts(prompt_templates),
        texts(prompt_revisions),
    ];
    format!("{ours:?}\n{secrets:?}\n{config_maps:?}")
}

fn texts<K: Debug + DeserializeOwned>(objects: &BTreeMap<ObjectName, Submitted<K>>) -> Vec<String> {
    let text = |(name, object): (&ObjectName, &Submitted<K>)| match object {
        Submitted::Written(text) => format!("{name} {:?}", text.read::<K>(name)),
        other => format!("{name} {other:?}"),
    };
    objects.iter().map(text).collect()
}

fn documents() -> Vec<String> {
    let mut documents: Vec<_> = (0..4)
        .map(|number| route(&format!("r{number}"), &format!("m{number}")))
        .collect();
    documents.push(route("bad", "{}"));
    documents.push(secret("s", "v"));
    documents.push("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n".to_owned());
    documents.push(
        "apiVersion: routeswitch.io/v1alpha1\nkind: Provider\nmetadata: {name: p}\nspec: {vendor: Simulated}\n"
            .to_owned(),
    );
    documents
}

fn read_files(files: &[String]) -> String {
    let fixture = Fixture::new();
    for (number, text) in files.iter().enumerate() {
        fixture.write(&format!("d{}/f{number}.yaml", number % 2), text);
    }
    let mut loader = Loader::new(fixture.directory.path()).unwrap();
    content(&loader.read())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_split_of_the_same_documents_gives_the_same_resources(
        order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
        places in prop::collection::vec(0..4_usize, 8),
    ) {
        let documents = documents();
        let mut files = vec![String::new(); 4];
        for (position, place) in order.iter().zip(places) {
            files[place].push_str("---\n");
            files[place].push_str(&documents[*position]);
        }
        prop_assert_eq!(read_files(&files), read_files(&[documents.join("---\n")]));
    }
}
