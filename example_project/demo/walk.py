"""``manage.py demo --walk`` through the clinic: a whole login, then with the same browser each other kind of login.

Each is checked by what went over the wire and by the page it ends on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from django_auth0_flow.testing.demo import Walk, clock
from django_auth0_flow.testing.demo.browser import Browser

if TYPE_CHECKING:
    from django_auth0_flow.testing.demo.wire import Hop
    from django_auth0_flow.testing.tenant import LoggedRequest, User
    from django_auth0_flow.testing.tenant.records import Message

PROFILE = "/profile/"
VISITOR = "visitor@example.com"
SIGNED_UP = "elizabeth@example.com"
#: Logins that follow each other faster would look like a loop, which the site stops.
PAUSE = 60
TELEPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Mobile/15E148 Safari/604.1"
_GRANT = "http://auth0.com/oauth/grant-type/"
_SECOND_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


class ClinicWalk(Walk):
    """The driver's steps with a look at the page, and the cards of the page "Ways to log in"."""

    def check_page(self) -> None:
        super().check_page()
        self.expect("appointments on the page", 3, self.browser.answer.text.count('<span class="day">'))

    # -- on the tenant's page ------------------------------------------------------------------------------------------

    def step_join_an_organization(self) -> None:
        with self.step("An organization: its invitation link lands on the site's login") as done:
            organization = next(iter(self.tenant.organizations.values()))
            link = urlsplit(self.tenant.invitation_link(self.tenant.invite(organization, email=self.user.email)))
            self.start(link.path, **dict(parse_qsl(link.query)))
            self.send_password(self.user)
            self.browser.follow()
            self.expect("organization asked for", organization.id, self.authorization_request.get("organization"))
            self.expect("invitation accepted", True, [*self.tenant.invitations.values()][-1].accepted)
            self.landed(PROFILE, organization_id=organization.id)
            done("asked for with the invitation, named in the ID token, kept on the login")

    def step_try_a_closed_door(self) -> None:
        with self.step("The rota needs a permission that she lacks") as done:
            self.browser.visit("/rota/")
            self.landed("/rota/", status=403)
            done("asked at the tenant once, without a page; then a plain 403")

    def step_be_known_already(self) -> None:
        with self.step("A silent login: a visitor without a login here, with one at the tenant") as done:
            self.browser.forget("clinic_session")
            self.browser.visit("/ways/silent/")
            self.expect("prompt", "none", self.authorization_request.get("prompt"))
            self.landed("/ways/silent/", known_as="Ada Lovelace")
            self.expect("login pages shown", 0, len(self.requests("/u/login")))
            done("prompt=none; adopted without a page")

    def step_bring_a_second_factor(self) -> None:
        with self.step("Step-up: the test results want a second factor") as done:
            clock.put_forward(PAUSE)
            self.browser.visit("/results/")
            self.browser.submit("code", code="123456")
            self.browser.follow()
            self.expect("acr_values", _SECOND_FACTOR, self.authorization_request.get("acr_values"))
            self.landed("/results/")
            self.browser.open("/results/")
            self.landed("/results/")
            done("asked for, proved at the tenant, checked in the new ID token; back at the page, which asks no more")

    def step_be_answered_by_post(self) -> None:
        with self.step("form_post: the answer comes in the body of a POST") as done:
            self.start("/ways/form-post/login/")
            self.post_answer("form-post", "code state")
            self.expect("response_mode", "form_post", self.authorization_request.get("response_mode"))
            self.landed(PROFILE, configuration="form-post")
            self.expect("code exchanges", 1, self.token_calls("authorization_code"))
            self.expect("addresses with a code", 0, sum("code" in hop.parameters for hop in self.hops_to("site")))
            done("code and state posted, in no address; 1 token request")

    def step_bring_an_id_token(self) -> None:
        with self.step("id_token: no client secret, no call to the tenant") as done:
            self.start("/ways/id-token/login/")
            self.post_answer("id-token", "id_token state")
            self.expect("response_type", "id_token", self.authorization_request.get("response_type"))
            self.landed(PROFILE, configuration="id-token", token_type="")
            self.expect("token requests", 0, self.token_calls())
            done("the ID token was posted and checked; no token request, no access token")

    def step_add_an_access_token(self) -> None:
        with self.step("token: a page adds an access token to a login by id_token") as done:
            self.start("/ways/id-token/login/", next_url="/ways/access-token/")
            self.post_answer("id-token", "id_token state")
            self.expect("response_type", "token", self.authorization_request.get("response_type"))
            self.post_answer("id-token", "access_token expires_in state token_type")
            self.landed("/ways/access-token/")
            self.expect("looks at /userinfo", 1, len(self.requests("/userinfo")))
            self.expect("token requests", 0, self.token_calls())
            self.browser.open(PROFILE)
            self.landed(PROFILE, configuration="id-token", token_type="Bearer")
            done("posted without an ID token; kept with the login once /userinfo had said that it is the same user's")

    def step_bring_tokens_in_the_fragment(self) -> None:
        with self.step("id_token token: both behind the #, brought here by a page with a script") as done:
            self.start("/ways/implicit/login/", next_url="/appointments/")
            self.expect("response_type", "id_token token", self.authorization_request.get("response_type"))
            answer = urlsplit(self.browser.next_url)
            self.expect("address", ("/ways/implicit/callback/", ""), (answer.path, answer.query))
            tokens = {"id_token", "access_token"}
            self.expect("tokens behind the #", tokens, tokens & dict(parse_qsl(answer.fragment)).keys())
            self.browser.open(answer._replace(fragment="").geturl())
            self.expect("the page's script", True, "/auth0/fragment.js" in self.browser.answer.text)
            # What the script does.
            self.browser.submit("response", response=answer.fragment)
            self.expect("status", 302, self.browser.answer.status_code)
            self.browser.follow()
            self.check_page()
            self.expect("token requests", 0, self.token_calls())
            sent = {name for hop in self.hops_to("site") for name in hop.parameters}
            self.expect("tokens in addresses that reached the site", set(), sent & {*tokens, "response"})
            done("no server saw them in an address; at_hash ties the two together; the API took the access token")

    def step_bring_code_and_id_token(self) -> None:
        with self.step("Hybrid: code and ID token together") as done:
            self.start("/ways/hybrid/login/")
            self.post_answer("hybrid", "code id_token state")
            self.expect("response_type", "code id_token", self.authorization_request.get("response_type"))
            self.landed(PROFILE, configuration="hybrid", token_type="Bearer")
            self.expect("code exchanges", 1, self.token_calls("authorization_code"))
            done("both posted; the code is the one that the ID token vouches for; 1 token request")

    # -- on pages of this site -----------------------------------------------------------------------------------------

    def step_read_a_code(self) -> None:
        with self.step(f"Passwordless: {VISITOR} gets a code by e-mail") as done:
            self.browser.open(f"/ways/direct/passwordless/?{urlencode({'next': PROFILE})}")
            self.browser.submit("address", address=VISITOR, kind="email-code")
            self.browser.follow()
            self.browser.submit("code", code=self.message_to(VISITOR))
            self.browser.follow()
            self.landed(PROFILE, configuration="direct")
            self.expect("OTP grants", 1, self.token_calls(f"{_GRANT}passwordless/otp"))
            done("1 message, 1 token request with the code; the browser never left the site")

    def step_type_a_password(self) -> None:
        nurse = self.user_of("mary@example.com")
        with self.step(f"Password and MFA: {nurse.email} logs in on a page of the site") as done:
            self.begin_with_password(nurse)
            page = self.browser.answer.text
            self.browser.submit("code", code=self.message_to(nurse.email))
            self.browser.follow()
            self.landed(PROFILE)
            grants = (f"{_GRANT}password-realm", f"{_GRANT}mfa-oob")
            self.expect("password and MFA grants", [1, 1], [self.token_calls(grant) for grant in grants])
            mfa_token = self.last("/mfa/challenge").form["mfa_token"][0]
            self.expect("a page with the mfa_token", False, mfa_token in page)
            done("mfa_required, a challenge by e-mail, then the tokens; the mfa_token stayed on the server")

    def step_set_up_a_second_factor(self) -> None:
        from django_auth0_flow.testing.tenant.factors import totp

        newcomer = self.user_of("clara@example.com")
        with self.step(f"First enrolment: {newcomer.email} has no second factor yet, and sets one up") as done:
            self.begin_with_password(newcomer)
            self.landed("/ways/direct/mfa/enrol/")
            self.browser.submit("kind", kind="otp")
            key = re.search(r'class="auth0-secret"><code[^>]*>([A-Z2-7 ]+)<', self.browser.follow().text)
            self.expect("a key for her authenticator app", True, key is not None)
            self.browser.submit("code", code=totp(key[1].replace(" ", "") if key else "", clock.now()))
            self.browser.follow()
            codes_page = "/ways/direct/mfa/recovery-codes/"
            self.landed(codes_page)
            factors = {factor.kind: factor.secret for factor in newcomer.authenticators}
            self.expect("factors enrolled", ["otp", "recovery-code"], list(factors))
            self.expect("recovery code on the page", True, factors["recovery-code"] in self.browser.answer.text)
            url = self.browser.answer.url
            self.browser.submit(to=codes_page)
            self.browser.follow()
            self.landed(PROFILE)
            self.browser.open(url)
            self.expect("recovery code once more", False, factors["recovery-code"] in self.browser.answer.text)
            self.expect("MFA grants", 1, self.token_calls(f"{_GRANT}mfa-otp"))
            done("the first code confirmed the enrolment; the recovery code was shown until she had written it down")

    def step_sign_up(self) -> None:
        with self.step(f"Sign-up: {SIGNED_UP} makes an account on a page of the site") as done:
            self.browser.open(f"/ways/direct/signup/?{urlencode({'next': PROFILE})}")
            person = {"email": SIGNED_UP, "given_name": "Elizabeth", "family_name": "Blackwell"}
            self.browser.submit("given_name", **person, password="letmein")
            self.landed("/ways/direct/signup/", status=400)
            self.expect("the rules on the page", True, "At least 8 characters" in self.browser.answer.text)
            self.browser.submit("given_name", **person, password="Geneva-1849")
            self.browser.follow()
            self.landed(PROFILE, configuration="direct")
            self.expect("password grants", 1, self.token_calls(f"{_GRANT}password-realm"))
            sent = self.last("/dbconnections/signup").form
            self.expect("client secrets sent with it", False, "client_secret" in sent)
            done(
                "a weak password refused in the tenant's words, then the account, and a login by the password just typed"
            )

    def step_forget_the_password(self) -> None:
        with self.step("Forgotten password: the same page for every address, a message for one") as done:
            pages = []
            for address in ("nobody@example.com", SIGNED_UP):
                self.browser.open(f"/ways/direct/password-reset/?{urlencode({'next': PROFILE})}")
                self.browser.submit("email", email=address)
                said = self.browser.follow().text.partition('class="auth0-title"')[2].partition("auth0-actions")[0]
                pages.append(said.replace(address, ""))
            self.expect("what the second page says", pages[0], pages[1])
            self.browser.open(self.newest_message(SIGNED_UP).link or "")
            self.browser.submit("password", password="Edinburgh-1869")
            self.expect("status at the tenant", 200, self.browser.answer.status_code)
            person = self.user_of(SIGNED_UP)
            self.browser.open(f"/ways/direct/password/?{urlencode({'next': PROFILE})}")
            self.send_password(person)
            self.browser.follow()
            self.landed(PROFILE, configuration="direct")
            done("1 message, whose link works once; then a login with the new password")

    # -- a stronger login, and more from one -----------------------------------------------------------------------------

    def step_sign_push_and_bind(self) -> None:
        with self.step("PAR, JAR, private_key_jwt and DPoP: a login, an API call, a refresh") as done:
            self.start("/ways/strong/login/", next_url="/appointments/")
            self.browser.follow()
            self.expect("parameters of /authorize", ["client_id", "request_uri"], sorted(self.authorization_request))
            self.expect("a signed request was pushed", True, "request" in self.last("/oauth/par").form)
            self.check_page()
            self.expect_own_proof(self.last("/oauth/token"))
            self.let_the_token_expire()
            self.browser.open(self.page)
            self.check_page()
            self.expect("refreshes", 1, self.token_calls("refresh_token"))
            self.expect_own_proof(self.last("/oauth/token"))
            schemes = [hop.scheme for hop in self.hops_to("api") if hop.proof]
            self.expect("API calls with a proof", ["DPoP", "DPoP"], schemes)
            done("the browser saw a reference only; no client secret; each token request and API call has its proof")

    def step_call_another_api(self) -> None:
        with self.step("A second API from the same login") as done:
            for _ in range(2):
                self.browser.open("/ways/invoices/")
                self.landed("/ways/invoices/", audience="https://billing.example.com")
            self.expect("logins", 0, len(self.requests("/authorize")))
            self.expect("token requests for it", 1, self.token_calls("refresh_token"))
            self.expect(
                "audience asked for", ["https://billing.example.com"], self.last("/oauth/token").form.get("audience")
            )
            done("1 token request by refresh token, for 2 calls; no login")

    def step_fetch_a_foreign_token(self) -> None:
        with self.step("Token Vault: the user's token at another provider") as done:
            self.start("/ways/vault/login/", next_url="/ways/calendar/")
            self.browser.follow()
            self.landed("/ways/vault/connect/")
            self.browser.submit("connection")
            self.browser.follow()
            self.browser.submit("action", action="accept")
            self.browser.follow()
            self.landed("/ways/calendar/", connection="google-oauth2")
            calls = ["/me/v1/connected-accounts/connect", "/me/v1/connected-accounts/complete"]
            self.expect("calls of the My Account API", [1, 1], [len(self.requests(path)) for path in calls])
            done("account connected, token exchanged for the refresh token; it stays on the server")

    def step_disconnect_the_account(self) -> None:
        with self.step("Connected accounts: she sees the account on her page, and disconnects it") as done:
            self.browser.open("/ways/vault/account/")
            self.browser.submit("disconnect", disconnect=next(iter(self.user.connected_accounts)))
            self.browser.follow()
            self.landed("/ways/vault/account/")
            self.expect("accounts at the tenant", 0, len(self.user.connected_accounts))
            self.browser.visit("/ways/calendar/")
            self.landed("/ways/vault/connect/")
            done("the tenant has forgotten it, and the site its token: the calendar asks for it again")

    # -- what there is of logins, and an end to them -------------------------------------------------------------------

    def step_end_a_login_elsewhere(self) -> None:
        with self.step("Own logins: she logged in on a telephone, which is lost, and ends that login here") as done:
            here, self.browser = self.browser, Browser(self.stage.url, user_agent=TELEPHONE)
            self.start("/auth0/login/")
            self.send_password(self.user)
            self.browser.follow()
            self.landed(PROFILE)
            telephone, self.browser = self.browser, here
            self.browser.open("/auth0/account/")
            self.landed("/auth0/account/")
            button = re.search(r'>Safari on iPhone<.*?name="end" value="([^"]+)"', self.browser.answer.text, re.DOTALL)
            self.expect("the telephone's login on the page", True, button is not None)
            self.browser.submit("end", end=button[1] if button else "")
            self.browser.follow()
            self.expect("said on the page", True, "1 login was ended." in self.browser.answer.text)
            self.expect("refresh tokens revoked", 1, len(self.requests("/oauth/revoke")))
            telephone.open(PROFILE)
            self.expect("status on the telephone", 302, telephone.answer.status_code)
            self.browser.open(PROFILE)
            self.landed(PROFILE)
            done("1 session deleted, 1 refresh token revoked; this browser stays logged in")

    def step_call_in_the_sites_own_name(self) -> None:
        with self.step("Machine tokens: a page for everyone calls the API in the site's own name") as done:
            self.browser.forget("clinic_session")
            for _ in range(2):
                self.browser.open("/ways/board/")
                self.landed("/ways/board/", caller=f"{self.tenant.application.client_id}@clients")
            self.expect("logins", 0, len(self.requests("/authorize")))
            self.expect("machine tokens", 1, self.token_calls("client_credentials"))
            self.expect("API calls", 2, len(self.hops_to("api")))
            done("1 token request for 2 calls, kept for all workers; no login takes part")

    # -- logins that come from elsewhere, and end elsewhere --------------------------------------------------------------

    def step_let_an_api_call_another(self) -> None:
        with self.step("On behalf of: the appointments API calls the invoices API in her name") as done:
            self.start("/auth0/login/", next_url="/ways/bill/")
            self.browser.follow()
            for _ in range(2):
                self.browser.open("/ways/bill/")
                self.landed("/ways/bill/", audience="https://billing.example.com")
            exchanges = self.token_calls("urn:ietf:params:oauth:grant-type:token-exchange")
            self.expect("exchanges, for 3 calls", 1, exchanges)
            done("1 exchange of the token that the API was called with, for 3 calls; kept sealed")

    def step_come_from_the_old_site(self) -> None:
        with self.step("Token exchange: the old site's cookie is worth a login here") as done:
            clock.put_forward(PAUSE)
            self.browser.forget("clinic_session")
            self.browser.bring("old_clinic", "old-session-of-ada")
            self.browser.visit("/ways/old-clinic/")
            self.landed(PROFILE, configuration="default")
            self.expect("login pages shown", 0, len(self.requests("/u/login")))
            self.expect("exchanges", 1, self.token_calls("urn:ietf:params:oauth:grant-type:token-exchange"))
            done("1 token request; the browser never left the site")

    def step_come_from_a_native_application(self) -> None:
        with self.step("Session transfer: a native application hands its login over") as done:
            self.browser.forget("clinic_session")
            self.browser.forget("auth0")
            clock.put_forward(PAUSE)
            token = self.tenant.make_session_transfer_token(self.user)
            query = urlencode({"next": PROFILE, "session_transfer_token": token})
            self.browser.open(f"/auth0/login/?{query}")
            self.browser.follow(until=f"{self.stage.url}/")
            self.expect("token passed on", True, "session_transfer_token" in self.authorization_request)
            self.browser.follow()
            self.landed(PROFILE, configuration="default")
            self.expect("login pages shown", 0, len(self.requests("/u/login")))
            done("passed on once, in no address after that; the tenant showed no page")

    def step_end_with_the_providers_session(self) -> None:
        with self.step("session_expiry: the identity provider's session lasts an hour, and so does the login") as done:
            self.tenant.upstream_session_lifetime = 3600
            self.browser.forget("auth0")
            self.start("/auth0/login/")
            self.browser.follow()
            self.send_password(self.user)
            self.browser.follow()
            self.landed(PROFILE)
            clock.put_forward(3600)
            self.browser.visit(PROFILE)
            self.landed("/u/login")
            self.expect("prompt", "login", self.authorization_request.get("prompt"))
            self.expect("refreshes", 0, self.token_calls("refresh_token"))
            done("ended here without a refresh; the next login asks the tenant for a fresh proof")

    # -- for steps -------------------------------------------------------------------------------------------------------

    def start(self, login: str, *, next_url: str = PROFILE, **parameters: str) -> None:
        """Begin a login, a little later than the one before, and go on to what the tenant answers first."""
        clock.put_forward(PAUSE)
        self.browser.open(f"{login}?{urlencode({'next': next_url, **parameters})}")
        self.expect("status", 302, self.browser.answer.status_code)
        self.browser.follow(until=f"{self.stage.url}/")

    def begin_with_password(self, user: User) -> None:
        """Send a password on the site's own page; the tenant wants a second factor, too."""
        self.browser.open(f"/ways/direct/password/?{urlencode({'next': PROFILE})}")
        self.send_password(user)
        self.browser.follow()
        self.expect("status of the password grant", 403, self.last("/oauth/token").status)

    def post_answer(self, configuration: str, fields: str) -> None:
        """Send the form that the tenant's page holds, and go where the site sends the browser then."""
        callback = f"/ways/{configuration}/callback/"
        self.expect("fields of the answer", fields.split(), sorted(self.browser.form(to=callback).fields))
        self.browser.submit(to=callback)
        self.expect("status", 303, self.browser.answer.status_code)
        self.browser.follow()

    def landed(self, path: str, *, status: int = 200, **shown: str) -> None:
        """Check the current page: its path, and the text that it shows under ids (with ``-`` in the place of ``_``)."""
        self.expect("address", path, self.browser.path)
        self.expect("status", status, self.browser.answer.status_code)
        for name, text in shown.items():
            self.expect(f"{name} on the page", text, self.shown(name.replace("_", "-")))

    def expect_own_proof(self, sent: LoggedRequest) -> None:
        """Check that the site proved itself by a signature and sent a proof of the key that tokens are bound to."""
        found = (sent.status, "client_secret" in sent.form, "client_assertion" in sent.form, "DPoP" in sent.headers)
        self.expect("status, client secret, client assertion, DPoP proof", (200, False, True, True), found)

    @property
    def authorization_request(self) -> dict[str, str]:
        """The parameters of this step's newest authorization request, as the browser brought them."""
        return {name: values[0] for name, values in self.last("/authorize").query.items()}

    def message_to(self, address: str | None) -> str:
        """Return the code in the tenant's newest message, which must be one to ``address``."""
        return self.newest_message(address).code or ""

    def newest_message(self, address: str | None) -> Message:
        """Return the tenant's newest message, which must be one to ``address``."""
        newest = self.tenant.outbox[-1:]
        self.expect("address of the newest message", [address], [message.to for message in newest])
        return newest[0]

    def user_of(self, email: str) -> User:
        return next(user for user in self.tenant.users.values() if user.email == email)

    def hops_to(self, target: str) -> list[Hop]:
        """Return this step's requests to ``target``."""
        return [hop for hop in self.take_hops() if hop.target == target]

    def shown(self, name: str) -> str:
        """Return the text that the page shows under an id."""
        found = re.search(rf'id="{name}">([^<]*)<', self.browser.answer.text)
        return found[1] if found else ""
