// A button with data-copy="#id" copies the text of that element and shows for a moment that it did.
// Pages over plain http on a LAN have no navigator.clipboard, so there a selection is copied.
const SHOWN_MS = 2000;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.querySelector(button.dataset.copy);
  const copied = await copy(source);
  say(copied ? "Copied" : "Could not copy. Select the text and copy it by hand.");
  if (copied) mark(button);
});

async function copy(source) {
  if (!navigator.clipboard) return copySelection(source);
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    return copySelection(source);
  }
}

function copySelection(source) {
  getSelection().selectAllChildren(source);
  return document.execCommand("copy");
}

function say(text) {
  document.dispatchEvent(new CustomEvent("toast", { detail: { text } }));
}

function mark(button) {
  button.dataset.copied = "";
  setTimeout(() => delete button.dataset.copied, SHOWN_MS);
}
