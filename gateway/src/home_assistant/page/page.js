
"use strict";
// Reloading the page that shows a password asks for the page, and not for another password.
const made = document.querySelector("[data-path]");
if (made) history.replaceState(null, "", made.dataset.path);
const live = document.getElementById("live");
if (live && window.EventSource) {
  document.getElementById("itself").hidden = false;
  document.getElementById("again").hidden = true;
  const source = new EventSource(live.dataset.source);
  let shown = live.innerHTML;
  source.onmessage = (said) => { live.innerHTML = shown = said.data; };
  source.onerror = () => {
    const lost = document.createElement("p");
    lost.className = "notice";
    lost.textContent = live.dataset.lost;
    live.innerHTML = shown;
    live.prepend(lost);
    // Refused, and not just cut off: it does not come back by itself.
    if (source.readyState === EventSource.CLOSED) document.getElementById("again").hidden = false;
  };
}
