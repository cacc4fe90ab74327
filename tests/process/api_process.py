"""Web and inference as `serve` starts them, with real models: what programs talk to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

from tests.made_encoder import write_encoder
from tests.made_folders import write_random_folder
from tests.made_models import write_random_model, write_scripted_model
from tests.process.web_process import ROOT, WebProcess

MAKE_KEY = """
import json, sys
from accounts import keys
from accounts.models import User
options = json.loads({options!r})
name = options.pop("owner", "ada")
user, _ = User.objects.get_or_create(
    username=name, defaults={{"is_staff": name == "ada", "is_superuser": name == "ada"}}
)
new = keys.create(owner=user, name="test", **options)
print(new.secret)
"""
REVOKE = """
from accounts import keys
keys.revoke(keys.find({secret!r}))
"""


class ApiProcess:
    """`with ApiProcess(folder, {"plain": "Hello."}) as api`. Models are named after their scripts."""

    def __init__(
        self, folder: Path, scripts: dict[str, Any], *options: str, **settings: str
    ) -> None:
        self.data_dir = folder / "data"
        self.models_dir = self.data_dir / "models"
        self.models_dir.mkdir(parents=True)
        (self.data_dir / "run").mkdir()
        self._options = options
        self._output = folder / "inference.log"
        for name, script in scripts.items():
            self.add_model(name, script)
        self.web = WebProcess(self.data_dir)
        self.web.environment.update(settings)
        self.url = f"http://127.0.0.1:{self.web.port}"

    def add_model(self, name: str, script: Any) -> Path:
        """`script`: a text, options of a scripted model with its text, of a random one, "embeds", or
        "folder" for a random one of MLX."""
        if script == "folder":
            return write_random_folder(self.models_dir / name)
        path = self.models_dir / f"{name}.gguf"
        if script == "embeds":
            return write_encoder(path)
        if isinstance(script, str):
            return write_scripted_model(path, script)
        if "text" in script:
            return write_scripted_model(path, **script)
        return write_random_model(path, **script)

    def __enter__(self) -> Self:
        self.start_inference()
        self.web.__enter__()
        return self

    def __exit__(self, *reason: object) -> None:
        self.web.__exit__(*reason)
        self.inference.kill()
        self.inference.wait()
        print(self.inference_log)

    def start_inference(self) -> None:
        socket = self.data_dir / "run" / "inference.sock"
        command = [sys.executable, "-m", "inference", "--socket", str(socket), "--threads", "1"]
        command += ["--gpu-layers", "0", "--context-window", "2048", *self._options]
        with self._output.open("ab") as output:
            self.inference = subprocess.Popen(
                command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def inference_log(self) -> str:
        return self._output.read_text()

    def key(self, *scopes: str, **options: Any) -> str:
        """A new one, which may do everything unless scopes are named."""
        chosen = scopes or ("generate", "embed", "manage")
        return self.web.run(MAKE_KEY.format(options=json.dumps({"scopes": chosen, **options})))

    def revoke(self, secret: str) -> None:
        self.web.run(REVOKE.format(secret=secret))

    def post(self, path: str, body: Any, key: str, **headers: str) -> Any:
        given = {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.web.request("POST", path, data, **given)

    def get(self, path: str, key: str, **headers: str) -> Any:
        return self.web.request("GET", path, None, Authorization=f"Bearer {key}", **headers)
