"""Drives the bucket wire through everything the cloud's own Python clients can ask of it.

Both generations are driven, `oss2` and `alibabacloud_oss_v2`, with both versions of signatures.
Where the server is and whose keys to use is taken from the environment:

    OSS_ENDPOINT                            http://HOST:PORT
    OSS_KEY_ID, OSS_KEY_SECRET              of an account
    OSS_OTHER_KEY_ID, OSS_OTHER_KEY_SECRET  of another one

It prints a line for each part of the life, and stops at the first thing that is not as it should be.
"""

import base64
import hashlib
import io
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import crcmod
import oss2
import oss2.exceptions as refused
import alibabacloud_oss_v2 as v2

ENDPOINT = os.environ["OSS_ENDPOINT"]
KEY = (os.environ["OSS_KEY_ID"], os.environ["OSS_KEY_SECRET"])
OTHER = (os.environ["OSS_OTHER_KEY_ID"], os.environ["OSS_OTHER_KEY_SECRET"])
REGION = "cn-hangzhou"
crc64 = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)


def client(bucket, auth="v1", key=KEY, region=REGION):
    if auth == "v4":
        return oss2.Bucket(oss2.AuthV4(*key), ENDPOINT, bucket, region=region)
    return oss2.Bucket(oss2.Auth(*key), ENDPOINT, bucket)


def modern(auth="v4", key=KEY):
    config = v2.config.load_default()
    config.credentials_provider = v2.credentials.StaticCredentialsProvider(*key)
    config.region, config.endpoint, config.signature_version = REGION, ENDPOINT, auth
    config.use_path_style = True
    return v2.Client(config)


def some_bytes(count, seed=1):
    return random.Random(seed).randbytes(count)


def md5_of(data):
    return hashlib.md5(data).hexdigest().upper()


def fails(code, status, call, *arguments, **named):
    """Calls, and expects this refusal."""
    try:
        call(*arguments, **named)
    except oss2.exceptions.OssError as error:
        found, told = (error.status, error.code), error
    except v2.exceptions.OperationError as error:
        told = error.unwrap()
        found = (told.status_code, told.code)
    else:
        raise AssertionError(f"{code} {status} was expected, and it was done")
    assert found == (status, code), f"{(status, code)} was expected, not {found}: {told}"
    return told


def buckets():
    for auth, region in (("v1", REGION), ("v4", REGION), ("v4", "cn-beijing")):
        name = f"life-{auth}-{region[3:6]}"
        bucket = client(name, auth, region=region)
        fails("NoSuchBucket", 404, bucket.get_bucket_info)
        bucket.create_bucket()
        bucket.create_bucket()
        bucket.create_bucket(oss2.BUCKET_ACL_PRIVATE)
        fails("AccessDenied", 403, bucket.create_bucket, oss2.BUCKET_ACL_PUBLIC_READ)
        info = bucket.get_bucket_info()
        where = region if auth == "v4" else REGION
        assert (info.name, info.location, info.storage_class) == (name, f"oss-{where}", "Standard")
        assert info.acl.grant == "private" and info.owner.id
        assert bucket.get_bucket_location().location == f"oss-{where}"
        assert bucket.get_bucket_acl().acl == "private"
        bucket.put_bucket_acl("private")
        fails("AccessDenied", 403, bucket.put_bucket_acl, "public-read")
        service = oss2.Service(oss2.Auth(*KEY), ENDPOINT)
        assert name in [each.name for each in oss2.BucketIterator(service, prefix="life-", max_keys=1)]
        found = service.list_buckets(prefix=name, max_keys=1)
        assert [each.name for each in found.buckets] == [name]
        stat = bucket.get_bucket_stat()
        assert (stat.storage_size_in_bytes, stat.object_count) == (0, 0)
        settings(bucket)
        bucket.put_object("there", b"x")
        fails("BucketNotEmpty", 409, bucket.delete_bucket)
        bucket.delete_object("there")
        bucket.delete_bucket()
        fails("NoSuchBucket", 404, bucket.delete_bucket)
    for wrong in ("Life", "a"):
        try:
            client(wrong).create_bucket()
            raise AssertionError(f"`{wrong}` was taken for a name")
        except (oss2.exceptions.ClientError, oss2.exceptions.OssError):
            pass


