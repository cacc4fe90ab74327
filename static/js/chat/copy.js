// Copying: a message's Markdown, and a block of code. The clipboard API only exists on https and
// localhost; elsewhere the old command does it.
import { announce } from "./events.js";

const SHOWN_MS = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy-source], .copy-code");
  if (!button) return;
  const isCopied = await copy(button);
  announce(isCopied ? "Copied" : "Copying is not possible here");
  if (isCopied) mark(button);
});

async function copy(button) {
  try {
    const text = textOf(button);
    if (navigator.clipboard && window.ClipboardItem) {
      // A promise, since some browsers only allow what begins within the click itself.
      const item = text.then((it) => new Blob([it], { type: "text/plain" }));
      await navigator.clipboard.write([new ClipboardItem({ "text/plain": item })]);
      return true;
    }
    return copyByCommand(await text);
  } catch {
    return false;
  }
}

async function textOf(button) {
  if (!button.dataset.copySource) return button.closest(".code-block").querySelector("code").textContent;
  const response = await fetch(button.dataset.copySource);
  if (!response.ok) throw new Error(String(response.status));
  return response.text();
}

function copyByCommand(text) {
  const field = document.createElement("textarea");
  const focused = document.activeElement;
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}

function mark(button) {
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, SHOWN_MS);
}
