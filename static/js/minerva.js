// The scripts that every page has. Each listens on document, so fragments need no set-up.
import "./theme.js";
import "./local-time.js";
import "./sidebar.js";
import "./menu.js";
import "./dialog.js";
import "./toast.js";
import "./request-errors.js";
import "./slider.js";
import "./copy.js";
import "./visible.js";
