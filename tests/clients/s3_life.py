"""The life of an object over the S3 dialect, driven by the other cloud's own client (boto3), and seen over OSS.

The environment says: KILN_ENDPOINT, KILN_KEY_n and KILN_SECRET_n of two accounts, and OSS_READER_KEY_ID and
OSS_READER_KEY_SECRET of a user of the first who may look and change nothing.
"""

import hashlib
import io
import os
import random
import subprocess
import urllib.error
import urllib.request

import boto3
import oss2
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

from kiln_clients import ENDPOINT, FIRST, OTHER_REGION, REGION, SECOND, check, fresh, show

URL = f"http://{ENDPOINT}"
MIB = 1 << 20


def client(key, secret, region="us-east-1", url=URL, style="path", **more):
    """A client as people configure one: a key, an endpoint, and often no region of ours."""
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": style}, **more)
    return boto3.client(
        "s3",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        endpoint_url=url,
        region_name=region,
        config=config,
    )


def noise(count, seed=1):
    """Bytes that no compression makes smaller."""
    return random.Random(seed).randbytes(count)


def refused(what, code, status, ask):
    """Fails unless an answer is that refusal."""
    try:
        ask()
    except ClientError as error:
        found = (error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"])
        check(found, (code, status), what)
    else:
        raise AssertionError(f"{what} was not refused")


def fetch(url, data=None, method="GET"):
    """A URL that was given away, opened by whoever has it."""
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


S3 = client(FIRST.key, FIRST.secret)
OTHER = client(SECOND.key, SECOND.secret)
READER = client(os.environ["OSS_READER_KEY_ID"], os.environ["OSS_READER_KEY_SECRET"])
BUCKET = fresh("s3")


def buckets():
    S3.create_bucket(Bucket=BUCKET)
    S3.head_bucket(Bucket=BUCKET)
    check(S3.get_bucket_location(Bucket=BUCKET)["LocationConstraint"], REGION, "the usual region")
    assert "Status" not in S3.get_bucket_versioning(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in S3.list_buckets()["Buckets"]]
    refused("again", "BucketAlreadyOwnedByYou", 409, lambda: S3.create_bucket(Bucket=BUCKET))
    refused("a name that another has", "BucketAlreadyExists", 409, lambda: OTHER.create_bucket(Bucket=BUCKET))
    refused("a wrong name", "InvalidBucketName", 400, lambda: S3.create_bucket(Bucket="a.b"))
    elsewhere = fresh("s3")
    S3.create_bucket(Bucket=elsewhere, CreateBucketConfiguration={"LocationConstraint": OTHER_REGION})
    check(S3.get_bucket_location(Bucket=elsewhere)["LocationConstraint"], OTHER_REGION, "the region asked for")
    by_scope = fresh("s3")
    scoped = client(FIRST.key, FIRST.secret, region=OTHER_REGION)
    scoped.create_bucket(Bucket=by_scope)
    check(scoped.get_bucket_location(Bucket=by_scope)["LocationConstraint"], OTHER_REGION, "the scope's region")
    nowhere = {"LocationConstraint": "eu-west-9"}
    ask = lambda: S3.create_bucket(Bucket=fresh("s3"), CreateBucketConfiguration=nowhere)
    refused("no such region", "InvalidLocationConstraint", 400, ask)
    for name in (elsewhere, by_scope):
        S3.delete_bucket(Bucket=name)
        refused("a bucket that is gone", "404", 404, lambda: S3.head_bucket(Bucket=name))
    show("buckets are made, found, told and removed, in the region that was meant")


def objects():
    body = b"hello, kiln"
    put = S3.put_object(
        Bucket=BUCKET, Key="a b/ü+.txt", Body=body, ContentType="text/plain", Metadata={"who": "me"}, CacheControl="no-cache"
    )
    check(put["ETag"], f'"{hashlib.md5(body).hexdigest()}"', "the tag")
    got = S3.get_object(Bucket=BUCKET, Key="a b/ü+.txt")
    check(got["Body"].read(), body, "the bytes")
    check((got["ContentType"], got["Metadata"], got["CacheControl"]), ("text/plain", {"who": "me"}, "no-cache"), "headers")
    head = S3.head_object(Bucket=BUCKET, Key="a b/ü+.txt")
    check((head["ContentLength"], head["ETag"]), (len(body), put["ETag"]), "the head")
    S3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    check(S3.get_object(Bucket=BUCKET, Key="empty")["Body"].read(), b"", "no bytes")

    def ranged(wanted):
        answer = S3.get_object(Bucket=BUCKET, Key="a b/ü+.txt", Range=wanted)
        return answer["ResponseMetadata"]["HTTPStatusCode"], answer["ContentRange"], answer["Body"].read()

    check(ranged("bytes=0-4"), (206, "bytes 0-4/11", b"hello"), "a range")
    check(ranged("bytes=7-"), (206, "bytes 7-10/11", b"kiln"), "a range to the end")
    check(ranged("bytes=-4"), (206, "bytes 7-10/11", b"kiln"), "the last bytes")
    check(ranged("bytes=7-99"), (206, "bytes 7-10/11", b"kiln"), "a range beyond the end")
    refused("no such range", "InvalidRange", 416, lambda: ranged("bytes=99-"))
    key = {"Bucket": BUCKET, "Key": "a b/ü+.txt"}
    S3.get_object(**key, IfMatch=put["ETag"])
    refused("not modified", "304", 304, lambda: S3.get_object(**key, IfNoneMatch=put["ETag"]))
    refused("not modified since", "304", 304, lambda: S3.get_object(**key, IfModifiedSince=head["LastModified"]))
    refused("another tag", "PreconditionFailed", 412, lambda: S3.get_object(**key, IfMatch='"0"'))
    refused("there is one", "PreconditionFailed", 412, lambda: S3.put_object(**key, Body=b"x", IfNoneMatch="*"))
    refused("no such key", "NoSuchKey", 404, lambda: S3.get_object(Bucket=BUCKET, Key="nothing"))
    refused("no such bucket", "NoSuchBucket", 404, lambda: S3.get_object(Bucket=fresh("s3"), Key="a"))
    refused("a key that cannot be", "InvalidArgument", 400, lambda: S3.put_object(Bucket=BUCKET, Key="/a", Body=b""))
    refused("public access", "AccessDenied", 403, lambda: S3.put_object(**key, Body=b"", ACL="public-read"))
    refused("what is not done", "NotImplemented", 501, lambda: S3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"}))
    show("small objects come back as they were put, whole and in stretches, under conditions")


def checksums():
    body = noise(3 * MIB, 7)
    for algorithm in ("CRC32", "SHA1", "SHA256"):
        put = S3.put_object(Bucket=BUCKET, Key="checked", Body=body, ChecksumAlgorithm=algorithm)
        assert put[f"Checksum{algorithm}"], put
    wrong = lambda: S3.put_object(Bucket=BUCKET, Key="wrong", Body=body, ChecksumCRC32="AAAAAA==")
    refused("a wrong checksum", "BadDigest", 400, wrong)
    wrong = lambda: S3.put_object(Bucket=BUCKET, Key="wrong", Body=body, ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")
    refused("a wrong digest", "BadDigest", 400, wrong)
    refused("it has never been", "NoSuchKey", 404, lambda: S3.get_object(Bucket=BUCKET, Key="wrong"))
    signed = client(FIRST.key, FIRST.secret, request_checksum_calculation="when_required")
    signed.put_object(Bucket=BUCKET, Key="signed", Body=body)
    check(signed.get_object(Bucket=BUCKET, Key="signed")["Body"].read(), body, "without checksums")
    show("checksums are compared, and what does not fit has never been")


def large():
    body = noise(21 * MIB + 5)
    config = TransferConfig(multipart_threshold=8 * MIB, multipart_chunksize=6 * MIB, max_concurrency=4)
    S3.upload_fileobj(io.BytesIO(body), BUCKET, "large.bin", Config=config, ExtraArgs={"Metadata": {"n": "1"}})
    head = S3.head_object(Bucket=BUCKET, Key="large.bin")
    check((head["ContentLength"], head["Metadata"]), (len(body), {"n": "1"}), "the head")
    assert head["ETag"].endswith('-4"'), head
    back = io.BytesIO()
    S3.download_fileobj(BUCKET, "large.bin", back, Config=config)
    assert back.getvalue() == body, "the bytes came back otherwise"
    S3.copy({"Bucket": BUCKET, "Key": "large.bin"}, BUCKET, "large-2.bin", Config=config)
    assert S3.get_object(Bucket=BUCKET, Key="large-2.bin")["Body"].read() == body
    upload = S3.create_multipart_upload(Bucket=BUCKET, Key="half")["UploadId"]
    part = {"Bucket": BUCKET, "Key": "half", "UploadId": upload}
    first = S3.upload_part(**part, PartNumber=1, Body=body[: 5 * MIB])
    S3.upload_part(**part, PartNumber=2, Body=body[:10])
    listed = S3.list_parts(**part)["Parts"]
    check([(one["PartNumber"], one["Size"]) for one in listed], [(1, 5 * MIB), (2, 10)], "the parts")
    check(listed[0]["ETag"], first["ETag"], "the tag of a part")
    uploads = S3.list_multipart_uploads(Bucket=BUCKET)["Uploads"]
    check([(one["Key"], one["UploadId"]) for one in uploads], [("half", upload)], "the uploads")
    parts = {"Parts": [{"PartNumber": 1, "ETag": '"00"'}]}
    refused("another part", "InvalidPart", 400, lambda: S3.complete_multipart_upload(**part, MultipartUpload=parts))
    S3.abort_multipart_upload(**part)
    refused("an aborted upload", "NoSuchUpload", 404, lambda: S3.list_parts(**part))
    show("large objects go in parts, come back, are copied in parts, and are given up")


def lists():
    keys = [f"list/{folder}/{number:02}" for folder in "abc" for number in range(5)] + ["list/z \u0007&<ü"]
    for key in keys:
        S3.put_object(Bucket=BUCKET, Key=key, Body=b"1")
    for name, contents in (("list_objects_v2", "KeyCount"), ("list_objects", "Marker")):
        pages = S3.get_paginator(name).paginate(Bucket=BUCKET, Prefix="list/", PaginationConfig={"PageSize": 4})
        pages = list(pages)
        check([one["Key"] for page in pages for one in page["Contents"]], sorted(keys), name)
        check(len(pages), 4, "pages")
        assert contents in pages[0]
        folders = getattr(S3, name)(Bucket=BUCKET, Prefix="list/", Delimiter="/")
        check([one["Prefix"] for one in folders["CommonPrefixes"]], ["list/a/", "list/b/", "list/c/"], "folders")
        check([one["Key"] for one in folders["Contents"]], ["list/z \u0007&<ü"], "what is in none")
    after = S3.list_objects_v2(Bucket=BUCKET, Prefix="list/", StartAfter="list/c/03", FetchOwner=True)["Contents"]
    check([(one["Key"], one["Owner"]["ID"]) for one in after][0], ("list/c/04", FIRST.id), "behind a key")
    check(S3.list_objects_v2(Bucket=BUCKET, MaxKeys=0)["KeyCount"], 0, "none")
    batch = {"Objects": [{"Key": key} for key in keys] + [{"Key": "never there"}]}
    check(len(S3.delete_objects(Bucket=BUCKET, Delete=batch)["Deleted"]), len(keys) + 1, "a batch is removed")
    check(S3.list_objects_v2(Bucket=BUCKET, Prefix="list/")["KeyCount"], 0, "nothing is left")
    show("lists come in pages and folders, and batches are removed")


def copies():
    source = {"Bucket": BUCKET, "Key": "a b/ü+.txt"}
    S3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)
    check(S3.head_object(Bucket=BUCKET, Key="copy")["Metadata"], {"who": "me"}, "what was said of the source")
    itself = {"Bucket": BUCKET, "Key": "copy"}
    S3.copy_object(**itself, CopySource=itself, Metadata={"now": "this"}, MetadataDirective="REPLACE")
    check(S3.head_object(**itself)["Metadata"], {"now": "this"}, "what is said now")
    refused("onto itself", "InvalidRequest", 400, lambda: S3.copy_object(**itself, CopySource=itself))
    gone = {"Bucket": BUCKET, "Key": "nothing"}
    refused("no source", "NoSuchKey", 404, lambda: S3.copy_object(**itself, CopySource=gone))
    foreign = lambda: OTHER.copy_object(Bucket=BUCKET, Key="x", CopySource=source)
    refused("another's source", "NoSuchBucket", 404, foreign)
    show("objects are copied, and described anew")


def given_away():
    # This client still gives URLs of the older signature away unless it is told not to.
    giver = client(FIRST.key, FIRST.secret, signature_version="s3v4")
    key = {"Bucket": BUCKET, "Key": "given away"}
    fetch(giver.generate_presigned_url("put_object", Params=key), data=b"by a URL", method="PUT")
    url = giver.generate_presigned_url("get_object", Params={**key, "ResponseContentType": "text/x"})
    check(fetch(url), b"by a URL", "what a URL gives")
    for wrong in (url.replace("given%20away", "other"), giver.generate_presigned_url("get_object", Params=key, ExpiresIn=0)):
        try:
            fetch(wrong)
        except urllib.error.HTTPError as error:
            check(error.code, 403, "a URL that is not good")
        else:
            raise AssertionError("it was good")
    older = client(FIRST.key, FIRST.secret, signature_version="s3")
    refused("the older signature", "InvalidRequest", 400, lambda: older.list_objects(Bucket=BUCKET))
    show("URLs are given away for a while, to read and to write")


def access():
    wrong = client(FIRST.key, "x" * 30)
    refused("a wrong secret", "SignatureDoesNotMatch", 403, wrong.list_buckets)
    refused("a wrong secret with a body", "SignatureDoesNotMatch", 403, lambda: wrong.put_object(Bucket=BUCKET, Key="a", Body=noise(2 * MIB)))
    refused("no such key", "InvalidAccessKeyId", 403, client("LTAInothere", "x").list_buckets)
    key = {"Bucket": BUCKET, "Key": "copy"}
    for what, ask in {
        "list": lambda: OTHER.list_objects_v2(Bucket=BUCKET),
        "get": lambda: OTHER.get_object(**key),
        "put": lambda: OTHER.put_object(**key, Body=b"x"),
        "delete": lambda: OTHER.delete_object(**key),
        "delete bucket": lambda: OTHER.delete_bucket(Bucket=BUCKET),
        "begin parts": lambda: OTHER.create_multipart_upload(**key),
    }.items():
        refused(f"another's bucket: {what}", "NoSuchBucket", 404, ask)
    assert BUCKET not in [bucket["Name"] for bucket in OTHER.list_buckets()["Buckets"]]
    READER.get_object(**key)
    READER.list_objects_v2(Bucket=BUCKET)
    refused("a reader writes", "AccessDenied", 403, lambda: READER.put_object(**key, Body=noise(MIB)))
    refused("a reader removes", "AccessDenied", 403, lambda: READER.delete_object(**key))
    denied = READER.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "copy"}]})["Errors"]
    check([(one["Key"], one["Code"]) for one in denied], [("copy", "AccessDenied")], "key by key")
    refused("a bucket expected of another", "AccessDenied", 403, lambda: S3.get_object(**key, ExpectedBucketOwner=SECOND.id))
    show("keys, policies and foreign buckets are as on the OSS wire")


