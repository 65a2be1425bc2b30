"""The walk's second half: each other kind of login, checked by what went over the wire and by the page it ends on."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from site_config import clock

from .people import NEWCOMER, NURSE, PATIENT, TOKEN_LIFETIME
from .walk import StepFailed, Walk
from .ways import BILLING, invitation_link
from .wire import Hop

if TYPE_CHECKING:
    from django_auth0_flow.testing.tenant import LoggedRequest

PROFILE = "/profile/"
VISITOR = "visitor@example.com"
#: Logins that follow each other faster would look like a loop, which the site stops.
PAUSE = 60
_GRANT = "http://auth0.com/oauth/grant-type/"
_SECOND_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


class WaysWalk(Walk):
    """``Walk`` and then, with the same browser, the cards of the page "Ways to log in"."""

    def steps(self) -> list[Callable[[], None]]:
        return [
            *super().steps(),
            self.join_an_organization,
            self.be_known_already,
            self.bring_a_second_factor,
            self.be_answered_by_post,
            self.bring_an_id_token,
            self.add_an_access_token,
            self.bring_tokens_in_the_fragment,
            self.bring_code_and_id_token,
            self.read_a_code,
            self.type_a_password,
            self.set_up_a_second_factor,
            self.sign_push_and_bind,
            self.call_another_api,
            self.fetch_a_foreign_token,
        ]

    # -- on the tenant's page ------------------------------------------------------------------------------------------

    def join_an_organization(self) -> None:
        with self.step("An organization: its invitation link lands on the site's login") as done:
            organization = next(iter(self.stage.tenant.organizations))
            link = urlsplit(invitation_link(self.stage.tenant))
            self.start(link.path, **dict(parse_qsl(link.query)))
            password = next(user.password for user in self.stage.tenant.users.values() if user.email == PATIENT)
            self.browser.submit(self.form(with_field="password"), username=PATIENT, password=password or "")
            self.browser.follow()
            self.expect("organization asked for", organization, self.asked().get("organization"))
            self.expect(
                "invitations accepted", [True], [each.accepted for each in self.stage.tenant.invitations.values()]
            )
            self.expect("address", PROFILE, self.path())
            self.expect("organization on the page", organization, self.shown("organization-id"))
            done("asked for with the invitation, named in the ID token, kept on the login")

    def be_known_already(self) -> None:
        with self.step("A silent login: a visitor without a login here, with one at the tenant") as done:
            self.browser.forget("clinic_session")
            pages = self.seen("/u/login")
            self.open("/ways/silent/")
            self.browser.follow()
            self.expect("prompt", "none", self.asked().get("prompt"))
            self.expect("address", "/ways/silent/", self.path())
            self.expect("name on the page", "Ada Lovelace", self.shown("known-as"))
            self.expect("login pages shown", 0, self.seen("/u/login") - pages)
            done("prompt=none; adopted without a page")

    def bring_a_second_factor(self) -> None:
        with self.step("Step-up: the test results want a second factor") as done:
            clock.put_forward(PAUSE)
            self.open("/results/")
            self.browser.follow()
            self.browser.submit(self.form(with_field="code"), code="123456")
            self.browser.follow()
            self.expect("acr_values", _SECOND_FACTOR, self.asked().get("acr_values"))
            self.expect("address", "/results/", self.path())
            self.expect("status", 200, self.browser.answer.status_code)
            self.open("/results/")
            self.expect("status once more", 200, self.browser.answer.status_code)
            done("asked for, proved at the tenant, checked in the new ID token; back at the page, which asks no more")

    def be_answered_by_post(self) -> None:
        with self.step("form_post: the answer comes in the body of a POST") as done:
            exchanges = self.token_calls("authorization_code")
            self.log_in_by_post("form-post", ["code", "state"])
            self.expect("response_mode", "form_post", self.asked().get("response_mode"))
            self.expect("code exchanges", 1, self.token_calls("authorization_code") - exchanges)
            self.expect("addresses with a code", 0, sum("code" in hop.parameters for hop in self.hops_to("site")))
            done("code and state posted, in no address; 1 token request")

    def bring_an_id_token(self) -> None:
        with self.step("id_token: no client secret, no call to the tenant") as done:
            calls = self.token_calls()
            self.log_in_by_post("id-token", ["id_token", "state"])
            self.expect("response_type", "id_token", self.asked().get("response_type"))
            self.expect("token requests", 0, self.token_calls() - calls)
            self.expect("access token", "", self.shown("token-type"))
            done("the ID token was posted and checked; no token request, no access token")

    def add_an_access_token(self) -> None:
        with self.step("token: a page adds an access token to a login by id_token") as done:
            calls, looks = self.token_calls(), self.seen("/userinfo")
            self.start("/ways/id-token/login/", next_url="/ways/access-token/")
            self.post_answer("id-token", ["id_token", "state"])
            self.expect("response_type", "token", self.asked().get("response_type"))
            self.post_answer("id-token", ["access_token", "expires_in", "state", "token_type"])
            self.expect("address", "/ways/access-token/", self.path())
            self.expect("looks at /userinfo", 1, self.seen("/userinfo") - looks)
            self.expect("token requests", 0, self.token_calls() - calls)
            self.open(PROFILE)
            self.expect("configuration on the page", "id-token", self.shown("configuration"))
            self.expect("access token", "Bearer", self.shown("token-type"))
            done("posted without an ID token; kept with the login once /userinfo had said that it is the same user's")

    def bring_tokens_in_the_fragment(self) -> None:
        with self.step("id_token token: both behind the #, brought here by a page with a script") as done:
            calls = self.token_calls()
            self.start("/ways/implicit/login/", next_url="/appointments/")
            self.expect("response_type", "id_token token", self.asked().get("response_type"))
            answer = urlsplit(self.browser.next_url())
            self.expect("address", "/ways/implicit/callback/", answer.path)
            self.expect("query of the answer", "", answer.query)
            self.expect(
                "tokens behind the #", True, {"id_token", "access_token"} <= dict(parse_qsl(answer.fragment)).keys()
            )
            self.browser.open(answer._replace(fragment="").geturl())
            self.expect("the page's script", True, "/auth0/fragment.js" in self.browser.answer.text)
            # What the script does.
            self.browser.submit(self.form(with_field="response"), response=answer.fragment)
            self.expect("status", 302, self.browser.answer.status_code)
            self.browser.follow()
            self.expect("address", "/appointments/", self.path())
            self.expect("appointments on the page", 3, self.appointments())
            self.expect("token requests", 0, self.token_calls() - calls)
            sent = {name for hop in self.hops_to("site") for name in hop.parameters}
            self.expect(
                "tokens in addresses that reached the site", set(), sent & {"id_token", "access_token", "response"}
            )
            done("no server saw them in an address; at_hash ties the two together; the API took the access token")

    def bring_code_and_id_token(self) -> None:
        with self.step("Hybrid: code and ID token together") as done:
            exchanges = self.token_calls("authorization_code")
            self.log_in_by_post("hybrid", ["code", "id_token", "state"])
            self.expect("response_type", "code id_token", self.asked().get("response_type"))
            self.expect("code exchanges", 1, self.token_calls("authorization_code") - exchanges)
            self.expect("access token", "Bearer", self.shown("token-type"))
            done("both posted; the code is the one that the ID token vouches for; 1 token request")

    def sign_push_and_bind(self) -> None:
        with self.step("PAR, JAR, private_key_jwt and DPoP: a login, an API call, a refresh") as done:
            self.start("/ways/strong/login/", next_url="/appointments/")
            self.browser.follow()
            self.expect("parameters of /authorize", ["client_id", "request_uri"], sorted(self.asked()))
            self.expect("a signed request was pushed", True, "request" in form_of(self.last("/oauth/par")))
            self.expect("address", "/appointments/", self.path())
            self.expect_own_proof(self.last("/oauth/token"))
            self.expect("appointments on the page", 3, self.appointments())
            refreshes = self.token_calls("refresh_token")
            clock.put_forward(TOKEN_LIFETIME + 1)
            self.open("/appointments/")
            self.expect("appointments on the page", 3, self.appointments())
            self.expect("refreshes", 1, self.token_calls("refresh_token") - refreshes)
            self.expect_own_proof(self.last("/oauth/token"))
            self.expect(
                "API calls with a proof", ["DPoP"] * 2, [hop.scheme for hop in self.hops_to("api") if hop.proof]
            )
            done("the browser saw a reference only; no client secret; each token request and API call has its proof")

    # -- on pages of this site -----------------------------------------------------------------------------------------

    def read_a_code(self) -> None:
        with self.step(f"Passwordless: {VISITOR} gets a code by e-mail") as done:
            self.open(f"/ways/direct/passwordless/?{urlencode({'next': PROFILE})}")
            self.browser.submit(self.form(with_field="address"), address=VISITOR, kind="email-code")
            self.browser.follow()
            self.browser.submit(self.form(with_field="code"), code=self.message_to(VISITOR))
            self.browser.follow()
            self.expect("address", PROFILE, self.path())
            self.expect("configuration on the page", "direct", self.shown("configuration"))
            self.expect("OTP grants", 1, self.token_calls(f"{_GRANT}passwordless/otp"))
            done("1 message, 1 token request with the code; the browser never left the site")

    def type_a_password(self) -> None:
        with self.step(f"Password and MFA: {NURSE} logs in on a page of the site") as done:
            self.send_password(NURSE)
            pages = [self.browser.answer.text]
            self.browser.submit(self.form(with_field="factor"), factor="0")
            pages.append(self.browser.follow().text)
            self.browser.submit(self.form(with_field="code"), code=self.message_to(NURSE))
            self.browser.follow()
            self.expect("address", PROFILE, self.path())
            self.expect("password grants", 1, self.token_calls(f"{_GRANT}password-realm"))
            self.expect("MFA grants", 1, self.token_calls(f"{_GRANT}mfa-oob"))
            mfa_token = form_of(self.last("/mfa/challenge"))["mfa_token"]
            self.expect("pages with the mfa_token", 0, sum(mfa_token in page for page in pages))
            done("mfa_required, a challenge by e-mail, then the tokens; the mfa_token stayed on the server")

    def set_up_a_second_factor(self) -> None:
        from django_auth0_flow.testing.tenant.factors import totp

        with self.step(f"First enrolment: {NEWCOMER} has no second factor yet, and sets one up") as done:
            self.send_password(NEWCOMER)
            self.expect("address", "/ways/direct/mfa/enrol/", self.path())
            self.browser.submit(self.form(with_field="kind"), kind="otp")
            key = re.search(r'class="auth0-secret"><code[^>]*>([A-Z2-7 ]+)<', self.browser.follow().text)
            self.expect("a key for her authenticator app", True, key is not None)
            code = totp(key[1].replace(" ", "") if key else "", clock.now())
            self.browser.submit(self.form(with_field="code"), code=code)
            self.browser.follow()
            self.expect("address", "/ways/direct/mfa/recovery-codes/", self.path())
            user = next(user for user in self.stage.tenant.users.values() if user.email == NEWCOMER)
            factors = {factor.kind: factor.secret for factor in user.authenticators}
            self.expect("factors enrolled", ["otp", "recovery-code"], list(factors))
            self.expect("recovery code on the page", True, factors["recovery-code"] in self.browser.answer.text)
            page = self.browser.answer.url
            self.browser.submit(self.form(to_itself=True))
            self.browser.follow()
            self.expect("address", PROFILE, self.path())
            self.browser.open(page)
            self.expect("recovery code once more", False, factors["recovery-code"] in self.browser.answer.text)
            self.expect("MFA grants", 1, self.token_calls(f"{_GRANT}mfa-otp"))
            done("the first code confirmed the enrolment; the recovery code was shown until she had written it down")

    # -- more from one login -------------------------------------------------------------------------------------------

    def call_another_api(self) -> None:
        with self.step("A second API from the same login") as done:
            logins, refreshes = self.seen("/authorize"), self.token_calls("refresh_token")
            for _ in range(2):
                self.open("/ways/invoices/")
                self.expect("status", 200, self.browser.answer.status_code)
                self.expect("audience on the page", BILLING, self.shown("audience"))
            self.expect("logins", 0, self.seen("/authorize") - logins)
            self.expect("token requests for it", 1, self.token_calls("refresh_token") - refreshes)
            self.expect("audience asked for", [BILLING], self.last("/oauth/token").form.get("audience"))
            done("1 token request by refresh token, for 2 calls; no login")

    def fetch_a_foreign_token(self) -> None:
        with self.step("Token Vault: the user's token at another provider") as done:
            self.start("/ways/vault/login/", next_url="/ways/calendar/")
            self.browser.follow()
            self.expect("address", "/ways/calendar/", self.path())
            self.expect("provider on the page", "google-oauth2", self.shown("connection"))
            done("exchanged for the refresh token; it stays on the server")

    # -- tools ---------------------------------------------------------------------------------------------------------

    def start(self, login: str, *, next_url: str = PROFILE, **parameters: str) -> None:
        """Begin a login, a little later than the one before, and go on to what the tenant answers first."""
        clock.put_forward(PAUSE)
        self.open(f"{login}?{urlencode({'next': next_url, **parameters})}")
        self.expect("status", 302, self.browser.answer.status_code)
        self.browser.follow(until=f"{self.stage.url}/")

    def send_password(self, username: str) -> None:
        """Send a password on the site's own page; the tenant wants a second factor, too."""
        self.open(f"/ways/direct/password/?{urlencode({'next': PROFILE})}")
        password = next(user.password for user in self.stage.tenant.users.values() if user.email == username)
        self.browser.submit(self.form(with_field="password"), username=username, password=password or "")
        self.browser.follow()
        self.expect("status of the password grant", 403, self.last("/oauth/token").status)

    def log_in_by_post(self, configuration: str, fields: Iterable[str]) -> None:
        """Log in with a configuration whose answer is a form that the tenant's page posts; the tenant knows her."""
        self.start(f"/ways/{configuration}/login/")
        self.post_answer(configuration, fields)
        self.expect("address", PROFILE, self.path())
        self.expect("configuration on the page", configuration, self.shown("configuration"))

    def post_answer(self, configuration: str, fields: Iterable[str]) -> None:
        """Send the form that the tenant's page holds, and go where the site sends the browser then."""
        form = self.form(to=f"/ways/{configuration}/callback/")
        self.expect("fields of the answer", sorted(fields), sorted(form.fields))
        self.browser.submit(form)
        self.expect("status", 303, self.browser.answer.status_code)
        self.browser.follow()

    def expect_own_proof(self, sent: LoggedRequest) -> None:
        """Check that the site proved itself by a signature and sent a proof of the key that tokens are bound to."""
        self.expect("status", 200, sent.status)
        self.expect("client secret sent", False, "client_secret" in sent.form)
        self.expect("client assertion sent", True, "client_assertion" in sent.form)
        self.expect("DPoP proof sent", True, "DPoP" in sent.headers)

    def message_to(self, address: str) -> str:
        """Return the code in the tenant's newest message, which must be one to ``address``."""
        outbox = self.stage.tenant.outbox
        if not outbox or outbox[-1].to != address or not outbox[-1].code:
            raise StepFailed("the tenant's outbox", f"a code for {address}", outbox[-1].to if outbox else "nothing")
        return outbox[-1].code

    def last(self, path: str) -> LoggedRequest:
        """Return the newest request to the tenant's ``path``."""
        found = [entry for entry in self.stage.tenant.requests if entry.path == path]
        if not found:
            raise StepFailed("requests to the tenant", path, "none")
        return found[-1]

    def asked(self) -> dict[str, str]:
        """Return the parameters of the newest authorization request, as the browser brought them."""
        return {name: values[0] for name, values in self.last("/authorize").query.items()}

    def seen(self, path: str) -> int:
        return self.stage.tenant.count(path)

    def hops_to(self, target: str) -> list[Hop]:
        """Return this step's requests to ``target``."""
        return [hop for hop in self._take() if hop.target == target]

    def path(self) -> str:
        return urlsplit(self.browser.answer.url).path


def form_of(entry: LoggedRequest) -> dict[str, str]:
    return {name: values[0] for name, values in entry.form.items()}