def settings(bucket):
    """What nobody has set is answered as the cloud answers it."""
    assert not bucket.get_bucket_versioning().status
    assert not bucket.get_bucket_logging().target_bucket
    assert bucket.get_bucket_referer().allow_empty_referer
    assert not bucket.get_bucket_tagging().tag_set.tagging_rule
    fails("NoSuchLifecycle", 404, bucket.get_bucket_lifecycle)
    fails("NoSuchWebsiteConfiguration", 404, bucket.get_bucket_website)
    fails("NoSuchCORSConfiguration", 404, bucket.get_bucket_cors)
    fails("NoSuchBucketPolicy", 404, bucket.get_bucket_policy)
    fails("NoSuchServerSideEncryptionRule", 404, bucket.get_bucket_encryption)
    rule = oss2.models.LifecycleRule("r", "", expiration=oss2.models.LifecycleExpiration(days=1))
    fails("NotImplemented", 501, bucket.put_bucket_lifecycle, oss2.models.BucketLifecycle([rule]))


def objects(auth):
    bucket = client("life", auth)
    for key in ("plain", "a/b/c.raw", "镜像/一 二+三&<>'\".raw", "a//b/", "x" * 1023, "..x", "%41", "tab\tand\x01"):
        data = some_bytes(5000, key)
        put = bucket.put_object(key, data)
        assert (put.etag, put.crc) == (md5_of(data), crc64(data)), key
        assert bucket.get_object(key).read() == data
        assert bucket.object_exists(key)
        head = bucket.head_object(key)
        assert (head.content_length, head.etag, head.object_type) == (5000, md5_of(data), "Normal")
        meta = bucket.get_object_meta(key)
        assert (meta.content_length, meta.etag) == (5000, md5_of(data))
        assert abs(meta.last_modified - time.time()) < 120
        bucket.delete_object(key)
        bucket.delete_object(key)
        assert not bucket.object_exists(key)
    fails("NoSuchKey", 404, bucket.get_object, "nothing")
    error = fails("NoSuchKey", 404, bucket.head_object, "nothing")
    assert error.request_id
    fails("NoSuchKey", 404, bucket.get_object_meta, "nothing")
    fails("NoSuchBucket", 404, client("life-not-there", auth).put_object, "k", b"x")
    bucket.put_object("empty", b"")
    assert bucket.get_object("empty").read() == b""
    big = some_bytes(9 << 20)
    bucket.put_object("big", big)
    assert bucket.get_object("big").read() == big
    with tempfile.TemporaryDirectory() as place:
        bucket.get_object_to_file("big", os.path.join(place, "big"))
        with open(os.path.join(place, "big"), "rb") as file:
            assert file.read() == big
    headers_and_ranges(bucket, big)
    copies(bucket, big)
    appends(bucket)
    for key in ("empty", "big"):
        bucket.delete_object(key)


