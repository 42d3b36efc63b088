//! Buckets: told, made, removed.

use domain::RegionId;
use s3s::dto::{
    Bucket, BucketLocationConstraint, CreateBucketConfiguration, GetBucketLocationOutput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput, Owner,
};
use s3s::{S3ErrorCode, S3Result};
use service::{BucketRequest, Call, Manner, PROTOCOL, Request, Started, Trouble, dispatch};

use crate::error::{refused, told};
use crate::headers::time;
use crate::turn::Turn;

/// Buckets told at once, as the API documents.
const LISTED_MAX: usize = 10_000;
/// What the OSS wire calls a region: this, and its id.
const LOCATION_PREFIX: &str = "oss-";
/// Regions that clients name when nobody has told them any.
const NO_REGION: [&str; 3] = ["us-east-1", "auto", "default"];

impl Turn {
    /// Who owns things here.
    pub(crate) fn owner(&self) -> Option<Owner> {
        let account = self.who().ok()?.account.0.clone();
        Some(Owner { id: Some(account.clone()), display_name: Some(account) })
    }

    pub(crate) fn all_buckets(&self, input: &ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let mut buckets = self.service().own_buckets(&self.actor()?).map_err(told)?;
        let prefix = input.prefix.as_deref().unwrap_or_default();
        let after = input.continuation_token.as_deref().unwrap_or_default();
        let region = input.bucket_region.as_deref();
        buckets.retain(|bucket| {
            bucket.name.starts_with(prefix)
                && bucket.name.as_str() > after
                && region.is_none_or(|region| bucket.region.as_str() == region)
        });
        let count = input.max_buckets.map_or(LISTED_MAX, |count| usize::try_from(count).unwrap_or(1));
        let count = count.clamp(1, LISTED_MAX);
        let more = buckets.len() > count;
        buckets.truncate(count);
        let told = buckets.iter().map(|bucket| Bucket {
            bucket_region: Some(bucket.region.to_string()),
            creation_date: Some(time(bucket.created_ms)),
            name: Some(bucket.name.clone()),
        });
        Ok(ListBucketsOutput {
            buckets: Some(told.collect()),
            continuation_token: buckets.last().filter(|_| more).map(|last| last.name.clone()),
            owner: self.owner(),
            prefix: input.prefix.clone(),
        })
    }

    pub(crate) fn bucket_head(&self, name: &str) -> S3Result<HeadBucketOutput> {
        let own = self.own(name)?;
        Ok(HeadBucketOutput {
            bucket_region: Some(own.row.region.to_string()),
            ..HeadBucketOutput::default()
        })
    }

    pub(crate) fn bucket_location(&self, name: &str) -> S3Result<GetBucketLocationOutput> {
        let region = self.own(name)?.row.region.to_string();
        let location_constraint = Some(BucketLocationConstraint::from(region));
        Ok(GetBucketLocationOutput { location_constraint })
    }

    /// Makes a bucket where its maker says, or where the signature says if there is such a region.
    pub(crate) async fn make_bucket(
        &self,
        name: &str,
        configuration: Option<CreateBucketConfiguration>,
        scope: Option<&str>,
    ) -> S3Result<()> {
        domain::name::bucket(name)
            .map_err(|_| refused(S3ErrorCode::InvalidBucketName, "The specified bucket is not valid."))?;
        let constraint = configuration.and_then(|configuration| configuration.location_constraint);
        let constraint = constraint.as_ref().map(BucketLocationConstraint::as_str);
        let region = self.wanted_region(constraint.unwrap_or_default(), scope.unwrap_or_default())?;
        if self.service().own_bucket(&self.actor()?, name).is_ok() {
            let why = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(refused(S3ErrorCode::BucketAlreadyOwnedByYou, why));
        }
        self.ask(BucketRequest::Create { bucket: name.to_owned(), region }).await
    }

    pub(crate) async fn remove_bucket(&self, name: &str) -> S3Result<()> {
        let bucket = self.own(name)?.at.name;
        self.ask(BucketRequest::Delete { bucket }).await
    }

    /// Asks for an operation and waits for its end.
    async fn ask(&self, request: BucketRequest) -> S3Result<()> {
        let call = Call {
            protocol: PROTOCOL,
            drive: true,
            actor: self.actor()?,
            id: format!("s3-{}", self.request_id()),
            manner: Manner::default(),
            request: Request::Bucket(request),
        };
        let asked = async {
            let started = Started::try_from(dispatch(self.service(), call).await?)?;
            self.service().ended(started.workflow_id).await
        };
        asked.await.map_err(|trouble: Trouble| told(trouble))
    }

    fn wanted_region(&self, constraint: &str, scope: &str) -> S3Result<Option<RegionId>> {
        let regions = self.service().region_ids().map_err(told)?;
        let known = |name: &str| {
            let id = name.strip_prefix(LOCATION_PREFIX).unwrap_or(name);
            regions.iter().find(|region| region.as_str() == id).cloned()
        };
        if constraint.is_empty() || NO_REGION.contains(&constraint) {
            return Ok(known(scope));
        }
        let why = "The specified location-constraint is not valid.";
        known(constraint).map(Some).ok_or_else(|| refused(S3ErrorCode::InvalidLocationConstraint, why))
    }
}
