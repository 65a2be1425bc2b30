"""The forms of embedded logins. Full-width digits, spaces and hyphens in a number or code are accepted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

from django_auth0_flow.backends import MAX_PASSWORD, refusal_of
from django_auth0_flow.conf.login_rules import SIGN_UP_IDENTIFIERS
from django_auth0_flow.pages.messages import words_for
from django_auth0_flow.protocol.passwordless_channels import CHANNELS

_PHONE = re.compile(r"\+[0-9]{5,15}\Z")

_PHONE_FILLER = re.compile(r"[\s()./-]|\u2010|\u2011|\u2013|\u30fc")

_SPACES = re.compile(r"[\s-]+")

_EMAIL_ERROR = _("This does not look like an e-mail address.")

_PHONE_ERROR = _("Please write the number with its country code, for example +81 90 1234 5678.")

_PHONE_HINT = _("With the country code: for example +1 202 555 0143 or +44 7700 900123.")

_MIXED_HINT = _("A telephone number needs its country code: +44 7700 900123.")


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()


def clean_phone_number(text: str) -> str:
    """Return a telephone number as E.164 wants it. Raises ValidationError."""
    number = _PHONE_FILLER.sub("", _plain(text))
    if not _PHONE.match(number):
        raise ValidationError(_PHONE_ERROR, code="bad.phone_number")
    return number


def clean_email(text: str) -> str:
    """Return an e-mail address as typed, without blanks around it. Raises ValidationError."""
    address = text.strip()
    try:
        validate_email(address)
    except ValidationError:
        raise ValidationError(_EMAIL_ERROR, code="bad.email") from None
    return address


class _Focus:
    """For forms with the cursor in their first field, until an answer puts it elsewhere."""

    fields: dict[str, forms.Field]

    def focus_on(self, name: str) -> None:
        """Put the cursor into this field."""
        for field_name, field in self.fields.items():
            field.widget.attrs["autofocus"] = field_name == name


class PasswordlessForm(forms.Form):
    """Where to send a code or link. ``kind`` is one of ``PASSWORDLESS``; the address decides if it goes by telephone."""

    address = forms.CharField(max_length=320)
    kind = forms.CharField(required=False, max_length=20)

    def __init__(self, *args: Any, kinds: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds_by_email = [kind for kind in kinds if not CHANNELS[kind].is_by_phone]
        self.kinds_by_phone = [kind for kind in kinds if CHANNELS[kind].is_by_phone]
        label = _("E-mail address")
        attributes = {"type": "email", "autocomplete": "email"}
        if self.kinds_by_phone:
            label = _("E-mail address or telephone number") if self.kinds_by_email else _("Telephone number")
            attributes = {} if self.kinds_by_email else {"type": "tel", "autocomplete": "tel"}
            self.fields["address"].help_text = _MIXED_HINT if self.kinds_by_email else _PHONE_HINT
        self.fields["address"].label = label
        self.fields["address"].widget.attrs.update({"autofocus": True, **attributes})
        self.fields["address"].widget.input_type = attributes.get("type", "text")

    def clean(self) -> dict[str, Any]:
        """Decide the kind by the address, and normalize the address."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        address = data.get("address")
        if not address:
            return data
        kind = self._kind_for(str(data.get("kind")), address)
        data["kind"] = kind
        try:
            data["address"] = (clean_phone_number if CHANNELS[kind].is_by_phone else clean_email)(address)
        except ValidationError as error:
            self.add_error("address", error)
            self["address"].help_text = ""  # the error says it
        return data

    def _kind_for(self, wanted: str, address: str) -> str:
        # The filler has a letter: the long vowel mark stands for a hyphen on Japanese keyboards.
        looks_like_a_number = not any(char.isalpha() or char == "@" for char in _PHONE_FILLER.sub("", address))
        by_phone = self.kinds_by_phone and (looks_like_a_number or not self.kinds_by_email)
        fitting = self.kinds_by_phone if by_phone else self.kinds_by_email
        return wanted if wanted in fitting else fitting[0]


