// Shortcuts of every signed-in page. (Ctrl+B is the sidebar's own.)
document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented) return;
  const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey;
  if (isCommand && event.shiftKey && event.key.toLowerCase() === "o") {
    event.preventDefault();
    location.assign("/");
  } else if (event.key === "Escape" && event.shiftKey) {
    event.preventDefault();
    document.getElementById("prompt")?.focus();
  } else if (event.key === "Escape") {
    escape(event);
  }
});

// What is open closes first; then a title goes back to what it was; then the answer stops.
function escape(event) {
  if (document.querySelector(":popover-open, dialog[open], .shell[data-drawer=open]")) return;
  const rename = event.target.closest("form[data-cancel]");
  if (rename) {
    htmx.ajax("GET", rename.dataset.cancel, { target: rename.closest("li"), swap: "outerHTML" });
    return;
  }
  document.querySelector("[data-stop]")?.click();
}
