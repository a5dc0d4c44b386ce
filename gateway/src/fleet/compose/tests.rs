//! What is served when something of a Snapshot cannot be.

use crds::snapshot::Credential;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::example::{compiled, object, provider, route, template};

/// A Snapshot of two Providers, a prompt and four Routes; `version` is told in each.
fn snapshot(version: u64) -> Snapshot {
    let target = |provider: &str| json!([{ "name": "only", "providerRef": { "name": provider }, "model": format!("m{version}") }]);
    let prompt = format!("This is version {version}.");
    snapshot_of(&[
        provider("p"),
        object(
            "Provider",
            "q",
            json!({ "vendor": "OpenAICompatible", "baseUrl": format!("https://v{version}.example"), "allowedNamespaces": ["*"] }),
        ),
        template("t", &[("system", &prompt)], &[]),
        route("plain", json!({ "targets": target("p") })),
        route(
            "keyed",
            json!({ "targets": target("q"), "aliases": [format!("alias-{version}")] }),
        ),
        route(
            "prompted",
            json!({ "targets": target("p"), "promptRef": { "name": "t" } }),
        ),
        route(
            "both",
            json!({ "targets": [
            { "name": "one", "providerRef": { "name": "p" }, "model": format!("m{version}") },
            { "name": "two", "providerRef": { "name": "q" }, "model": format!("m{version}") },
        ] }),
        ),
    ])
}

fn snapshot_of(objects: &[Value]) -> Snapshot {
    let compiled = compiled(objects, |_| {});
    assert!(compiled.diagnostics.is_empty(), "{:?}", compiled.diagnostics);
    std::sync::Arc::unwrap_or_clone(compiled.snapshot)
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("default", name)
}

fn credential(text: &str) -> CredentialEntry {
    CredentialEntry {
        name: "s/key".to_owned(),
        weight: 1,
        credential: Credential::new(text),
    }
}

/// The credentials of Provider `q`.
fn opened(q: Result<&str, &str>) -> Opened {
    let opened = match q {
        Ok(text) => Ok(vec![credential(text)]),
        Err(words) => Err(Unopened {
            names: vec!["s/key".to_owned()],
            words: words.to_owned(),
        }),
    };
    [(name("q"), opened)].into()
}

/// As before the test, with nothing that never was good.
fn after(good: &Snapshot) -> Before<'_> {
    static NONE: BTreeSet<ObjectName> = BTreeSet::new();
    Before {
        snapshot: good,
        partial: &NONE,
    }
}

fn good(version: u64) -> Snapshot {
    let nothing = Snapshot::default();
    let Composed {
        snapshot,
        refused,
        kept,
        ..
    } = compose(snapshot(version), opened(Ok("old")), after(&nothing), |_, _| Ok(()));
    assert!(refused.is_empty() && kept == Snapshot::default());
    snapshot
}

fn refused(composed: &Composed) -> Vec<String> {
    composed.refused.keys().map(ToString::to_string).collect()
}

fn model<'a>(snapshot: &'a Snapshot, route: &str) -> &'a str {
    &snapshot.routes[&name(route)].targets[0].model
}