class CodeForm(forms.Form):
    """A code from a message, an authenticator app, or a recovery code."""

    code = forms.CharField(
        label=_("Code"),
        max_length=100,
        widget=forms.TextInput(
            attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "autofocus": True, "spellcheck": "false"}
        ),
    )

    def __init__(self, *args: Any, is_recovery: bool = False, focus: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["code"].widget.attrs["autofocus"] = focus
        if is_recovery:
            self.fields["code"].label = _("Recovery code")
            self.fields["code"].widget.attrs.update({"autocomplete": "off", "inputmode": "text"})

    def clean_code(self) -> str:
        """Return the code without blanks and hyphens."""
        code = _SPACES.sub("", _plain(self.cleaned_data["code"]))
        if not code.isascii() or not code.isalnum():
            raise ValidationError(words_for("wrong_code"), code="wrong_code")
        return code


class PasswordForm(_Focus, forms.Form):
    """Name and password, for the page ``auth0:password``."""

    username = forms.CharField(
        label=_("E-mail address or username"),
        max_length=320,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


#: What a sign-up may ask for: label, ``autocomplete``, type of input.
_SIGN_UP_FIELDS = {
    "email": (_("E-mail address"), "email", "email"),
    "username": (_("Username"), "username", "text"),
    "phone_number": (_("Telephone number"), "tel", "tel"),
    "given_name": (_("First name"), "given-name", "text"),
    "family_name": (_("Last name"), "family-name", "text"),
    "name": (_("Name"), "name", "text"),
    "nickname": (_("Nickname"), "nickname", "text"),
}


class SignUpForm(_Focus, forms.Form):
    """A new account, for the page ``auth0:signup``. ``fields``: the names of ``SIGN_UP_FIELDS``, in their order."""

    password = forms.CharField(
        label=_("Password"),
        max_length=MAX_PASSWORD,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, fields: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.names = [name for name in _SIGN_UP_FIELDS if name in fields]
        self.names.sort(key=list(fields).index)
        for name in self.names:
            label, autocomplete, kind = _SIGN_UP_FIELDS[name]
            field = forms.CharField(label=label, max_length=300)
            field.widget.attrs.update({"autocomplete": autocomplete, "autofocus": name == self.names[0]})
            field.widget.input_type = kind
            self.fields[name] = field
        self.order_fields([*self.names, "password"])

    @property
    def profile(self) -> dict[str, str]:
        """What the account is to hold, once the form is valid."""
        return {name: self.cleaned_data[name] for name in self.names}

    @property
    def login_name(self) -> str:
        """What the new account logs in with: its address if it has one, a username last."""
        return str(next(self.cleaned_data[name] for name in SIGN_UP_IDENTIFIERS if name in self.names))

    def clean(self) -> dict[str, Any]:
        """Settle the form of addresses and numbers."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, clean in (("email", clean_email), ("phone_number", clean_phone_number)):
            if data.get(name):
                try:
                    data[name] = clean(data[name])
                except ValidationError as error:
                    self.add_error(name, error)
        return data


class PasswordResetForm(forms.Form):
    """Whose password has been forgotten, for the page ``auth0:password_reset``."""

    email = forms.CharField(
        label=_("E-mail address"),
        max_length=320,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "autofocus": True}),
    )

    def clean_email(self) -> str:
        """Return the address without blanks around it."""
        return clean_email(self.cleaned_data["email"])


class EnrolForm(forms.Form):
    """Which second factor to set up. ``phone_number`` is for text messages and calls."""

    kind = forms.ChoiceField()
    phone_number = forms.CharField(
        label=_("Telephone number"),
        help_text=_PHONE_HINT,
        required=False,
        max_length=40,
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel", "required": True, "autofocus": True}),
    )

    def __init__(self, *args: Any, kinds: Sequence[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(kind, kind) for kind in kinds]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        """Ask for the number where it is needed, and drop it elsewhere."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        number = data.get("phone_number", "")
        data["phone_number"] = ""
        if data.get("kind") in ("sms", "voice"):
            try:
                data["phone_number"] = clean_phone_number(number)
            except ValidationError as error:
                self.add_error("phone_number", error)
                self["phone_number"].help_text = ""  # the error says it
        return data


class Auth0LoginErrors:
    """For the login form of ``LoginView`` or the admin: says why ``Auth0PasswordBackend`` refused.

    Put it first among the bases, before ``AuthenticationForm`` or ``AdminAuthenticationForm``.
    """

    def get_invalid_login_error(self) -> ValidationError:
        """Return the tenant's reason in plain words; a wrong password keeps Django's words."""
        code = refusal_of(getattr(self, "request", None))
        if code in ("", "wrong_password"):
            error: ValidationError = super().get_invalid_login_error()  # type: ignore[misc]  # the form's, beside this one
            return error
        return ValidationError(words_for(code), code=code)


class Auth0AuthenticationForm(Auth0LoginErrors, AuthenticationForm):
    """``LoginView.as_view(authentication_form=Auth0AuthenticationForm)``."""
