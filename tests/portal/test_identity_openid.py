"""Signing in by an OpenID Connect provider: a real one, over HTTP, that can also be made to lie."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import flask
import httpx2
import oidc_provider_mock
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from starlette.testclient import TestClient
from werkzeug.serving import make_server

from tests.portal.people import ADMIN, CLAIRE, LEARNER, PATH, SmallPortal, small_portal

# The provider's own use of Authlib, and the unsigned token that one test makes.
pytestmark = pytest.mark.filterwarnings(
    "ignore:get_jwt_config:DeprecationWarning", "ignore:JWS algorithm .none.:joserfc.errors.SecurityWarning"
)

Claims = dict[str, Any]


@dataclass
class Provider:
    """A provider that keeps to PKCE, and whose ID tokens pass through `change` (claims in, claims and key out)."""

    url: str = ""
    change: Callable[[Claims, RSAKey], tuple[Claims, Any, dict[str, str]]] | None = None
    aside: set[str] = field(default_factory=set)
    challenges: dict[str, str] = field(default_factory=dict)
    verified: int = 0
    storage: Any = None
    # The id of whatever key there is; with "" keys have none.
    key_id: str | None = None

    def user(self, sub: str, **claims: object) -> None:
        """Make a user known."""
        httpx2.put(f"{self.url}/users/{sub}", json=claims).raise_for_status()

    def answer(self, location: str, sub: str) -> str:
        """Consent as `sub` on the page that the portal led to; return where the provider leads back."""
        answer = httpx2.post(location, data={"sub": sub})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def remember_challenge(self, response: flask.Response) -> flask.Response:
        if flask.request.path == "/oauth2/authorize" and response.location:
            (code,) = parse_qs(urlsplit(response.location).query).get("code", [""])
            assert flask.request.args["code_challenge_method"] == "S256"
            self.challenges[code] = flask.request.args["code_challenge"]
        return response

    def check_verifier(self) -> flask.Response | None:
        if flask.request.path != "/oauth2/token":
            return None
        digest = hashlib.sha256(flask.request.form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != self.challenges.get(flask.request.form["code"]):
            return flask.make_response({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        self.verified += 1
        return None

    def change_token(self, response: flask.Response) -> flask.Response:
        if flask.request.path != "/oauth2/token" or response.status_code != 200:
            return response
        said = json.loads(response.get_data())
        self.storage = flask.g.oidc_provider_mock_storage
        key = RSAKey.import_key(flask.g.oidc_provider_mock_storage.jwk.as_dict(is_private=True))
        token = jwt.decode(said["id_token"], key)
        claims: Claims = {name: value for name, value in token.claims.items() if name not in self.aside}
        header = dict(token.header)
        if self.change:
            claims, key, more = self.change(claims, key)
            header |= more
        self.name_key(header)
        said["id_token"] = jwt.encode(header, claims, key, algorithms=["RS256", "HS256", "none"])
        response.set_data(json.dumps(said))
        return response

    def name_key(self, named: dict[str, Any]) -> None:
        if self.key_id is not None:
            named.pop("kid", None)
            named |= {"kid": self.key_id} if self.key_id else {}

    def change_keys(self, response: flask.Response) -> flask.Response:
        if flask.request.path == "/jwks":
            answer = json.loads(response.get_data())
            for key in answer["keys"]:
                self.name_key(key)
            response.set_data(json.dumps(answer))
        return response


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    provider = Provider()
    app = oidc_provider_mock.app(require_nonce=True)
    app.before_request(provider.check_verifier)
    app.after_request(provider.remember_challenge)
    app.after_request(provider.change_token)
    app.after_request(provider.change_keys)
    server = make_server("localhost", 0, app, threaded=True)
    provider.url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.change, running.aside, running.verified, running.key_id = None, set(), 0, None
    running.user("claire", email="Claire@exemple.fr", email_verified=True, name="Claire")
    return running


@pytest.fixture
def portal(people_home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallPortal]:
    monkeypatch.setenv("OPCO_PORTAL__OPENID_CLIENT_SECRET", "the portal's password")
    with small_portal(people_home, f'openid_issuer = "{provider.url}/"\nopenid_client_id = "opco"') as portal:
        yield portal


def begin(browser: TestClient, wanted: str = "") -> str:
    """Press the button; return where it leads."""
    answer = browser.get(f"{PATH}/sign-in/provider", params={"next": wanted})
    assert answer.status_code == 302, answer.text
    location: str = answer.headers["location"]
    return location


def back(browser: TestClient, location: str) -> Any:
    """Follow the way back into the portal."""
    parts = urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == "https://portal.exemple.fr/opco/sign-in/provider/back"
    return browser.get(f"{parts.path}?{parts.query}")


def test_the_provider_signs_in(portal: SmallPortal, provider: Provider) -> None:
    browser = portal.browser()
    assert f'href="{PATH}/sign-in/provider?next=' in browser.get(f"{PATH}/sign-in").text
    location = begin(browser, f"{PATH}/sessions/S-1")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert (asked["client_id"], asked["response_type"], asked["scope"]) == ("opco", "code", "openid email profile")
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 20

    answer = back(browser, provider.answer(location, "claire"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PATH}/sessions/S-1")
    assert provider.verified == 1
    assert browser.get(f"{PATH}/").json()["email"] == CLAIRE
    lines = [json.loads(line) for line in portal.identity.audit.path.read_text(encoding="utf-8").splitlines()]
    assert [(line["action"], line["email"], line["way"]) for line in lines] == [("signed_in", CLAIRE, "provider")]


def test_an_address_that_stands_beside_the_id_token(portal: SmallPortal, provider: Provider) -> None:
    provider.aside = {"email", "email_verified"}
    browser = portal.browser()
    assert back(browser, provider.answer(begin(browser), "claire")).status_code == 303


@pytest.mark.parametrize("aside", [{"email"}, {"email_verified"}])
def test_an_address_and_its_proof_are_of_one_answer(portal: SmallPortal, provider: Provider, aside: set[str]) -> None:
    """The ID token lacks one of the two; what it has of the other is not what is said beside it."""
    provider.user("mixed", email=ADMIN, email_verified=False)
    provider.aside = aside
    provider.change = lambda claims, key: (
        {**claims, **({"email": CLAIRE} if "email" in claims else {"email_verified": True})}, key, {}
    )  # fmt: skip
    browser = portal.browser()
    refused(browser, back(browser, provider.answer(begin(browser), "mixed")))


@pytest.mark.parametrize("key_id", ["the same", ""])
def test_a_key_that_is_renewed_counts_at_once(portal: SmallPortal, provider: Provider, key_id: str) -> None:
    provider.key_id = key_id
    for _ in range(2):
        browser = portal.browser()
        assert back(browser, provider.answer(begin(browser), "claire")).status_code == 303
        provider.storage.jwk = type(provider.storage.jwk).generate_key(is_private=True)


def test_a_provider_that_never_says_who_is_verified(
    people_home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPCO_PORTAL__OPENID_CLIENT_SECRET", "the portal's password")
    settings = f'openid_issuer = "{provider.url}"\nopenid_client_id = "opco"\nopenid_vouches_for_all = true'
    provider.user("silent", email=CLAIRE)
    provider.user("plain", email=CLAIRE, email_verified=False)
    with small_portal(people_home, settings) as portal:
        browser = portal.browser()
        assert back(browser, provider.answer(begin(browser), "silent")).status_code == 303
        browser = portal.browser()
        refused(browser, back(browser, provider.answer(begin(browser), "plain")))


def test_who_has_nothing_to_see_gets_in_nowhere(portal: SmallPortal, provider: Provider) -> None:
    for email in (LEARNER, "inconnue@exemple.fr", "partie@exemple.fr", "absent@exemple.fr"):
        provider.user("x", email=email, email_verified=True)
        browser = portal.browser()
        answer = back(browser, provider.answer(begin(browser), "x"))
        assert answer.status_code == 403
        assert "Il n’y a rien pour vous ici" in answer.text
        assert browser.get(f"{PATH}/").status_code == 401
    provider.user("boss", email=ADMIN, email_verified=True)
    browser = portal.browser()
    assert back(browser, provider.answer(begin(browser), "boss")).status_code == 303


@pytest.mark.parametrize(
    "claims",
    [
        {"email": CLAIRE},
        {"email": CLAIRE, "email_verified": False},
        {"email": CLAIRE, "email_verified": "true"},
        {"email": CLAIRE, "email_verified": 1},
        {"email_verified": True},
        {"email": "", "email_verified": True},
        {"email": [CLAIRE], "email_verified": True},
        {"email": f"{CLAIRE},{ADMIN}", "email_verified": True},
        {"email": "claire@exemple.f\N{LATIN SMALL LETTER R WITH CARON}", "email_verified": True},
    ],
)
def test_an_address_that_is_not_proven(portal: SmallPortal, provider: Provider, claims: dict[str, object]) -> None:
    provider.user("y", **claims)
    browser = portal.browser()
    refused(browser, back(browser, provider.answer(begin(browser), "y")))


def refused(browser: TestClient, answer: Any) -> None:
    assert answer.status_code == 403
    assert any(words in answer.text for words in ("La connexion n’a pas abouti", "Il n’y a rien pour vous ici"))
    assert browser.get(f"{PATH}/").status_code == 401


OTHER_KEY = RSAKey.generate_key(2048)


Lie = Callable[[Claims, RSAKey], tuple[Claims, Any, dict[str, str]]]


def without(claims: Claims, name: str) -> Claims:
    return {key: value for key, value in claims.items() if key != name}


LIES: dict[str, tuple[Lie, str]] = {
    "a key of its own": (lambda claims, key: (claims, OTHER_KEY, {}), "bad_signature"),
    "another nonce": (lambda claims, key: ({**claims, "nonce": "x"}, key, {}), "'nonce'"),
    "no nonce": (lambda claims, key: (without(claims, "nonce"), key, {}), "'nonce'"),
    "another audience": (lambda claims, key: ({**claims, "aud": "another"}, key, {}), "'aud'"),
    "an audience beside azp": (lambda claims, key: ({**claims, "aud": "another", "azp": "opco"}, key, {}), "'aud'"),
    "another issuer": (lambda claims, key: ({**claims, "iss": "https://evil.example"}, key, {}), "'iss'"),
    "no issuer": (lambda claims, key: (without(claims, "iss"), key, {}), "'iss'"),
    "expired": (lambda claims, key: ({**claims, "iat": 1, "exp": 1000}, key, {}), "expired"),
    "unsigned": (lambda claims, key: (claims, key, {"alg": "none"}), "not allowed"),
    "signed with what all can read": (
        lambda claims, key: (claims, OctKey.import_key(str(key.as_dict(private=False)["n"])), {"alg": "HS256"}),
        "not allowed",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_lies(portal: SmallPortal, provider: Provider, lie: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "portal")
    provider.change, reason = LIES[lie]
    browser = portal.browser()
    way = begin(browser)
    # Whatever the provider says that it can do.
    assert portal.identity.provider is not None
    metadata = portal.identity.provider.client.server_metadata
    metadata["id_token_signing_alg_values_supported"] = ["none", "HS256", "RS256"]
    refused(browser, back(browser, provider.answer(way, "claire")))
    (line,) = (line for line in caplog.messages if "a sign-in by the provider failed" in line)
    assert reason in line


def test_an_answer_counts_once_and_in_its_own_browser(portal: SmallPortal, provider: Provider) -> None:
    browser, thief = portal.browser(), portal.browser()
    location = provider.answer(begin(browser), "claire")
    begin(thief)
    # The code of one browser is worth nothing in another: neither does a victim end up in the thief's account.
    refused(thief, back(thief, location))
    fresh = portal.browser()
    refused(fresh, back(fresh, location))
    assert back(browser, location).status_code == 303
    browser.cookies.clear()
    refused(browser, back(browser, location))


def test_answers_that_are_none(portal: SmallPortal, caplog: pytest.LogCaptureFixture) -> None:
    browser = portal.browser()
    for query in ("", "error=access_denied", "code=x", "state=y", "code=x&state=y", "error=%0AWARNING<script>"):
        begin(browser)
        answer = browser.get(f"{PATH}/sign-in/provider/back?{query}")
        refused(browser, answer)
        assert "<script>" not in answer.text
    assert not any("\n" in line for line in caplog.messages)


def test_a_provider_that_does_not_answer(people_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPCO_PORTAL__OPENID_CLIENT_SECRET", "secret")
    with small_portal(people_home, 'openid_issuer = "http://127.0.0.1:9"\nopenid_client_id = "opco"') as portal:
        answer = portal.browser().get(f"{PATH}/sign-in/provider")
        assert answer.status_code == 503
        assert "Le service de connexion de l’organisme ne répond pas" in answer.text
        # The other way stays open.
        assert portal.browser().get(f"{PATH}/sign-in").status_code == 200


def test_a_provider_that_calls_itself_another(
    people_home: Path, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPCO_PORTAL__OPENID_CLIENT_SECRET", "secret")
    issuer = provider.url.replace("localhost", "127.0.0.1")
    with small_portal(people_home, f'openid_issuer = "{issuer}"\nopenid_client_id = "opco"') as portal:
        portal.identity.provider.client._server_metadata_url = f"{provider.url}/.well-known/openid-configuration"  # type: ignore[union-attr]
        assert portal.browser().get(f"{PATH}/sign-in/provider").status_code == 503
