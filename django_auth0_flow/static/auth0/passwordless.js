// Has the button say what will be sent to the address that is being typed. Without it the button says so for both.
"use strict";

const button = document.querySelector("[data-auth0-by-phone]");

if (button) {
  const field = button.form.elements.address;
  const unfitting = document.querySelectorAll("[data-auth0-email-only]");
  const words = button.textContent;

  const fit = () => {
    const text = field.value.trim().replaceAll("ー", "-"); // as it comes from Japanese keyboards
    const isNumber = text !== "" && !/[\p{L}@]/u.test(text);
    const fitting = isNumber ? button.dataset.auth0ByPhone : button.dataset.auth0ByEmail;
    button.textContent = text === "" ? words : fitting;
    for (const other of unfitting) other.hidden = isNumber;
  };

  field.addEventListener("input", fit);
  window.addEventListener("pageshow", fit);
  fit();
}
