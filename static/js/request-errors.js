// A request of htmx that failed and changed nothing on the page says so in a toast.
const BY_STATUS = {
  403: "You may not do that, or your session has ended. Reload the page to see.",
  404: "It is no longer there. Reload the page.",
  413: "That is more than can be sent at once. Shorten it and try again.",
  429: "Too many requests at once. Wait a moment, then try again.",
};
const OTHERWISE = "Minerva could not do that. Try again; if it fails again, the log says why.";
const NO_ANSWER = "Minerva did not answer. Check that it is running and that you are connected.";

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const saysItself = xhr.getResponseHeader("HX-Trigger")?.includes('"toast"');
  if (!saysItself) say(BY_STATUS[xhr.status] ?? OTHERWISE);
});

document.addEventListener("htmx:sendError", () => say(NO_ANSWER));
document.addEventListener("htmx:timeout", () => say(NO_ANSWER));

function say(text) {
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, kind: "bad" } }));
}
