//! The undo of this step was forgotten.

async fn story(flow: &engine::Flow<()>) {
    let _ = flow.step(|_| async { Ok(engine::Superseded { what: String::new() }) }).await;
}

fn main() {
    let _ = story;
}
