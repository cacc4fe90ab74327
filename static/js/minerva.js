// The scripts that every page has. Each listens on document, so fragments need no set-up.
import "./theme.js";