def by_host():
    # By way of a proxy, for no resolver knows the name; so the target is a whole URL as well.
    proxies = {"http": URL}
    virtual = client(FIRST.key, FIRST.secret, url="http://kiln.example", style="virtual", proxies=proxies)
    check(virtual.get_object(Bucket=BUCKET, Key="copy")["ContentLength"], 11, "in the host's name")
    check(virtual.list_objects_v2(Bucket=BUCKET, Prefix="copy")["KeyCount"], 1, "a list")
    name = fresh("s3")
    virtual.create_bucket(Bucket=name)
    virtual.put_object(Bucket=name, Key="a/b", Body=b"1")
    virtual.delete_object(Bucket=name, Key="a/b")
    virtual.delete_bucket(Bucket=name)
    refused("none of that name", "404", 404, lambda: virtual.head_bucket(Bucket=name))
    show("a host may name the bucket")


def both_ways():
    """What came by one dialect goes out by the other."""
    bucket = oss2.Bucket(oss2.Auth(FIRST.key, FIRST.secret), URL, BUCKET)
    by_oss = bucket.get_object("large.bin")
    assert by_oss.read() == S3.get_object(Bucket=BUCKET, Key="large.bin")["Body"].read()
    check(by_oss.headers["x-oss-meta-n"], "1", "what was said over S3")
    body = noise(MIB, 3)
    put = bucket.put_object("from oss", body, headers={"x-oss-meta-way": "oss"})
    got = S3.get_object(Bucket=BUCKET, Key="from oss")
    assert got["Body"].read() == body
    check((got["Metadata"], got["ETag"].strip('"').upper()), ({"way": "oss"}, put.etag), "what was said over OSS")
    disk = noise(MIB, 4) + bytes(3 * MIB)
    S3.put_object(Bucket=BUCKET, Key="disk.raw", Body=disk)
    kiln = os.environ["KILN_PROGRAM"]
    keys = {"KILN_ACCESS_KEY_ID": FIRST.key, "KILN_ACCESS_KEY_SECRET": FIRST.secret, "KILN_ENDPOINT": URL}

    def run(*arguments):
        subprocess.run([kiln, *arguments], env={**os.environ, **keys}, check=True, stdout=subprocess.DEVNULL)

    run("image", "import", f"oss://{BUCKET}/disk.raw", "--name", "by-s3")
    run("image", "export", "by-s3", "--to", f"oss://{BUCKET}/back.raw", "--format", "raw")
    assert S3.get_object(Bucket=BUCKET, Key="back.raw")["Body"].read() == disk, "the disk came back otherwise"
    tag = S3.head_object(Bucket=BUCKET, Key="back.raw")["ETag"]
    assert "-" in tag, f"{tag} is no MD5 and should not look like one"
    show("an object is one object by both dialects, an image's disk as well")


def end():
    refused("not empty", "BucketNotEmpty", 409, lambda: S3.delete_bucket(Bucket=BUCKET))
    for page in S3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        S3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": one["Key"]} for one in page["Contents"]], "Quiet": True})
    S3.delete_bucket(Bucket=BUCKET)
    show("a bucket that was emptied is removed")


buckets()
objects()
checksums()
large()
lists()
copies()
given_away()
access()
by_host()
both_ways()
end()
