"""What Dockerfile and deploy/ hold is well-formed, guarded, and speaks of what is there."""

import importlib.metadata
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import translate
from pathlib import Path, PurePosixPath
from types import SimpleNamespace

import click
import kubernetes_validate
import promql_parser
import psycopg
import pytest
import yaml
from packaging.requirements import Requirement
from prometheus_client.parser import text_string_to_metric_families

from tests.http.test_process_metrics import Process
from tests.observability.test_metrics import CALL
from tests.postgres import postgres_server
from tools.lock import direct
from tornado_router.background import supervisor
from tornado_router.cli.main import main
from tornado_router.config.options import ProviderOptions
from tornado_router.error_codes import CODES
from tornado_router.ledger.record import Charge
from tornado_router.observability.attempt_record import AttemptRecord
from tornado_router.routing.health import TargetHealth
from tornado_router.routing.routes import Target
from tornado_router.storage.tables import SUMS

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
OPERATING = ROOT / "docs/operating.md"
DEPLOYING = ROOT / "docs/deploying.md"

AFTER_CALLS_SECONDS = 20
"""What a router may take to stop, beyond the time that its calls have."""


def read(path):
    return (DEPLOY / path).read_text()


def load(path):
    return yaml.safe_load(read(path))


def tool(*command, **options):
    """Runs a tool of this environment; what it has to say is shown if it is not content."""
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def installed(name):
    """A tool that came with a package of this environment."""
    return Path(sys.executable).parent / name


def is_pinned(image):
    """Whether an image has a tag that says which version it is."""
    _, colon, tag = image.rpartition(":")
    return bool(colon) and "/" not in tag and tag != "latest"


class TestImage:
    @pytest.fixture(scope="class")
    def lines(self):
        """The instructions of the Dockerfile, each with its words."""
        text = re.sub(r"^#.*\n|\\\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
        return [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]

    @pytest.fixture(scope="class")
    def context(self, tmp_path_factory):
        """What the build gets to see."""
        patterns = [
            line
            for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line and not line.startswith("#")
        ]
        folder = tmp_path_factory.mktemp("context")

        def left_out(where, names):
            where = PurePosixPath(where).relative_to(ROOT)
            return {name for name in names if is_ignored(where / name, patterns)}

        shutil.copytree(ROOT, folder, ignore=left_out, dirs_exist_ok=True)
        return folder

    def test_hadolint_has_nothing_to_say(self):
        tool(installed("hadolint"), "--failure-threshold", "style", "Dockerfile")

    def test_what_it_is_built_on_is_pinned(self, lines):
        images = [rest.split()[0] for word, rest in lines if word == "FROM"]
        assert len(images) == 2, "what builds is not what runs"
        assert all(map(is_pinned, images))

    def test_whatever_is_installed_is_pinned_with_its_hash(self, lines, context):
        pinned = {}
        for entry in re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text()):
            if not entry.startswith("#"):
                assert "--hash=sha256:" in entry
                requirement = Requirement(entry.partition("\\")[0].partition(" ;")[0])
                (version,) = requirement.specifier
                pinned[requirement.name] = version.version
        for wanted in direct():
            assert wanted.specifier.contains(pinned[wanted.name]), f"{wanted}: make the lock anew"
        assert (context / "requirements.lock").is_file()
        installs = [rest for word, rest in lines if word == "RUN" and "install" in rest]
        assert "--require-hashes" in next(each for each in installs if "requirements.lock" in each)

    def test_it_runs_as_nobody_in_particular(self, lines):
        (user,) = [rest for word, rest in lines if word == "USER"]
        assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user), "a number, which runAsNonRoot can check"

    def test_it_tells_whether_it_is_well(self, lines):
        (check,) = [rest for word, rest in lines if word == "HEALTHCHECK"]
        assert check.endswith('CMD ["tornado-router", "health"]')

    def test_nothing_secret_is_in_the_context(self, context):
        names = {path.relative_to(context).as_posix() for path in context.rglob("*")}
        assert not {name for name in names if name.startswith((".git", "data", "deploy", "tests"))}
        assert not {name for name in names if PurePosixPath(name).name == ".env"}

    def test_the_context_makes_whole_packages(self, context, tmp_path):
        """Beside what is installed, as there may be no index: so without dependencies."""
        copy = tmp_path / "copy"
        shutil.copytree(context, copy)  # setuptools builds in the folder
        pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index"]
        sources = [copy, *sorted(copy.glob("plugins/*/"))]
        tool(*pip, "--no-build-isolation", "--wheel-dir", tmp_path, *sources)
        made = [zipfile.ZipFile(path).namelist() for path in tmp_path.glob("*.whl")]
        assert len(made) == 1 + len(list(ROOT.glob("plugins/*/")))
        for package in [ROOT, *ROOT.glob("plugins/*/")]:
            for source in package.glob("tornado_router*/**/*"):
                name = source.relative_to(package).as_posix()
                if source.is_file() and source.suffix != ".pyc":
                    assert any(name in names for names in made), f"{name} is in no package"
        assert any("tornado_router/schemas/manifest.json" in names for names in made)


