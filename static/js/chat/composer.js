// The composer: keys, drafts, and a message that comes back when it could not be sent.
import { ANSWER_STATE, PAGE_CHANGED, RUNNING, SENT, announce, composer, tell } from "./events.js";

const DRAFT_KEY = "minerva-draft-";
const NOT_SENT = "The message was not sent. Check the connection and send it again.";
const isTouch = matchMedia("(pointer: coarse)");

let pending = null;
let lastSent = null;
let refusedShown = null;

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "prompt") return;
  if (event.key !== "Enter" || event.isComposing || event.keyCode === 229) return;
  const isPlain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
  const isForced = (event.ctrlKey || event.metaKey) && !event.shiftKey;
  if (!(isForced || (isPlain && !isTouch.matches))) return;
  event.preventDefault();
  submit(event.target);
});

document.addEventListener("input", (event) => {
  if (event.target.id !== "prompt") return;
  keepDraft(event.target);
  update(event.target);
});

document.addEventListener("click", (event) => {
  const suggestion = event.target.closest("[data-suggestion]");
  if (suggestion) fill(suggestion.dataset.suggestion);
});

document.addEventListener("htmx:configRequest", (event) => {
  if (event.target.id !== "composer") return;
  const text = composer().value;
  if (!text.trim()) {
    event.preventDefault();
    return;
  }
  // The same text sent again is the same message, so that it can't be stored twice.
  const id = lastSent?.text === text ? lastSent.id : newId();
  lastSent = { text, id };
  pending = { text, draft: composer().dataset.draft };
  event.detail.parameters.client_id = id;
});

document.addEventListener("htmx:beforeSend", (event) => {
  if (event.target.id === "composer") setText("");
});

document.addEventListener("htmx:afterRequest", (event) => {
  // The form itself may be gone: the first message swaps in the page of the new chat.
  if (event.detail.requestConfig?.elt.id !== "composer" || !pending) return;
  const sent = pending;
  pending = null;
  if (event.detail.successful) taken(sent);
  else comeBack(sent, event.detail.xhr);
});

document.addEventListener("htmx:load", ready);
document.addEventListener(PAGE_CHANGED, () => {
  restoreRefused();
  if (composer()) update(composer());
});
document.addEventListener(ANSWER_STATE, (event) => {
  if (!RUNNING.has(event.detail.state) && isNothingFocused()) composer()?.focus();
});
ready();

function submit(field) {
  if (field.value.trim() && !document.querySelector("[data-stop]")) field.form.requestSubmit();
}

function taken({ draft }) {
  lastSent = null;
  forget(draft);
  const notice = document.getElementById("composer-notice");
  notice?.replaceChildren();
  announce("Message sent");
  tell(SENT);
  composer()?.focus();
}

// What was typed in the meantime stays behind what comes back.
function comeBack({ text }, xhr) {
  const typed = composer()?.value ?? "";
  setText(typed.trim() ? `${text}\n\n${typed}` : text);
  if (composer()) keepDraft(composer());
  if (xhr.status !== 422) showNotice(NOT_SENT);
  composer()?.focus();
}

function showNotice(text) {
  const notice = document.createElement("div");
  notice.className = "notice notice-bad";
  notice.textContent = text;
  document.getElementById("composer-notice")?.replaceChildren(notice);
}

// A prompt that the model could not take: the server kept its text and says where it is.
async function restoreRefused() {
  const notice = document.querySelector("[data-refused]");
  if (!notice || notice === refusedShown) return;
  refusedShown = notice;
  const response = await fetch(notice.dataset.refused);
  const text = response.ok ? await response.text() : "";
  const typed = composer().value;
  if (text && !typed.includes(text)) fill(typed.trim() ? `${text}\n\n${typed}` : text);
}

function ready() {
  const field = composer();
  if (!field || "ready" in field.dataset) return;
  field.dataset.ready = "";
  refusedShown = document.querySelector("[data-refused]");
  // A chat that began with its settings took along what was typed before it.
  if (field.value && field.value === remembered("new")) forget("new");
  const draft = remembered(field.dataset.draft);
  if (draft && !field.value) field.value = draft;
  update(field);
}

function update(field) {
  const send = document.querySelector("[data-send]");
  if (send) send.disabled = !field.value.trim();
  if (CSS.supports("field-sizing", "content")) return;
  const lines = field.value.split("\n").length;
  field.rows = Math.min(10, Math.max(1, lines, Math.ceil(field.value.length / 80)));
}

function fill(text) {
  setText(text);
  keepDraft(composer());
  composer().focus();
}

function setText(text) {
  const field = composer();
  if (!field) return;
  field.value = text;
  update(field);
}

function isNothingFocused() {
  return !document.activeElement || document.activeElement === document.body;
}

function keepDraft(field) {
  if (field.value) storage((store) => store.setItem(DRAFT_KEY + field.dataset.draft, field.value));
  else forget(field.dataset.draft);
}

function forget(draft) {
  storage((store) => store.removeItem(DRAFT_KEY + draft));
}

function remembered(draft) {
  return storage((store) => store.getItem(DRAFT_KEY + draft));
}

// Private windows and full disks refuse storage; a draft is a comfort, not a promise.
function storage(use) {
  try {
    return use(localStorage);
  } catch {
    return null;
  }
}

// crypto.randomUUID exists on https and localhost only.
function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, "$1-$2-$3-$4-$5");
}
