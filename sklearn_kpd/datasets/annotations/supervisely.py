"""Supervisely's JSON: graphs of keypoints, whose names stand in the project's meta.json."""

from pathlib import Path
from typing import Any, NamedTuple

from sklearn_kpd.datasets.annotations._images import Images
from sklearn_kpd.datasets.annotations._records import Annotated, Annotations, Point
from sklearn_kpd.datasets.annotations._strict import (
    check_names,
    image_size,
    member,
    number,
    outline,
    read_json,
    short,
)
from sklearn_kpd.exceptions import AnnotationError

#: How many folders above an annotation meta.json may stand: ann, dataset, project.
_LEVELS = 4


class _Graph(NamedTuple):
    """Names of a class's nodes by their ids, and which of them are joined."""

    nodes: dict[str, str]
    edges: list[tuple[str, str]]


def is_this(path: Path, head: bytes) -> bool:
    """Whether the content begins as an annotation of Supervisely does."""
    kind, keys = outline(head)
    if kind != "{":
        return False
    return (keys.get("objects") == "[" and keys.get("size") == "{") or (
        keys.get("nodes") == "{" and "geometryType" in keys
    )


def read(path: Path, images: Images) -> Annotations:
    """Read the file of one image: one object for each graph.

    The nodes that a graph lacks are not labelled; those that are disabled are hidden. Nothing in
    a file says which box is a graph's.
    """
    content = read_json(path)
    graphs = _graphs(path)
    if not isinstance(content, dict):
        raise AnnotationError(f"{path}: an annotation is an object, not {short(content)}.")
    if "objects" not in content:  # a single object, as in the documentation
        content = {"objects": [content]}
    size = None
    if "size" in content:
        said = member(content, "size", dict, str(path))
        size = image_size(said.get("height"), said.get("width"), f"{path}, size")
    annotations = Annotations(objects=[], names={}, names_are_all=graphs is not None)
    for at, item in enumerate(member(content, "objects", list, str(path))):
        where = f"{path}, objects[{at}]"
        if member(item, "geometryType", str, where) != "graph":
            annotations.left_out.append((where, f"a {short(item['geometryType'])} is no graph"))
            continue
        title = member(item, "classTitle", str, where)
        nodes = member(item, "nodes", dict, where)
        graph = _graph_of(title, nodes, graphs, where)
        points, hidden = _points(nodes, graph, title, where)
        before = annotations.names.get(title, ())
        annotations.names[title] = tuple(dict.fromkeys([*before, *graph.nodes.values()]))
        annotations.skeleton += [e for e in graph.edges if e not in annotations.skeleton]
        annotations.objects.append(
            Annotated(
                image=_image(path, images),
                points=points,
                hidden=hidden,
                where=where,
                category=title,
                image_size=size,
            )
        )
    if not annotations.objects:
        annotations.left_out.append((str(path), "it has no graph"))
    return annotations


def _graph_of(
    title: str, nodes: dict[str, Any], graphs: dict[str, _Graph] | None, where: str
) -> _Graph:
    """What meta.json says of a class; without it, the nodes' ids are all there is."""
    if graphs is None:
        return _Graph({key: key for key in nodes}, [])
    if title not in graphs:
        raise AnnotationError(f"{where}: meta.json has no class {title!r} of keypoints.")
    return graphs[title]


def _points(
    nodes: dict[str, Any], graph: _Graph, title: str, where: str
) -> tuple[dict[str, Point], frozenset[str]]:
    """Points by name, and which of them are hidden."""
    points, hidden = {}, set()
    for key, node in nodes.items():
        if key not in graph.nodes:
            raise AnnotationError(f"{where}: meta.json has no node {key!r} of {title!r}.")
        name = graph.nodes[key]
        place = f"{where}, node {name}"
        loc = member(node, "loc", list, place)
        if len(loc) != 2:
            raise AnnotationError(f"{place}: 'loc' is [x, y], not {short(loc)}.")
        points[name] = number(loc[0], place), number(loc[1], place)
        if node.get("disabled"):
            hidden.add(name)
    return points, frozenset(hidden)


def _image(path: Path, images: Images) -> str:
    """The image of an annotation: ds/img/NAME for ds/ann/NAME.json."""
    beside = path.parent.parent / "img" / path.stem
    return str(beside) if images.root is None and beside.is_file() else path.stem


def _graphs(path: Path) -> dict[str, _Graph] | None:
    """Keypoints of each class, from the meta.json of the project; None if there is none."""
    meta = next(
        (found for found in (p / "meta.json" for p in path.parents[:_LEVELS]) if found.is_file()),
        None,
    )
    if meta is None:
        return None
    graphs = {}
    for at, item in enumerate(member(read_json(meta), "classes", list, str(meta))):
        where = f"{meta}, classes[{at}]"
        title = member(item, "title", str, where)
        if item.get("shape") != "graph":
            continue
        if title in graphs:
            raise AnnotationError(f"{where}: another class is called {title!r} too.")
        config = member(item, "geometry_config", dict, where)
        nodes = _names(member(config, "nodes", dict, where), where)
        graphs[title] = _Graph(nodes, list(_edges(config.get("edges") or [], nodes, where)))
    return graphs


def _names(nodes: dict[str, Any], where: str) -> dict[str, str]:
    labels = [member(node, "label", str, f"{where}, node {key}") for key, node in nodes.items()]
    return dict(zip(nodes, check_names(labels, where), strict=True))


def _edges(edges: Any, nodes: dict[str, str], where: str) -> list[tuple[str, str]]:
    found = []
    for edge in edges if isinstance(edges, list) else [edges]:
        ends = [member(edge, key, str, f"{where}, edges") for key in ("src", "dst")]
        for end in ends:
            if end not in nodes:
                raise AnnotationError(f"{where}, edges: there is no node {end!r}.")
        found.append((nodes[ends[0]], nodes[ends[1]]))
    return found