def is_ignored(path, patterns):
    """Whether .dockerignore keeps a file from the build: the last pattern that matches decides."""
    ignored = False
    for pattern in patterns:
        wanted = re.compile(as_regex(pattern.removeprefix("!")))
        if any(wanted.fullmatch(part.as_posix()) for part in (path, *path.parents)):
            ignored = not pattern.startswith("!")
    return ignored


def as_regex(pattern):
    anywhere = pattern.startswith("**/")
    parts = [translate(part) for part in pattern.removeprefix("**/").split("/")]
    return ("(?:.*/)?" if anywhere else "") + "/".join(
        part.replace(".*", "[^/]*").removesuffix(r"\Z").removesuffix(r"\z") for part in parts
    )


class TestCompose:
    @pytest.fixture(scope="class")
    def compose(self):
        return load("compose.yaml")

    @pytest.fixture(scope="class")
    def services(self, compose):
        return compose["services"]

    def test_it_is_what_the_specification_says(self):
        tool(installed("check-jsonschema"), "--builtin-schema", "vendor.compose-spec",
             DEPLOY / "compose.yaml")  # fmt: skip

    def test_every_container_is_confined(self, services):
        for name, service in services.items():
            assert service["read_only"] is True, name
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert service["deploy"]["resources"]["limits"]["memory"], name
            assert "privileged" not in service, name
            assert is_pinned(re.sub(r"\$\{\w+:-(\w+)\}", r"\1", service["image"])), name

    def test_every_service_that_stays_tells_whether_it_is_well(self, services):
        for name, service in services.items():
            assert ("test" in service["healthcheck"]) == (service["restart"] != "no"), name

    def test_it_waits_for_what_there_is(self, services):
        for name, service in services.items():
            for other, terms in service.get("depends_on", {}).items():
                stays = services[other]["restart"] != "no"
                wanted = "service_healthy" if stays else "service_completed_successfully"
                assert terms["condition"] == wanted, (name, other)

    def test_files_and_secrets_are_there(self, compose, services):
        for name, service in services.items():
            assert set(service.get("secrets", ())) <= set(compose["secrets"]), name
            for volume in service.get("volumes", ()):
                source = volume.split(":")[0]
                there = (
                    (DEPLOY / source).exists() if "/" in source else source in compose["volumes"]
                )
                assert there, (name, volume)

    def test_ports_are_open_to_this_machine_alone(self, services):
        ports = [port for service in services.values() for port in service.get("ports", ())]
        assert ports
        assert all(":-127.0.0.1:" in port for port in ports)

    def test_an_upgrade_migrates_and_waits_before_it_stops_anything(self, services):
        upgrades = DEPLOYING.read_text().partition("## Upgrades")[2]
        commands = re.search(r"```sh\n(.+?)```", upgrades, re.S)[1].splitlines()
        words = [line.split() for line in commands]
        build, migrate, up, stop = words
        assert build[:3] == ["docker", "compose", "build"]
        assert migrate[-1] in services
        assert {"--wait", "--no-recreate", "--no-deps"} <= set(up)
        assert stop[:2] == ["docker", "stop"]

    def test_calls_have_time_to_end(self, services):
        grace = int(services["router"]["stop_grace_period"].removesuffix("s"))
        assert grace >= shutdown_seconds() + AFTER_CALLS_SECONDS
        assert services["balancer"]["stop_grace_period"] == services["router"]["stop_grace_period"]

    def test_secrets_are_in_no_environment(self, compose, services):
        secret = re.compile("password|secret|token|key", re.I)
        for name, service in services.items():
            for variable, value in service.get("environment", {}).items():
                if secret.search(variable):
                    assert value.startswith("/run/secrets/"), (name, variable)


