//! What the process does, for whoever collects traces: the spans of flows and of attempts at their steps, sent as
//! OTLP over HTTP (docs/tracing.md).
//!
//! ```text
//!  a span ends ─▶ queue of at most 8,192 ─▶ a thread of its own ─▶ POST …/v1/traces
//!                  full: it is dropped        every five seconds, or when there are 512
//! ```
//!
//! Nothing waits for any of it: a span that finds no room is dropped, and a collector that does not answer costs its
//! spans and a line to the person. What is left is sent at the end, for so long as the end may take.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider};
use service::{Family, Trouble};
use tokio::runtime::Handle;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::collector::{ANSWER_MAX, Client, Tell};

/// Spans that may wait to be sent, a few hundred bytes each: what a server does in some seconds at its fastest.
const QUEUE_SPANS: usize = 8192;
/// How long the end waits for what is left to be sent.
const FLUSH_MAX: Duration = Duration::from_secs(5);
/// What is added to the address that is named, as the standard has it.
const PATH: &str = "v1/traces";
/// What spans are called to be of.
const LIBRARY: &str = "kiln";

/// Where traces go.
#[derive(Clone, Debug)]
pub struct TracesTo(Uri);

impl FromStr for TracesTo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = format!("{}/{PATH}", text.trim_end_matches('/'));
        let uri: Uri =
            whole.parse().map_err(|error| format!("it is no address like `http://HOST:PORT`: {error}"))?;
        match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(_)) => Ok(Self(uri)),
            (Some("https"), _) => {
                Err("traces are sent over plain HTTP: name a collector on this machine, which sends them on"
                    .into())
            }
            _ => Err("write `http://HOST:PORT`".into()),
        }
    }
}

/// Spans on their way to a collector.
pub struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Collects the spans of this process from now on; once in its life. `name` is what it is called there, and
    /// `tell` is given a line when the collector is lost and when it is found again.
    pub fn begin(
        to: &TracesTo,
        name: String,
        tell: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, Trouble> {
        let failed = |error: &dyn std::fmt::Display| {
            let trouble = Trouble::world(format_args!("collecting traces for `{}`", to.0), error);
            trouble.advise("look at the variables whose names begin with OTEL_")
        };
        let tell: Tell = Arc::new(tell);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(Handle::current(), tell))
            .with_endpoint(to.0.to_string())
            .with_protocol(Protocol::HttpBinary)
            .with_timeout(ANSWER_MAX)
            .build()
            .map_err(|error| failed(&error))?;
        let queue = BatchConfigBuilder::default().with_max_queue_size(QUEUE_SPANS).build();
        let sending = BatchSpanProcessor::builder(exporter).with_batch_config(queue).build();
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        let of = Resource::builder().with_service_name(name).with_attribute(version).build();
        let provider = SdkTracerProvider::builder().with_resource(of).with_span_processor(sending).build();
        let spans = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(LIBRARY))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        // Spans are the engine's; warnings of any room are told in the span that they come up in.
        let wanted = Targets::new().with_target("engine", LevelFilter::INFO).with_default(LevelFilter::WARN);
        let collecting = tracing_subscriber::registry().with(spans.with_filter(wanted));
        if tracing::subscriber::set_global_default(collecting).is_err() {
            let why = "the traces of this process are collected already";
            return Err(Trouble::new(Family::Ours, "InternalError", why));
        }
        Ok(Self { provider })
    }

    /// Sends what is left, and ends. It is called when nothing opens spans any more.
    pub async fn end(self) {
        // It waits for the thread that sends, which waits for the runtime.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(FLUSH_MAX));
        // A collector that did not answer has been told of.
        let _ = tokio::time::timeout(FLUSH_MAX * 2, ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_to_where_the_standard_says_below_an_address_over_plain_http() {
        for (text, wanted) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("http://collector/", "http://collector/v1/traces"),
            ("http://[::1]:4318/otlp", "http://[::1]:4318/otlp/v1/traces"),
        ] {
            assert_eq!(text.parse::<TracesTo>().unwrap().0.to_string(), wanted);
        }
        for wrong in ["https://collector:4318", "collector:4318", "", "http://", "grpc://collector:4317"] {
            assert!(wrong.parse::<TracesTo>().is_err(), "{wrong}");
        }
    }
}
