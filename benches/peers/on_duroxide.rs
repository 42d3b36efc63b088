//! The work on duroxide with its SQLite provider, as its own documentation writes an orchestration.
//!
//! The provider asks SQLite for `synchronous = WAL`, which is no value that SQLite knows: it takes NORMAL, by
//! which a commit of a log-ahead database is not on disk when it is acknowledged. For work that has to be, each
//! connection is told FULL.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::Runtime;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};

use crate::child::{Measured, Run};
use crate::load;
use crate::on_kiln::TEXT_BYTES;

/// The provider opens so many connections at most, and keeps them.
const CONNECTIONS: usize = 5;
/// Longer than any run.
const WAIT_MAX: Duration = Duration::from_mins(10);

pub(crate) async fn run(run: &Run, dir: &Path) -> Result<Measured, String> {
    let url = format!("sqlite:{}?mode=rwc", dir.join("duroxide.db").display());
    let provider = SqliteProvider::new(&url, None).await.map_err(|error| error.to_string())?;
    sync_each_commit(&provider).await.map_err(|error| error.to_string())?;
    let store = Arc::new(provider);
    let activities = ActivityRegistry::builder()
        .register("Step", |_: ActivityContext, _: String| async { Ok("x".repeat(TEXT_BYTES)) })
        .build();
    let orchestrations = OrchestrationRegistry::builder()
        .register("FiveSteps", |context: OrchestrationContext, _: String| async move {
            for _ in 0..5 {
                context.schedule_activity("Step", "").await?;
            }
            Ok::<_, String>(String::new())
        })
        .build();
    let _runtime = Runtime::start_with_store(store.clone(), activities, orchestrations).await;
    let client = Arc::new(Client::new(store));
    load::run(run, move |name| {
        let client = client.clone();
        async move {
            client.start_orchestration(&name, "FiveSteps", "").await.map_err(|error| error.to_string())?;
            match client.wait_for_orchestration(&name, WAIT_MAX).await {
                Ok(OrchestrationStatus::Completed { .. }) => Ok(()),
                Ok(other) => Err(format!("{other:?}")),
                Err(error) => Err(error.to_string()),
            }
        }
    })
    .await
}

/// Takes all connections at once, so that none is left out.
async fn sync_each_commit(provider: &SqliteProvider) -> Result<(), sqlx::Error> {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = provider.get_pool().acquire().await?;
        sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
        held.push(connection);
    }
    Ok(())
}