#[test]
fn a_provider_that_does_not_open_goes_on_as_it_was_and_so_do_the_routes_that_need_it() {
    let composed = compose(snapshot(2), opened(Err("no key")), after(&good(1)), |_, _| Ok(()));
    assert_eq!(
        refused(&composed),
        ["Provider default/q", "Route default/both", "Route default/keyed"]
    );
    assert!(
        composed.refused.values().all(|words| words.contains("no key")),
        "{:?}",
        composed.refused
    );
    let Composed { snapshot, kept, .. } = composed;
    let q = &snapshot.providers[&name("q")];
    assert_eq!((q.base_url.as_str(), q.stale), ("https://v1.example", true));
    assert_eq!(q.credentials, [credential("old")]);
    assert_eq!(
        ["plain", "prompted", "keyed", "both"].map(|route| model(&snapshot, route)),
        ["m2", "m2", "m1", "m1"]
    );
    assert!(snapshot.routes[&name("keyed")].targets[0].resolved);
    assert_eq!(
        kept.routes.keys().map(|name| &*name.name).collect::<Vec<_>>(),
        ["both", "keyed"]
    );
    assert_eq!(kept.providers[&name("q")], *q);
    // The file has no more than that, and it gives the same again.
    let again = compose(self::snapshot(2), opened(Err("no key")), after(&kept), |_, _| Ok(()));
    assert_eq!(again.snapshot, snapshot);
    // Mended, nothing of it is left.
    let mended = compose(self::snapshot(3), opened(Ok("new")), after(&snapshot), |_, _| Ok(()));
    assert!(mended.refused.is_empty() && mended.kept == Snapshot::default());
    assert_eq!(model(&mended.snapshot, "keyed"), "m3");
    assert!(!mended.snapshot.routes[&name("keyed")].stale);
}

#[test]
fn what_never_was_good_is_left_out_and_its_routes_serve_with_their_other_targets() {
    let composed = compose(
        snapshot(1),
        opened(Err("no key")),
        after(&Snapshot::default()),
        |_, _| Ok(()),
    );
    let Composed {
        snapshot,
        kept,
        partial,
        ..
    } = composed;
    assert!(!snapshot.providers.contains_key(&name("q")));
    let usable = |route: &str| {
        let targets = snapshot.routes[&name(route)].targets.iter();
        targets.map(|target| target.resolved).collect::<Vec<_>>()
    };
    assert_eq!(usable("both"), [true, false]);
    assert_eq!(usable("keyed"), [false]);
    assert_eq!(kept, Snapshot::default());
    // The next Snapshot counts, and not what was served of the first.
    let before = Before {
        snapshot: &snapshot,
        partial: &partial,
    };
    let next = compose(self::snapshot(2), opened(Err("no key")), before, |_, _| Ok(()));
    assert_eq!(model(&next.snapshot, "both"), "m2");
}

#[test]
fn a_prompt_that_is_refused_goes_on_with_the_revision_before() {
    let too_long = |name: &ObjectName, entry: &RevisionEntry| {
        let is_second = entry.content.messages[0].content.contains("version 2");
        if is_second {
            Err(format!("{} is too long", name.name))
        } else {
            Ok(())
        }
    };
    let good = good(1);
    let composed = compose(snapshot(2), opened(Ok("old")), after(&good), too_long);
    let desired = snapshot(2);
    let revision = &desired.prompts[&name("t")].active_revision;
    assert_eq!(
        refused(&composed),
        [
            "PromptTemplate default/t".to_owned(),
            format!("PromptRevision default/{revision}"),
            "Route default/prompted".to_owned()
        ]
    );
    let Composed { snapshot, kept, .. } = composed;
    let used = snapshot.routes[&name("prompted")].targets[0].prompt.as_ref().unwrap();
    let before = &good.prompts[&name("t")].active_revision;
    assert_eq!(used.revision, Some(name(before)));
    assert_eq!(snapshot.revisions.keys().collect::<Vec<_>>(), [&name(before)]);
    assert_eq!(kept.revisions, snapshot.revisions);
    assert_eq!(model(&snapshot, "prompted"), "m1");
    // Never good: the prompt is not there, and its Route has no target that can be used.
    let fresh = compose(desired, opened(Ok("old")), after(&Snapshot::default()), too_long);
    assert!(fresh.snapshot.prompts.is_empty() && fresh.snapshot.revisions.is_empty());
    assert!(!fresh.snapshot.routes[&name("prompted")].targets[0].resolved);
}

