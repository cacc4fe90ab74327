// Toasts: an event `toast` with {text, undo_url?, kind?}, from an HX-Trigger header or a script.
// A toast leaves after a while; not while it is pointed at, focused, or the tab is hidden.
const SECONDS = 6;
const SECONDS_WITH_UNDO = 10;
const AT_ONCE = 3;
const region = document.getElementById("toasts");
const template = document.getElementById("toast-template");

document.addEventListener("toast", (event) => show(event.detail));

region.addEventListener("click", (event) => {
  const toast = event.target.closest("[data-toast]");
  if (event.target.closest(".toast-close")) dismiss(toast);
});

region.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) dismiss(event.target.closest("[data-toast]"));
});

for (const toast of region.querySelectorAll("[data-toast]")) leaveLater(toast, SECONDS);

function show({ text, undo_url: undoUrl, kind = "info" }) {
  const toast = template.content.firstElementChild.cloneNode(true);
  toast.dataset.kind = kind;
  toast.querySelector(".toast-text").textContent = text;
  if (undoUrl) offerUndo(toast.querySelector(".toast-undo"), undoUrl);
  region.append(toast);
  for (const old of [...region.children].slice(0, -AT_ONCE)) dismiss(old);
  leaveLater(toast, undoUrl ? SECONDS_WITH_UNDO : SECONDS);
}

function offerUndo(button, url) {
  button.hidden = false;
  button.setAttribute("hx-post", url);
  htmx.process(button);
}

function leaveLater(toast, seconds) {
  let left = seconds;
  const clock = setInterval(() => {
    if (document.hidden || toast.matches(":hover, :focus-within")) return;
    left -= 1;
    if (left <= 0) dismiss(toast);
    if (left <= 0 || !toast.isConnected) clearInterval(clock);
  }, 1000);
}

function dismiss(toast) {
  if (!toast || "leaving" in toast.dataset) return;
  toast.dataset.leaving = "";
  Promise.all(toast.getAnimations().map((motion) => motion.finished))
    .catch(() => {})
    .then(() => toast.remove());
}
