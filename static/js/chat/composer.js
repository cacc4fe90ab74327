// The composer: keys, drafts, and a message that comes back when it could not be sent.
import { ANSWER_STATE, PAGE_CHANGED, RUNNING, SENT, announce, composer, tell } from "./events.js";

const DRAFT_KEY = "minerva-draft-";
// Of a draft: the text that the server had when it was written.
const BASE = "-of";
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
  pending = { text, field: composer() };
  event.detail.parameters.client_id = id;
});

document.addEventListener("htmx:beforeSend", (event) => {
  if (event.target.id !== "composer") return;
  keepDraft(composer());
  setText("");
});

document.addEventListener("htmx:afterRequest", (event) => {
  // The form itself may be gone: the first message swaps in the page of the new chat.
  if (event.detail.requestConfig?.elt.id !== "composer" || !pending) return;
  const sent = pending;
  pending = null;
  // To htmx a refusal is a success too, as its sentence is swapped in.
  const isTaken = event.detail.successful && event.detail.xhr.status !== 422;
  if (isTaken) taken(sent, event.detail.xhr);
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

function taken({ text, field }, xhr) {
  lastSent = null;
  field.defaultValue = ""; // the server has no draft any more
  // Another text was typed in the meantime, here or in another tab.
  if (remembered(field.dataset.draft) === text) forget(field.dataset.draft);
  if (field.value && hasBegun(composer(), xhr)) takeAlong(field);
  const notice = document.getElementById("composer-notice");
  notice?.replaceChildren();
  announce("Message sent");
  tell(SENT);
  composer()?.focus();
}

// The first message brings the page of its chat, unless its person has gone to another one.
function hasBegun(field, xhr) {
  return field && xhr.getResponseHeader("HX-Push-Url")?.includes(field.dataset.draft);
}

// What was typed while the first message was on its way. `ready` may have been there, or is still to come.
function takeAlong({ value, dataset }) {
  if (remembered(dataset.draft) === value) forget(dataset.draft);
  setText(value);
  keepDraft(composer());
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
  if (!response.ok) return;
  const text = await response.text();
  const typed = composer().value;
  composer().defaultValue = text;
  if (text && !typed.includes(text)) fill(typed.trim() ? `${text}\n\n${typed}` : text);
}

function ready() {
  const field = composer();
  if (!field || "ready" in field.dataset) return;
  field.dataset.ready = "";
  refusedShown = document.querySelector("[data-refused]");
  // A chat that began with its settings took along what was typed before it.
  if (field.value && field.value === remembered("new")) forget("new");
  setText(firstText(field));
}

// What this browser keeps is newer than the server's text that it was made from. Another text of the
// server's was refused elsewhere, and stays too.
function firstText({ defaultValue, dataset }) {
  const draft = remembered(dataset.draft) ?? "";
  if (draft && remembered(dataset.draft + BASE) === defaultValue) return draft;
  if (draft.includes(defaultValue)) return draft;
  return defaultValue.includes(draft) ? defaultValue : `${defaultValue}\n\n${draft}`;
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
  const { value, defaultValue, dataset } = field;
  if (!value) return forget(dataset.draft);
  storage((store) => {
    store.setItem(DRAFT_KEY + dataset.draft + BASE, defaultValue);
    store.setItem(DRAFT_KEY + dataset.draft, value);
  });
}

function forget(draft) {
  storage((store) => {
    store.removeItem(DRAFT_KEY + draft);
    store.removeItem(DRAFT_KEY + draft + BASE);
  });
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
