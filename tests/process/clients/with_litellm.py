"""What LiteLLM has of the API. Run by `test_other_clients`; prints what came as JSON."""

from __future__ import annotations

import json
import os
import sys

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # asks nobody else

import litellm
from engine_load import becomes_idle, num_running

url, key, weather = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
to = {"api_base": f"{url}/v1", "api_key": key, "max_retries": 0}
hello = [{"role": "user", "content": "Hello"}]
whole = litellm.completion(model="openai/plain", messages=hello, **to)
parts = litellm.completion(model="openai/plain", messages=hello, stream=True, **to)
called = litellm.completion(model="openai/calls", messages=hello, tools=[weather], **to)
form = {
    "type": "json_schema",
    "json_schema": {"name": "x", "schema": weather["function"]["parameters"]},
}
fitted = litellm.completion(model="openai/random", messages=hello, response_format=form, **to)
vectors = litellm.embedding(model="openai/embeds", input=["x", "y"], encoding_format="float", **to)
by_messages = litellm.completion(
    model="anthropic/plain", messages=hello, api_base=url, api_key=key, max_tokens=99
)
models = litellm.get_valid_models(
    check_provider_endpoint=True,
    custom_llm_provider="openai",
    api_base=f"{url}/v1",
    api_key=key,
)
endless = litellm.completion(model="openai/endless", messages=hello, stream=True, **to)
aborted = [next(endless) for _ in range(5)]
was_running = num_running(url, key)
endless.close()
try:
    litellm.completion(model="openai/nowhere", messages=hello, **to)
    error = ""
except litellm.NotFoundError:
    error = "NotFoundError"
print(
    json.dumps(
        {
            "whole": whole.choices[0].message.content,
            "streamed": "".join(part.choices[0].delta.content or "" for part in parts),
            "called": called.choices[0].message.tool_calls[0].function.arguments,
            "fitted": fitted.choices[0].message.content,
            "vectors": len(vectors.data),
            "messages": by_messages.choices[0].message.content,
            "error": error,
            "models": [name.removeprefix("openai/") for name in models],
            "aborted": len(aborted) == 5 and was_running == 1 and becomes_idle(url, key),
        }
    )
)
