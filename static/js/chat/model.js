// The picker on a new chat: the choice goes along with the first message. (In a chat that exists
// the menu's items post it.)
document.addEventListener("click", (event) => {
  const item = event.target.closest("[data-choose-model]");
  const field = document.querySelector("[data-model-field]");
  if (!item || !field) return;
  field.value = item.dataset.model;
  for (const other of item.parentElement.querySelectorAll("[role=menuitemradio]")) {
    other.setAttribute("aria-checked", String(other === item));
  }
  htmx.ajax("GET", item.dataset.chooseModel, { target: "#model-label", swap: "outerHTML" });
});
