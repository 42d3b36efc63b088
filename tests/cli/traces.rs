//! Traces of `kiln serve`, as a collector on this machine gets them.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;

use crate::kit::Place;

/// How long what is bound to happen may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_mins(2);
/// Where a store's own name lies: without it, work in the region fails, and is tried again.
const STORE_ID: &str = "data/regions/cn-hangzhou/store.id";

/// A collector: what it was sent, by the paths of requests.
struct Collector {
    address: String,
    got: Arc<Mutex<Vec<(String, ExportTraceServiceRequest)>>>,
}

impl Collector {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let got: Arc<Mutex<Vec<_>>> = Arc::default();
        let into = got.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let into = into.clone();
                std::thread::spawn(move || into.lock().unwrap().push(take(&stream.unwrap())));
            }
        });
        Self { address, got }
    }

    /// All spans so far, each with the resource it is of.
    fn spans(&self) -> Vec<(BTreeMap<String, String>, Span)> {
        let got = self.got.lock().unwrap();
        assert!(got.iter().all(|(path, _)| path == "POST /v1/traces HTTP/1.1"), "{got:?}");
        let of = |request: &ExportTraceServiceRequest| request.resource_spans.clone();
        got.iter()
            .flat_map(|(_, request)| of(request))
            .flat_map(|spans| {
                let resource = words(&spans.resource.unwrap_or_default().attributes);
                let spans = spans.scope_spans.into_iter().flat_map(|scope| scope.spans);
                spans.map(move |span| (resource.clone(), span)).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// Reads one request and answers it.
fn take(mut stream: &TcpStream) -> (String, ExportTraceServiceRequest) {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    let of = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(of("content-type:"), "application/x-protobuf");
    let mut body = vec![0; of("content-length:").parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
    let first = lines[0].replacen("post", "POST", 1).replace("http/", "HTTP/");
    (first, ExportTraceServiceRequest::decode(&*body).unwrap())
}

/// Attributes as words.
fn words(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let word = |value: &Option<AnyValue>| match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(is)) => is.to_string(),
        other => format!("{other:?}"),
    };
    attributes.iter().map(|one| (one.key.clone(), word(&one.value))).collect()
}

/// A server, from when it listens.
struct Server(Child);

impl Server {
    fn begin(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        Self(child)
    }

    /// Asks it to end, and waits until it has; what it told.
    fn end(self) -> String {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let output = self.0.wait_with_output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{told}");
        told
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_collector_gets_an_operation_with_its_steps_below_it_their_errors_and_tries_again() {
    let place = Place::new();
    let collector = Collector::new();
    let mut command = place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.address));
    command.env("OTEL_SERVICE_NAME", "images-of-ours");
    let server = Server::begin(&mut command);
    fs::rename(place.path(STORE_ID), place.path("away")).unwrap();
    let mut made = place.begin(&["bucket", "create", "disks"]);
    let is_tried_again = || {
        let open = place.json(&["workflow", "list", "--open"]);
        let id = open["Workflows"][0]["WorkflowId"].as_str().map(str::to_owned);
        id.is_some_and(|id| {
            place.json(&["workflow", "show", &id]).to_string().contains("trying again after attempt")
        })
    };
    wait_for("the step fails without the store's name, and is to be tried again", is_tried_again);
    fs::rename(place.path("away"), place.path(STORE_ID)).unwrap();
    assert!(made.wait().unwrap().success());
    let told = server.end();
    assert!(!told.contains("traces"), "{told}");

    let spans = collector.spans();
    let flows = spans.iter().filter(|(_, span)| span.name == "create_bucket").collect::<Vec<_>>();
    let [(resource, flow)] = flows[..] else { panic!("one operation was asked for: {spans:#?}") };
    assert_eq!(resource["service.name"], "images-of-ours");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
    let attributes = words(&flow.attributes);
    assert_eq!(attributes["story"], "create_bucket");
    assert_eq!((&*attributes["account"], &*attributes["state"]), ("100000", "done"));
    assert!(attributes["flow"].starts_with("w-"), "{attributes:?}");
    assert!(flow.parent_span_id.is_empty() && flow.status.as_ref().is_none_or(|status| status.code == 0));
    let warned = flow.events.iter().find(|event| words(&event.attributes).contains_key("number"));
    assert!(warned.is_some(), "an attempt that failed is told in the operation as well: {flow:#?}");

    let mut steps: Vec<&Span> =
        spans.iter().map(|(_, span)| span).filter(|span| span.parent_span_id == flow.span_id).collect();
    steps.sort_by_key(|span| span.start_time_unix_nano);
    assert!(steps.iter().all(|span| span.trace_id == flow.trace_id));
    let (last, failed) = steps.split_last().unwrap();
    assert!(!failed.is_empty(), "{steps:#?}");
    for (number, step) in (1..).zip(&steps) {
        let attributes = words(&step.attributes);
        assert_eq!((&step.name, &*attributes["undoing"]), (&attributes["path"], "false"));
        assert_eq!(attributes["attempt"], number.to_string(), "all are tries of one step: {steps:#?}");
        assert!(step.start_time_unix_nano >= flow.start_time_unix_nano);
        assert!(step.end_time_unix_nano <= flow.end_time_unix_nano);
    }
    for step in failed {
        let status = step.status.clone().unwrap();
        assert_eq!((status.code(), &*words(&step.attributes)["outcome"]), (StatusCode::Error, "failed"));
        assert!(status.message.contains("cn-hangzhou"), "{status:?}");
    }
    assert_eq!(words(&last.attributes)["outcome"], "done");
    assert!(last.status.as_ref().is_none_or(|status| status.code() == StatusCode::Unset));
}

#[test]
fn a_collector_that_is_not_there_is_told_of_once_and_stops_nothing() {
    let place = Place::new();
    // A port that was free a moment ago.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let otlp = format!("http://{nobody}");
    let server = Server::begin(&mut place.command(&["serve", "--listen", "127.0.0.1:0", "--otlp", &otlp]));
    for name in ["one", "two", "three"] {
        place.done(&["bucket", "create", name]);
    }
    let begun = Instant::now();
    let told = server.end();
    assert!(begun.elapsed() < PATIENCE, "the end waits for nobody for long");
    assert_eq!(told.matches("traces do not arrive at").count(), 1, "{told}");
    assert!(told.contains("everything that was asked is answered"), "{told}");

    for wrong in ["https://127.0.0.1:4318", "127.0.0.1:4318"] {
        let run = place.run(&["serve", "--listen", "127.0.0.1:0", "--otlp", wrong]);
        let is_told = run.err.contains("plain HTTP") || run.err.contains("http://HOST:PORT");
        assert!(run.code == 2 && is_told, "{}", run.err);
    }
}
