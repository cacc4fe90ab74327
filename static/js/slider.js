// A slider shows its value in the <output for="its id"> beside it, or fills the field that it names.
document.addEventListener("input", (event) => {
  if (!event.target.matches("input[type=range][id]")) return;
  const { id, value, dataset } = event.target;
  const output = document.querySelector(`output[for="${CSS.escape(id)}"]`);
  if (output) output.textContent = Number(value).toLocaleString("en");
  if (dataset.fills) document.getElementById(dataset.fills).value = value;
});

// Typed into the field: the slider follows.
document.addEventListener("input", ({ target }) => {
  const slider = target.id && document.querySelector(`input[type=range][data-fills="${CSS.escape(target.id)}"]`);
  if (slider && target.value) slider.value = target.value;
});