def shutdown_seconds():
    return tomllib.loads(read("router.toml"))["server"]["shutdown_seconds"]


class TestBalancer:
    @pytest.fixture(scope="class")
    def sections(self):
        """The lines of each section of haproxy.cfg, without comments."""
        sections = {}
        for line in read("haproxy.cfg").splitlines():
            text = line.partition("#")[0].rstrip()
            if text and not line.startswith(" "):
                lines = sections[text] = []
            elif text:
                lines.append(text.strip())
        return sections

    @pytest.mark.skipif(not shutil.which("haproxy"), reason="there is no haproxy here")
    def test_haproxy_takes_it(self):
        tool("haproxy", "-c", "-f", "deploy/haproxy.cfg")

    def test_it_asks_routers_how_they_are(self, sections):
        lines = sections["backend routers"]
        assert "option httpchk" in lines
        assert "http-check send meth GET uri /health ver HTTP/1.1 hdr Host router" in lines
        assert "http-check expect status 200" in lines
        assert any(line.startswith("default-server check ") for line in lines)

    def test_it_sends_a_call_once(self, sections):
        lines = sections["backend routers"]
        assert [line for line in lines if line.startswith("retry-on ")] == ["retry-on conn-failure"]

    def test_it_does_not_gather_bodies(self, sections):
        lines = {line for lines in sections.values() for line in lines}
        assert not {line for line in lines if "buffer" in line or "compression" in line}

    def test_it_waits_longer_than_a_call_may_take(self, sections):
        minutes = {
            line.split()[1]: int(line.split()[2].removesuffix("m"))
            for line in sections["defaults"]
            if line.startswith(("timeout client", "timeout server"))
        }
        longest = ProviderOptions(type="echo").total_timeout
        assert set(minutes) == {"client", "server"}
        assert all(60 * each > longest for each in minutes.values())

    def test_it_goes_where_routers_listen(self, sections):
        port = tomllib.loads(read("router.toml"))["server"]["port"]
        (line,) = [ln for ln in sections["backend routers"] if ln.startswith("server-template")]
        assert line.split()[-1] == f"router:{port}"

    def test_nobody_outside_sees_metrics(self, sections):
        refusal = "http-request return status 404 if { path /metrics /health }"
        assert refusal in sections["frontend api"]

    def test_clients_are_told_in_words_of_their_sdk_that_no_router_is_there(self, sections):
        (line,) = [ln for ln in sections["frontend api"] if ln.startswith("http-error status 503")]
        assert "content-type application/json" in line
        error = json.loads(line[line.index("'") + 1 : -1])["error"]
        assert set(error) == {"message", "type", "param", "code"}


class TestRouterToml:
    def test_both_copies_agree(self):
        assert read("router.toml") == read("kubernetes/router.toml")

    @pytest.fixture
    def check(self, tmp_path):
        """Proves the file as it is in a container, whose secrets are there."""
        for name in secrets():
            (tmp_path / name).write_text(f"a-{name}-that-is-long-enough-to-be-taken")
            (tmp_path / name).chmod(0o640)
        text = read("router.toml").replace("/run/secrets/", f"{tmp_path}/")
        (tmp_path / "router.toml").write_text(text)
        command = installed("tornado-router"), "check", tmp_path / "router.toml"
        return lambda *options: tool(*command, *options)

    def test_it_has_no_faults(self, check):
        told = check()
        assert "no faults" in told
        assert told.count(": on\n") == 3

    def test_it_is_safe_but_for_what_stays_on_one_machine(self, check):
        check("--production", "--accept", "database.url", "--accept", "redis.tls")
        with pytest.raises(AssertionError, match=r"database\.url: is not encrypted"):
            check("--production", "--accept", "redis.tls")

    def test_what_is_elsewhere_can_be_spoken_to_in_secret(self, check, monkeypatch):
        monkeypatch.setenv("POSTGRES_SSLMODE", "verify-full")
        monkeypatch.setenv("REDIS_TLS", "true")
        check("--production")

    def test_the_secret_of_kubernetes_has_them_all(self):
        assert set(re.findall(r"--from-file (\w+)", DEPLOYING.read_text())) == secrets()

    def test_its_secrets_are_those_that_containers_get(self):
        assert secrets() == set(load("compose.yaml")["services"]["router"]["secrets"])


