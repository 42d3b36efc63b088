//! The operations there are, as the adapter asks for them. Each is done in the file of what it concerns;
//! those that are not here are `NotImplemented`, as the adapter has it.

use http::StatusCode;
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetBucketLocationInput,
    GetBucketLocationOutput, GetBucketVersioningInput, GetBucketVersioningOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput, ListBucketsInput,
    ListBucketsOutput, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListObjectsInput,
    ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output, ListPartsInput, ListPartsOutput,
    PutObjectInput, PutObjectOutput, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::region::Region;
use s3s::{S3 as Operations, S3Request, S3Response, S3Result};

use crate::headers::check_acl;
use crate::turn::Turn;

#[async_trait::async_trait]
impl Operations for Turn {
    async fn abort_multipart_upload(
        &self,
        asked: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.begins();
        self.abort_upload(&asked.input.bucket, &asked.input.key, &asked.input.upload_id).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }

    async fn complete_multipart_upload(
        &self,
        asked: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.begins();
        self.complete_upload(asked.input).await.map(S3Response::new)
    }

    async fn copy_object(&self, asked: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.begins();
        self.copy(asked.input, &asked.headers).await.map(S3Response::new)
    }

    async fn create_bucket(
        &self,
        asked: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.begins();
        check_acl(&asked.headers)?;
        let scope = asked.region.as_ref().map(Region::as_str);
        let CreateBucketInput { bucket, create_bucket_configuration, .. } = asked.input;
        self.make_bucket(&bucket, create_bucket_configuration, scope).await?;
        let location = Some(format!("/{bucket}"));
        Ok(S3Response::new(CreateBucketOutput { location }))
    }

    async fn create_multipart_upload(
        &self,
        asked: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begins();
        self.begin_upload(asked.input, &asked.headers).await.map(S3Response::new)
    }

    async fn delete_bucket(
        &self,
        asked: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.begins();
        self.remove_bucket(&asked.input.bucket).await?;
        Ok(S3Response::with_status(DeleteBucketOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn delete_object(
        &self,
        asked: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.begins();
        self.remove_object(&asked.input.bucket, &asked.input.key).await?;
        Ok(S3Response::with_status(DeleteObjectOutput::default(), StatusCode::NO_CONTENT))
    }

    async fn delete_objects(
        &self,
        asked: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.begins();
        self.remove_objects(asked.input).await.map(S3Response::new)
    }

    async fn get_bucket_location(
        &self,
        asked: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.begins();
        self.bucket_location(&asked.input.bucket).map(S3Response::new)
    }

    async fn get_bucket_versioning(
        &self,
        asked: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.begins();
        // Nobody has ever set it, and clients ask before they remove a bucket with all it holds.
        self.own(&asked.input.bucket)?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn get_object(&self, asked: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.begins();
        self.read_object(asked.input).await.map(S3Response::new)
    }

    async fn head_bucket(&self, asked: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.begins();
        self.bucket_head(&asked.input.bucket).map(S3Response::new)
    }

    async fn head_object(&self, asked: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.begins();
        self.object_head(asked.input).await.map(S3Response::new)
    }

    async fn list_buckets(
        &self,
        asked: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.begins();
        self.all_buckets(&asked.input).map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        asked: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.begins();
        self.all_uploads(asked.input).await.map(S3Response::new)
    }

    async fn list_objects(
        &self,
        asked: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.begins();
        self.objects_v1(asked.input).await.map(S3Response::new)
    }

    async fn list_objects_v2(
        &self,
        asked: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.begins();
        self.objects_v2(asked.input).await.map(S3Response::new)
    }

    async fn list_parts(&self, asked: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.begins();
        self.all_parts(asked.input).await.map(S3Response::new)
    }

    async fn put_object(&self, asked: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.begins();
        self.write_object(asked.input, &asked.headers, asked.trailing_headers).await.map(S3Response::new)
    }

    async fn upload_part(&self, asked: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.begins();
        self.write_part(asked.input, &asked.headers, asked.trailing_headers).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        asked: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.begins();
        self.copy_part(asked.input).await.map(S3Response::new)
    }
}
