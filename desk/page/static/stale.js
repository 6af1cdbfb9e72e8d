// A copy of the page says how old it is, and after five minutes that nobody knows how things stand.
"use strict";
(() => {
  const note = document.querySelector("[data-written]");
  const written = Number(note.dataset.written);
  const stale = Number(note.dataset.stale);
  const said = document.getElementById("age");
  const pill = document.getElementById("unknown").content.querySelector(".pill");
  const shape = pill.querySelector("svg");
  let over = false;

  function say(text) {
    if (said.textContent !== text) said.textContent = text;
  }

  function unknown(one) {
    one.className = one.className.replace(/\bs-[a-z]+\b/, "s-unknown");
    if (one.classList.contains("pill")) one.replaceChildren(...pill.cloneNode(true).childNodes);
    if (one.classList.contains("hero")) {
      one.querySelector("svg").replaceWith(shape.cloneNode(true));
      one.querySelector("h1").textContent = "We do not know how things stand right now.";
    }
    const heard = one.tagName === "TD" && one.querySelector(".heard");
    if (heard) {
      heard.textContent = heard.textContent.replace(/:.*/, ": unknown");
      one.title = heard.textContent;
    }
  }

  function look() {
    // A clock that stands before the writing knows no more than one that stands long after it.
    const age = Date.now() - written;
    const minutes = Math.floor(age / 60000);
    if (Math.abs(age) > stale && !over) {
      over = true;
      document.title = "Unknown: this copy is old. " + document.title;
      document.querySelectorAll("[data-now]").forEach(unknown);
      const icon = document.querySelector("link[rel=icon]");
      if (icon) icon.href = note.dataset.icon;
    }
    if (age < 0) say(over ? "By the clock of this device it is not written yet, so nothing here can be believed." : "");
    else say("It is " + minutes + (minutes === 1 ? " minute old" : " minutes old") + (over ? ": too old to say how things stand." : "."));
  }

  look();
  setInterval(look, 5000);
})();
