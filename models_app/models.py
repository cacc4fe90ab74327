"""One row for each model that was found."""

from __future__ import annotations

import time
import uuid
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.functional import cached_property

from inference.gguf_metadata import one_line
from inference.model_files import ModelFormat, format_of
from inference.types import ModelSpec
from models_app.answering import Layer
from models_app.benchmarks.record import Benchmark as Benchmark
from models_app.benchmarks.record import PromptSpeed as PromptSpeed
from models_app.hub.record import HubToken as HubToken
from models_app.hub.record import RemoteHeader as RemoteHeader
from models_app.servers.record import RemoteServer as RemoteServer
from models_app.tuning import ModelSettings
from models_app.used_folder import UsedFolder as UsedFolder

if TYPE_CHECKING:
    from accounts.models import User

ARRIVING_SECONDS = 60


class CatalogEntryQuerySet(models.QuerySet["CatalogEntry"]):
    def present(self) -> Self:
        found = self.filter(is_missing=False, is_projector=False, removed_at=None)
        return found.select_related("server")

    def here(self) -> Self:
        """On this machine's disks."""
        return self.filter(server=None)

    def missing(self) -> Self:
        return self.filter(is_missing=True, is_projector=False, is_guide=False, removed_at=None)

    def removed(self) -> Self:
        return self.exclude(removed_at=None)

    def usable(self) -> Self:
        return self.present().filter(problem="")

    def for_chat(self) -> Self:
        return self.usable().filter(can_chat=True)

    def usable_by(self, user: User) -> Self:
        """Of these, what this person may use: granted to nobody in particular, or to a group of
        theirs. The one look-up for it, in the chat and in the API alike."""
        if user.is_staff:
            return self
        granted = ModelGrant.objects.filter(entry=models.OuterRef("pk"))
        theirs = granted.filter(group__user=user)
        return self.filter(~models.Exists(granted) | models.Exists(theirs))


