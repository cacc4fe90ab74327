// The sidebar: beside the page on wide windows (kept in a cookie), a drawer over it on phones.
// An open drawer makes the page behind it inert, which is what keeps the focus inside.
const A_YEAR = 60 * 60 * 24 * 365;
const SWIPE = 60;
const phone = matchMedia("(width < 48rem)");
const shell = document.querySelector(".shell");

if (shell) {
  const sidebar = shell.querySelector(".sidebar");
  const page = shell.querySelector(".shell-page");
  const behind = [page, ...document.querySelectorAll(".skip-link")];
  let opener = null;
  let touchStart = null;

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-sidebar-toggle]")) toggle(event.target);
    else if (event.target.closest("[data-sidebar-close], .sidebar a[href]")) closeDrawer();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !document.querySelector(":popover-open, dialog[open]")) {
      closeDrawer();
    } else if (isShortcut(event)) {
      event.preventDefault();
      toggle(document.activeElement);
    }
  });

  sidebar.addEventListener("touchstart", (event) => {
    touchStart = event.touches[0];
  }, { passive: true });

  sidebar.addEventListener("touchend", (event) => {
    const touch = event.changedTouches[0];
    const across = touchStart.clientX - touch.clientX;
    if (across > SWIPE && across > 2 * Math.abs(touchStart.clientY - touch.clientY)) closeDrawer();
  }, { passive: true });

  phone.addEventListener("change", closeDrawer);
  showState();

  function isShortcut(event) {
    return (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key === "b";
  }

  function isShown() {
    if (phone.matches) return shell.dataset.drawer === "open";
    return shell.dataset.sidebar !== "closed";
  }

  function toggle(from) {
    if (!phone.matches) {
      remember(isShown() ? "closed" : "open");
      (isShown() ? sidebar : page).querySelector("[data-sidebar-toggle]").focus();
    } else if (isShown()) {
      closeDrawer();
    } else {
      openDrawer(from);
    }
  }

  function remember(state) {
    shell.dataset.sidebar = state;
    document.cookie = `minerva_sidebar=${state}; path=/; max-age=${A_YEAR}; samesite=lax`;
    showState();
  }

  function openDrawer(from) {
    opener = from.closest("button");
    shell.dataset.drawer = "open";
    for (const part of behind) part.inert = true;
    showState();
    sidebar.querySelector("[data-sidebar-toggle]").focus();
  }

  function closeDrawer() {
    if (shell.dataset.drawer !== "open") return;
    delete shell.dataset.drawer;
    for (const part of behind) part.inert = false;
    showState();
    opener?.focus();
  }

  function showState() {
    for (const button of shell.querySelectorAll("[data-sidebar-toggle]")) {
      button.setAttribute("aria-expanded", String(isShown()));
    }
  }
}
