//! The undo of this each was forgotten.

use event::Scope;

#[derive(serde::Serialize, serde::Deserialize)]
struct Part;

#[async_trait::async_trait]
impl engine::Workflow for Part {
    type Ports = ();
    type Output = ();
    const NAME: &'static str = "part";
    const VERSION: u32 = 1;

    fn scope(&self) -> Scope {
        Scope::from("100000/cn-a")
    }

    fn label(&self) -> String {
        String::new()
    }

    async fn run(self, _: &engine::Flow<()>) -> Result<(), engine::Halt> {
        Ok(())
    }
}

async fn story(flow: &engine::Flow<()>) {
    let _ = flow.each(Vec::<(String, Part)>::new(), 4).await;
}

fn main() {
    let _ = story;
}
