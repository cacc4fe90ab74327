// What the chat's modules tell each other, and what several of them need to know.
export const PAGE_CHANGED = "chat:page-changed";
export const ANSWER_STATE = "chat:answer-state";
export const SENT = "chat:sent";

export const RUNNING = new Set(["queued", "loading", "prefill", "streaming"]);

export function tell(name, detail) {
  document.dispatchEvent(new CustomEvent(name, { detail }));
}

export function announce(text) {
  const region = document.getElementById("announcer");
  if (region) region.textContent = text;
}

export function composer() {
  return document.getElementById("prompt");
}
