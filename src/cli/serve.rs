//! `kiln serve`: the wires of the API, until somebody ends it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use server::{Certificate, Limits, Listening, Options, Traces, TracesTo};
use tokio::signal::unix::{SignalKind, signal};

use crate::exit::Stop;
use crate::screen::{Screen, print};
use crate::session::Session;

/// Where a server listens when nobody says: on this machine only.
const LISTEN: &str = "127.0.0.1:8080";

/// How to serve.
#[derive(Debug, Args)]
#[command(
    after_help = "Clients need an access key: `kiln account create NAME` and `kiln key create` make one.
Health, readiness and metrics are at /health, /ready and /metrics.

Examples:
  kiln serve
  kiln --data /srv/kiln serve --listen 0.0.0.0:8080 --access-log
  kiln serve --otlp http://127.0.0.1:4318"
)]
pub(crate) struct Serve {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDR:PORT", default_value = LISTEN)]
    listen: SocketAddr,
    /// Requests of an account, region and action in a minute [default: no limit]
    #[arg(long, value_name = "COUNT")]
    per_minute: Option<u32>,
    /// Speak HTTPS as well on that port, by this certificate chain in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// The private key of the certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Speak HTTPS as well, by a certificate made here for this name or address; may be given several times
    #[arg(long, value_name = "NAME", conflicts_with = "tls_certificate")]
    tls_name: Vec<String>,
    /// Events older than so many days go into the archive
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 30,
        env = "KILN_ARCHIVE_AFTER",
        hide_env_values = true
    )]
    archive_after: u32,
    /// Write a line of JSON for each request to standard error
    #[arg(long)]
    access_log: bool,
    /// Send traces of operations and their steps to this collector, as OTLP over HTTP
    #[arg(long, value_name = "URL", env = "OTEL_EXPORTER_OTLP_ENDPOINT", hide_env_values = true)]
    otlp: Option<TracesTo>,
}

/// What names a service in traces; the standard's own.
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// What it is called where nobody says.
const SERVICE_NAME_DEFAULT: &str = "kiln";

impl Serve {
    /// Begins to collect traces, if they are wanted: before anything is opened, so that nothing is missed.
    pub(crate) fn traces(&self, screen: &Screen) -> Result<Option<Traces>, Stop> {
        let Some(to) = &self.otlp else { return Ok(None) };
        let name = std::env::var(SERVICE_NAME).ok().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| SERVICE_NAME_DEFAULT.to_owned());
        let screen = screen.clone();
        Ok(Some(Traces::begin(to, name, move |line| screen.say(line))?))
    }

    pub(crate) async fn run(self, session: &Session) -> Result<(), Stop> {
        let service = session.house()?.hold().await?;
        service.archive_after_days(self.archive_after);
        service.drive().await?;
        let limits = Limits { per_minute: self.per_minute, ..Limits::default() };
        let certificate = match (self.tls_certificate, self.tls_key) {
            (Some(chain), Some(key)) => Some(Certificate::Given { chain, key }),
            _ if self.tls_name.is_empty() => None,
            _ => Some(Certificate::Made { dir: session.house()?.dir().to_owned(), names: self.tls_name }),
        };
        let dir = session.house()?.dir().to_owned();
        let options = Options { listen: self.listen, dir, limits, is_logging: self.access_log, certificate };
        // Whoever starts a server reads this line to know that it is ready.
        let ready = |listening: Listening| {
            print(&format!("listening on {}\n", listening.at));
            if let Some(certificate) = listening.certificate {
                session.screen.say(&format!("clients of HTTPS are to trust `{}`", certificate.display()));
            }
        };
        let mut term = signal(SignalKind::terminate())
            .map_err(|error| service::Trouble::world("waiting for signals", error))?;
        let stop = async {
            tokio::select! {
                _ = term.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
        };
        server::serve(service, options, ready, stop).await?;
        session.screen.say("everything that was asked is answered");
        Ok(())
    }
}
