"""Models from the internet, served by this machine: checked by their hash, and there without a network later."""

import functools
import hashlib
import http.server
import threading

import pytest

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.surrogate import downloaded_models, model_folder
from gensim_graph.surrogate.downloads import ModelAddress

WEIGHTS = model_folder("small") / "weights.safetensors"
SHA256 = hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Address of the shipped model on a server that runs until the test shuts it down."""
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(tmp_path / "cache"))
    handler = functools.partial(QuietHandler, directory=str(WEIGHTS.parents[1]))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        running.address = f"http://127.0.0.1:{running.server_port}/small"
        yield running
        running.shutdown()


def same_weights(model):
    expected = gg.Surrogate.load("small").operator.state_dict()
    return all((weight == expected[name]).all() for name, weight in model.operator.state_dict().items())


def test_a_model_is_downloaded_once(server):
    assert same_weights(gg.Surrogate.load(server.address))
    server.shutdown()
    server.server_close()
    assert same_weights(gg.Surrogate.load(server.address))


def test_the_hash_of_a_model_without_one_is_said(server, caplog):
    gg.Surrogate.load(server.address)
    assert f"{server.address}#sha256={SHA256}" in caplog.text
    assert list(downloaded_models()) == [f"{server.address}#sha256={SHA256}"]


def test_weights_with_the_right_hash(server, caplog):
    assert same_weights(gg.Surrogate.load(f"{server.address}#sha256={SHA256}"))
    assert caplog.text == ""


def test_weights_with_another_hash(server):
    wrong = f"{server.address}#sha256={'0' * 64}"
    with pytest.raises(InputError, match="another hash"):
        gg.Surrogate.load(wrong)
    with pytest.raises(InputError, match="another hash"):
        gg.Surrogate.load(wrong)


def test_a_model_that_is_not_there(server):
    with pytest.raises(InputError, match=r"nothing/surrogate.json: cannot be downloaded \(404"):
        gg.Surrogate.load(server.address.replace("small", "nothing"))


def test_an_address_that_lost_a_slash_as_a_path(server):
    assert same_weights(gg.Surrogate.load(server.address.replace("//", "/")))


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://a.org/models/small/", "https://a.org/models/small"),
        ("hf://seaice/arctic", "https://huggingface.co/seaice/arctic/resolve/main"),
        ("hf://seaice/arctic@v2", "https://huggingface.co/seaice/arctic/resolve/v2"),
        ("hf://seaice/arctic@v2/a/b", "https://huggingface.co/seaice/arctic/resolve/v2/a/b"),
    ],
)
def test_addresses(text, url):
    assert ModelAddress.parse(text).url == url


@pytest.mark.parametrize("text", ["hf://seaice", "https://", "https://a.org/x#sha256=12", "https://a.org/x#md5=1"])
def test_wrong_addresses(text):
    with pytest.raises(InputError, match="expected"):
        ModelAddress.parse(text)