def headers_and_ranges(bucket, big):
    headers = {
        "Content-Type": "text/x-life",
        "Cache-Control": "no-cache",
        "Content-Disposition": "attachment; filename=life",
        "Content-Encoding": "identity",
        "Expires": "Fri, 28 Feb 2031 05:38:42 GMT",
        "x-oss-meta-Author": "somebody",
        "x-oss-tagging": "k1=v1&k2=v%202",
    }
    bucket.put_object("told", b"0123456789", headers=headers)
    for found in (bucket.head_object("told"), bucket.get_object("told")):
        for name in ("Content-Type", "Cache-Control", "Content-Disposition", "Expires", "x-oss-meta-Author"):
            assert found.headers[name] == headers[name], name
        assert found.headers["x-oss-tagging-count"] == "2"
        assert found.headers["x-oss-storage-class"] == "Standard" and found.headers["x-oss-server-time"]
    tags = bucket.get_object_tagging("told").tag_set.tagging_rule
    assert tags == {"k1": "v1", "k2": "v 2"}
    rule = oss2.models.TaggingRule()
    rule.add("new", "a/b")
    bucket.put_object_tagging("told", oss2.models.Tagging(rule))
    assert bucket.get_object_tagging("told").tag_set.tagging_rule == {"new": "a/b"}
    bucket.delete_object_tagging("told")
    assert not bucket.get_object_tagging("told").tag_set.tagging_rule
    assert bucket.head_object("told").headers["x-oss-meta-Author"] == "somebody"
    bucket.update_object_meta("told", {"x-oss-meta-Author": "another", "Content-Type": "a/b"})
    head = bucket.head_object("told")
    assert (head.headers["x-oss-meta-Author"], head.content_type) == ("another", "a/b")
    assert bucket.get_object_acl("told").acl == "default"
    bucket.put_object_acl("told", oss2.OBJECT_ACL_PRIVATE)
    fails("AccessDenied", 403, bucket.put_object_acl, "told", oss2.OBJECT_ACL_PUBLIC_READ)
    chosen = bucket.get_object("told", params={"response-content-type": "c/d", "response-cache-control": "max-age=1"})
    assert (chosen.headers["Content-Type"], chosen.headers["Cache-Control"]) == ("c/d", "max-age=1")
    for begin, end in ((0, 0), (5, 9), (1 << 20, (5 << 20) + 17), (None, 100), ((9 << 20) - 5, None)):
        part = bucket.get_object("big", byte_range=(begin, end))
        expected = big[-end:] if begin is None else big[begin:None if end is None else end + 1]
        assert part.status == 206 and part.read() == expected, (begin, end)
    whole = bucket.get_object("told", byte_range=(5, 100))
    assert whole.status == 200 and whole.read() == b"0123456789"
    standard = {"x-oss-range-behavior": "standard"}
    part = bucket.get_object("told", byte_range=(5, 100), headers=standard)
    assert part.status == 206 and part.read() == b"56789" and part.headers["Content-Range"] == "bytes 5-9/10"
    fails("InvalidRange", 416, bucket.get_object, "told", byte_range=(10, 20), headers=standard)
    etag = f'"{md5_of(b"0123456789")}"'
    assert bucket.get_object("told", headers={"If-Match": etag}).read() == b"0123456789"
    fails("PreconditionFailed", 412, bucket.get_object, "told", headers={"If-Match": '"0"'})
    for headers in ({"If-None-Match": etag}, {"If-Modified-Since": oss2.http_date(int(time.time()) + 60)}):
        try:
            bucket.get_object("told", headers=headers)
            raise AssertionError("it was given")
        except refused.NotModified as error:
            assert error.status == 304
    past = {"If-Unmodified-Since": "Fri, 28 Feb 2020 05:38:42 GMT"}
    fails("PreconditionFailed", 412, bucket.get_object, "told", headers=past)
    forbid = {"x-oss-forbid-overwrite": "true"}
    fails("FileAlreadyExists", 409, bucket.put_object, "told", b"x", headers=forbid)
    digest = base64.b64encode(hashlib.md5(b"other").digest()).decode()
    fails("InvalidDigest", 400, bucket.put_object, "told", b"x", headers={"Content-MD5": digest})
    fails("InvalidDigest", 400, bucket.put_object, "told", b"x", headers={"Content-MD5": "nonsense"})
    assert bucket.get_object("told").read() == b"0123456789"
    fails("MetadataTooLarge", 400, bucket.put_object, "told", b"x", headers={"x-oss-meta-a": "x" * 9000})
    fails("NotImplemented", 501, bucket.put_object, "told", b"x", headers={"x-oss-storage-class": "IA"})
    fails("NotImplemented", 501, bucket.get_object, "told", process="image/resize,w_1")
    fails("NotImplemented", 501, bucket.put_symlink, "told", "link")
    fails("InvalidObjectName", 400, bucket.put_object, "/begins", b"x")
    fails("InvalidObjectName", 400, bucket.put_object, "x" * 1024, b"x")

    def chunks():
        for at in range(0, len(big), 100_000):
            yield big[at:at + 100_000]

    bucket.put_object("chunked", oss2.utils.SizedFileAdapter(io.BytesIO(big), len(big)))
    assert bucket.get_object("chunked").read() == big
    bucket.put_object("chunked", chunks())
    assert bucket.get_object("chunked").read() == big
    for key in ("chunked", "told"):
        bucket.delete_object(key)


