// Shows the API's own document. Nothing is asked of any other server.
const place = document.querySelector("#api-reference");
const page = document.documentElement;
const darkDevice = matchMedia("(prefers-color-scheme: dark)");

// Swagger UI has a dark theme, which goes by a class of <html>.
function followTheme() {
  const isDark = page.dataset.theme === "dark" || (page.dataset.theme !== "light" && darkDevice.matches);
  page.classList.toggle("dark-mode", isDark);
}

new MutationObserver(followTheme).observe(page, { attributeFilter: ["data-theme"] });
darkDevice.addEventListener("change", followTheme);
followTheme();

window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  validatorUrl: null,
  persistAuthorization: false,
  defaultModelsExpandDepth: -1,
  presets: [window.SwaggerUIBundle.presets.apis],
});
