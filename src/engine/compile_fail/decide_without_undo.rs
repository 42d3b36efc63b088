//! The undo of this decide was forgotten.

async fn story(flow: &engine::Flow<()>) {
    let _ = flow.decide("100000/cn-a".into(), |_| Ok(engine::Superseded { what: String::new() })).await;
}

fn main() {
    let _ = story;
}
