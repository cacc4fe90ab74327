// Keeps each answer's article true to its status line, and says the few things that are worth
// saying aloud: that an answer began, that it still goes on, and how it ended.
import { ANSWER_STATE, PAGE_CHANGED, RUNNING, announce, tell } from "./events.js";

const STILL_SECONDS = 7;
const ENDINGS = {
  done: "Response complete",
  stopped: "Stopped",
  interrupted: "The response was interrupted",
  failed: "The response failed",
};
let saidAt = 0;

document.addEventListener(PAGE_CHANGED, () => {
  for (const article of document.querySelectorAll("article[aria-busy=true]")) follow(article);
});

function follow(article) {
  const state = document.getElementById(`${article.id}-status`)?.dataset.state;
  if (!state) return;
  if (!article.dataset.announced) begin(article);
  if (state === article.dataset.state) {
    if (performance.now() - saidAt > STILL_SECONDS * 1000) say("Still generating");
    return;
  }
  article.dataset.state = state;
  if (!RUNNING.has(state)) end(article, state);
  tell(ANSWER_STATE, { article, state });
  htmx.trigger(document.body, "model-changed");
}

function begin(article) {
  article.dataset.announced = "";
  say("Generating response");
}

function end(article, state) {
  article.removeAttribute("aria-busy");
  delete article.dataset.announced;
  say(ENDINGS[state] ?? "");
}

function say(text) {
  saidAt = performance.now();
  announce(text);
}