def copies(bucket, big):
    bucket.put_object("from", big, headers={"x-oss-meta-a": "b", "x-oss-tagging": "t=1"})
    copied = bucket.copy_object("life", "from", "to 拷贝")
    assert copied.etag == md5_of(big)
    head = bucket.head_object("to 拷贝")
    assert head.headers["x-oss-meta-a"] == "b" and head.headers["x-oss-tagging-count"] == "1"
    assert bucket.get_object("to 拷贝").read() == big
    replaced = {"x-oss-metadata-directive": "REPLACE", "x-oss-meta-c": "d"}
    bucket.copy_object("life", "to 拷贝", "to", headers=replaced)
    head = bucket.head_object("to")
    assert head.headers["x-oss-meta-c"] == "d" and "x-oss-meta-a" not in head.headers
    fails("NoSuchKey", 404, bucket.copy_object, "life", "nothing", "to")
    fails("NoSuchBucket", 404, bucket.copy_object, "life-not-there", "from", "to")
    fails("FileAlreadyExists", 409, bucket.copy_object, "life", "from", "to", headers={"x-oss-forbid-overwrite": "true"})
    match = {"x-oss-copy-source-if-match": "0"}
    fails("PreconditionFailed", 412, bucket.copy_object, "life", "from", "to", headers=match)
    bucket.batch_delete_objects(["from", "to 拷贝", "to", "nothing"])
    assert not bucket.object_exists("to")


def appends(bucket):
    first, second = some_bytes(300_000, 2), some_bytes(1234, 3)
    result = bucket.append_object("log", 0, first, headers={"x-oss-meta-a": "b"}, init_crc=0)
    assert result.next_position == len(first)
    result = bucket.append_object("log", len(first), second, init_crc=result.crc)
    assert (result.next_position, result.crc) == (len(first + second), crc64(first + second))
    fails("PositionNotEqualToLength", 409, bucket.append_object, "log", 0, b"x")
    assert bucket.get_object("log").read() == first + second
    head = bucket.head_object("log")
    assert head.object_type == "Appendable" and head.headers["x-oss-meta-a"] == "b"
    assert int(head.headers["x-oss-hash-crc64ecma"]) == crc64(first + second)
    bucket.put_object("normal", b"x")
    fails("ObjectNotAppendable", 409, bucket.append_object, "normal", 1, b"x")
    fails("PositionNotEqualToLength", 409, bucket.append_object, "new", 1, b"x")
    listed = {each.key: each.type for each in bucket.list_objects().object_list}
    assert (listed["log"], listed["normal"]) == ("Appendable", "Normal")
    for key in ("log", "normal"):
        bucket.delete_object(key)


