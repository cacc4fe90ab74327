// The chat page. Every module listens on document, so swapped fragments need no set-up.
import "./announce.js";
import "./composer.js";
import "./copy.js";
import "./current.js";
import "./model.js";
import "./scroll.js";
import "./socket.js";
import "./times.js";
