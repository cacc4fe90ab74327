// Shows the API's own document. Nothing is asked of any other server.
const place = document.querySelector("#api-reference");

window.SwaggerUIBundle({
  url: place.dataset.document,
  domNode: place,
  validatorUrl: null,
  persistAuthorization: false,
  defaultModelsExpandDepth: -1,
  presets: [window.SwaggerUIBundle.presets.apis],
});
