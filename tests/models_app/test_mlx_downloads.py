"""An MLX repository from the hub to the models folder: all of what MLX needs, at once, or nothing."""

from __future__ import annotations

import errno
import html
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.hardware import mlx_install
from models_app.downloads import following, job, states, storage
from models_app.hub import variants
from models_app.hub.errors import NotFound
from models_app.hub.hub_files import FOLDER, HubFile
from models_app.hub.repository import Repository
from models_app.models import CatalogEntry, Download, DownloadState, RemoteHeader
from tests.made_folders import write_random_folder
from tests.models_app import evil_hub as evil
from tests.models_app.evil_hub import EvilHub
from tests.models_app.test_downloads import OWNER, gguf

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(120)]

NAME = "owls/Fast-1B-4bit"
PAGE = f"/models/discover/{NAME}/"
WITH, WITHOUT = Path("/with/bin/python"), Path("/without/bin/python")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a real model."""
    path = write_random_folder(tmp_path_factory.mktemp("made") / "model", bits=4)
    return {file.name: file.read_bytes() for file in path.iterdir()}


@pytest.fixture
def hub(
    made: dict[str, bytes], folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[EvilHub]:
    settings.MODELS_DIR = folder
    settings.DOWNLOADS_DIR = folder / ".downloads"
    monkeypatch.setattr(job, "RETRY_SECONDS", (0,) * 8)
    monkeypatch.setattr(
        mlx_install, "mlx_version", lambda python: "0.32.2" if python == WITH else ""
    )
    use(settings, WITH)
    with evil.evil_hub() as hub:
        settings.HUB_ENDPOINT = hub.address
        add(hub, made)
        yield hub


def use(settings: Any, python: Path) -> None:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"mlx_python": python})


def add(hub: EvilHub, files: dict[str, bytes], **changes: Any) -> None:
    """As the hub has it: what is small is kept in git."""
    in_git = tuple(name for name in files if not name.endswith(".safetensors"))
    facts = {"in_git": in_git, "gguf": None, "tags": ("mlx", "safetensors", "4-bit")}
    hub.add(NAME, files, **(facts | changes))


def obtained(**wanted: Any) -> Download:
    download = states.request(**({"repository": NAME, "variant": FOLDER} | wanted))
    assert job.run_next(OWNER)
    download.refresh_from_db()
    return download


def place(folder: Path) -> Path:
    return folder / NAME / "Fast-1B-4bit"


def listed(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in place(folder).iterdir()}


# -- the good case -----------------------------------------------------------------------------------


def test_a_folder_is_downloaded_checked_and_listed_as_one_model(hub, folder, made):
    download = obtained()

    assert (download.state, download.reason) == (DownloadState.READY, "")
    assert listed(folder) == made
    entry = CatalogEntry.objects.usable().get()
    assert (entry.path, entry.format, entry.name) == (str(place(folder)), "MLX", "Fast-1B-4bit")
    assert not storage.folder_of(download.pk).exists()


def test_only_what_mlx_needs_is_fetched(hub, folder, made):
    others = ["pytorch_model.bin", "README.md", "original/model.safetensors", "consolidated.pth"]
    beside = {"chat_template.jinja": b"{{ x }}", "merges.txt": b"a b", "vocab.json": b"{}"}
    add(hub, made | beside | dict.fromkeys(others, b"x"))

    assert obtained().state == DownloadState.READY
    assert listed(folder) == made | beside
    fetched = {path.rpartition("/")[2] for _, path, _ in hub.requests if "/resolve/" in path}
    assert fetched == set(made | beside)


def test_a_repository_with_both_gives_each_without_the_other(hub, folder, made):
    add(hub, made | {"fast-Q8_0.gguf": gguf()}, tags=("gguf", "mlx"))

    assert obtained(variant="Q8_0").state == DownloadState.READY
    assert not place(folder).exists()
    assert obtained().state == DownloadState.READY

    assert listed(folder) == made
    found = CatalogEntry.objects.usable()
    assert sorted(str(entry.format) for entry in found) == ["GGUF", "MLX"]


def test_a_folder_comes_whole_from_another_disk(hub, folder, made, monkeypatch):
    rename = os.rename

    def refused(source: Any, target: Any) -> None:
        if storage.WHOLE in Path(source).parts:
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refused)

    assert obtained().state == DownloadState.READY
    assert listed(folder) == made
    assert [one.name for one in place(folder).parent.iterdir()] == [place(folder).name]


def test_the_command_takes_it_where_there_is_nothing_else_and_mlx_is_set_up(hub, settings):
    assert following.begin(NAME).variant == FOLDER

    use(settings, WITHOUT)
    Download.objects.all().delete()
    with pytest.raises(NotFound, match="It has: MLX"):
        following.begin(NAME)
    assert following.begin(f"{NAME}:mlx").variant == FOLDER


# -- on the way --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [evil.cut(700), evil.shorter, evil.other_bytes, evil.broken])
@pytest.mark.parametrize("at", range(6))
def test_what_goes_wrong_once_is_fetched_again(hub, folder, made, fault, at):
    """Whichever request it meets; `config.json` was read before, too."""
    states.request(repository=NAME, variant=FOLDER)
    hub.faults.extend([lambda _: None] * (at + 1) + [fault])

    assert obtained().state == DownloadState.READY
    assert listed(folder) == made


def test_what_came_before_it_was_killed_is_not_fetched_again(hub, folder, made, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(storage, "put_in_place", killed)
    download = states.request(repository=NAME, variant=FOLDER)
    with pytest.raises(Killed):
        job.run_next(OWNER)
    assert not place(folder).exists()
    assert CatalogEntry.objects.count() == 0
    monkeypatch.undo()
    states.release_expired(all_but="nobody")
    sent = hub.bytes_sent

    job.run_next(OWNER)

    download.refresh_from_db()
    assert download.state == DownloadState.READY
    assert hub.bytes_sent == sent
    assert listed(folder) == made


def test_what_is_in_place_already_is_not_fetched_again(hub):
    obtained()
    sent = hub.bytes_sent

    assert obtained().state == DownloadState.READY
    assert hub.bytes_sent == sent


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_there_by_that_name_is_not_replaced(hub, folder, is_file):
    own = place(folder) if is_file else place(folder) / "mine.txt"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"mine")

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "another folder called Fast-1B-4bit" in download.reason
    assert own.read_bytes() == b"mine"


def test_of_two_that_end_at_once_one_is_put_in_place(hub, folder, made, monkeypatch):
    """The other finds it there."""
    bring = storage.missing_of

    def late(*args: Any) -> Any:
        missing = bring(*args)
        write_other(place(folder))
        return missing

    def write_other(path: Path) -> None:
        path.mkdir(parents=True)
        for name, content in made.items():
            (path / name).write_bytes(content)

    monkeypatch.setattr(storage, "missing_of", late)
    download = obtained()
    assert "another folder" in download.reason
    monkeypatch.setattr(storage, "missing_of", bring)

    states.go_on(download.pk)
    job.run_next(OWNER)

    download.refresh_from_db()
    assert download.state == DownloadState.READY
    assert listed(folder) == made


def test_cancelled_nothing_is_left(hub, folder):
    download = states.request(repository=NAME, variant=FOLDER)
    hub.faults.extend([lambda _: None, evil.gone])
    job.run_next(OWNER)
    assert storage.folder_of(download.pk).exists()

    assert states.cancel(download.pk)
    storage.remove_parts(download.pk)

    assert not list(storage.folder_of(download.pk).parent.iterdir())


# -- what is refused ---------------------------------------------------------------------------------


def changed(made: dict[str, bytes], **values: object) -> dict[str, bytes]:
    return made | {"config.json": json.dumps(json.loads(made["config.json"]) | values).encode()}


REFUSED: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "names a program of its own": lambda made: changed(made, model_file="owl.py"),
    "names a program": lambda made: changed(made, auto_map={"AutoModel": "owl.Owl"}),
    "a program of its own, owl.py": lambda made: made | {"owl.py": b"import os"},
    "not valid JSON": lambda made: made | {"config.json": b"{"},
    "not what it should be": lambda made: made | {"config.json": b"[1]"},
    "does not say which architecture": lambda made: changed(made, model_type=None),
    "no tokenizer.json": lambda made: {k: v for k, v in made.items() if k != "tokenizer.json"},
    "not called model.safetensors": lambda made: {
        k.replace("model.s", "weights.s"): v for k, v in made.items()
    },
    "files with weights are missing": lambda made: {
        k.replace("model.s", "model-00001-of-00002.s"): v for k, v in made.items()
    },
    "cannot be used on every system": lambda made: made | {"Config.json": b"{}"},
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_mlx_would_not_run_is_refused_before_its_weights_come(hub, folder, made, words):
    add(hub, REFUSED[words](made))

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert words in download.reason
    assert not any("safetensors" in path for _, path, _ in hub.requests)
    assert not (folder / "owls").exists()


@pytest.mark.parametrize(
    "damage", [b"x" * 5000, (20).to_bytes(8, "little") + b'{"a": {"dtype": 1}} ']
)
def test_weights_that_are_none_are_never_listed(hub, folder, made, damage):
    add(hub, made | {"model.safetensors": damage})

    download = obtained()

    assert download.state == DownloadState.FAILED
    assert "cannot be used" in download.reason
    assert not (folder / "owls").exists()


@pytest.mark.parametrize(
    "name",
    [
        *("../config.json", "..\\evil.json", "/etc/evil.json", "a/../../evil.json", "con.json"),
        *("C:\\evil.json", ".hidden.json", "evil\x00.json", "x" * 250 + ".json", "aux.jinja"),
        *("evil\u202e.json", "model\\.safetensors", "model .safetensors.", "model:x.safetensors"),
    ],
)
def test_names_that_lead_elsewhere_lead_nowhere(hub, folder, made, name):
    """They are passed over, or the whole repository is."""
    add(hub, made | {name: b"{}"})

    download = obtained()

    if download.state == DownloadState.READY:
        assert listed(folder) == made
    else:
        assert "cannot be used on every system" in download.reason
        assert not (folder / "owls").exists()
    assert {path.name for path in folder.parent.iterdir()} == {"models"}


def test_a_repository_that_is_called_like_a_file_has_no_folder():
    files = tuple(
        HubFile(name, 1, "sha256:0")
        for name in ("config.json", "tokenizer.json", "model.safetensors")
    )

    assert Repository("owls/x", "0", files).folder
    assert not Repository("owls/x.gguf", "0", files).folder


# -- its page ----------------------------------------------------------------------------------------


def shown_at(client: Any, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200
    return html.unescape(response.content.decode()).replace("\N{NO-BREAK SPACE}", " ")


def test_its_page_offers_it_with_the_numbers_of_its_configuration(hub, staff, made):
    shown = shown_at(staff, f"{PAGE}?exact=1")

    assert f"a folder of {len(made)} files" in shown
    assert "4 bits: good" in shown
    assert "those that the file itself gives" in shown
    assert "Recommended for this machine" in shown
    # Two layers keep 2 x 64 numbers of two bytes for each of 2,048 tokens.
    assert "KV cache 1.05 MB for 2,048 tokens" in shown
    assert RemoteHeader.objects.get().family == "/mlx"
    hub.requests.clear()
    shown_at(staff, f"{PAGE}?exact=1")
    assert not any("/resolve/" in path for _, path, _ in hub.requests)


def test_where_mlx_is_not_set_up_its_page_says_what_to_do(hub, staff, settings):
    use(settings, WITHOUT)

    shown = shown_at(staff, PAGE)

    assert "make mlx" in shown
    assert "?q=Fast%201B&format=gguf" in shown
    assert 'value="MLX"' in shown
    assert "Recommended" not in shown


@pytest.mark.parametrize(("is_apple", "recommended"), [(True, "MLX"), (False, "Q8_0")])
def test_of_both_that_is_recommended_which_suits_the_machine(
    hub, staff, made, monkeypatch, is_apple, recommended
):
    add(hub, made | {"fast-Q8_0.gguf": gguf()}, tags=("gguf", "mlx"))
    monkeypatch.setattr(variants, "is_apple_silicon", lambda: is_apple)

    row = shown_at(staff, PAGE).partition("variant-recommended")[2].partition("</tr>")[0]

    assert f'value="{recommended}"' in row


def test_a_refused_one_says_why_and_offers_no_button(hub, staff, made):
    add(hub, changed(made, model_file="owl.py") | {"pytorch_model.bin": b"x"})

    shown = shown_at(staff, f"{PAGE}?exact=1")

    assert "names a program of its own" in shown
    assert 'value="MLX"' not in shown
    assert "1 file that Minerva never fetches" in shown
    assert "pytorch_model.bin, 1 byte" in shown


def test_it_is_begun_from_its_page_shown_as_here_and_offered_again_when_it_is_gone(
    hub, staff, folder
):
    begun = staff.post("/models/downloads/start", {"repository": NAME, "variant": FOLDER})
    assert begun.status_code == 302
    Download.objects.get()
    job.run_next(OWNER)
    assert ">Here<" in shown_at(staff, PAGE)

    shutil.rmtree(place(folder))

    assert 'value="MLX"' in shown_at(staff, PAGE)