def secrets():
    """The names of the files that router.toml reads."""
    return set(re.findall(r"\$\{file:/run/secrets/(\w+)\}", read("router.toml")))


def commands():
    """What the command line is asked for, in every file."""
    services = load("compose.yaml")["services"]
    pod = load("kubernetes/statefulset.yaml")["spec"]["template"]["spec"]
    return {
        "serve",
        " ".join(services["migrate"]["command"]),
        " ".join(services["router"]["healthcheck"]["test"][2:]),
        " ".join(pod["initContainers"][0]["args"]),
    }


@pytest.mark.parametrize(
    "words",
    sorted(commands()),
)
def test_commands_are_there(words):
    command = main
    for word in words.split():
        command = command.get_command(click.Context(command), word)
        assert command, words


class TestKubernetes:
    @pytest.fixture(scope="class")
    def objects(self):
        return {
            (item["kind"], item["metadata"]["name"]): item
            for path in sorted(KUBERNETES.rglob("*.yaml"))
            if path.name != "kustomization.yaml"
            for item in yaml.safe_load_all(path.read_text())
        }

    @pytest.fixture(scope="class")
    def pod(self, objects):
        return objects["StatefulSet", "tornado-router"]["spec"]["template"]["spec"]

    @pytest.mark.parametrize("version", ["1.32", kubernetes_validate.latest_version()])
    def test_kubernetes_takes_every_object(self, objects, version):
        checked = [
            kubernetes_validate.validate(item, version, strict=True)
            for (kind, _), item in objects.items()
            if kind != "ServiceMonitor"  # the operator's own
        ]
        assert len(checked) == len(objects) - 1

    @pytest.mark.parametrize(
        "path",
        sorted(KUBERNETES.rglob("kustomization.yaml")),
        ids=lambda path: path.parent.name,
    )
    def test_kustomizations_name_every_file(self, path):
        kustomization = yaml.safe_load(path.read_text())
        there = {item.name for item in path.parent.glob("*.yaml")} - {"kustomization.yaml"}
        assert set(kustomization["resources"]) == there
        for generator in kustomization.get("configMapGenerator", ()):
            for name in generator.get("files", generator.get("envs")):
                assert (path.parent / name).is_file()

    @pytest.mark.skipif(not shutil.which("kubectl"), reason="there is no kubectl here")
    def test_kustomize_builds_it_with_all_components(self, tmp_path):
        shutil.copytree(KUBERNETES, tmp_path / "kubernetes")
        names = sorted(path.name for path in (KUBERNETES / "components").iterdir())
        overlay = {
            "namespace": "tornado-router",
            "resources": ["../kubernetes"],
            "components": [f"../kubernetes/components/{name}" for name in names],
        }
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine/kustomization.yaml").write_text(yaml.safe_dump(overlay))
        built = list(yaml.safe_load_all(tool("kubectl", "kustomize", tmp_path / "mine")))
        kinds = {item["kind"] for item in built}
        assert {"HorizontalPodAutoscaler", "Ingress", "ServiceMonitor", "ConfigMap"} <= kinds
        (pods,) = [item for item in built if item["kind"] == "StatefulSet"]
        assert "replicas" not in pods["spec"], "the autoscaler decides"

    def test_pods_are_confined(self, pod):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
        assert f"USER {user}\n" in (ROOT / "Dockerfile").read_text()
        for container in (*pod["initContainers"], *pod["containers"]):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]

    def test_calls_have_time_to_end(self, pod):
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        needed = pause + shutdown_seconds() + AFTER_CALLS_SECONDS
        assert pod["terminationGracePeriodSeconds"] >= needed

    def test_probes_ask_the_router(self, pod):
        (container,) = pod["containers"]
        port = tomllib.loads(read("router.toml"))["server"]["port"]
        assert container["ports"] == [{"name": "http", "containerPort": port}]
        for probe in ("startupProbe", "readinessProbe"):
            assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}

    def test_a_router_is_alive_that_answers_anything(self, pod, router_project):
        """By the very command of the probe, against a router that serves."""
        router = router_project({"router.toml": "[server]\nport = 0\n"}).serve()
        assert self.probe(pod, router.origin.rpartition(":")[2]).returncode == 0

    def test_a_router_is_not_that_hangs(self, pod):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            done = self.probe(pod, str(deaf.getsockname()[1]), patience="0.2")
        assert done.returncode != 0
        assert b"TimeoutError" in done.stderr

    @staticmethod
    def probe(pod, port, patience="10"):
        name, *options, script = pod["containers"][0]["livenessProbe"]["exec"]["command"]
        assert name == "python"
        script = script.replace("3000", port).replace("timeout=10", f"timeout={patience}")
        return subprocess.run(
            [sys.executable, *options, script], capture_output=True, check=False, timeout=60
        )

    def test_selectors_find_the_pods(self, objects):
        spec = objects["StatefulSet", "tornado-router"]["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"] == labels
        assert objects["Service", "tornado-router"]["spec"]["selector"] == labels
        assert objects["Service", spec["serviceName"]]["spec"]["selector"] == labels
        budget = objects["PodDisruptionBudget", "tornado-router"]["spec"]
        assert budget["selector"]["matchLabels"] == labels
        target = objects["HorizontalPodAutoscaler", "tornado-router"]["spec"]["scaleTargetRef"]
        assert (target["kind"], target["name"]) in objects

    def test_prometheus_finds_each_pod(self, objects):
        monitor = objects["ServiceMonitor", "tornado-router-pods"]["spec"]
        service = objects["Service", "tornado-router-pods"]
        assert monitor["selector"]["matchLabels"] == service["metadata"]["labels"]
        (endpoint,) = monitor["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        credentials = endpoint["authorization"]["credentials"]
        assert credentials["key"] in secrets()

    def test_the_ingress_leads_to_the_service(self, objects):
        service = objects["Service", "tornado-router"]
        names = {port["name"] for port in service["spec"]["ports"]}
        (rule,) = objects["Ingress", "tornado-router"]["spec"]["rules"]
        for path in rule["http"]["paths"]:
            backend = path["backend"]["service"]
            assert backend["name"] == "tornado-router"
            assert backend["port"]["name"] in names
        assert "/metrics" not in {path["path"] for path in rule["http"]["paths"]}


ADDED = {"job", "instance"}
"""Labels that Prometheus gives to everything that it reads of a router."""


@pytest.fixture(scope="module")
def exported():
    """The labels of every sample that a router exports, by its name."""
    process = Process(link=SimpleNamespace(available=True), tls=SimpleNamespace(not_after=1.0))
    process.metrics.add(CALL, [AttemptRecord("up", "up", "m")], missed=True)
    process.metrics.add(CALL._replace(cache_hit=True), missed=False)
    process.metrics.add(CALL._replace(charge=Charge()), missed=False)
    process.metrics.add(CALL._replace(provider=None, error_code="model_not_found"), missed=False)
    process.targets = [TargetHealth(Target("up", "m"), "open", 5, 1.0, 1, None)]
    pool = SimpleNamespace(in_use=1, idle=1, waiting=1, limit=1)
    process.upstreams["up"] = SimpleNamespace(pool=pool)
    supervisor.report("usage rows", OSError())
    process.measured()
    labels = {
        "up": ADDED,
        "ALERTS": {"alertname", "alertstate", "severity", *ADDED},
    }
    for family in text_string_to_metric_families(process.metrics.text().decode()):
        for sample in family.samples:
            labels.setdefault(sample.name, set(ADDED)).update(sample.labels)
    return labels


def labels_of(expression, exported):
    """The labels that a PromQL expression results in; fails if it speaks of what is not there."""
    match expression:
        case promql_parser.VectorSelector():
            assert expression.name in exported, f"no router exports {expression.name}"
            there = exported[expression.name]
            asked = {matcher.name for matcher in expression.matchers.matchers}
            assert asked <= there, f"{expression.name} has no {asked - there}"
            return there
        case promql_parser.MatrixSelector():
            return labels_of(expression.vector_selector, exported)
        case promql_parser.AggregateExpr():
            there = labels_of(expression.expr, exported)
            modifier = expression.modifier
            kept = set(modifier.labels) if modifier else set()
            assert kept <= there, f"{kept - there} is no label of what is summed up"
            return there if str(expression.op).startswith("topk") else kept
        case promql_parser.BinaryExpr():
            left, right = (labels_of(side, exported) for side in (expression.lhs, expression.rhs))
            if not is_scalar(expression.rhs) and expression.modifier is None:
                assert left == right, "both sides have to have the same labels to be matched"
            return left
        case promql_parser.Call():
            found = [labels_of(each, exported) for each in expression.args]
            if expression.func.name == "absent":
                return set()
            if expression.func.name == "histogram_quantile":
                assert "le" in found[1], "a quantile is of buckets"
                return found[1] - {"le"}
            return set().union(*found)
        case promql_parser.ParenExpr() | promql_parser.SubqueryExpr():
            return labels_of(expression.expr, exported)
        case promql_parser.NumberLiteral() | promql_parser.StringLiteral():
            return set()
    raise AssertionError(f"what is {type(expression)}?")


def is_scalar(expression):
    """Whether it is one number, which needs no labels to be matched with."""
    match expression:
        case promql_parser.NumberLiteral():
            return True
        case promql_parser.Call():
            return expression.func.name == "time"
        case promql_parser.BinaryExpr():
            return is_scalar(expression.lhs) and is_scalar(expression.rhs)
    return False


def alerts():
    return [rule for group in load("alerts.yml")["groups"] for rule in group["rules"]]


class TestAlerts:
    @pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
    def test_it_is_of_what_is_exported(self, rule, exported):
        labels = labels_of(promql_parser.parse(rule["expr"]), exported)
        told = "".join(rule["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", told)) <= labels

    @pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
    def test_it_says_what_is_wrong_and_what_to_do(self, rule):
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"\d+m", rule["for"])
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}
        assert rule["annotations"]["runbook"] == f"docs/operating.md#{rule['alert'].lower()}"

    def test_each_has_its_section_and_no_section_is_of_another(self):
        sections = re.findall(r"^### (\w+)$", OPERATING.read_text(), re.M)
        assert sections == [rule["alert"] for rule in alerts()]

    def test_it_becomes_a_link_to_the_published_page(self):
        """By the command on the page; the site has a folder for each page."""
        (command,) = re.findall(r"^(sed 's\|runbook.*) > \S+$", OPERATING.read_text(), re.M)
        linked = yaml.safe_load(tool(*shlex.split(command)))
        assert {
            rule["alert"]: rule["annotations"]["runbook_url"]
            for group in linked["groups"]
            for rule in group["rules"]
        } == {
            rule["alert"]: f"https://docs.example.com/operating/#{rule['alert'].lower()}"
            for rule in alerts()
        }

    def test_codes_of_refusals_are_those_of_the_router(self):
        codes = set(re.findall(r'code="(\w+)"', read("alerts.yml")))
        assert codes
        assert codes <= CODES

    def test_misses_of_only_if_cached_are_no_errors(self):
        """They end with 504, as no provider was asked, and nothing is wrong."""
        of_errors = [rule for rule in alerts() if 'status=~"5..' in rule["expr"]]
        assert len(of_errors) > 1
        for rule in of_errors:
            subtracted = '- (sum(rate(tornado_router_refusals_total{code="not_cached"}[5m]))'
            assert 'provider!=""' in rule["expr"] or subtracted in rule["expr"], rule["alert"]

    def test_what_speaks_of_nothing_is_found(self, exported):
        for wrong in (
            "tornado_router_nothing > 0",
            'tornado_router_calls_in_flight{model="x"} > 0',
            "sum by (model) (tornado_router_tasks)",
            "histogram_quantile(0.9, sum(rate(tornado_router_overhead_seconds_bucket[5m])))",
            "sum by (code) (tornado_router_refusals_total) / sum(tornado_router_refusals_total)",
        ):
            with pytest.raises(AssertionError):
                labels_of(promql_parser.parse(wrong), exported)


