// The choice of theme: kept in the cookie that the server reads, so the first paint is right.
const A_YEAR = 60 * 60 * 24 * 365;

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-theme-choice]");
  if (button) choose(button.dataset.themeChoice);
});

function choose(theme) {
  const secure = location.protocol === "https:" ? "; secure" : "";
  document.cookie = `minerva_theme=${theme}; path=/; max-age=${A_YEAR}; samesite=lax${secure}`;
  document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === theme));
  }
}
