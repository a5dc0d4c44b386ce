//! Who may do what.

use anyhow::{Context as _, ensure};
use e2e::client::{Answer, Client};
use e2e::manifest::{file, key, provider, route, target};
use e2e::stage::{Gateway, Stage};
use e2e::wait::until;
use serde_json::{Value, json};

use crate::{ask, ask_stream, worked};

/// Two namespaces: `default` has the Provider and the Routes `open` and `shared` (for `team`), `team` has `chat`.
fn objects() -> Vec<Value> {
    let spec = || json!({ "targets": [target("only", "default/sim", "sim-words-4", 1)] });
    let mut shared = spec();
    shared["allowedNamespaces"] = json!(["team"]);
    shared["aliases"] = json!(["shared-alias"]);
    vec![
        provider("sim", json!({ "vendor": "Simulated", "allowedNamespaces": ["*"] })),
        route("open", spec()),
        route("shared", shared),
        route("team/chat", spec()),
        key("team/user", json!({ "key": "rs-team-user-key" })),
        key("team/viewer", json!({ "key": "rs-team-viewer-key", "role": "Viewer" })),
        key(
            "team/admin",
            json!({ "key": "rs-team-admin-key", "role": "Admin", "routes": "*" }),
        ),
        key("team/star", json!({ "key": "rs-team-star-key", "routes": "*" })),
        key(
            "team/listed",
            json!({ "key": "rs-team-listed-key", "routes": "default/shared,default/open" }),
        ),
        // The SHA-256 of rs-hashed-key.
        key(
            "hashed",
            json!({ "keySha256": "586af784c7b5973faf5ae6f0121f4890f7651731f583679ae740146b07b8afb9" }),
        ),
    ]
}

async fn stage() -> anyhow::Result<(Stage, Gateway)> {
    let stage = Stage::new().await?;
    stage.write("keys.yaml", &file(&objects()))?;
    let gateway = stage.gateway(&[]).await?;
    Ok((stage, gateway))
}

