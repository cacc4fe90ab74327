// Marks the link of the page that is shown, when htmx has changed the address without a new page.
for (const change of ["htmx:pushedIntoHistory", "htmx:afterSettle"]) {
  document.addEventListener(change, mark);
}

function mark() {
  for (const link of document.querySelectorAll(".sidebar a.sidebar-link")) {
    if (link.pathname === location.pathname) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
