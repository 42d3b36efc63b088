//! `ResizeDisk`: a disk is made larger. Only a compute driver can do that, and none is here yet.

use wire::Fault;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let disk = ask.named_disk().await?;
    ask.params.need("NewSize")?;
    let size = ask.params.number("NewSize")?.unwrap_or_default();
    if u64::try_from(size).unwrap_or_default() <= disk.size {
        let why = format!("The specified NewSize `{size}` is not more than the disk's {} GiB.", disk.size);
        return Err(Fault::new(403, "InvalidDiskSize.TooSmall", why));
    }
    ask.on_attached_disk().await
}
