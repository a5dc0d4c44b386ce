"""Makes a container image of one layer from a folder, as an archive that containerd, podman and docker load.

The same folder makes the same bytes: times are zero, owners are what the options say, names are in order. Nothing but
Python's standard library is used, so that images can be had where there is neither a builder nor a registry.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import tarfile
import zlib

MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=pathlib.Path, help="what becomes the root file system")
    parser.add_argument("name", help="the image's name and tag")
    parser.add_argument("archive", type=pathlib.Path, help="the file to write")
    parser.add_argument("--entrypoint", required=True, help="the program that a container runs")
    parser.add_argument("--user", default="65532:65532", help="whom it runs as [65532:65532]")
    parser.add_argument("--owned", action="append", default=[], metavar="PATH", help="a path that belongs to that user; all else is root's")
    return parser.parse_args()


def layer_of(folder: pathlib.Path, owned: set[str], user: str) -> bytes:
    """The folder as a tar archive that is the same each time."""
    user_id, group_id = (int(number) for number in user.split(":"))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as layer:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            entry = layer.gettarinfo(path, arcname=name)
            mine = "/" + name in owned
            entry.uid, entry.gid = (user_id, group_id) if mine else (0, 0)
            entry.uname = entry.gname = ""
            entry.mtime = 0
            if entry.isfile():
                with path.open("rb") as content:
                    layer.addfile(entry, content)
            else:
                layer.addfile(entry)
    return buffer.getvalue()


def compressed(layer: bytes) -> bytes:
    """As a registry would hold it; with gzip's time at zero, as zlib leaves it."""
    gzip = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return gzip.compress(layer) + gzip.flush()


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def main() -> None:
    chosen = arguments()
    layer = layer_of(chosen.folder, set(chosen.owned), chosen.user)
    blob = compressed(layer)
    blob_name = hashlib.sha256(blob).hexdigest() + ".tar.gz"
    config = json.dumps(
        {
            "architecture": MACHINES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Entrypoint": [chosen.entrypoint],
                "User": chosen.user,
                "WorkingDir": "/",
                "Env": ["PATH=/usr/local/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "e2e/cluster images"}],
        },
        sort_keys=True,
    ).encode()
    config_hash = hashlib.sha256(config).hexdigest()
    manifest = json.dumps([{"Config": config_hash + ".json", "RepoTags": [chosen.name], "Layers": [blob_name]}])
    partial = chosen.archive.with_name(chosen.archive.name + ".partial")
    with tarfile.open(partial, "w", format=tarfile.GNU_FORMAT) as archive:
        add(archive, config_hash + ".json", config)
        add(archive, blob_name, blob)
        add(archive, "manifest.json", manifest.encode())
    os.replace(partial, chosen.archive)
    print(f"{chosen.name}: {len(layer) / 1e6:.1f} MB, {len(blob) / 1e6:.1f} MB compressed")


main()