def parts(auth):
    bucket = client("life", auth)
    size, count = 200_000, 7
    data = [some_bytes(size if at < count - 1 else 777, at) for at in range(count)]
    key = "parts/多 part"
    # Out of order, one of them twice, and one that is not meant in the end.
    upload = bucket.init_multipart_upload(key, headers={"x-oss-meta-a": "b", "Content-Type": "x/y"}).upload_id
    done = {}
    for at in (2, 0, 6, 1, 4, 3, 5):
        if at == 1:
            bucket.upload_part(key, upload, 2, some_bytes(size, 99))
        result = bucket.upload_part(key, upload, at + 1, data[at])
        assert (result.etag, result.crc) == (md5_of(data[at]), crc64(data[at]))
        done[at + 1] = oss2.models.PartInfo(at + 1, result.etag, size=len(data[at]), part_crc=result.crc)
    bucket.upload_part(key, upload, 9, some_bytes(size, 98))
    assert [each.part_number for each in oss2.PartIterator(bucket, key, upload, max_parts=3)] == [*range(1, 8), 9]
    assert (key, upload) in [(each.key, each.upload_id) for each in oss2.MultipartUploadIterator(bucket)]
    assert not bucket.object_exists(key)
    listed = [done[number] for number in sorted(done)]
    wrong = [oss2.models.PartInfo(1, "0" * 32), *listed[1:]]
    fails("InvalidPart", 400, bucket.complete_multipart_upload, key, upload, wrong)
    complete = oss2.models.PartInfo
    fails("MalformedXML", 400, bucket.complete_multipart_upload, key, upload, [])
    assert complete
    result = bucket.complete_multipart_upload(key, upload, listed)
    whole = b"".join(data)
    digest = hashlib.md5(b"".join(hashlib.md5(each).digest() for each in data)).hexdigest().upper()
    assert result.etag == f"{digest}-{count}", result.etag
    assert int(result.headers["x-oss-hash-crc64ecma"]) == crc64(whole)
    assert bucket.get_object(key).read() == whole
    head = bucket.head_object(key)
    assert (head.object_type, head.content_type, head.headers["x-oss-meta-a"]) == ("Multipart", "x/y", "b")
    fails("NoSuchUpload", 404, bucket.upload_part, key, upload, 1, b"x")
    fails("NoSuchUpload", 404, bucket.complete_multipart_upload, key, upload, listed)
    fails("NoSuchUpload", 404, bucket.abort_multipart_upload, key, upload)
    # Numbers left out, and a first part shorter than the others: everything has to move.
    for sizes in ((150_000, 300_000, 5), (300_000, 150_000, 300_000, 9)):
        upload = bucket.init_multipart_upload("odd").upload_id
        pieces = [some_bytes(each, each + at) for at, each in enumerate(sizes)]
        infos = []
        for at, piece in enumerate(pieces):
            etag = bucket.upload_part("odd", upload, 3 * at + 1, piece).etag
            infos.append(oss2.models.PartInfo(3 * at + 1, etag))
        bucket.complete_multipart_upload("odd", upload, infos)
        assert bucket.get_object("odd").read() == b"".join(pieces), sizes
    small = bucket.init_multipart_upload("small").upload_id
    infos = [oss2.models.PartInfo(n, bucket.upload_part("small", small, n, b"x" * 1000).etag) for n in (1, 2)]
    fails("EntityTooSmall", 400, bucket.complete_multipart_upload, "small", small, infos)
    bucket.abort_multipart_upload("small", small)
    fails("InvalidArgument", 400, bucket.upload_part, "small", small, 10_001, b"x")
    # All there are, and none named.
    upload = bucket.init_multipart_upload("all").upload_id
    for number in (1, 2):
        bucket.upload_part("all", upload, number, data[number])
    bucket.complete_multipart_upload("all", upload, None, headers={"x-oss-complete-all": "yes"})
    assert bucket.get_object("all").read() == data[1] + data[2]
    # Parts that are copies.
    upload = bucket.init_multipart_upload("copied").upload_id
    infos = []
    for number, (begin, end) in enumerate(((0, 599_999), (600_000, len(whole) - 1)), 1):
        etag = bucket.upload_part_copy("life", key, (begin, end), "copied", upload, number).etag
        infos.append(oss2.models.PartInfo(number, etag))
    bucket.complete_multipart_upload("copied", upload, infos)
    assert bucket.get_object("copied").read() == whole
    forbid = {"x-oss-forbid-overwrite": "true"}
    fails("FileAlreadyExists", 409, bucket.init_multipart_upload, "copied", headers=forbid)
    resumable(bucket)
    bucket.batch_delete_objects([key, "odd", "all", "copied"])
    assert not list(oss2.MultipartUploadIterator(bucket))


def resumable(bucket):
    data = some_bytes((11 << 20) + 5, 7)
    with tempfile.TemporaryDirectory() as place:
        source, target = os.path.join(place, "in"), os.path.join(place, "out")
        with open(source, "wb") as file:
            file.write(data)
        store = oss2.ResumableStore(root=place)
        oss2.resumable_upload(bucket, "resumed", source, store=store, multipart_threshold=1 << 20,
                              part_size=1 << 20, num_threads=4)
        download = oss2.ResumableDownloadStore(root=place)
        oss2.resumable_download(bucket, "resumed", target, store=download, multiget_threshold=1 << 20,
                                part_size=1 << 20, num_threads=4)
        with open(target, "rb") as file:
            assert file.read() == data
    bucket.delete_object("resumed")


