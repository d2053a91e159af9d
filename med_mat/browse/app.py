"""The routes of the page. A route reads its query alone, and answers with a template or with bytes."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from med_mat import duplicates
from med_mat.browse import builder, linked
from med_mat.browse.builder import Builder
from med_mat.browse.record import image, mask, place_of, shown
from med_mat.browse.records import PAGE, Records
from med_mat.browse.state import SORTS, State
from med_mat.browse.thumbnails import Recent, Thumbnails
from med_mat.dataset import MedMAT
from med_mat.errors import BrowseError, MedMATError
from med_mat.leakage.groups import REASONS
from med_mat.taxonomy import SPLITS, WITHHELD

log = logging.getLogger(__name__)

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
_MASKS = 64  # masks that are kept
Answer = Callable[[Request], Response]


def app(mat: MedMAT, where: str, scratch: Path) -> Starlette:
    """The web application, without its guard (:mod:`med_mat.browse.guard`).

    Args:
        mat: to look at.
        where: its folder or Hub id, for the code that the split builder shows.
        scratch: a private folder for files that are written while they are sent.
    """
    pages = Pages(mat, where, scratch)
    routes: Mapping[str, Answer] = {
        "/": pages.records,
        "/statistics": pages.statistics,
        "/record": pages.record,
        "/split": pages.split,
        "/split/{name}": pages.split_file,
        "/duplicates": pages.duplicates,
        "/thumbnail": pages.thumbnail,
        "/image": pages.image,
        "/mask": pages.mask,
        "/selection.csv": pages.table,
        "/static/{name:path}": pages.static,
    }
    return Starlette(
        routes=[Route(path, answer) for path, answer in routes.items()],
        exception_handlers={MedMATError: pages.refused, HTTPException: pages.absent, Exception: pages.failed},
    )


class Pages:
    """What the routes answer."""

    def __init__(self, mat: MedMAT, where: str, scratch: Path) -> None:
        self._mat, self._where = mat, where
        self._records, self._thumbnails = Records(mat), Thumbnails(mat)
        self._builder = Builder(mat, where, scratch)
        self._masks: Recent[tuple[str, str], bytes] = Recent(_MASKS)
        self._files = _static()
        self._templates = _templates(self._files)
        made_up = [name for name, facts in mat.manifest["sources"].items() if facts.get("synthetic")]
        used = [name for name in mat.tags.sources if name in made_up]
        self._synthetic = (len(used), len(mat.tags.sources))

    def records(self, request: Request) -> Response:
        """The gallery, its filters and the grid."""
        state, error = self._state(request)
        found = self._records.find(state)
        page = min(state.page, found.pages)
        tiles = self._thumbnails.expect(found.positions[(page - 1) * PAGE : page * PAGE])
        return self._page(
            "records.html",
            "records",
            state=state,
            typed=State.of(request.query_params),
            error=error,
            count=len(found.positions),
            page=page,
            pages=found.pages,
            first=(page - 1) * PAGE + 1,
            tiles=tiles,
            grid=self._records.grid(state),
            tasks=self._records.tasks(state),
        )

    def statistics(self, request: Request) -> Response:
        """Charts of the records in view."""
        state, error = self._state(request)
        return self._page(
            "statistics.html",
            "statistics",
            state=state,
            typed=State.of(request.query_params),
            error=error,
            count=len(self._records.find(state).positions),
            charts=self._records.statistics(state),
        )

    def record(self, request: Request) -> Response:
        """One record, between its neighbors in the state of the address."""
        state, _ = self._state(request)
        position = place_of(self._mat, request.query_params.get("id", ""))
        positions = self._records.find(state).positions
        (places,) = np.nonzero(positions == position)
        place = int(places[0]) if len(places) else None
        near = [] if place is None else [one for one in (place - 1, place + 1) if 0 <= one < len(positions)]
        ids = {one: self._mat.read(positions[[one]], columns=("id",))[0]["id"] for one in near}
        return self._page(
            "record.html",
            "records",
            state=state.but(page=1 if place is None else place // PAGE + 1),
            record=shown(self._mat, position),
            place=place,
            count=len(positions),
            before=None if place is None else ids.get(place - 1),
            after=None if place is None else ids.get(place + 1),
        )

    def split(self, request: Request) -> Response:
        """The split builder, and what it makes."""
        query = request.query_params
        ready = "target" in query or not builder.needs_target(builder.chosen(query))
        return self._page(
            "split.html",
            "split",
            experiment=builder.chosen(query),
            experiments=builder.experiments(),
            target=query.get("target", "").strip(),
            targets=builder.targets(self._mat),
            fields=builder.form(self._mat, query),
            made=self._builder.make(query) if ready else None,
            files=builder.FILES,
            query=request.url.query,
        )

    def split_file(self, request: Request) -> Response:
        """A split or its audit as a file."""
        name = request.path_params["name"]
        if name not in builder.FILES:
            raise HTTPException(404)
        content = self._builder.file(request.query_params, name)
        return _download(content, name, builder.FILES[name])

    def duplicates(self, request: Request) -> Response:
        """Linked records side by side."""
        query = request.query_params
        return self._page(
            "duplicates.html",
            "duplicates",
            found=linked.page(self._mat, self._thumbnails, query),
            between=bool(query.get("between")),
            contradictory=bool(query.get("contradictory")),
            reasons=REASONS,
            unseen=duplicates.unseen(self._mat),
            query={name: query[name] for name in ("reason", "between", "contradictory", "source", "other")
                   if query.get(name)},
        )  # fmt: skip

    def thumbnail(self, request: Request) -> Response:
        """The thumbnail of a record."""
        return self._picture(request, lambda: (self._thumbnails.get(request.query_params.get("id", "")), "image/webp"))

    def image(self, request: Request) -> Response:
        """The image of a record, as stored."""
        return self._picture(request, lambda: image(self._mat, place_of(self._mat, request.query_params.get("id", ""))))

    def mask(self, request: Request) -> Response:
        """One mask of a record."""
        name, number = request.query_params.get("id", ""), request.query_params.get("mark", "")
        if not (number.isascii() and number.isdecimal() and len(number) < 5):
            raise HTTPException(404)

        def made() -> tuple[bytes, str]:
            if (kept := self._masks.get((name, number))) is None:
                kept = mask(self._mat, place_of(self._mat, name), int(number))
                self._masks.put((name, number), kept)
            return kept, "image/png"

        return self._picture(request, made)

    def table(self, request: Request) -> Response:
        """The records in view as CSV."""
        state = State.of(request.query_params)
        self._records.find(state)  # a mistake in the address is an answer of its own, not a table that breaks off
        return StreamingResponse(
            self._records.table(state),
            headers={"content-disposition": 'attachment; filename="selection.csv"'},
            media_type="text/csv; charset=utf-8",
        )

    def static(self, request: Request) -> Response:
        """A file of the page itself: one of those that were read when it began."""
        name = request.path_params["name"]
        if name not in self._files:
            raise HTTPException(404)
        cached = {"cache-control": "public, max-age=31536000, immutable"} if request.query_params.get("v") else {}
        return Response(self._files[name], 200, cached, _TYPES[Path(name).suffix])

    def refused(self, request: Request, error: Exception) -> Response:
        """A mistake in an address, or a build that cannot be read."""
        status = 404 if isinstance(error, BrowseError) else 400
        if request.url.path in ("/thumbnail", "/image", "/mask"):
            return PlainTextResponse(f"{error}\n", status)
        return self._page("error.html", "", status=status, error=str(error))

    def absent(self, request: Request, error: Exception) -> Response:
        """An address that leads nowhere."""
        assert isinstance(error, HTTPException)
        return self._page("error.html", "", status=error.status_code, error="There is no page at this address.")

    def failed(self, request: Request, error: Exception) -> Response:
        """A fault of the page. What a visitor learns of it is its kind alone."""
        return self._page("error.html", "", status=500, error=f"This did not work ({type(error).__name__}).")

    def _picture(self, request: Request, made: Callable[[], tuple[bytes, str]]) -> Response:
        """An image. A browser that has it of this state of the build is told so, and nothing is read."""
        state = self._mat.manifest.get("build", "")
        tag = {"etag": f'"{state}"', "cache-control": "private, no-cache"} if state else {"cache-control": "no-store"}
        if state and request.headers.get("if-none-match") == tag["etag"]:
            return Response(status_code=304, headers=tag)
        data, kind = made()
        return Response(data, 200, tag, kind)

    def _state(self, request: Request) -> tuple[State, str]:
        """The state of an address; where its selection or split is none, the rest of it, and why."""
        state = State.of(request.query_params)
        try:
            self._records.find(state)
        except MedMATError as error:
            return state.but(q="", split=""), str(error)
        return state, ""

    def _page(self, template: str, tab: str, status: int = 200, **values: Any) -> Response:
        text = self._templates.get_template(template).render(
            tab=tab,
            mat=self._mat,
            where=self._where,
            synthetic=self._synthetic,
            modalities=self._mat.vocabulary.modality,
            tasks_words=self._mat.vocabulary.task,
            splits=(*SPLITS, WITHHELD),
            sorts=SORTS,
            **{"state": State(), **values},
        )
        return HTMLResponse(text, status, {"cache-control": "no-store"})


def _download(content: bytes, name: str, kind: str) -> Response:
    return Response(content, 200, {"content-disposition": f'attachment; filename="{name}"'}, kind)


def _static() -> dict[str, bytes]:
    """The files of the page itself, by name below ``static``."""
    root = resources.files("med_mat.browse") / "static"
    found: dict[str, bytes] = {}
    folders = [("", root)]
    while folders:
        before, folder = folders.pop()
        for one in folder.iterdir():
            if one.is_dir():
                folders.append((f"{before}{one.name}/", one))
            elif Path(one.name).suffix in _TYPES:
                found[before + one.name] = one.read_bytes()
    return found


def _templates(files: Mapping[str, bytes]) -> jinja2.Environment:
    """The templates. Whatever they are given is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("med_mat.browse"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    hashes = {name: hashlib.sha256(content).hexdigest()[:12] for name, content in files.items()}
    made.globals["static"] = lambda name: f"/static/{name}?v={hashes[name]}"
    made.filters["number"] = lambda value: f"{value:,}"
    return made
