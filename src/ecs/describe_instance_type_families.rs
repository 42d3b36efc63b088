//! `DescribeInstanceTypeFamilies`: the families of types, of all generations or of one.

use wire::Object;

use crate::ask::{Ask, Outcome};
use crate::types;

pub(crate) async fn run(ask: Ask) -> Outcome {
    ask.region().await?;
    let wanted = ask.params.text("Generation");
    let generation = |name: &str| name.replace("ecs.", "ecs-");
    let families = types::families()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(&generation(name))))
        .map(|(name, _)| Object::new().put("InstanceTypeFamilyId", name).put("Generation", generation(name)));
    Ok(Object::new().list("InstanceTypeFamilies", "InstanceTypeFamily", families))
}