def lists(auth):
    bucket = client("life", auth)
    keys = sorted([f"d{at // 10}/e{at % 3}/{at:03}" for at in range(95)] + ["d", "d0-", "d00", "z 1", "z+2", "中"],
                  key=lambda key: key.encode())
    for key in keys:
        bucket.put_object(key, key.encode())
    for step in (1, 7, 1000):
        assert [each.key for each in oss2.ObjectIterator(bucket, max_keys=step)] == keys
        assert [each.key for each in oss2.ObjectIteratorV2(bucket, max_keys=step)] == keys
    for prefix in ("", "d", "d1/", "d1/e", "x"):
        for delimiter in ("/", "e", ""):
            expected = roll(keys, prefix, delimiter)
            for step in (1, 3, 1000):
                named = dict(prefix=prefix, delimiter=delimiter, max_keys=step)
                found = [each.key for each in oss2.ObjectIterator(bucket, **named)]
                assert found == expected, (named, found, expected)
                assert [each.key for each in oss2.ObjectIteratorV2(bucket, **named)] == expected, named
    page = bucket.list_objects(max_keys=2)
    assert page.is_truncated and page.object_list[0].owner.id and page.object_list[0].etag == md5_of(b"d")
    assert page.object_list[0].size == 1 and page.object_list[0].storage_class == "Standard"
    page = bucket.list_objects_v2(start_after="d9", fetch_owner=True, max_keys=3)
    assert page.object_list[0].key.startswith("d9/") and page.object_list[0].owner.id
    assert bucket.list_objects_v2(max_keys=1).object_list[0].owner is None
    fails("InvalidArgument", 400, bucket.list_objects, max_keys=1001)
    deleted = bucket.batch_delete_objects(keys)
    assert sorted(deleted.deleted_keys) == sorted(keys)
    assert not list(oss2.ObjectIterator(bucket))


def roll(keys, prefix, delimiter):
    """What a list holds, worked out here: keys and common prefixes in the order of their bytes."""
    found = []
    for key in keys:
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        name = key if at < 0 else key[:at + len(delimiter)]
        if name not in found:
            found.append(name)
    return sorted(found, key=lambda name: name.encode())


def given_away(auth):
    """URLs that are signed."""
    bucket = client("life", auth)
    data = some_bytes(100_000, 5)
    url = bucket.sign_url("PUT", "away/一", 60, slash_safe=True, headers={"Content-Type": "a/b"})
    request = urllib.request.Request(url, data=data, method="PUT", headers={"Content-Type": "a/b"})
    assert urllib.request.urlopen(request).status == 200
    for slash_safe in (True, False):
        url = bucket.sign_url("GET", "away/一", 60, slash_safe=slash_safe, params={"response-content-type": "c/d"})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == data and answer.headers["Content-Type"] == "c/d"
    assert bucket.get_object_with_url(bucket.sign_url("GET", "away/一", 60)).read() == data
    for wrong, code in ((url.replace("away", "bway"), "SignatureDoesNotMatch"), (url + "1", "SignatureDoesNotMatch")):
        try:
            urllib.request.urlopen(wrong)
            raise AssertionError(f"{wrong} was answered")
        except urllib.error.HTTPError as error:
            assert error.code == 403 and code.encode() in error.read()
    url = bucket.sign_url("GET", "away/一", 1)
    time.sleep(2.1)
    try:
        urllib.request.urlopen(url)
        raise AssertionError("a URL was answered that had ended")
    except urllib.error.HTTPError as error:
        body = error.read()
        assert error.code == 403 and b"<Code>AccessDenied</Code>" in body and b"expired" in body
    bucket.delete_object("away/一")