#[test]
fn what_was_withdrawn_does_not_stay_with_what_is_kept() {
    let mut desired = snapshot(2);
    // The key was taken away from the Provider, and the Provider from other namespaces.
    let mut opened = opened(Err("no key"));
    opened.insert(
        name("q"),
        Err(Unopened {
            names: vec!["other/key".to_owned()],
            words: "no key".to_owned(),
        }),
    );
    let composed = compose(desired.clone(), opened, after(&good(1)), |_, _| Ok(()));
    assert!(
        !composed.snapshot.providers.contains_key(&name("q")),
        "its key was withdrawn"
    );
    desired
        .providers
        .get_mut(&name("q"))
        .unwrap()
        .allowed_namespaces
        .clear();
    let composed = compose(desired.clone(), self::opened(Err("no key")), after(&good(1)), |_, _| {
        Ok(())
    });
    assert!(composed.snapshot.providers[&name("q")].allowed_namespaces.is_empty());
    desired.providers.remove(&name("q"));
    desired.routes.remove(&name("keyed"));
    let both = desired.routes.get_mut(&name("both")).unwrap();
    for target in &mut Arc::make_mut(&mut both.terms).targets {
        target.resolved = target.provider == name("p");
    }
    let composed = compose(desired, Opened::new(), after(&good(1)), |_, _| Ok(()));
    assert_eq!(refused(&composed), Vec::<String>::new());
    assert_eq!(composed.snapshot.routes.len(), 3);
}

#[test]
fn a_route_that_is_kept_leaves_its_names_to_those_that_claim_them_now() {
    let mut desired = snapshot(2);
    desired
        .routes
        .get_mut(&name("plain"))
        .unwrap()
        .names
        .push("alias-1".to_owned());
    let composed = compose(desired, opened(Err("no key")), after(&good(1)), |_, _| Ok(()));
    assert_eq!(composed.snapshot.routes[&name("keyed")].names, ["keyed"]);
    assert_eq!(composed.snapshot.routes[&name("plain")].names, ["plain", "alias-1"]);
}

proptest! {
    /// Whatever is refused, in the first Snapshot and in the second: what nothing is wrong with is served as it is, what is served has all
    /// that it needs, and what was good before is served still.
    #[test]
    fn nothing_suffers_for_another_and_nothing_dangles(first in any::<[bool; 2]>(), second in any::<[bool; 2]>()) {
        let compose = |version, [opens, fits]: [bool; 2], before: Before<'_>| {
            let judge = |_: &ObjectName, _: &RevisionEntry| if fits { Ok(()) } else { Err("too long".to_owned()) };
            let opened = opened(if opens { Ok("secret") } else { Err("no key") });
            compose(snapshot(version), opened, before, judge)
        };
        let before = compose(1, first, after(&Snapshot::default()));
        let after = compose(2, second, Before { snapshot: &before.snapshot, partial: &before.partial });
        let desired = snapshot(2);
        for (name, route) in &after.snapshot.routes {
            let id = ObjectId { kind: Kind::Route, name: name.clone() };
            if after.refused.contains_key(&id) {
                let was_served = before.snapshot.routes[name].targets.iter().any(|target| target.resolved);
                let is_served = route.targets.iter().any(|target| target.resolved);
                prop_assert!(is_served || !was_served, "{name} is lost");
            } else {
                prop_assert_eq!(route, &desired.routes[name]);
            }
            for target in route.targets.iter().filter(|target| target.resolved) {
                prop_assert!(after.snapshot.providers.contains_key(&target.provider));
                let revision = target.prompt.as_ref().map(|used| used.revision.as_ref().expect("it is resolved"));
                prop_assert!(revision.is_none_or(|revision| after.snapshot.revisions.contains_key(revision)));
            }
        }
        prop_assert_eq!(after.snapshot.routes.len(), desired.routes.len());
        prop_assert_eq!(after.refused.is_empty(), second == [true, true]);
        prop_assert_eq!(&after.snapshot.keys, &desired.keys);
    }
}
