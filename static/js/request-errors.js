// A request of htmx that failed and changed nothing on the page says so in a toast; one that is made
// again and again says so once, until it succeeds.
const BY_STATUS = {
  403: "You may not do that, or your session has ended. Reload the page to see.",
  404: "It is no longer there. Reload the page.",
  413: "That is more than can be sent at once. Shorten it and try again.",
  429: "Too many requests at once. Wait a moment, then try again.",
};
const OTHERWISE = "Minerva could not do that. Try again; if it fails again, the log says why.";
const NO_ANSWER = "Minerva did not answer. Check that it is running and that you are connected.";

let hasComplained = false;

document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) hasComplained = false;
});

document.addEventListener("htmx:responseError", (event) => {
  const { xhr } = event.detail;
  const saysItself = xhr.getResponseHeader("HX-Trigger")?.includes('"toast"');
  if (!saysItself) say(event, BY_STATUS[xhr.status] ?? OTHERWISE);
});

document.addEventListener("htmx:sendError", (event) => say(event, NO_ANSWER));
document.addEventListener("htmx:timeout", (event) => say(event, NO_ANSWER));

function say(event, text) {
  const isRepeated = event.target.matches?.("[data-while-visible]");
  if (isRepeated && hasComplained) return;
  hasComplained ||= isRepeated;
  document.dispatchEvent(new CustomEvent("toast", { detail: { text, kind: "bad" } }));
}
