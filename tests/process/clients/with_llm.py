"""What llm has of the API, as a library. Run by `test_other_clients`; prints what came as JSON.

Its models stand in extra-openai-models.yaml, where nothing of the kind exists for embeddings.
"""

from __future__ import annotations

import json
import os
import sys

os.environ["OPENAI_BASE_URL"] = f"{sys.argv[1]}/v1"

import llm
from engine_load import becomes_idle, num_running
from llm.default_plugins.openai_models import OpenAIEmbeddingModel

url, key, weather = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
function = weather["function"]
tool = llm.Tool(
    name=function["name"],
    description=function["description"],
    input_schema=function["parameters"],
    implementation=lambda city: city,
)


def ask(model: str, **options: object) -> llm.Response:
    return llm.get_model(model).prompt("Hello", key=key, **options)


endless = iter(ask("endless"))
aborted = [next(endless) for _ in range(5)]
was_running = num_running(url, key)
endless.close()
try:
    ask("nowhere").text()
    error = ""
except Exception as refused:
    error = type(refused).__name__
print(
    json.dumps(
        {
            "models": [model.model_id for model in llm.get_models()],
            "whole": ask("plain", stream=False).text(),
            "streamed": "".join(ask("plain")),
            "called": json.dumps(ask("calls", tools=[tool]).tool_calls()[0].arguments),
            "fitted": ask("random", schema=function["parameters"]).text(),
            "vectors": len(
                list(OpenAIEmbeddingModel("x", "embeds").embed_batch(["x", "y"], key=key))
            ),
            "error": error,
            "aborted": len(aborted) == 5 and was_running == 1 and becomes_idle(url, key),
        }
    )
)