class TestPrometheus:
    def test_it_finds_the_routers_and_shows_their_token(self):
        (job,) = load("prometheus.yml")["scrape_configs"]
        services = load("compose.yaml")["services"]
        assert {'job="tornado-router"'} == set(re.findall(r'job="[^"]*"', read("alerts.yml")))
        assert job["job_name"] == "tornado-router"
        (names,) = job["dns_sd_configs"]
        assert set(names["names"]) <= set(services)
        assert names["port"] == tomllib.loads(read("router.toml"))["server"]["port"]
        secret = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
        assert secret in services["prometheus"]["secrets"]

    def test_its_rules_are_mounted(self):
        (path,) = load("prometheus.yml")["rule_files"]
        mounts = load("compose.yaml")["services"]["prometheus"]["volumes"]
        assert f"./alerts.yml:{path}:ro" in mounts


def panels():
    board = json.loads(read("grafana/dashboards/tornado-router.json"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


class TestDashboard:
    @pytest.fixture(scope="class")
    def board(self):
        return json.loads(read("grafana/dashboards/tornado-router.json"))

    @pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
    def test_a_panel_shows_what_is_exported(self, panel, exported):
        assert panel["targets"]
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "5m")
            labels = labels_of(promql_parser.parse(query), exported)
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels

    def test_its_variables_are_of_what_is_exported(self, board, exported):
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                query = variable["query"]["query"]
                selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", query).groups()
                assert label in labels_of(promql_parser.parse(selector), exported)

    def test_only_variables_are_used_that_there_are(self, board):
        there = {variable["name"] for variable in board["templating"]["list"]}
        used = set(re.findall(r"\$\{?([a-z]\w+)", json.dumps(board)))
        assert used == there

    def test_panels_do_not_overlap(self, board):
        taken = set()
        for panel in board["panels"]:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            cells = {
                (place["x"] + column, place["y"] + row)
                for column in range(place["w"])
                for row in range(place["h"])
            }
            assert not cells & taken, panel["title"]
            taken |= cells
        ids = [panel["id"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids)

    def test_grafana_is_told_where_it_is(self):
        (provider,) = load("grafana/provisioning/dashboards/dashboards.yaml")["providers"]
        mounts = load("compose.yaml")["services"]["grafana"]["volumes"]
        assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts

    def test_its_source_is_there(self):
        (source,) = load("grafana/provisioning/datasources/prometheus.yaml")["datasources"]
        assert source["url"] == "http://prometheus:9090"
        assert "prometheus" in load("compose.yaml")["services"]


class TestSpending:
    """The dashboard of whoever pays, which asks PostgreSQL."""

    BOARD = json.loads(read("grafana/dashboards/spending.json"))

    @pytest.fixture(scope="class")
    def database(self):
        """A database with calls of two users, one of whom is gone, as a reader of it sees it."""
        with postgres_server() as server, psycopg.connect(server.create(migrated=True)) as made:
            made.execute(
                "INSERT INTO users (id, email, name, password_hash, plan, credits, spent, is_admin,"
                " is_active, session_version, created_at, updated_at)"
                " VALUES (1, 'ann@example.com', '', '', 'free', 0, 0, false, true, 1, now(), now())"
            )
            quantities = [name for name in SUMS if name not in ("requests", "errors", "cost")]
            names, ones = ", ".join(quantities), ", 1" * len(quantities)
            made.execute(
                "INSERT INTO usage_days (day, user_id, api_key_id, provider, model, requests,"
                f" errors, cost, {names}) SELECT (now() AT TIME ZONE 'UTC')::date, who, who,"
                f" 'openai', 'gpt-4o', 2, 1, who * 1500000000::bigint {ones}"
                " FROM generate_series(1, 2) who"
            )
            statements = re.findall(r"^(?:CREATE ROLE|GRANT) .*;$", DEPLOYING.read_text(), re.M)
            for statement in statements:
                made.execute(statement)
            made.execute("SET ROLE grafana")
            yield made
            made.rollback()

    @pytest.mark.parametrize("panel", BOARD["panels"], ids=lambda panel: panel["title"])
    def test_a_panel_asks_what_there_is(self, panel, database):
        (target,) = panel["targets"]
        query = re.sub(
            r"\$__timeFilter\(([\w.]+)\)",
            r"\1 BETWEEN now() - interval '30 days' AND now()",
            target["rawSql"],
        )
        rows = database.execute(query).fetchall()
        assert rows
        if panel["title"] == "Spent this month":
            assert float(rows[0][0]) == 4.5

    def test_one_who_is_gone_has_a_number(self, database):
        (panel,) = [item for item in self.BOARD["panels"] if item["title"] == "By user"]
        query = panel["targets"][0]["rawSql"].replace("$__timeFilter(d.day)", "true")
        rows = database.execute(query).fetchall()
        assert [(row[0], float(row[1])) for row in rows] == [
            ("user 2", 3.0),
            ("ann@example.com", 1.5),
        ]


def test_the_tag_is_this_version():
    """Kubernetes is told to run the version that it stands beside."""
    (image,) = load("kubernetes/kustomization.yaml")["images"]
    assert image["newTag"] == importlib.metadata.version("tornado-llm-router")
