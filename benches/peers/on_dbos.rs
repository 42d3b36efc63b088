//! The work on DBOS for Rust, as its own documentation writes a workflow.

use dbos::{Config, DBOS, RunOptions};

use crate::child::{Measured, Run};
use crate::load;
use crate::on_kiln::TEXT_BYTES;

/// Connections to the database: twice its own choice. Whether another number serves it better has not been measured
/// yet; `--connections` tries one.
const CONNECTIONS: u32 = 20;

async fn five_steps(_: ()) -> dbos::Result<()> {
    for _ in 0..5 {
        let _: String = dbos::step("step", || async { Ok::<_, dbos::Error>("x".repeat(TEXT_BYTES)) }).await?;
    }
    Ok(())
}

pub(crate) async fn run(run: &Run, url: &str) -> Result<Measured, String> {
    let connections =
        crate::argument("--connections").and_then(|text| text.parse().ok()).unwrap_or(CONNECTIONS);
    let config = Config {
        app_version: Some("1".to_owned()),
        max_connections: connections,
        ..Config::new("peers", url)
    };
    let dbos = DBOS::new(config);
    let workflow = dbos.register_workflow("five_steps", five_steps).map_err(|error| error.to_string())?;
    dbos.launch().await.map_err(|error| error.to_string())?;
    load::run(run, move |name| {
        let workflow = workflow.clone();
        async move {
            let options = RunOptions { workflow_id: Some(&name), ..RunOptions::default() };
            workflow.run_with((), options).await.map_err(|error| error.to_string())
        }
    })
    .await
}
