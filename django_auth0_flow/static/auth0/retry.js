// Counts down and opens the address of "Try again", once: a second failure within ten minutes waits for a person. It does
// nothing where that can't be remembered. An answer to a form is not marked for it, so no form is sent twice.
"use strict";

const countdown = document.querySelector("[data-auth0-retry]");
const again = document.querySelector("[data-auth0-again]");

function hasTried(key) {
  try {
    const at = sessionStorage.getItem(key);
    return at !== null && Date.now() - Number(at) < 600000;
  } catch {
    return true;
  }
}

function remember(key) {
  try {
    sessionStorage.setItem(key, String(Date.now()));
  } catch {
    return false;
  }
  return hasTried(key);
}

function begin(key) {
  const timer = countdown.querySelector("[role=timer]");
  const at = Date.now() + 1000 * Number(countdown.dataset.auth0Retry);
  const show = () => {
    const left = Math.max(0, Math.ceil((at - Date.now()) / 1000));
    timer.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (left === 0) {
      clearInterval(ticking);
      countdown.hidden = true;
      if (remember(key)) window.location.replace(again.href);
    }
  };
  const ticking = setInterval(show, 1000);
  countdown.hidden = false;
  show();
}

if (countdown && again) {
  const key = `auth0-retry ${again.href}`;
  if (hasTried(key)) document.querySelector("[data-auth0-tried]").hidden = false;
  else begin(key);
}
