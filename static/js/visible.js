// What asks again and again does so only while somebody can see it, and at once when that is so again.
const ASKS = "[data-while-visible]";

document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches(ASKS)) event.preventDefault();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const one of document.querySelectorAll(ASKS)) one.dispatchEvent(new Event("seen"));
});

// A morph takes over what the server says of an element, and whether a person has opened it is not that.
document.addEventListener("DOMContentLoaded", () => {
  if (!window.Idiomorph) return;
  window.Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    !(name === "open" && element instanceof HTMLDetailsElement);
});