def refusals(auth):
    bucket = client("life", auth)
    bucket.put_object("mine", b"secret")
    fails("InvalidAccessKeyId", 403, client("life", auth, ("nobody", "x")).get_object, "mine")
    error = fails("SignatureDoesNotMatch", 403, client("life", auth, (KEY[0], "wrong")).get_object, "mine")
    assert error.details["StringToSign"] and error.details["RequestId"] and error.details["HostId"]
    try:
        urllib.request.urlopen(f"{ENDPOINT}/life/mine")
        raise AssertionError("nobody's request was answered")
    except urllib.error.HTTPError as error:
        assert error.code == 403
    # To another account it is as if there were no such bucket.
    other, nowhere = client("life", auth, OTHER), client("life-not-there", auth, OTHER)
    asks = [
        lambda at: at.get_object("mine"), lambda at: at.get_object("nothing"), lambda at: at.head_object("mine"),
        lambda at: at.put_object("mine", b"x"), lambda at: at.delete_object("mine"), lambda at: at.list_objects(),
        lambda at: at.list_objects_v2(), lambda at: at.get_bucket_info(), lambda at: at.get_bucket_acl(),
        lambda at: at.get_bucket_location(), lambda at: at.delete_bucket(), lambda at: at.get_bucket_lifecycle(),
        lambda at: at.init_multipart_upload("k"), lambda at: at.append_object("mine", 0, b"x"),
        lambda at: at.batch_delete_objects(["mine"]), lambda at: at.list_multipart_uploads(),
        lambda at: at.upload_part("k", "U", 1, b"x"), lambda at: at.abort_multipart_upload("k", "U"),
        lambda at: at.put_bucket_acl("private"), lambda at: at.get_object_tagging("mine"),
        lambda at: at.complete_multipart_upload("k", "U", [oss2.models.PartInfo(1, "0" * 32)]),
    ]
    for ask in asks:
        theirs, missing = fails("NoSuchBucket", 404, ask, other), fails("NoSuchBucket", 404, ask, nowhere)
        differ = ("RequestId", "BucketName")
        plain = lambda error: {name: text for name, text in error.details.items() if name not in differ}
        assert plain(theirs) == plain(missing)
    fails("NoSuchBucket", 404, client("life-other", auth, KEY).get_bucket_info)
    fails("BucketAlreadyExists", 409, other.create_bucket)
    mine = oss2.Service(oss2.Auth(*OTHER), ENDPOINT).list_buckets().buckets
    assert "life" not in [each.name for each in mine]
    own = client("life-copy", auth, OTHER)
    own.create_bucket()
    fails("NoSuchBucket", 404, own.copy_object, "life", "mine", "stolen")
    own.delete_bucket()
    assert bucket.get_object("mine").read() == b"secret"
    bucket.delete_object("mine")


