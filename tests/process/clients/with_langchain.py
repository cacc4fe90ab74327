"""What LangChain has of the API. Run by `test_other_clients`; prints what came as JSON."""

from __future__ import annotations

import json
import sys

import openai
from engine_load import becomes_idle, num_running
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

url, key, weather = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
to = {"base_url": f"{url}/v1", "api_key": key, "max_retries": 0}
plain = ChatOpenAI(model="plain", **to)
calls = ChatOpenAI(model="calls", **to).bind_tools([weather])
schema = {"title": "Weather", **weather["function"]["parameters"]}
fits = ChatOpenAI(model="random", **to).with_structured_output(schema, method="json_schema")
forced = ChatOpenAI(model="random", **to).bind_tools([weather], tool_choice="weather")
embeds = OpenAIEmbeddings(model="embeds", check_embedding_ctx_length=False, **to)
endless = ChatOpenAI(model="endless", **to).stream("Hello")
aborted = [next(endless) for _ in range(5)]
was_running = num_running(url, key)
endless.close()
try:
    ChatOpenAI(model="nowhere", **to).invoke("Hello")
    error = ""
except openai.NotFoundError:
    error = "NotFoundError"
print(
    json.dumps(
        {
            "whole": plain.invoke("Hello").content,
            "streamed": "".join(part.content for part in plain.stream("Hello")),
            "called": json.dumps(calls.invoke("Hello").tool_calls[0]["args"]),
            "forced": json.dumps(forced.invoke("Hello").tool_calls[0]["args"]),
            "fitted": json.dumps(fits.invoke("Hello")),
            "vectors": len(embeds.embed_documents(["x", "y"])),
            "error": error,
            "aborted": len(aborted) == 5 and was_running == 1 and becomes_idle(url, key),
        }
    )
)
