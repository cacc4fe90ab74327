// Dialogs: opening by button, closing by button or by a click beside them, and the question of
// hx-confirm asked in a dialog of ours instead of the browser's box.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-dialog-open]");
  if (opener) document.getElementById(opener.dataset.dialogOpen)?.showModal();
  if (event.target.closest("[data-dialog-close]")) event.target.closest("dialog")?.close();
  if (isBeside(event)) event.target.close();
});

// A form that is also a page comes into the panel, which opens as soon as it is there.
document.addEventListener("htmx:afterSwap", (event) => {
  const panel = document.getElementById("panel");
  if (event.detail.target.id === "panel-body" && !panel.open) panel.showModal();
});

document.addEventListener("panel-close", () => document.getElementById("panel").close());

document.addEventListener("htmx:confirm", (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  ask(event.detail.question, event.detail.elt.dataset).then((agreed) => {
    if (agreed) event.detail.issueRequest(true);
  });
});

// A click on the backdrop arrives at the dialog itself, outside its box.
function isBeside(event) {
  if (!event.target.matches("dialog.dialog[open]")) return false;
  const box = event.target.getBoundingClientRect();
  const inside = event.clientX >= box.left && event.clientX <= box.right
    && event.clientY >= box.top && event.clientY <= box.bottom;
  return !inside && event.detail > 0;
}

function ask(question, { confirmText = "", confirmLabel = "Continue" }) {
  const dialog = document.getElementById("confirm-dialog");
  const text = dialog.querySelector(".dialog-text");
  dialog.querySelector(".dialog-title").textContent = question;
  text.textContent = confirmText;
  text.hidden = !confirmText;
  dialog.querySelector("[value=confirm]").textContent = confirmLabel;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "confirm"), { once: true });
  });
}
