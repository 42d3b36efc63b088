//! The import use case: what is refused at once, and joining an import that has not ended.

use domain::events::ImageReserved;
use domain::port::Location;
use domain::{ImageId, SnapshotId, rules};
use engine::{FlowRow, Snapshot, Started as FlowStarted, State, Workflow as _};
use event::{Actor, Refusal, View};
use workflows::ImportImage;

use crate::lookup::{self, account};
use crate::request::ImageImport;
use crate::view::Started;
use crate::{Service, Trouble};

impl Service {
    /// Starts an import, or finds the unfinished one with the same input.
    pub(crate) async fn import(
        &self,
        actor: Actor,
        request: &str,
        ask: ImageImport,
    ) -> Result<Started, Trouble> {
        // One at a time, so that two of the same become one.
        let _one = self.starting.lock().await;
        if let Some(known) = self.known(request)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let region = lookup::region(&rows, ask.region.as_ref())?;
        let import = ImportImage {
            account: account(&actor),
            region: region.id,
            store: region.store,
            path: ask.path,
            format: ask.format,
            name: ask.name,
            description: ask.description,
            family: ask.family,
            tags: ask.tags,
        };
        rules::check_attributes(&import.name, &import.description, import.family.as_deref())?;
        if let Some(flow) = unfinished(&rows, &import)? {
            if flow.turn.is_some() || flow.cancel.is_some() {
                let why = format!(
                    "an import of `{}` was cancelled or failed, and is still being undone",
                    import.name
                );
                let advice = format!("wait until it is: `kiln workflow watch {}`", flow.id);
                return Err(Refusal::new("IncorrectWorkflowStatus", why).advise(advice).into());
            }
            return Ok(Started { workflow_id: flow.id, joined: true, image_id: String::new() });
        }
        let source = self.data.inspect(&Location::file(import.path.as_str()), import.format).await?;
        let wanted = ImageReserved {
            image: ImageId::default(),
            snapshot: SnapshotId::default(),
            name: import.name.clone(),
            description: import.description.clone(),
            family: import.family.clone(),
            tags: import.tags.clone(),
            account: import.account.clone(),
            region: import.region.clone(),
            source,
        };
        let scope = import.scope();
        rules::reserve(&View::new(&rows, &scope, self.clock.now_ms()), wanted)?;
        self.begin(actor, request, import, String::new()).await
    }
}

/// The import that has not ended and is asked for the same disk, name, format and place.
fn unfinished(snapshot: &Snapshot, wanted: &ImportImage) -> Result<Option<FlowRow>, Trouble> {
    let (scope, label) = (wanted.scope(), wanted.label());
    let alike = |flow: &FlowRow| flow.name == ImportImage::NAME && flow.scope == scope && flow.label == label;
    for flow in snapshot.open_flows().into_iter().filter(alike) {
        let Some(record) = snapshot.record(flow.first)? else { continue };
        let Ok(started) = record.get::<FlowStarted>() else { continue };
        let Some(input) = read_input(&started) else { continue };
        if input.path == wanted.path && input.format == wanted.format && flow.state != State::Abandoned {
            return Ok(Some(flow));
        }
    }
    Ok(None)
}

/// The input of an import, as its first record has it.
fn read_input(started: &FlowStarted) -> Option<ImportImage> {
    rmp_serde::from_slice(&started.input).ok()
}
