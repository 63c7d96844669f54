"""Answers to the page of the studio, by functions that the command line calls as well."""

import asyncio
import json
import math
import os
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as Asked
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from d2a_core.commands import animate, checks, delivery, requests, runs
from d2a_core.commands.studio import files
from d2a_core.commands.studio.faces import Faces, Look, Picture
from d2a_core.commands.studio.first_looks import FirstLooks
from d2a_core.commands.studio.guard import Guard
from d2a_core.commands.studio.queue import Job, Queue, Silence
from d2a_core.runtime import one_line

PAGE = Path(__file__).with_name("page")
SIZES = ("draft", "full")


@dataclass(frozen=True)
class Studio:
    """Things that the answers share: the folder `work`, its config, the faces, and the queues.

    `renderer` makes one picture at a time, in the order in which they are asked for.
    """

    work: Path
    root: Path
    configfile: Path | None
    cores: int | None
    faces: Faces
    first_looks: FirstLooks
    queue: Queue
    renderer: ThreadPoolExecutor

    @property
    def results(self) -> Path:
        """Folder of the artefacts."""
        return self.work / "results"

    async def render(self, function: Callable, *words: Any) -> Any:
        """Result of `function`, called when its turn has come."""
        return await asyncio.get_running_loop().run_in_executor(self.renderer, function, *words)

    def request(self, options: Mapping[str, Any], **more: Any) -> requests.Request:
        """A request to `command` with the settings that the server was started with."""
        shared = {"work": self.work, "cores": self.cores, "configfile": self.configfile}
        return requests.Request(**{**options, **shared, **more})

    def close(self) -> None:
        """Stop all that runs."""
        self.queue.close()
        self.renderer.shutdown(cancel_futures=True)


def build(studio: Studio, hosts: tuple[str, ...]) -> Starlette:
    """The application; `hosts` are the names under which it may be called, () any."""
    routes = [
        Route("/", page),
        *(Route(path, answer, methods=[method]) for method, path, answer in ANSWERS),
        Mount("/page", StaticFiles(directory=PAGE)),
    ]

    @asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(studio.close)

    application = Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=[Middleware(Guard, hosts=hosts)],
        exception_handlers={ValueError: _mistake, OSError: _mistake, HTTPException: _refused},
    )
    application.state.studio = studio
    return application


def _mistake(asked: Asked, error: Exception) -> JSONResponse:
    return JSONResponse({"error": _sentence(_studio(asked), one_line(error))}, 422)


def _refused(asked: Asked, error: Exception) -> JSONResponse:
    refusal = cast(HTTPException, error)
    return JSONResponse({"error": refusal.detail}, refusal.status_code)


def _sentence(studio: Studio, text: str) -> str:
    """A message with the names of uploaded files and results and not the places where they are kept."""
    for folder in (studio.work / delivery.INPUTS, studio.work):
        text = text.replace(f"{folder}{os.sep}", "")
    return text


def _studio(asked: Asked) -> Studio:
    return asked.app.state.studio


