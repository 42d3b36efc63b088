//! The import use case: what is refused at once, and joining an import that has not ended.

use domain::image::{DiskKind, Region};
use domain::rules;
use engine::{FlowRow, Snapshot, Started as FlowStarted, State, Workflow as _};
use event::{Actor, Refusal, View};
use workflows::{DiskFile, ImportImage};

use crate::asked::Asked;
use crate::lookup::{self, account};
use crate::request::{ImageImport, ImportDisk};
use crate::service::made_by;
use crate::view::Started;
use crate::{Service, Trouble};

impl Service {
    /// Starts an import, or finds the unfinished one with the same input.
    pub(crate) async fn import(
        &self,
        actor: Actor,
        asked: &Asked,
        ask: ImageImport,
    ) -> Result<Started, Trouble> {
        // One at a time, so that two of the same become one.
        let _one = self.starting.lock().await;
        if let Some(known) = self.known(asked)? {
            return Ok(known);
        }
        let rows = self.engine.snapshot()?;
        let region = lookup::region(&rows, ask.region.as_ref())?;
        let import = ImportImage {
            disks: files(&rows, &actor, &region, ask.disks)?,
            account: account(&actor),
            region: region.id,
            store: region.store,
            name: ask.name,
            description: ask.description,
            family: ask.family,
            tags: ask.tags,
            machine: ask.machine.resolve()?,
            check: ask.check,
        };
        // Whatever it will be called if it has no name: its id is one.
        let name = if import.name.is_empty() { "m-" } else { &import.name };
        rules::check_attributes(name, &import.description, import.family.as_deref())?;
        if let Some(flow) = unfinished(&rows, &import)? {
            if flow.turn.is_some() || flow.cancel.is_some() {
                let why = format!(
                    "an import of `{}` was cancelled or failed, and is still being undone",
                    import.name
                );
                let advice = format!("wait until it is: `kiln workflow watch {}`", flow.id);
                return Err(Refusal::new("IncorrectWorkflowStatus", why).advise(advice).into());
            }
            let image_id = made_by(&flow.name, flow.id).unwrap_or_default();
            return Ok(Started { workflow_id: flow.id, joined: true, image_id });
        }
        let mut sources = Vec::with_capacity(import.disks.len());
        for disk in &import.disks {
            sources.push(self.data.inspect(&disk.at, disk.format).await?);
        }
        let scope = import.scope();
        rules::reserve(&View::new(&rows, &scope, self.clock.now_ms()), import.foresee(sources))?;
        self.begin_making(actor, asked, import).await
    }
}

/// The disk files, each with a device: those that were said, and the next free ones for the others.
fn files(
    rows: &Snapshot,
    actor: &Actor,
    region: &Region,
    disks: Vec<ImportDisk>,
) -> Result<Vec<DiskFile>, Trouble> {
    if disks.is_empty() {
        let refusal = Refusal::new("MissingParameter.DiskDeviceMapping", "no disk was named");
        return Err(refusal.advise("name the disk file of the system disk").into());
    }
    let said: Vec<String> = disks.iter().filter_map(|disk| disk.device.clone()).collect();
    let mut free = ('a'..='z')
        .map(|letter| format!("/dev/xvd{letter}"))
        .filter(|device| !said.contains(device) && !said.contains(&device.replace("xvd", "vd")))
        .peekable();
    let mut files = Vec::with_capacity(disks.len());
    for (number, disk) in disks.into_iter().enumerate() {
        let kind = if number == 0 { DiskKind::System } else { DiskKind::Data };
        // The first letter is the system disk's, also where that was said otherwise.
        if kind == DiskKind::Data && free.peek().is_some_and(|device| device.ends_with('a')) {
            free.next();
        }
        let device = disk.device.or_else(|| free.next()).unwrap_or_default();
        domain::name::device(&device, kind)?;
        let at = lookup::location(rows, actor, &region.id, disk.at)?;
        files.push(DiskFile { at, format: disk.format, device, size_bytes: disk.size_bytes });
    }
    Ok(files)
}

/// The import that has not ended and is asked for the same disks, name, formats and place.
fn unfinished(snapshot: &Snapshot, wanted: &ImportImage) -> Result<Option<FlowRow>, Trouble> {
    // Those that give no name mean an image each.
    if wanted.name.is_empty() {
        return Ok(None);
    }
    let (scope, label) = (wanted.scope(), wanted.label());
    let alike = |flow: &FlowRow| flow.name == ImportImage::NAME && flow.scope == scope && flow.label == label;
    for flow in snapshot.open_flows().into_iter().filter(alike) {
        let Some(record) = snapshot.record(flow.first)? else { continue };
        let Ok(started) = record.get::<FlowStarted>() else { continue };
        let Some(input) = read_input(&started) else { continue };
        if input.disks == wanted.disks && flow.state != State::Abandoned {
            return Ok(Some(flow));
        }
    }
    Ok(None)
}

/// The input of an import, as its first record has it.
fn read_input(started: &FlowStarted) -> Option<ImportImage> {
    rmp_serde::from_slice(&started.input).ok()
}