class CatalogEntry(models.Model):
    """A model and what its own metadata says of it. `problem` "": it can be loaded.

    `path`: of a file, or of a folder. A model in several files is one entry: its first part. Projectors have entries too, so that they
    are not read again and again, but no page lists them. A model of another `server` has a path of its own kind, which is nothing on a disk,
    and is called `remote_name` there.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    path = models.CharField(max_length=4096, unique=True)
    name = models.CharField(max_length=255)
    architecture = models.CharField(max_length=64, blank=True)
    num_parameters = models.BigIntegerField(default=0)
    quantization = models.CharField(max_length=32, blank=True)
    context_length = models.PositiveBigIntegerField(default=0, help_text="tokens, as trained")
    size = models.BigIntegerField(default=0, help_text="bytes on disk, of all parts")
    num_files = models.PositiveIntegerField(default=1)
    modified_ns = models.BigIntegerField(
        default=0, help_text="the files' latest mtime or ctime when they were read"
    )
    has_chat_template = models.BooleanField(default=False)
    can_chat = models.BooleanField(default=True, help_text="else it makes embeddings only")
    problem = models.CharField(max_length=500, blank=True)
    is_incomplete = models.BooleanField(default=False, help_text="its end is not here (yet)")
    is_projector = models.BooleanField(default=False)
    is_missing = models.BooleanField(default=False, help_text="was here, is not any more")
    sampling = models.JSONField(
        default=dict, help_text="what its makers recommend, by the names of our settings"
    )
    is_default = models.BooleanField(default=False)
    is_guide = models.BooleanField(default=False, help_text="the one that Minerva brings along")
    server = models.ForeignKey(
        RemoteServer, models.CASCADE, null=True, blank=True, related_name="entries"
    )
    remote_name = models.CharField(max_length=300, blank=True)
    removed_at = models.DateTimeField(
        null=True, blank=True, help_text="by a person; its files are kept aside for a while"
    )
    found_at = models.DateTimeField(auto_now_add=True)
    groups = models.ManyToManyField(
        "auth.Group", through="ModelGrant", blank=True, help_text="who may use it; none: everybody"
    )

    objects = CatalogEntryQuerySet.as_manager()

    class Meta:
        verbose_name = "model"
        ordering = ("is_guide", "name", "path")
        constraints = (
            models.UniqueConstraint(
                fields=["is_default"],
                condition=models.Q(is_default=True),
                name="one_default_model",
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_usable(self) -> bool:
        is_here = not self.is_missing and self.removed_at is None
        return is_here and not self.problem and not self.is_projector

    @property
    def is_for_chat(self) -> bool:
        return self.is_usable and self.can_chat

    @property
    def is_arriving(self) -> bool:
        """Its end is missing, but it was written to a moment ago: most likely it is being copied."""
        age_ns = time.time_ns() - self.modified_ns
        return self.is_incomplete and not self.is_missing and age_ns < ARRIVING_SECONDS * 10**9

    @property
    def file_name(self) -> str:
        """Fit to be shown; a name on disk may hold anything but a slash."""
        return one_line(self.remote_name or Path(self.path).name, limit=255)

    @property
    def is_remote(self) -> bool:
        return self.server_id is not None

    @property
    def format(self) -> ModelFormat:
        return ModelFormat.REMOTE if self.is_remote else format_of(Path(self.path))

    @property
    def bare_spec(self) -> ModelSpec:
        """Without anything of its own."""
        if self.server is None:
            return ModelSpec(model_id=str(self.id), name=self.name, path=self.path)
        remote = self.server.endpoint(self.remote_name)
        return ModelSpec(model_id=str(self.id), name=self.name, path="", remote=remote)

    @property
    def spec(self) -> ModelSpec:
        return self.settings.spec_of(self.bare_spec)

    @property
    def layers(self) -> list[Layer]:
        """How it answers, unless a chat or a person wants it otherwise."""
        own = Layer("this model's settings", self.settings.own_values)
        return [own, Layer("the model's file", self.sampling)]

    @cached_property
    def settings(self) -> ModelSettings:
        """Its own; empty ones, which are stored nowhere, where nobody gave any."""
        try:
            return self.own
        except ModelSettings.DoesNotExist:
            return ModelSettings(entry=self)


class ModelGrant(models.Model):
    """A group that may use a model. Protected: with its last group a model would be everybody's."""

    entry = models.ForeignKey(CatalogEntry, models.CASCADE)
    group = models.ForeignKey("auth.Group", models.PROTECT)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["entry", "group"], name="one_grant_a_group"),
        )

    def __str__(self) -> str:
        return f"{self.entry} for {self.group}"


class DownloadState(models.TextChoices):
    UPLOADING = "uploading"
    QUEUED = "queued"
    RESOLVING = "resolving"
    DOWNLOADING = "downloading"
    VERIFYING = "verifying"
    IMPORTING = "importing"
    READY = "ready"
    PAUSED = "paused"
    FAILED = "failed"
    CANCELLED = "cancelled"


_DOWNLOAD_LABELS = {
    DownloadState.QUEUED: "Waiting",
    DownloadState.RESOLVING: "Asking the hub",
    DownloadState.IMPORTING: "Putting in place",
    DownloadState.READY: "Ready",
    DownloadState.PAUSED: "Paused",
    DownloadState.FAILED: "Failed",
    DownloadState.CANCELLED: "Cancelled",
}
# A worker is at it.
RUNNING_STATES = (
    DownloadState.RESOLVING,
    DownloadState.DOWNLOADING,
    DownloadState.VERIFYING,
    DownloadState.IMPORTING,
)
ACTIVE_STATES = (DownloadState.QUEUED, *RUNNING_STATES)


UNFINISHED_STATES = (DownloadState.UPLOADING, *ACTIVE_STATES, DownloadState.PAUSED)
UPLOAD_SCHEME = "upload:"


class DownloadQuerySet(models.QuerySet["Download"]):
    def active(self) -> Self:
        return self.filter(state__in=ACTIVE_STATES)

    def running(self) -> Self:
        return self.filter(state__in=RUNNING_STATES)

    def shown(self) -> Self:
        return self.exclude(state=DownloadState.CANCELLED)


