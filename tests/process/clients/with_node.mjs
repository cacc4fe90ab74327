// What OpenAI's package for Node has of the API. Run by `test_other_clients`; prints what came as JSON.
import { createRequire } from "node:module";

const [, , url, key, tool, packages] = process.argv;
const OpenAI = createRequire(`${packages}/`)("openai");
const weather = JSON.parse(tool);
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const messages = [{ role: "user", content: "Hello" }];

const models = [];
for await (const model of client.models.list()) models.push(model.id);
const whole = await client.chat.completions.create({ model: "plain", messages });
let streamed = "";
for await (const part of await client.chat.completions.create({ model: "plain", messages, stream: true })) {
  streamed += part.choices[0]?.delta?.content ?? "";
}
const called = await client.chat.completions.create({ model: "calls", messages, tools: [weather] });
const fitted = await client.chat.completions.create({
  model: "random",
  messages,
  response_format: { type: "json_schema", json_schema: { name: "x", schema: weather.function.parameters } },
});
const vectors = await client.embeddings.create({ model: "embeds", input: ["x", "y"] });
const response = await client.responses.create({ model: "plain", input: "Hello" });
let error = "";
try {
  await client.chat.completions.create({ model: "nowhere", messages });
} catch (refused) {
  error = refused.constructor.name;
}
async function running() {
  const stats = await (await fetch(`${url}/v1/stats`, { headers: { Authorization: `Bearer ${key}` } })).json();
  return stats.models.reduce((sum, model) => sum + model.running, 0);
}

async function becomesIdle() {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) if ((await running()) === 0) return true;
  return false;
}

const endless = await client.chat.completions.create({ model: "endless", messages, stream: true });
let parts = 0;
let wasRunning = 0;
for await (const part of endless) {
  if (++parts === 5) {
    wasRunning = await running();
    endless.controller.abort();
  }
}
const aborted = wasRunning === 1 && (await becomesIdle());
console.log(
  JSON.stringify({
    models,
    whole: whole.choices[0].message.content,
    streamed,
    called: called.choices[0].message.tool_calls[0].function.arguments,
    fitted: fitted.choices[0].message.content,
    vectors: vectors.data.length,
    response: response.output_text,
    error,
    aborted,
  }),
);
