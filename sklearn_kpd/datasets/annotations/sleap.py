"""SLEAP: its projects (.slp, .pkg.slp), and its analysis files as HDF5 and CSV."""

import json
import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import numpy.typing as npt

from sklearn_kpd._common.files import open_regular
from sklearn_kpd.datasets.annotations import _hdf5, _strict, _tables
from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations
from sklearn_kpd.exceptions import AnnotationError

#: From this version on, (0, 0) is the centre of the first pixel; before, it was its corner.
_CENTRE_SINCE = 1.1

#: Types of an instance, and of an edge of the skeleton.
_LABELLED, _PREDICTED = 0, 1
_EDGE, _SYMMETRY = 1, 2
_ENDS = ("source", "target")

#: The first columns of an analysis file as CSV.
_CSV_COLUMNS = ["track", "frame_idx", "instance.score"]

_PROJECT = {"metadata", "frames", "instances", "points", "pred_points", "videos_json"}
_ANALYSIS = {"tracks", "node_names", "track_occupancy"}

_FIELDS = {
    "frames": ("video", "frame_idx", "instance_id_start", "instance_id_end"),
    "instances": ("instance_type", "skeleton", "track", "point_id_start", "point_id_end"),
    "points": ("x", "y", "visible"),
    "pred_points": ("x", "y", "visible"),
}


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content is a project or an analysis file."""
    if head.startswith(_hdf5.SIGNATURE):
        keys = _hdf5.keys(path)
        # Of a damaged file nothing is known; its error is for `read` to raise.
        return keys is None or any(names <= keys for names in (_PROJECT, _ANALYSIS))
    first = _tables.head_text(head).partition("\n")[0]
    return [name.strip() for name in first.split(",")[:3]] == _CSV_COLUMNS


def read(path: Path, images: Images) -> Annotations:
    """Read a project or an analysis file: one object for each instance.

    Of a project, the instances that a person placed are read; those that SLEAP predicted are
    left out. An analysis file does not tell them apart, and is read as it stands. Projects from
    before the version 1.1 of the format count from the corner of the first pixel.
    """
    with open_regular(path) as file:
        is_hdf5 = file.read(len(_hdf5.SIGNATURE)) == _hdf5.SIGNATURE
    if not is_hdf5:
        return _read_csv(path)
    with _hdf5.opened(path) as file:
        return _read_project(file, path) if file.keys() >= _PROJECT else _read_analysis(file, path)


class _Skeleton(NamedTuple):
    name: str
    nodes: tuple[str, ...]
    edges: list[tuple[str, str]]
    symmetries: list[tuple[str, str]]


class _Video(NamedTuple):
    """A file with frames, or the files of single images."""

    file: str | None
    images: list[str]
    image_size: tuple[int, int] | None


def _read_project(file: h5py.File, path: Path) -> Annotations:
    version = float(file["metadata"].attrs["format_id"])
    metadata = _json(file["metadata"].attrs["json"], f"{path}, metadata")
    skeletons = _skeletons(metadata, path)
    videos = _videos(file, path)
    tracks = []
    if "tracks_json" in file:
        contents = _hdf5.array(file, "tracks_json", path)
        tracks = [str(_json(content, f"{path}, tracks")[1]) for content in contents]
    tables = {name: _records(file, name, path) for name in _FIELDS}
    objects: list[Annotated] = []
    left_out = []
    for frame in tables["frames"]:
        number = int(frame["frame_idx"])
        where = f"{path}, video {frame['video']}, frame {number}"
        video = videos.get(int(frame["video"]))
        if video is None:
            raise AnnotationError(f"{where}: the file has no video {frame['video']}.")
        image = video.file if not video.images else _pick(video.images, number, where, "image")
        span = _span(frame["instance_id_start"], frame["instance_id_end"])
        for n, at in enumerate(span, start=1):
            instance = _pick(tables["instances"], at, where, "instance")
            place = f"{where}, instance {n}"
            if instance["instance_type"] not in (_LABELLED, _PREDICTED):
                raise AnnotationError(f"{place}: unknown type {instance['instance_type']}.")
            if instance["instance_type"] == _PREDICTED:
                left_out.append((place, "predicted by SLEAP, not placed by a person"))
                continue
            skeleton = _pick(skeletons, int(instance["skeleton"]), place, "skeleton")
            track = int(instance["track"])
            objects.append(
                Annotated(
                    image=image,
                    points=_points(tables["points"], instance, skeleton, place),
                    where=place,
                    category=skeleton.name,
                    image_size=video.image_size,
                    frame=None if video.images else number,
                    track=None if track < 0 else _pick(tracks, track, place, "track"),
                )
            )
    if left_out and not objects:
        raise AnnotationError(
            f"{path}: all {len(left_out)} instances were predicted by SLEAP and none was placed "
            "by a person; to read predictions as labels, export them as an analysis file."
        )
    return Annotations(
        objects=objects,
        names={skeleton.name: skeleton.nodes for skeleton in skeletons},
        skeleton=[edge for skeleton in skeletons for edge in skeleton.edges],
        flip_pairs=[pair for skeleton in skeletons for pair in skeleton.symmetries] or None,
        left_out=left_out,
        origin="center" if version >= _CENTRE_SINCE else "corner",
    )


def _json(content: Any, where: str) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise AnnotationError(f"{where}: nested too deeply.") from error


def _records(file: h5py.File, name: str, path: Path) -> npt.NDArray[Any]:
    records = _hdf5.array(file, name, path)
    missing = set(_FIELDS[name]) - set(records.dtype.names or ())
    if missing or records.ndim != 1:
        raise AnnotationError(f"{path}: {name!r} has no field {', '.join(sorted(missing))}.")
    return records


def _pick(items: Any, at: int, where: str, what: str) -> Any:
    if not 0 <= at < len(items):
        raise AnnotationError(f"{where}: {what} {at} does not exist, there are {len(items)}.")
    return items[at]


def _span(start: Any, end: Any) -> range:
    return range(int(start), int(end))


def _points(
    records: npt.NDArray[Any], instance: Any, skeleton: _Skeleton, where: str
) -> dict[str, tuple[float, float]]:
    span = _span(instance["point_id_start"], instance["point_id_end"])
    if len(span) != len(skeleton.nodes) or span.stop > len(records):
        raise AnnotationError(
            f"{where}: {len(span)} points where its skeleton has {len(skeleton.nodes)} nodes."
        )
    points = {}
    for name, at in zip(skeleton.nodes, span, strict=True):
        found = _point(records["x"][at], records["y"][at], f"{where}, {name}")
        if found and records["visible"][at]:
            points[name] = found
    return points


def _point(x: float, y: float, where: str) -> tuple[float, float] | None:
    if math.isinf(x) or math.isinf(y):
        raise AnnotationError(f"{where}: a coordinate is infinite.")
    return _tables.point(float(x), float(y), where)


def _skeletons(metadata: Any, path: Path) -> list[_Skeleton]:
    nodes = [str(node["name"]) for node in metadata["nodes"]]
    skeletons = []
    for number, content in enumerate(metadata["skeletons"]):
        where = f"{path}, skeleton {number}"
        graph = content.get("nx_graph", content)  # the outer layer came with later versions
        places = [int(node["id"]) for node in graph["nodes"]]
        names = tuple(_pick(nodes, at, where, "node") for at in places)
        if len(set(names)) < len(names):
            raise AnnotationError(f"{where}: two nodes have one name.")
        links: dict[int, list[tuple[str, str]]] = {_EDGE: [], _SYMMETRY: []}
        kinds: list[int] = []
        for link in graph["links"]:
            kind = link["type"]
            if "py/reduce" in kind:
                kinds.append(int(kind["py/reduce"][1]["py/tuple"][0]))
                at = len(kinds) - 1
            else:  # a reference to one of those before, counted from 1
                at = int(kind["py/id"]) - 1
            source, target = (_pick(nodes, int(link[end]), where, "node") for end in _ENDS)
            links[_pick(kinds, at, where, "type of an edge")].append((source, target))
        name = str(graph.get("graph", {}).get("name", f"skeleton {number}"))
        # A symmetry is written in both directions.
        pairs = list(dict.fromkeys((min(pair), max(pair)) for pair in links[_SYMMETRY]))
        skeletons.append(_Skeleton(name, names, links[_EDGE], pairs))
    if len({skeleton.name for skeleton in skeletons}) < len(skeletons):
        raise AnnotationError(f"{path}: two skeletons have one name.")
    return skeletons


def _videos(file: h5py.File, path: Path) -> dict[int, _Video]:
    """Videos by the numbers that the frames call them."""
    videos = {}
    for at, content in enumerate(_hdf5.array(file, "videos_json", path)):
        where = f"{path}, video {at}"
        backend = _json(content, where)["backend"]
        name, dataset = _slashes(backend.get("filename", "")), str(backend.get("dataset") or "")
        # Embedded images are kept under the number that the video had before others left.
        embedded = re.fullmatch(r"video([0-9]+)/video", dataset) if name == "." else None
        if not embedded:
            images = [_slashes(image) for image in backend.get("filenames") or []]
            videos[at] = _Video(name, images, None)
            continue
        group = file[dataset.partition("/")[0]]
        height, width = (int(group["video"].attrs.get(key, 0)) for key in ("height", "width"))
        source = _json(group["source_video"].attrs["json"], where)["backend"]
        images = [_slashes(image) for image in source.get("filenames") or []]
        video = _Video(
            _slashes(source["filename"]), images, (height, width) if height and width else None
        )
        videos[int(embedded[1])] = video
    return videos


def _slashes(name: Any) -> str:
    return str(name).replace("\\", "/")


def _read_analysis(file: h5py.File, path: Path) -> Annotations:
    names = tuple(_hdf5.text(name) for name in _hdf5.array(file, "node_names", path))
    tracks = [_hdf5.text(name) for name in _hdf5.array(file, "track_names", path)]
    points = _hdf5.array(file, "tracks", path)
    occupancy = _hdf5.array(file, "track_occupancy", path)
    n_frames, n_tracks = occupancy.shape
    if points.shape != (n_tracks, 2, len(names), n_frames) or points.dtype.kind != "f":
        raise AnnotationError(
            f"{path}: tracks has the shape {points.shape}; for {n_tracks} tracks, {len(names)} "
            f"nodes and {n_frames} frames it must be {(n_tracks, 2, len(names), n_frames)}."
        )
    if np.isinf(points).any():
        raise AnnotationError(f"{path}: tracks holds infinite coordinates.")
    video = _slashes(_hdf5.text(file["video_path"][()])) if "video_path" in file else None
    objects = []
    for frame, track in np.argwhere(~np.isnan(points).all(axis=(1, 2)).T).tolist():
        name = tracks[track] if tracks else None
        where = f"{path}, frame {frame}, track {name or track}"
        labelled = {}
        for node, (x, y) in zip(names, points[track, :, :, frame].T.tolist(), strict=True):
            found = _tables.point(x, y, f"{where}, {node}")
            if found:
                labelled[node] = found
        objects.append(
            Annotated(image=video, points=labelled, where=where, frame=frame, track=name)
        )
    return Annotations(objects=objects, names={None: names})


def _read_csv(path: Path) -> Annotations:
    header, rows = _tables.split_table(_tables.read_text(path), path)
    _tables.check_no_repeats(header.fields, f"{path}, line {header.line}")
    if header.fields[:3] != _CSV_COLUMNS:
        raise AnnotationError(f"{path}: the columns must begin with {', '.join(_CSV_COLUMNS)}.")
    columns = _tables.keypoint_columns(header.fields, f"{path}, line {header.line}")
    objects = []
    for row in rows:
        where = f"{path}, line {row.line}"
        if len(row.fields) != len(header.fields):
            raise AnnotationError(
                f"{where}: {len(row.fields)} fields where the header has {len(header.fields)}."
            )
        points = {}
        for name, (at_x, at_y, _) in columns.items():
            x, y = (_tables.number(row.fields[at], f"{where}, {name}") for at in (at_x, at_y))
            found = _tables.point(x, y, f"{where}, {name}")
            if found:
                points[name] = found
        frame = _strict.whole_number(row.fields[1], f"{where}, frame_idx")
        track = row.fields[0] or None
        objects.append(Annotated(image=None, points=points, where=where, frame=frame, track=track))
    return Annotations(objects=objects, names={None: tuple(columns)})