class Download(models.Model):
    """A model on its way to the models folder. Who works on it has the lease; without it nothing of this
    row is changed, but for what a person wants (paused, queued again, cancelled).

    Either `repository` and `variant` of the hub, at `revision` once that is resolved, or `url`. What a
    browser sends has a `url` of its own kind with the file's name, and as its `revision` when the file was
    last changed there.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    repository = models.CharField(max_length=200, blank=True)
    variant = models.CharField(max_length=255, blank=True)
    revision = models.CharField(max_length=64, blank=True)
    url = models.CharField(max_length=2000, blank=True)
    with_projector = models.BooleanField(default=False)
    state = models.CharField(
        max_length=12, choices=DownloadState.choices, default=DownloadState.QUEUED
    )
    reason = models.CharField(max_length=500, blank=True, help_text="why it failed")
    total_bytes = models.BigIntegerField(default=0)
    done_bytes = models.BigIntegerField(default=0)
    bytes_per_second = models.BigIntegerField(default=0)
    lease_owner = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = DownloadQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(
                fields=["repository", "variant", "url"],
                condition=models.Q(state__in=UNFINISHED_STATES),
                name="one_download_of_a_model",
            ),
        )

    def __str__(self) -> str:
        return f"{self.repository} {self.variant}".strip() or self.url

    @property
    def is_active(self) -> bool:
        return self.state in ACTIVE_STATES

    @property
    def label(self) -> str:
        if self.state == DownloadState.VERIFYING:
            return f"Checking {self.percent} %"
        if self.state == DownloadState.DOWNLOADING:
            return f"Downloading {self.percent} %"
        if self.state == DownloadState.UPLOADING:
            return (
                f"Upload stopped at {self.percent} %"
                if self.is_stalled
                else f"Uploading {self.percent} %"
            )
        return _DOWNLOAD_LABELS[DownloadState(self.state)]

    @property
    def file_name(self) -> str:
        """Of a plain address or of an upload, fit to be shown."""
        if self.is_upload:
            return one_line(self.url.removeprefix(UPLOAD_SCHEME), limit=255)
        return one_line(PurePosixPath(urlsplit(self.url).path).name, limit=255)

    @property
    def is_upload(self) -> bool:
        return self.url.startswith(UPLOAD_SCHEME)

    @property
    def host(self) -> str:
        """Where its bytes are asked for first; "": they are here."""
        if self.is_upload:
            return ""
        return urlsplit(self.url or settings.HUB_ENDPOINT).netloc.lower()

    @property
    def is_stalled(self) -> bool:
        """Nothing of an upload came for a while: the page that sends it is closed."""
        is_alive = self.lease_until is not None and self.lease_until > timezone.now()
        return self.state == DownloadState.UPLOADING and not is_alive

    @property
    def can_pause(self) -> bool:
        return self.state in (
            DownloadState.QUEUED,
            DownloadState.RESOLVING,
            DownloadState.DOWNLOADING,
        )

    @property
    def can_go_on(self) -> bool:
        """Not an upload of which nothing is kept: its file has to be chosen again."""
        is_lost = self.is_upload and not self.done_bytes
        return self.state in (DownloadState.PAUSED, DownloadState.FAILED) and not is_lost

    @property
    def can_cancel(self) -> bool:
        return self.state in (*UNFINISHED_STATES, DownloadState.FAILED)

    @property
    def percent(self) -> int:
        """100 only when it is ready."""
        if self.state == DownloadState.READY:
            return 100
        return min(99, 100 * self.done_bytes // self.total_bytes) if self.total_bytes else 0

    @property
    def seconds_left(self) -> int | None:
        """None: nothing comes in, so nobody can tell."""
        if self.state != DownloadState.DOWNLOADING or not self.bytes_per_second:
            return None
        return max(0, self.total_bytes - self.done_bytes) // self.bytes_per_second


class DownloadFile(models.Model):
    """One file of a download, as the hub named it. `name` is safe as a path below a folder."""

    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="files")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255)
    url = models.CharField(max_length=2000)
    size = models.BigIntegerField(default=0, help_text="bytes; 0: not known yet")
    checksum = models.CharField(max_length=80)

    class Meta:
        ordering = ("number",)
        constraints = (
            models.UniqueConstraint(fields=["download", "number"], name="file_of_a_download"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def folder(self) -> str:
        """That it is part of a model in; "": it is a model, or a part of one, by itself."""
        return self.name.rpartition("/")[0]
