// Brings the answer in the address's fragment to the server, and takes it out of the address and the history.
"use strict";

const form = document.getElementById("auth0-fragment");
form.elements.response.value = window.location.hash.slice(1);
window.history.replaceState(null, "", window.location.pathname);
form.submit();