fn refused(answer: &Answer, status: u16, code: &str) -> anyhow::Result<()> {
    ensure!(answer.status == status, "status {}: {}", answer.status, answer.text());
    let error = answer.error()?;
    ensure!(
        error["code"] == code && error["type"] == "invalid_request_error",
        "{error}"
    );
    ensure!(error["message"].is_string() && error.get("param").is_some(), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_is_refused_as_openai_does_and_a_right_one_taken_from_either_header() -> anyhow::Result<()> {
    let (stage, gateway) = stage().await?;
    let wrong = gateway.client.with_key("rs-wrong-key")?;
    for answer in [
        wrong.chat(&ask("chat")).await?,
        wrong.chat(&ask_stream("chat")).await?,
        wrong.get("/v1/models").await?,
        wrong.get("/v1/generation?id=gen-0-x").await?,
        wrong.get("/v1/system/analytics").await?,
        gateway
            .client
            .with_header("authorization", "Basic cnM6")?
            .chat(&ask("open"))
            .await?,
        gateway
            .client
            .with_header("x-api-key", "rs-wrong-key")?
            .chat(&ask("open"))
            .await?,
    ] {
        refused(&answer, 401, "invalid_api_key")?;
        ensure!(answer.header("www-authenticate") == "Bearer", "{:?}", answer.headers);
        ensure!(!answer.text().contains("rs-wrong-key"), "{}", answer.text());
    }
    let answer = wrong.post("/api/v1/chat/completions", ask("chat").to_string()).await?;
    ensure!(
        answer.status == 401 && answer.error()?["code"] == 401,
        "{}",
        answer.text()
    );
    ensure!(
        stage.simulator.requests_for("sim-words-4").await? == 0,
        "a wrong key reached the provider"
    );
    worked(gateway.client.with_key("rs-team-user-key")?.chat(&ask("chat")).await?)?;
    worked(
        gateway
            .client
            .with_header("x-api-key", "rs-team-user-key")?
            .chat(&ask("chat"))
            .await?,
    )?;
    worked(
        gateway
            .client
            .with_header("authorization", "bearer rs-team-user-key")?
            .chat(&ask("chat"))
            .await?,
    )?;
    Ok(())
}

#[tokio::test]
async fn a_key_uses_the_routes_that_it_may_and_sees_no_others() -> anyhow::Result<()> {
    let (_stage, gateway) = stage().await?;
    let own: &[&str] = &["chat"];
    let cases: [(&str, &[&str], &[&str]); 3] = [
        (
            "rs-team-user-key",
            own,
            &[
                "open",
                "default/open",
                "shared",
                "default/shared",
                "team/chat/x",
                "nothing",
            ],
        ),
        (
            "rs-team-star-key",
            &["chat", "default/shared", "default/shared-alias"],
            &["open", "default/open", "shared"],
        ),
        (
            "rs-team-listed-key",
            &["default/shared", "default/shared-alias"],
            &["chat", "default/open", "open"],
        ),
    ];
    for (key, usable, foreign) in cases {
        check_routes(&gateway.client.with_key(key)?, usable, foreign)
            .await
            .context(key)?;
    }
    // Without a key, from this machine: Admin of everything.
    let all = ["open", "shared", "shared-alias", "team/chat"];
    check_routes(&gateway.client, &all, &["chat", "nothing"])
        .await
        .context("keyless")
}

async fn check_routes(client: &Client, usable: &[&str], foreign: &[&str]) -> anyhow::Result<()> {
    for model in usable {
        worked(client.chat(&ask(model)).await?).context(model.to_string())?;
        ensure!(
            client.get(&format!("/v1/models/{model}")).await?.status == 200,
            "{model} is not told"
        );
    }
    for model in foreign {
        let answer = client.chat(&ask(model)).await?;
        refused(&answer, 404, "model_not_found").context(model.to_string())?;
        ensure!(answer.error()?["param"] == "model", "{}", answer.text());
        refused(
            &client.get(&format!("/v1/models/{model}")).await?,
            404,
            "model_not_found",
        )
        .context(model.to_string())?;
    }
    let listed = client.get_json("/v1/models").await?;
    let mut ids: Vec<&str> = listed["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|model| model["id"].as_str())
        .collect();
    ids.sort_unstable();
    ensure!(ids == usable && listed["object"] == "list", "{listed}");
    Ok(())
}

#[tokio::test]
async fn roles_decide_who_sees_figures_and_namespaces_whose() -> anyhow::Result<()> {
    let (_stage, gateway) = stage().await?;
    let [user, viewer, admin, star] =
        ["user", "viewer", "admin", "star"].map(|name| gateway.client.with_key(&format!("rs-team-{name}-key")));
    let (user, viewer, admin, star) = (user?, viewer?, admin?, star?);
    let own = worked(user.chat(&ask("chat")).await?)?.id().to_owned();
    let others = worked(star.chat(&ask_stream("chat")).await?)?.id().to_owned();
    let local = worked(gateway.client.chat(&ask("open")).await?)?.id().to_owned();

    refused(
        &user.get("/v1/system/analytics").await?,
        403,
        "insufficient_permissions",
    )?;
    refused(
        &star.get("/v1/system/analytics").await?,
        403,
        "insufficient_permissions",
    )?;
    for client in [&viewer, &admin] {
        let told = client.get_json("/v1/system/analytics?group_by=route").await?;
        ensure!(
            told["total_requests"] == 2 && told["rows"].as_array().map(Vec::len) == Some(1),
            "{told}"
        );
        ensure!(told["rows"][0]["route"] == "team/chat", "{told}");
        let status = client.get_json("/status").await?;
        ensure!(
            status["combinations"][0]["id"] == "team/chat/only" && status["count"] == 1,
            "{status}"
        );
    }
    ensure!(gateway.client.get_json("/v1/system/analytics").await?["total_requests"] == 3);
    let open = user.get_json("/status").await?;
    ensure!(
        open.get("combinations").is_none() && open.get("faults").is_none() && open["status"] == "ok",
        "{open}"
    );

    let sees =
        async |client: &Client, id: &str| anyhow::Ok(client.get(&format!("/v1/generation?id={id}")).await?.status);
    ensure!(sees(&user, &own).await? == 200 && sees(&user, &others).await? == 404 && sees(&user, &local).await? == 404);
    ensure!(sees(&viewer, &own).await? == 200 && sees(&viewer, &local).await? == 404);
    ensure!(sees(&gateway.client, &own).await? == 200 && sees(&gateway.client, &local).await? == 200);
    Ok(())
}

#[tokio::test]
async fn a_key_that_is_taken_away_is_refused_within_a_second_and_a_new_one_taken() -> anyhow::Result<()> {
    let (stage, gateway) = stage().await?;
    stage.write("late.yaml", &file(&[key("late", json!({ "key": "rs-late-key" }))]))?;
    let late = gateway.client.with_key("rs-late-key")?;
    let status = async |expected: u16| {
        until(&format!("status {expected}"), async || {
            Ok((late.chat(&ask("open")).await?.status == expected).then_some(()))
        })
        .await
    };
    status(200).await?;
    let removed = std::time::Instant::now();
    stage.remove("late.yaml")?;
    status(401).await?;
    let took = removed.elapsed();
    ensure!(took.as_millis() < 1000, "the key was still taken after {took:?}");
    worked(gateway.client.with_key("rs-team-user-key")?.chat(&ask("chat")).await?)?;
    Ok(())
}

#[tokio::test]
async fn a_key_may_stand_in_the_manifests_as_its_hash_only() -> anyhow::Result<()> {
    let (_stage, gateway) = stage().await?;
    worked(gateway.client.with_key("rs-hashed-key")?.chat(&ask("open")).await?)?;
    Ok(())
}
