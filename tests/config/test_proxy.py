"""Which proxy a request to a vendor goes through."""

import pytest

from tornado_router.config.proxy import ENVIRONMENT, Proxies, proxy_fault

OWN, OTHER = "http://proxy.corp:3128", "http://other.corp:8080"


def find(url, option=ENVIRONMENT, **environ):
    return Proxies(option, environ).find(url)


class TestEnvironment:
    @pytest.mark.parametrize(
        ("url", "proxy"),
        [
            ("https://api.openai.com/v1", OWN),
            ("wss://api.openai.com/v1", OWN),
            ("http://vllm.corp/v1", OTHER),
            ("ws://vllm.corp:8000/v1", OTHER),
        ],
    )
    def test_each_scheme_has_its_variable(self, url, proxy):
        assert find(url, HTTPS_PROXY=OWN, HTTP_PROXY=OTHER) == proxy

    def test_lower_case_wins(self):
        assert find("https://x.com", HTTPS_PROXY=OTHER, https_proxy=OWN) == OWN
        assert find("https://x.com", HTTPS_PROXY=OTHER, https_proxy="") is None

    def test_without_a_scheme_it_is_http(self):
        assert find("https://x.com", HTTPS_PROXY="proxy.corp:3128") == OWN

    def test_without_a_variable_there_is_none(self):
        assert find("http://x.com", HTTPS_PROXY=OWN) is None
        assert not Proxies(ENVIRONMENT, {"NO_PROXY": "*"})
        assert Proxies(ENVIRONMENT, {"HTTPS_PROXY": OWN})

    @pytest.mark.parametrize(
        ("listed", "url"),
        [
            ("*", "https://api.openai.com"),
            ("openai.com", "https://openai.com"),
            ("openai.com", "https://api.openai.com/v1"),
            (".openai.com", "https://api.openai.com"),
            ("*.openai.com", "https://api.openai.com"),
            ("OpenAI.com", "https://API.openai.COM"),
            ("a.com, openai.com", "https://openai.com"),
            ("a.com openai.com", "https://openai.com"),
            ("openai.com:443", "https://openai.com"),
            ("openai.com:8443", "https://openai.com:8443"),
            ("10.0.0.0/8", "https://10.1.2.3/v1"),
            ("10.1.2.3", "https://10.1.2.3"),
            ("10.1.2.3:443", "https://10.1.2.3"),
            ("fd00::/8", "https://[fd12::1]:8000"),
            ("[fd12::1]:8000", "https://[fd12::1]:8000"),
            ("", "https://localhost:8000"),
            ("", "https://127.0.0.9"),
            ("", "https://[::1]"),
        ],
    )
    def test_what_no_proxy_lists_goes_without(self, listed, url):
        assert find(url, HTTPS_PROXY=OWN, NO_PROXY=listed) is None

    @pytest.mark.parametrize(
        ("listed", "url"),
        [
            ("openai.com", "https://notopenai.com"),
            ("api.openai.com", "https://openai.com"),
            ("openai.com:8443", "https://openai.com"),
            ("10.0.0.0/8", "https://11.1.2.3"),
            ("10.1.2.3:80", "https://10.1.2.3"),
            ("1.2.3", "https://1.2.3.4"),
            ("com.example", "https://example.com"),
        ],
    )
    def test_and_nothing_else(self, listed, url):
        assert find(url, HTTPS_PROXY=OWN, NO_PROXY=listed) == OWN


class TestOption:
    def test_one_that_is_named_is_for_every_request(self):
        environ = {"HTTPS_PROXY": OTHER, "NO_PROXY": "*"}
        for url in ("https://x.com", "http://localhost:8000", "wss://x.com", "ws://10.0.0.1"):
            assert find(url, OWN, **environ) == OWN

    @pytest.mark.parametrize("option", ["", "none"])
    def test_none_turns_the_environment_off(self, option):
        assert not Proxies(option, {"HTTPS_PROXY": OWN})
        assert find("https://x.com", option, HTTPS_PROXY=OWN) is None


class TestFaults:
    @pytest.mark.parametrize(
        "option",
        [
            ENVIRONMENT,
            "",
            "none",
            OWN,
            f"{OWN}/",
            "https://user:pa%2Fss@proxy.corp",
            "http://[::1]:1",
        ],
    )
    def test_these_have_none(self, option):
        assert proxy_fault(option, {"HTTPS_PROXY": OWN}) is None

    @pytest.mark.parametrize(
        "wrong",
        [
            "socks5://u:secret@proxy.corp:1080",
            "http://",
            "http://u:secret@:3128",
            "http://proxy.corp:port",
            "http://proxy.corp:0",
            "http://proxy.corp/path",
            "http://proxy.corp?secret=1",
            "http://[::1",
        ],
    )
    def test_these_have_one_that_shows_no_password(self, wrong):
        message = proxy_fault(wrong, {})
        assert message.startswith("must be a URL such as http://proxy.example.com:3128")
        assert "secret" not in message
        message = proxy_fault(ENVIRONMENT, {"https_proxy": wrong})
        assert message.startswith("HTTPS_PROXY in the environment must be a URL such as http://")
        assert "secret" not in message
        assert proxy_fault("none", {"https_proxy": wrong}) is None

    @pytest.mark.parametrize("wrong", ["proxy.corp:3128", "nonee", "env"])
    def test_the_option_is_a_url_or_a_word(self, wrong):
        assert proxy_fault(wrong, {}) is not None
