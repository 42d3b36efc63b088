"""How fast a large object goes up and comes down through `oss2`, beside what the plain file system does.

KILN_PROGRAM names the program whose server is measured, OSS_SCRATCH a directory on the disk to measure on, where a server of
its own lies while it runs. OSS_SPEED_MIB says how large the object is; 2048 if nothing does. The object goes up in parts
of OSS_SPEED_PART_MIB (16), OSS_SPEED_THREADS (4, as many as the client takes if nobody says) at a time, and comes down the
same way; OSS_SPEED_ROUNDS (3) times. The plain file system gets the same bytes in the same parts by as many threads, with a
sync, an MD5 and a CRC-64 each, and is read by as many with as many checksums as the client makes; and once more with one
checksum a part. The client is timed with a server as well that does nothing but send (`bare_files.py`).
Prints MiB/s of each, the ratios, and the server's memory; what is below the goal is named.
"""

import concurrent.futures
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time

import oss2
from crcmod import mkCrcFun

PART = int(os.environ.get("OSS_SPEED_PART_MIB", "16")) << 20
THREADS = int(os.environ.get("OSS_SPEED_THREADS", "4"))
ROUNDS = int(os.environ.get("OSS_SPEED_ROUNDS", "3"))
GOAL = 0.6  # of the plain file system, by the issue that asked for it
mib = int(os.environ.get("OSS_SPEED_MIB", "2048"))
crc64 = mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)


class Serving:
    """A server of its own with one account, ended at the end."""

    def __init__(self, data):
        kiln = [os.environ["KILN_PROGRAM"], "--data", data]
        made = subprocess.run([*kiln, "account", "create", "speed", "--output", "json"], check=True, capture_output=True)
        account = json.loads(made.stdout)
        self.auth = oss2.Auth(account["AccessKeyId"], account["AccessKeySecret"])
        self.process = subprocess.Popen([*kiln, "serve", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        self.at = self.process.stdout.readline().strip().removeprefix("listening on ")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.communicate()

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            lines = dict(line.split(":", 1) for line in status if ":" in line)
        return (f"server: {int(lines['VmRSS'].split()[0]) >> 10} MiB now, "
                f"{int(lines['VmHWM'].split()[0]) >> 10} MiB at most")


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


def measured(place):
    """One round: the ratios up and down."""
    with tempfile.TemporaryDirectory(dir=place) as place, Serving(os.path.join(place, "data")) as serving:
        bucket = oss2.Bucket(serving.auth, f"http://{serving.at}", "speed")
        bucket.create_bucket()
        source, plain, back = (os.path.join(place, name) for name in ("source", "plain", "back"))
        with open(source, "wb") as file:
            for at in range(mib):
                file.write(random.Random(at).randbytes(1 << 20))
        options = dict(multipart_threshold=PART, part_size=PART, num_threads=THREADS)
        stores = oss2.ResumableStore(root=place), oss2.ResumableDownloadStore(root=place)
        base = timed("plain file system, up", lambda: plainly(source, plain))
        up = timed("oss2, up", lambda: oss2.resumable_upload(bucket, "big", source, store=stores[0], **options))
        print(serving.memory())
        os.remove(plain)
        options["multiget_threshold"] = options.pop("multipart_threshold")
        base_back = timed("plain file system, down with a checksum a part", lambda: plainly_back(source, plain))
        os.remove(plain)
        base_pieces = timed("plain file system, down", lambda: plainly_back_by_pieces(source, plain))
        down = timed("oss2, down", lambda: oss2.resumable_download(bucket, "big", back, store=stores[1], **options))
        print(serving.memory())
        script = os.path.join(os.path.dirname(__file__), "bare_files.py")
        with subprocess.Popen([sys.executable, script, source], stdout=subprocess.PIPE, text=True) as bare:
            sending = oss2.Bucket(serving.auth, f"http://127.0.0.1:{bare.stdout.readline().strip()}", "speed")
            most = timed("oss2, down from a server that only sends", lambda: oss2.resumable_download(
                sending, "bare", plain, store=stores[1], **options))
            bare.terminate()
        with open(source, "rb") as one, open(back, "rb") as other:
            while piece := one.read(1 << 20):
                assert piece == other.read(1 << 20)
        print(f"ratios: up {up / base:.2f}, down {down / base_pieces:.2f}, beside a checksum a part "
              f"{down / base_back:.2f}, beside a server that only sends {down / most:.2f}", flush=True)
        return up / base, down / base_pieces


def main():
    print(f"{mib} MiB in parts of {PART >> 20} MiB, {THREADS} at a time")
    ratios = [measured(os.environ["OSS_SCRATCH"]) for _ in range(ROUNDS)]
    for what, of in zip(("up", "down"), zip(*ratios)):
        middle = statistics.median(of)
        print(f"{what}: {', '.join(f'{ratio:.2f}' for ratio in of)} of the plain file system, in the middle {middle:.2f}; "
              f"the goal of {GOAL} is {'reached' if middle >= GOAL else 'MISSED'}")


if __name__ == "__main__":
    main()
