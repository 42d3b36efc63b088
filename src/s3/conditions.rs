//! Under which conditions an object is given, copied or replaced.

use domain::port_objects::ObjectFacts;
use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};

use crate::error::{not_implemented, precondition};
use crate::headers::time;

/// What has to hold.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) matches: Option<ETagCondition>,
    pub(crate) none_match: Option<ETagCondition>,
    pub(crate) modified_since: Option<Timestamp>,
    pub(crate) unmodified_since: Option<Timestamp>,
}

fn names(condition: &ETagCondition, facts: &ObjectFacts) -> bool {
    condition.as_etag().is_none_or(|tag| tag.value().eq_ignore_ascii_case(&facts.etag))
}

impl Conditions {
    /// Fails unless they hold for an object that is read.
    pub(crate) fn check(&self, facts: &ObjectFacts) -> S3Result<()> {
        let modified = time(facts.modified_ms);
        match &self.matches {
            Some(tag) if !names(tag, facts) => return Err(precondition()),
            None if self.unmodified_since.as_ref().is_some_and(|since| modified > *since) => {
                return Err(precondition());
            }
            _ => {}
        }
        let is_known = match &self.none_match {
            Some(tag) => names(tag, facts),
            None => self.modified_since.as_ref().is_some_and(|since| modified <= *since),
        };
        if is_known { Err(S3Error::new(S3ErrorCode::NotModified)) } else { Ok(()) }
    }

    /// Fails unless they hold for the source of a copy.
    pub(crate) fn check_source(&self, facts: &ObjectFacts) -> S3Result<()> {
        self.check(facts).map_err(|_| precondition())
    }
}

/// Whether an object may be replaced. Anything but "only if there is none" would have to be asked while
/// the name is locked.
pub(crate) fn may_replace(
    matches: Option<&ETagCondition>,
    none_match: Option<&ETagCondition>,
) -> S3Result<bool> {
    match (matches, none_match) {
        (None, None) => Ok(true),
        (None, Some(ETagCondition::Any)) => Ok(false),
        (Some(_), _) => Err(not_implemented("If-Match")),
        (None, Some(ETagCondition::ETag(_))) => Err(not_implemented("If-None-Match with a tag")),
    }
}

#[cfg(test)]
mod tests {
    use s3s::dto::ETag;

    use super::*;

    fn facts() -> ObjectFacts {
        ObjectFacts {
            key: "a".to_owned(),
            bytes: 1,
            modified_ms: 10_500,
            etag: "AB".to_owned(),
            crc64: None,
            kind: domain::port_objects::ObjectKind::Normal,
            headers: domain::port_objects::Headers::new(),
        }
    }

    fn check(conditions: &Conditions, expected: Option<&S3ErrorCode>) {
        let found = conditions.check(&facts()).err();
        assert_eq!(found.as_ref().map(S3Error::code), expected, "{conditions:?}");
    }

    fn tag(text: &str) -> ETagCondition {
        ETagCondition::ETag(ETag::Strong(text.to_owned()))
    }

    #[test]
    fn tags_are_compared_in_any_case_and_times_in_seconds() {
        let usual = Conditions::default;
        check(&usual(), None);
        check(&Conditions { matches: Some(tag("ab")), ..usual() }, None);
        check(&Conditions { matches: Some(ETagCondition::Any), ..usual() }, None);
        check(&Conditions { matches: Some(tag("b")), ..usual() }, Some(&S3ErrorCode::PreconditionFailed));
        check(&Conditions { none_match: Some(tag("ab")), ..usual() }, Some(&S3ErrorCode::NotModified));
        check(
            &Conditions { none_match: Some(tag("b")), modified_since: Some(time(20_000)), ..usual() },
            None,
        );
        check(&Conditions { modified_since: Some(time(10_000)), ..usual() }, Some(&S3ErrorCode::NotModified));
        check(&Conditions { modified_since: Some(time(9_000)), ..usual() }, None);
        check(&Conditions { unmodified_since: Some(time(10_000)), ..usual() }, None);
        let early = Conditions { unmodified_since: Some(time(9_000)), ..usual() };
        check(&early, Some(&S3ErrorCode::PreconditionFailed));
        check(&Conditions { matches: Some(tag("ab")), ..early }, None);
    }
}
