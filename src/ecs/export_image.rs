//! `ExportImage`: an image into a bucket, under the names of the API. It answers when the export has begun; the
//! task tells how
//! far it is, and what its objects are called.

use domain::port::{Compression, Format};
use service::{ExportTo, ImageExport, Request, Started, export_task};
use wire::Object;

use crate::ask::{Ask, Outcome};

pub(crate) async fn run(ask: Ask) -> Outcome {
    let region = ask.region().await?;
    let at = ask.image_at(&region)?;
    let params = &ask.params;
    let export = ImageExport {
        at,
        to: ExportTo::Bucket {
            bucket: params.need("OSSBucket")?.to_owned(),
            prefix: params.string("OSSPrefix"),
        },
        format: ask.format(params.text("ImageFormat"))?.unwrap_or(Format::Raw),
        compression: Compression::None,
        replace: false,
    };
    let started: Started = ask.begin(Request::ImageExport(export)).await?;
    Ok(Object::new().put("TaskId", export_task(started.workflow_id)).put("RegionId", region.as_str()))
}
