// A slider shows its value in the <output for="its id"> beside it.
document.addEventListener("input", (event) => {
  if (!event.target.matches("input[type=range][id]")) return;
  const output = document.querySelector(`output[for="${CSS.escape(event.target.id)}"]`);
  if (output) output.textContent = Number(event.target.value).toLocaleString("en");
});