def second_generation(auth):
    bucket, data = "life-modern", some_bytes(3 << 20, 11)
    asks = modern(auth)
    asks.put_bucket(v2.PutBucketRequest(bucket=bucket))
    assert asks.is_bucket_exist(bucket) and not asks.is_bucket_exist("life-not-there")
    assert asks.get_bucket_info(v2.GetBucketInfoRequest(bucket=bucket)).bucket_info.name == bucket
    assert asks.get_bucket_location(v2.GetBucketLocationRequest(bucket=bucket)).location == f"oss-{REGION}"
    assert asks.get_bucket_acl(v2.GetBucketAclRequest(bucket=bucket)).acl == "private"
    names = [each.name for page in asks.list_buckets_paginator().iter_page(v2.ListBucketsRequest()) for each in page.buckets]
    assert bucket in names
    put = asks.put_object(v2.PutObjectRequest(bucket=bucket, key="a/一 b", body=data, metadata={"m": "n"}))
    assert put.etag.strip('"') == md5_of(data) and int(put.hash_crc64) == crc64(data)
    got = asks.get_object(v2.GetObjectRequest(bucket=bucket, key="a/一 b"))
    assert got.body.content == data and got.metadata["m"] == "n"
    part = asks.get_object(v2.GetObjectRequest(bucket=bucket, key="a/一 b", range_header="bytes=5-9"))
    assert part.body.content == data[5:10]
    assert asks.head_object(v2.HeadObjectRequest(bucket=bucket, key="a/一 b")).content_length == len(data)
    assert asks.get_object_meta(v2.GetObjectMetaRequest(bucket=bucket, key="a/一 b")).content_length == len(data)
    assert asks.is_object_exist(bucket, "a/一 b") and not asks.is_object_exist(bucket, "nothing")
    asks.copy_object(v2.CopyObjectRequest(bucket=bucket, key="copy", source_bucket=bucket, source_key="a/一 b"))
    first = asks.append_object(v2.AppendObjectRequest(bucket=bucket, key="log", position=0, body=b"one"))
    asks.append_object(v2.AppendObjectRequest(bucket=bucket, key="log", position=first.next_position, body=b"two"))
    assert asks.get_object(v2.GetObjectRequest(bucket=bucket, key="log")).body.content == b"onetwo"
    for pages in (
        asks.list_objects_paginator(limit=1).iter_page(v2.ListObjectsRequest(bucket=bucket)),
        asks.list_objects_v2_paginator(limit=1).iter_page(v2.ListObjectsV2Request(bucket=bucket)),
    ):
        assert [each.key for page in pages for each in page.contents or []] == ["a/一 b", "copy", "log"]
    upload = asks.initiate_multipart_upload(v2.InitiateMultipartUploadRequest(bucket=bucket, key="parts")).upload_id
    done = []
    for number in (1, 2, 3):
        piece = data[(number - 1) << 20:number << 20]
        result = asks.upload_part(v2.UploadPartRequest(
            bucket=bucket, key="parts", upload_id=upload, part_number=number, body=piece))
        done.append(v2.UploadPart(part_number=number, etag=result.etag))
    listed = asks.list_parts(v2.ListPartsRequest(bucket=bucket, key="parts", upload_id=upload))
    assert [each.part_number for each in listed.parts] == [1, 2, 3]
    asks.complete_multipart_upload(v2.CompleteMultipartUploadRequest(
        bucket=bucket, key="parts", upload_id=upload,
        complete_multipart_upload=v2.CompleteMultipartUpload(parts=done)))
    assert asks.get_object(v2.GetObjectRequest(bucket=bucket, key="parts")).body.content == data
    url = asks.presign(v2.GetObjectRequest(bucket=bucket, key="parts")).url
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == data
    with tempfile.TemporaryDirectory() as place:
        path = os.path.join(place, "file")
        with open(path, "wb") as file:
            file.write(data)
        asks.uploader(part_size=1 << 20, parallel_num=3).upload_file(
            v2.PutObjectRequest(bucket=bucket, key="uploaded"), path)
        asks.downloader(part_size=1 << 20, parallel_num=3).download_file(
            v2.GetObjectRequest(bucket=bucket, key="uploaded"), path + "2")
        with open(path + "2", "rb") as file:
            assert file.read() == data
    fails("NoSuchKey", 404, asks.get_object, v2.GetObjectRequest(bucket=bucket, key="nothing"))
    fails("BucketNotEmpty", 409, asks.delete_bucket, v2.DeleteBucketRequest(bucket=bucket))
    keys = [v2.DeleteObject(key=key) for key in ("a/一 b", "copy", "log", "parts", "uploaded")]
    asks.delete_multiple_objects(v2.DeleteMultipleObjectsRequest(bucket=bucket, objects=keys))
    asks.delete_bucket(v2.DeleteBucketRequest(bucket=bucket))
    assert not asks.is_bucket_exist(bucket)


def at_once():
    """Many at a time, on the same keys: an object is one of those that were put, whole."""
    bucket = client("life")
    data = [some_bytes(2 << 20, at) for at in range(8)]
    trouble = []

    def hammer(number):
        own = client("life")
        try:
            for at in range(5):
                own.put_object("contested", data[number])
                assert own.get_object("contested").read() in data
        except BaseException as error:
            trouble.append(error)

    threads = [threading.Thread(target=hammer, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not trouble, trouble
    bucket.delete_object("contested")


def clear(bucket):
    """Removes what a life that was cut short has left."""
    for upload in oss2.MultipartUploadIterator(bucket):
        bucket.abort_multipart_upload(upload.key, upload.upload_id)
    for each in oss2.ObjectIterator(bucket):
        bucket.delete_object(each.key)


def main():
    life = client("life")
    parts_of_life = [(buckets,), *((part, auth) for auth in ("v1", "v4") for part in (
        objects, parts, lists, given_away, refusals, second_generation)), (at_once,)]
    wanted = sys.argv[1:]
    life.create_bucket()
    clear(life)
    for part, *arguments in parts_of_life:
        if wanted and part.__name__ not in wanted:
            continue
        begin = time.time()
        part(*arguments)
        print(f"{' '.join([part.__name__, *arguments])}: well, {time.time() - begin:.1f} s", flush=True)
    life.delete_bucket()
    print("all is well")


if __name__ == "__main__":
    main()
