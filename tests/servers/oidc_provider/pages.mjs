// The few pages a person or a script meets: log in, log out, logged out.

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

function escape(text) {
  return String(text ?? '').replace(/[&<>"']/g, (character) => ENTITIES[character]);
}

function page(title, body) {
  return `<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title></head>
<body><h1>${escape(title)}</h1>${body}</body></html>`;
}

export function sendPage(ctx, title, paragraphs) {
  ctx.type = 'html';
  ctx.body = page(title, paragraphs.filter(Boolean).map((text) => `<p>${escape(text)}</p>`).join(''));
}

export function loginPage(interaction) {
  const { client_id: clientId, login_hint: hint } = interaction.params;
  return page('Log in', `<p>to ${escape(clientId)}</p>
<form method="post" action="/interaction/${escape(interaction.uid)}">
<label>User name <input name="username" value="${escape(hint)}" autofocus></label>
<button name="action" value="login">Continue</button>
<button name="action" value="deny">Deny</button>
</form>`);
}

// Auth0 logs out without a question, so the form sends itself; without scripts there is the button.
export function logoutPage(ctx, form) {
  ctx.body = page('Log out', `${form}
<button form="op.logoutForm" name="logout" value="yes" autofocus>Log out</button>
<script>document.querySelector('button').click()</script>`);
}

export function loggedOutPage(ctx) {
  ctx.body = page('Logged out', '');
}