async def _body(asked: Asked) -> dict[str, Any]:
    try:
        body = json.loads(await asked.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ValueError("the page sent no JSON object; load it anew")
    return body


def _taken(body: Mapping[str, Any], fields: Mapping[str, type]) -> dict[str, Any]:
    """The fields of a request that the page has set, of the right type."""
    found = {}
    for name, kind in fields.items():
        value = body.get(name)
        if value is None:
            continue
        allowed = (int, float) if kind is float else kind
        if not isinstance(value, allowed) or (kind is not bool and isinstance(value, bool)):
            raise ValueError(f"{requests.option(name)} is {value!r}; give a {kind.__name__}")
        found[name] = value
    return found


async def page(asked: Asked) -> FileResponse:
    """The page itself."""
    return FileResponse(PAGE / "index.html")


async def state(asked: Asked) -> JSONResponse:
    """All that the page shows at first."""
    studio = _studio(asked)
    faces = await asyncio.to_thread(studio.faces.known)
    return JSONResponse(
        {
            "work": str(studio.work),
            "faces": [{"name": face.name, "label": face.label} for face in faces],
            "computed": (studio.faces.distilled / "directions" / "directions.zarr").is_dir(),
            "controls": (studio.faces.distilled / "fan" / "all" / "base.pt").is_file(),
            "first_look": studio.first_looks.ready(studio.work),
            "clips": files.clips(studio.work),
            "animations": studio.faces.settings["animations"],
        }
    )


async def upload(asked: Asked) -> JSONResponse:
    """Keep a photo or a clip."""
    query = asked.query_params
    name = Path(query.get("name") or "file").name
    kept = await files.take(asked.stream(), _studio(asked).work, kind=query.get("kind", ""), name=name)
    return JSONResponse(kept)


async def first_look(asked: Asked) -> JSONResponse:
    """Let an uploaded photo move, before it is prepared: a job."""
    studio, body = _studio(asked), await _body(asked)
    photo = files.brought(studio.work, str(body.get("photo")))
    wanted = studio.request({"source": str(photo), **_taken(body, {"face": int})})
    await asyncio.to_thread(checks.check_source, wanted, studio.root)

    def look(job: Job) -> dict[str, Any]:
        made = studio.first_looks.make(wanted, watcher=_watcher(job))
        return {"first look": made.relative_to(studio.results.resolve()).as_posix()}

    return JSONResponse({"job": studio.queue.submit("First look", look).token})


async def source(asked: Asked) -> JSONResponse:
    """Prepare a face for the sliders, a known one, an uploaded photo or a seed: a job."""
    studio, body = _studio(asked), await _body(asked)
    known = body.get("known")
    if known is not None:
        options = studio.faces.named(str(known)).options
    elif body.get("photo"):
        photo = files.brought(studio.work, str(body["photo"]))
        options = {"source": str(photo), **_taken(body, requests.FIELDS["source"])}
    else:
        options = {"source": f"seed:{body.get('seed')}"}
    wanted = studio.request(options)
    await asyncio.to_thread(checks.check_source, wanted, studio.root)

    def prepare(job: Job) -> dict[str, Any]:
        name = delivery.prepare(wanted, watcher=_watcher(job))
        studio.renderer.submit(studio.faces.forget, name).result()
        return {"face": known or name}

    return JSONResponse({"job": studio.queue.submit("Prepare the face", prepare).token})


def _watcher(job: Job) -> runs.Watcher:
    return runs.Watcher(stream=Silence(), follow=job.follow, cancelled=job.cancelled)


async def animation(asked: Asked) -> JSONResponse:
    """Let a face move like a clip: a job."""
    studio, body = _studio(asked), await _body(asked)
    face = await asyncio.to_thread(studio.faces.named, str(body.get("face")))
    clip = files.driver(studio.work, str(body.get("driving")))
    chosen = [part for part in ("expression", "lips", "eyes") if body.get(part)]
    drivers = {f"{part}_from": files.driver(studio.work, str(body[part])) for part in chosen}
    drivers["pose_from" if "expression" in chosen else "driving"] = clip
    wanted = studio.request(face.options, **drivers, **_taken(body, requests.FIELDS["animation"]))
    await asyncio.to_thread(checks.check, wanted, studio.root)

    def run(job: Job) -> dict[str, Any]:
        made = animate.animate(wanted, watcher=_watcher(job))
        results = {what: path for what, path in made.items() if path.is_relative_to(studio.results.resolve())}
        latents = results["video"].with_suffix(".latents.zarr")
        return {
            what: path.relative_to(studio.results.resolve()).as_posix()
            for what, path in {**results, "latents of all frames": latents}.items()
            if path.exists()
        }

    return JSONResponse({"job": studio.queue.submit(f"Animate {face.name}", run).token})


async def job(asked: Asked) -> JSONResponse:
    """State of a job; POST cancels it."""
    studio = _studio(asked)
    found = studio.queue.find(asked.path_params["token"])
    if asked.method == "POST":
        studio.queue.cancel(found)
    return JSONResponse(
        {
            "title": found.title,
            "state": "stopping" if found.state == "running" and found.cancelled.is_set() else found.state,
            "ahead": studio.queue.ahead(found),
            "message": _sentence(studio, found.message),
            "stages": found.stages,
            "results": found.results,
        }
    )


async def controls(asked: Asked) -> JSONResponse:
    """The sliders of a face, which loads its networks."""
    studio = _studio(asked)
    editor = await studio.render(studio.faces.editor, asked.query_params.get("face", ""))
    names = ("name", "label", "unit", "low", "high")
    return JSONResponse([{name: getattr(control, name) for name in names} for control in editor.controls])


def _look(query: Mapping[str, str]) -> Look:
    """The look that a query describes; raises ValueError where it does not."""
    try:
        values = {name: float(value) for name, value in json.loads(query.get("values") or "{}").items()}
        direction = int(query["direction"]) if query.get("direction") else None
        strength = float(query.get("strength") or 0)
    except (ValueError, TypeError, AttributeError):
        raise ValueError("the sliders' values are no numbers; load the page anew") from None
    if not all(map(math.isfinite, [*values.values(), strength])):
        raise ValueError("a slider's value is not finite; load the page anew")
    size = query.get("size") or "draft"
    if size not in SIZES:
        raise ValueError(f"a picture is {', '.join(SIZES)}, not {size!r}")
    return Look(query.get("face", ""), values, direction, strength, size)


async def picture(asked: Asked) -> Response:
    """A picture of a face as the controls are: a draft, or in full size, or as a file to keep."""
    studio, look = _studio(asked), _look(asked.query_params)
    keep = asked.query_params.get("keep")

    def made() -> tuple[bytes, Picture]:
        made = studio.faces.picture(look)
        if keep:
            return files.png_file(made.image, studio.faces.facts(look), studio.work), made
        return files.jpeg_file(made.image), made

    data, shown = await studio.render(made)
    headers = {"X-Notes": json.dumps(shown.notes), "X-Done": json.dumps(shown.done)}
    if keep:
        headers["Content-Disposition"] = f'attachment; filename="{look.name}-edited.png"'
    return Response(data, media_type="image/png" if keep else "image/jpeg", headers=headers)


async def latents(asked: Asked) -> Response:
    """W+ of a face as the controls are, as an array file of NumPy."""
    studio, look = _studio(asked), _look(asked.query_params)
    data = files.array_file(await studio.render(studio.faces.code, look))
    headers = {"Content-Disposition": f'attachment; filename="{look.name}-edited.npy"'}
    return Response(data, media_type="application/octet-stream", headers=headers)


async def front(asked: Asked) -> JSONResponse:
    """The sliders at which a face looks into the camera."""
    studio = _studio(asked)
    values, notes = await studio.render(studio.faces.frontal, asked.query_params.get("face", ""))
    return JSONResponse({"values": values, "notes": notes})


async def directions(asked: Asked) -> JSONResponse:
    """All directions, as the gallery orders them."""
    return JSONResponse(await _studio(asked).render(_studio(asked).faces.directions))


async def folder(asked: Asked) -> JSONResponse:
    """Artefacts in a folder of the results."""
    path = asked.query_params.get("path", "")
    return JSONResponse(await asyncio.to_thread(files.listing, _studio(asked).results, path))


async def describe(asked: Asked) -> JSONResponse:
    """The summary of an artefact."""
    path, studio = asked.query_params.get("path", ""), _studio(asked)
    text = await asyncio.to_thread(files.describe, studio.results, path)
    return JSONResponse({"text": _sentence(studio, text)})


async def artefact(asked: Asked) -> Response:
    """A file of the results; a store as a zip archive."""
    path = files.artefact(_studio(asked).results, asked.path_params["path"])
    if path.is_file():
        return FileResponse(path)
    headers = {"Content-Disposition": f'attachment; filename="{path.name}.zip"'}
    return StreamingResponse(files.zipped(path), media_type="application/zip", headers=headers)


ANSWERS = (
    ("GET", "/api/state", state),
    ("POST", "/api/upload", upload),
    ("POST", "/api/first-look", first_look),
    ("POST", "/api/source", source),
    ("POST", "/api/animate", animation),
    ("GET", "/api/jobs/{token}", job),
    ("POST", "/api/jobs/{token}/cancel", job),
    ("GET", "/api/controls", controls),
    ("GET", "/api/picture", picture),
    ("GET", "/api/latents", latents),
    ("GET", "/api/front", front),
    ("GET", "/api/directions", directions),
    ("GET", "/api/files", folder),
    ("GET", "/api/describe", describe),
    ("GET", "/results/{path:path}", artefact),
)
