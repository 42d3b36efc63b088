"""How fast a large object goes up and comes down, beside what the plain file system does.

The same environment as `oss_life.py`, and OSS_SCRATCH: a directory on the disk that the server's data
is on. OSS_SPEED_MIB says how large the object is; 2048 if nothing does. The object goes up in parts
of OSS_SPEED_PART_MIB (16), OSS_SPEED_THREADS (4) at a time, and comes down the same way. The plain file system gets the same bytes in
the same parts by as many threads, with a sync, an MD5 and a CRC-64 each, and is read by as many. The client
is timed with a server as well that does nothing but send (`bare_files.py`): more than that it cannot take from any.
Prints MiB/s of each, the ratios, and the server's memory if OSS_SERVER_PID names it.
"""

import concurrent.futures
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time

import oss2
from crcmod import mkCrcFun

PART = int(os.environ.get("OSS_SPEED_PART_MIB", "16")) << 20
THREADS = int(os.environ.get("OSS_SPEED_THREADS", "4"))
mib = int(os.environ.get("OSS_SPEED_MIB", "2048"))
crc64 = mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)


def peak():
    pid = os.environ.get("OSS_SERVER_PID")
    if not pid:
        return ""
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status if ":" in line)
    return f"server: {int(lines['VmRSS'].split()[0]) >> 10} MiB now, {int(lines['VmHWM'].split()[0]) >> 10} MiB at most"


def timed(what, run):
    begin = time.time()
    run()
    speed = mib / (time.time() - begin)
    print(f"{what}: {speed:.0f} MiB/s", flush=True)
    return speed


def plainly(source, target):
    """Up: each part read, hashed twice, written and synced."""
    out = os.open(target, os.O_CREAT | os.O_RDWR)

    def part(at):
        with open(source, "rb") as file:
            data = os.pread(file.fileno(), PART, at)
        hashlib.md5(data).digest()
        crc64(data)
        os.pwrite(out, data, at)
        os.fdatasync(out)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(part, range(0, mib << 20, PART)))
    os.fsync(out)
    os.close(out)


def plainly_back_by_pieces(source, target):
    """Down: each part read, hashed and written in the pieces of 16 KiB that the client takes, by its own code: as many
    checksums, and no connection between the files."""
    with open(target, "wb") as out:
        out.truncate(mib << 20)

    def part(at):
        with open(source, "rb") as file, open(target, "rb+") as out:
            file.seek(at)
            out.seek(at)
            size = min(PART, (mib << 20) - at)
            hashed = oss2.utils.make_crc_adapter(oss2.utils.SizedFileAdapter(file, size))
            oss2.utils.copyfileobj_and_verify(hashed, out, size)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(part, range(0, mib << 20, PART)))


def plainly_back(source, target):
    """Down: each part read, hashed and written at once."""
    out = os.open(target, os.O_CREAT | os.O_RDWR)

    def part(at):
        with open(source, "rb") as file:
            data = os.pread(file.fileno(), PART, at)
        crc64(data)
        os.pwrite(out, data, at)

    with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(part, range(0, mib << 20, PART)))
    os.close(out)


def main():
    auth = oss2.Auth(os.environ["OSS_KEY_ID"], os.environ["OSS_KEY_SECRET"])
    bucket = oss2.Bucket(auth, os.environ["OSS_ENDPOINT"], "speed")
    bucket.create_bucket()
    with tempfile.TemporaryDirectory(dir=os.environ["OSS_SCRATCH"]) as place:
        source, plain, back = (os.path.join(place, name) for name in ("source", "plain", "back"))
        with open(source, "wb") as file:
            for at in range(mib):
                file.write(random.Random(at).randbytes(1 << 20))
        options = dict(multipart_threshold=PART, part_size=PART, num_threads=THREADS)
        stores = oss2.ResumableStore(root=place), oss2.ResumableDownloadStore(root=place)
        base = timed("plain file system, up", lambda: plainly(source, plain))
        up = timed("oss2, up", lambda: oss2.resumable_upload(bucket, "big", source, store=stores[0], **options))
        print(peak())
        os.remove(plain)
        options["multiget_threshold"] = options.pop("multipart_threshold")
        base_back = timed("plain file system, down", lambda: plainly_back(source, plain))
        os.remove(plain)
        base_pieces = timed("plain file system, down by pieces", lambda: plainly_back_by_pieces(source, plain))
        down = timed("oss2, down", lambda: oss2.resumable_download(bucket, "big", back, store=stores[1], **options))
        print(peak())
        script = os.path.join(os.path.dirname(__file__), "bare_files.py")
        with subprocess.Popen([sys.executable, script, source], stdout=subprocess.PIPE, text=True) as bare:
            sending = oss2.Bucket(auth, f"http://127.0.0.1:{bare.stdout.readline().strip()}", "speed")
            most = timed("oss2, down from a server that only sends", lambda: oss2.resumable_download(
                sending, "bare", plain, store=stores[1], **options))
            bare.terminate()
        with open(source, "rb") as one, open(back, "rb") as other:
            while piece := one.read(1 << 20):
                assert piece == other.read(1 << 20)
        print(f"ratios: up {up / base:.2f}, down {down / base_pieces:.2f}, down of whole parts "
              f"{down / base_back:.2f}, of what the client can take {down / most:.2f}")
    bucket.delete_object("big")
    bucket.delete_bucket()


if __name__ == "__main__":
    main()
