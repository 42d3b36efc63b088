//! Objects, read: whole, in stretches, or only what is known of them.

use std::sync::Arc;

use http::{Response, StatusCode};
use http_body_util::BodyExt;

use crate::body::Outgoing;
use crate::conditions::{OF_READS, check, wanted};
use crate::error::Refused;
use crate::headers::{put, tell, tell_briefly};
use crate::turn::{Answer, Turn, empty};

/// Parameters by which a reader chooses a header of the answer.
const CHOSEN: [&str; 6] = [
    "content-type",
    "content-language",
    "expires",
    "cache-control",
    "content-disposition",
    "content-encoding",
];

impl Turn<'_> {
    pub(crate) async fn get_object(&mut self) -> Answer {
        let at = self.at()?;
        let (facts, bytes) = self.oss.objects.open(&at).await?.ok_or_else(|| Refused::no_key(&at.path))?;
        check(self.asked, &OF_READS, &facts)?;
        let range = wanted(self.asked, facts.bytes)?;
        let stretch = range.clone().unwrap_or(0..facts.bytes);
        let lane = self.oss.lanes.lane(&self.identity.key, self.context.source_ip, &at);
        let body = Outgoing::new(Arc::from(bytes), stretch.start, stretch.end, lane).boxed();
        let mut response = Response::new(body);
        let headers = response.headers_mut();
        tell(headers, &facts);
        for name in CHOSEN {
            if let Some(chosen) = self.asked.parameter(&format!("response-{name}")) {
                put(headers, name, chosen);
            }
        }
        put(headers, "content-length", (stretch.end - stretch.start).to_string());
        if let Some(range) = range {
            put(headers, "content-range", format!("bytes {}-{}/{}", range.start, range.end - 1, facts.bytes));
            headers.remove("content-md5");
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Ok(response)
    }

    pub(crate) async fn head_object(&mut self) -> Answer {
        let at = self.at()?;
        let facts = self.oss.objects.facts(&at).await?.ok_or_else(|| Refused::no_key(&at.path))?;
        check(self.asked, &OF_READS, &facts)?;
        let mut response = empty(StatusCode::OK);
        tell(response.headers_mut(), &facts);
        Ok(response)
    }

    pub(crate) async fn object_meta(&mut self) -> Answer {
        let at = self.at()?;
        let facts = self.oss.objects.facts(&at).await?.ok_or_else(|| Refused::no_key(&at.path))?;
        let mut response = empty(StatusCode::OK);
        tell_briefly(response.headers_mut(), &facts);
        if self.asked.method == http::Method::GET {
            // The length is the object's, and an answer to GET would have to bring as much.
            response.headers_mut().remove("content-length");
        }
        Ok(response)
    }
}
