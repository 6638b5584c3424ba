"""What runs without a chart: the image, laid out and started without an image builder, the tarball, the systemd unit."""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import signal
import struct
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from charts import REPOSITORY, one, render
from test_binary import ERROR, LIMIT, count, free_port

DEPLOY = REPOSITORY / "deploy"
DOCKERFILE = REPOSITORY / "Dockerfile"
TRIPLE = f"{platform.machine()}-unknown-linux-gnu"
NOBODY = 65534


def run(*command, **more) -> subprocess.CompletedProcess:
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, **more)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result


@pytest.fixture(scope="module")
def static() -> Path:
    """The static binary, as deploy/static.sh builds it."""
    path = Path(os.environ.get("ZAI_EXPORTER_STATIC_BIN", REPOSITORY / "target" / TRIPLE / "release" / "zai-exporter"))
    if not path.exists():
        pytest.fail(f"{path} is not there: build it with deploy/static.sh, or set ZAI_EXPORTER_STATIC_BIN")
    return path.resolve()


@pytest.fixture(scope="module")
def root(static, tmp_path_factory) -> Path:
    """The file system of the image."""
    if os.geteuid() != 0:
        pytest.skip("laying out the image and changing the root need root")
    folder = tmp_path_factory.mktemp("image") / "root"
    run(DEPLOY / "rootfs.sh", static, folder)
    # pytest's folders are for root alone; the container's user has to get through them.
    for parent in [folder, *folder.parents]:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o711)
    return folder


# The binary


def test_the_binary_needs_no_library_and_no_loader(static):
    result = subprocess.run(["ldd", static], capture_output=True, text=True, check=False)
    assert re.search(r"statically linked|not a dynamic executable", result.stdout + result.stderr)
    assert 3 not in program_headers(static), "it names a loader (PT_INTERP)"


def program_headers(path: Path) -> list[int]:
    """The types of an ELF64 file's program headers."""
    data = path.read_bytes()
    assert data[:5] == b"\x7fELF\x02"
    start, size, number = (struct.unpack_from(f, data, at)[0] for f, at in (("<Q", 0x20), ("<H", 0x36), ("<H", 0x38)))
    return [struct.unpack_from("<I", data, start + i * size)[0] for i in range(number)]


def test_the_binary_names_no_folder_of_the_machine_that_built_it(static):
    data = static.read_bytes()
    assert str(REPOSITORY).encode() not in data
    assert str(Path.home() / ".cargo").encode() not in data


# The image


def test_the_image_holds_nothing_else(root):
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    others = [str(path) for path in files if not str(path).startswith("usr/share/zoneinfo/")]
    assert sorted(others) == ["etc/group", "etc/passwd", "usr/bin/zai-exporter"]
    assert not [path for path in root.rglob("*") if path.is_symlink()]
    assert [path.name for path in root.rglob("*") if path.is_file() and os.access(path, os.X_OK) and path.stat().st_mode & 0o111] == [
        "zai-exporter"
    ]


def confined(root: Path, *command: str, writable: tuple[str, ...] = ()) -> list[str]:
    """A command that runs a program of the image as a container's runtime does: its root is the image, read-only but for what is
    said, and its user is nobody."""
    mounts = " && ".join(
        [f"mount --bind {root} {root}", *(f"mount --bind {root}{path} {root}{path}" for path in writable), f"mount -o remount,bind,ro {root}"]
    )
    script = f'{mounts} && exec setpriv --no-new-privs chroot --userspec={NOBODY}:{NOBODY} {root} "$@"'
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *command]


def test_the_image_runs_read_only_as_nobody(root):
    state, log, port = root / "var/lib/zai-exporter", root / "var/log/app/app.log", free_port()
    log.write_text(ERROR, encoding="utf-8")
    command = confined(root, "/usr/bin/zai-exporter", "serve", writable=("/var/lib/zai-exporter",))
    environment = {
        "ZAI_EXPORTER_PATHS": "/var/log/app/**/*.log",
        "ZAI_EXPORTER_STATE_DIR": "/var/lib/zai-exporter",
        "ZAI_EXPORTER_WEB_LISTEN_ADDRESS": f"127.0.0.1:{port}",
    }
    path = os.environ["PATH"]
    with subprocess.Popen(command, env={"PATH": path, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            metrics = wait_for(process, f"http://127.0.0.1:{port}/metrics", "zai_api_errors_total")
            assert count(metrics, 'code="1113"') == 1
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
            assert re.search(rf"^Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}$", status, re.MULTILINE)
            assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE) and re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
            assert Path(f"/proc/{process.pid}/root").resolve() == root
        finally:
            stop(process)
    assert process.returncode == 0
    assert [path for path in state.iterdir() if path.stat().st_uid == NOBODY], "no state was written"


def stop(process: subprocess.Popen) -> None:
    """Asks a process to end, and kills one that does not."""
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LIMIT)
    if process.poll() is None:
        process.kill()


def wait_for(process: subprocess.Popen, address: str, text: str) -> str:
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        assert process.poll() is None, f"it ended with {process.returncode}: {process.stdout.read()}"
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError), urllib.request.urlopen(address, timeout=5) as answer:
            body = answer.read().decode()
            if text in body:
                return body
        time.sleep(0.05)
    raise AssertionError(f"{address} did not hold {text!r} within {LIMIT} s")


def test_the_image_knows_the_time_zones(root):
    config = root / "var/log/app/config.yaml"
    config.write_text("timezone: Asia/Shanghai\n", encoding="utf-8")
    run(*confined(root, "/usr/bin/zai-exporter", "check-config", "/var/log/app/config.yaml"))
    config.write_text("timezone: Asia/Nowhere\n", encoding="utf-8")
    result = subprocess.run(
        confined(root, "/usr/bin/zai-exporter", "check-config", "/var/log/app/config.yaml"), capture_output=True, text=True, check=False
    )
    config.unlink()
    assert result.returncode == 64 and "Asia/Nowhere" in result.stdout + result.stderr


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: (name, arguments), here-documents with their text."""
    lines = iter(DOCKERFILE.read_text(encoding="utf-8").splitlines())
    found = []
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        while line.endswith("\\"):
            line = line[:-1] + next(lines).strip()
        name, _, arguments = line.partition(" ")
        if marker := re.search(r"<<'?(\w+)'?$", arguments):
            text = []
            for inner in lines:
                if inner == marker[1]:
                    break
                text.append(inner)
            arguments = "\n".join(text)
        found.append((name, arguments.strip()))
    return found


def last_stage() -> list[tuple[str, str]]:
    steps = instructions()
    start = max(index for index, (name, _) in enumerate(steps) if name == "FROM")
    return steps[start:]


def test_the_last_stage_is_empty_but_for_the_root_that_is_tried_here():
    steps = last_stage()
    assert steps[0] == ("FROM", "scratch")
    assert [arguments for name, arguments in steps if name in ("COPY", "ADD", "RUN")] == ["--from=build /rootfs /"]
    assert ("USER", f"{NOBODY}:{NOBODY}") in steps
    assert ("ENTRYPOINT", '["/usr/bin/zai-exporter"]') in steps and ("EXPOSE", "10064") in steps
    labels = next(arguments for name, arguments in steps if name == "LABEL")
    for label in ("title", "description", "licenses", "version", "revision", "source"):
        assert f"org.opencontainers.image.{label}=" in labels
    version = re.search(r'^version = "(.+)"', (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert ("ARG", f"VERSION={version}") in steps


def test_the_build_stage_runs_these_scripts_for_both_architectures():
    steps = instructions()
    scripts = [arguments for name, arguments in steps if name == "RUN"]
    for script in scripts:
        text = re.sub(r"--mount=\S+\s*", "", script)
        run("sh", "-n", "-c", text)
    for architecture, triple in (("amd64", "x86_64-unknown-linux-gnu"), ("arm64", "aarch64-unknown-linux-gnu")):
        assert re.search(rf"{architecture}\) triple={triple} ", scripts[0])
        assert triple in (DEPLOY / "static.sh").read_text(encoding="utf-8")
    assert "deploy/static.sh" in scripts[1] and "deploy/rootfs.sh" in scripts[1]
    # What .dockerignore lets through is there.
    kept = [line[1:] for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]
    assert {"Cargo.toml", "Cargo.lock", "src", "deploy/static.sh", "deploy/rootfs.sh"} <= set(kept)


def test_the_image_is_built_with_a_compiler_that_the_crate_allows():
    (built,) = [arguments.split("=")[1] for name, arguments in instructions() if name == "ARG" and arguments.startswith("RUST_VERSION")]
    asked = re.search(r'^rust-version = "(.+)"', (REPOSITORY / "Cargo.toml").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert [int(n) for n in built.split(".")] >= [int(n) for n in asked.split(".")]


def test_a_release_is_built_with_the_compiler_of_the_image():
    (built,) = [arguments.split("=")[1] for name, arguments in instructions() if name == "ARG" and arguments.startswith("RUST_VERSION")]
    workflow = yaml.safe_load((REPOSITORY / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8"))
    containers = [job["container"] for job in workflow["jobs"].values() if "container" in job]
    images = {container if isinstance(container, str) else container["image"] for container in containers}
    assert images == {f"rust:{built}-bookworm"}


@pytest.mark.parametrize("script", sorted(DEPLOY.glob("*.sh")), ids=lambda path: path.name)
def test_scripts_are_sound(script):
    run("sh", "-n", script)
    if not shutil.which("shellcheck"):
        pytest.skip("shellcheck is not installed, so only the syntax was checked")
    run("shellcheck", script)


@pytest.mark.parametrize(
    ("command", "code", "expected"),
    [
        (["static.sh", "riscv64gc-unknown-linux-gnu"], 64, "no build is described"),
        (["rootfs.sh", "/nonexistent", "/nonexistent/root"], 64, "usage"),
    ],
)
def test_scripts_refuse_what_they_cannot_do(command, code, expected):
    result = subprocess.run([DEPLOY / command[0], *command[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == code and expected in result.stderr


# The charts of a release

RELEASED = f"registry.example.com:5000/observability/zai-exporter@sha256:{'0123456789abcdef' * 4}"


def test_the_charts_of_a_release_run_its_image_by_digest(tmp_path):
    packed = [Path(path) for path in run(sys.executable, DEPLOY / "charts.py", RELEASED, tmp_path).stdout.split()]
    assert [path.name.rsplit("-", 1)[0] for path in packed] == ["zai-exporter", "zai-exporter-lib"]
    daemon_set = one(render({"daemonSet": {"enabled": True}}, chart=packed[0]), "DaemonSet")
    assert daemon_set["spec"]["template"]["spec"]["containers"][0]["image"] == RELEASED
    with tarfile.open(packed[1]) as archive:
        values = yaml.safe_load(archive.extractfile("zai-exporter-lib/values.yaml"))
    assert "{registry}/{repository}@{digest}".format(**values["image"]) == RELEASED


@pytest.mark.parametrize("image", ["zai-exporter@sha256:0123", "registry.example.com/zai-exporter:1.2.3", ""])
def test_charts_are_not_packed_with_an_image_that_is_not_named_by_digest(image, tmp_path):
    command = [sys.executable, DEPLOY / "charts.py", image, tmp_path / "charts"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 64 and not (tmp_path / "charts").exists()


# The tarball


def tarball(static: Path, out: Path, **environment: str) -> Path:
    variables = {**os.environ, "ZAI_EXPORTER_STATIC_BIN": str(static), "OUT": str(out), "SOURCE_DATE_EPOCH": "1795500000", **environment}
    return Path(run(DEPLOY / "tarball.sh", TRIPLE, env=variables).stdout.strip())


def test_the_tarball_is_the_same_whoever_packs_it(static, tmp_path):
    first = tarball(static, tmp_path / "a")
    old = os.umask(0o077)
    try:
        second = tarball(static, tmp_path / "b", TZ="Asia/Shanghai", LC_ALL="C.UTF-8", HOME=str(tmp_path))
    finally:
        os.umask(old)
    assert first.name == second.name and first.read_bytes() == second.read_bytes()
    later = tarball(static, tmp_path / "c", SOURCE_DATE_EPOCH="1795500001")
    assert later.read_bytes() != first.read_bytes()


def test_the_tarball_has_what_a_machine_without_kubernetes_needs(static, tmp_path):
    path = tarball(static, tmp_path)
    digest, name = (tmp_path / f"{path.name}.sha256").read_text(encoding="utf-8").split()
    assert (digest, name) == (hashlib.sha256(path.read_bytes()).hexdigest(), path.name)
    folder = path.name.removesuffix(".tar.gz")
    with tarfile.open(path) as archive:
        names = archive.getnames()
        assert all(member.uid == member.gid == 0 and member.mtime == 1795500000 for member in archive.getmembers())
        archive.extractall(tmp_path / "unpacked", filter="data")
    for name in ("zai-exporter", "systemd/zai-exporter.service", "systemd/zai-exporter.default", "alerts/zai.rules.yaml", "dashboards/zai-overview.json"):
        assert f"{folder}/{name}" in names
    version = run(tmp_path / "unpacked" / folder / "zai-exporter", "--version").stdout
    assert version.split()[1] in path.name


@pytest.mark.skipif(not os.environ.get("ZAI_EXPORTER_TEST_REBUILD"), reason="two builds take minutes: set ZAI_EXPORTER_TEST_REBUILD=1")
def test_the_binary_is_the_same_wherever_it_is_built(tmp_path):
    digests = set()
    for name in ("here", "a-longer-name-of-a-folder"):
        copy = tmp_path / name
        wanted = ["Cargo.toml", "Cargo.lock", "src", "benches", "README.md", "deploy"]
        for source in (REPOSITORY / part for part in wanted):
            if source.is_dir():
                shutil.copytree(source, copy / source.name)
            elif source.exists():
                copy.mkdir(exist_ok=True)
                shutil.copy(source, copy)
        variables = {**os.environ, "ZAI_EXPORTER_REVISION": "test"}
        variables.pop("CARGO_TARGET_DIR", None)
        result = subprocess.run([copy / "deploy" / "static.sh"], env=variables, capture_output=True, text=True, check=True, timeout=1800)
        digests.add(hashlib.sha256(Path(result.stdout.strip()).read_bytes()).hexdigest())
    assert len(digests) == 1


# systemd


@pytest.fixture(scope="module")
def systemd_analyze() -> str:
    path = shutil.which("systemd-analyze")
    if not path:
        pytest.skip("systemd-analyze is not installed")
    return path


def test_systemd_takes_the_unit(systemd_analyze, tmp_path):
    text = (DEPLOY / "systemd" / "zai-exporter.service").read_text(encoding="utf-8")
    # It also looks whether the program is there.
    unit = tmp_path / "zai-exporter.service"
    unit.write_text(text.replace("/usr/local/bin/zai-exporter serve", "/bin/true"), encoding="utf-8")
    result = run(systemd_analyze, "verify", "--man=no", unit)
    assert "zai-exporter.service" not in result.stderr
    unit.write_text(text.replace("ProtectClock=yes", "ProtectClok=yes").replace("/usr/local/bin/zai-exporter serve", "/bin/true"), encoding="utf-8")
    assert "ProtectClok" in run(systemd_analyze, "verify", "--man=no", unit).stderr


def test_the_unit_is_hardened(systemd_analyze):
    """Exposure from 0 (none) to 10, here in tenths: below 2 is "OK"; a service without any hardening has 9.6."""
    run(systemd_analyze, "security", "--offline=true", "--threshold=15", "--no-pager", DEPLOY / "systemd" / "zai-exporter.service")


def settings(name: str) -> list[str]:
    """The words that the unit gives a setting, in all its lines."""
    text = (DEPLOY / "systemd" / "zai-exporter.service").read_text(encoding="utf-8")
    return [word for line in re.findall(rf"^{name}=(.*)$", text, re.MULTILINE) for word in line.split()]


def members(systemd_analyze: str, group: str) -> set[str]:
    """The system calls of one of systemd's groups, and of the groups in it."""
    lines = [line.strip() for line in run(systemd_analyze, "syscall-filter", "--no-pager", group).stdout.splitlines()]
    calls: set[str] = set()
    for word in lines[1:]:
        if word.startswith("@"):
            calls |= members(systemd_analyze, word)
        elif word and not word.startswith("#"):
            calls.add(word)
    return calls


def allowed(systemd_analyze: str) -> set[str]:
    """The system calls that the unit lets through: a list with ~ takes away what those before it gave."""
    text = (DEPLOY / "systemd" / "zai-exporter.service").read_text(encoding="utf-8")
    calls: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", text, re.MULTILINE):
        named = set().union(*(members(systemd_analyze, word) if word.startswith("@") else {word} for word in line.lstrip("~").split()))
        calls = calls - named if line.startswith("~") else calls | named
    # systemd allows these whatever the filter says: without them nothing could be started or ended.
    return calls | members(systemd_analyze, "@default")


def test_a_reload_of_the_unit_is_the_signal_that_the_exporter_knows(systemd_analyze):
    """What sends it runs as the service's user, within its bounds."""
    program, *arguments = settings("ExecReload")
    assert arguments == ["-HUP", "$MAINPID"] and os.access(program, os.X_OK)
    assert "kill" in allowed(systemd_analyze)


def test_the_exporter_does_nothing_that_the_unit_forbids(systemd_analyze, exporter, tmp_path):
    """A call that the filter does not know ends the process, so what it does is compared with the unit, call by call: files that
    rotate, a state, pages, a reload, a web configuration, the end."""
    if not shutil.which("strace"):
        pytest.skip("strace is not installed")
    logs, trace, port = tmp_path / "logs", tmp_path / "trace", free_port()
    logs.mkdir()
    (logs / "app.log").write_text(ERROR, encoding="utf-8")
    (tmp_path / "web.yaml").write_text("http_server_config:\n  headers: {X-Frame-Options: deny}\n", encoding="utf-8")
    (tmp_path / "config.yaml").write_text(f"sources:\n  - paths: ['{logs}/*.log', '{logs}/missing/x.log']\n", encoding="utf-8")
    command = ["strace", "-D", "-f", "-qq", "-o", trace, exporter, "serve", "--config.file", tmp_path / "config.yaml"]
    command += ["--web.config.file", tmp_path / "web.yaml", "--state.dir", tmp_path / "state", "--web.listen-address", f"127.0.0.1:{port}"]
    address = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            wait_for(process, f"{address}/metrics", "zai_api_errors_total")
            (logs / "app.log").rename(logs / "app.log.1")
            (logs / "app.log").write_text(ERROR, encoding="utf-8")
            wait_for(process, f"{address}/metrics", "zai_exporter_rotations_total 1")
            (logs / "app.log").write_text("", encoding="utf-8")
            wait_for(process, f"{address}/", "1113")
            wait_for(process, f"{address}/api/v1/status", "schema_version")
            reload = urllib.request.Request(f"{address}/-/reload", method="POST")
            urllib.request.urlopen(reload, timeout=LIMIT).close()
            # What `systemctl reload` sends.
            (tmp_path / "config.yaml").write_text("sources: 1\n", encoding="utf-8")
            process.send_signal(signal.SIGHUP)
            wait_for(process, f"{address}/metrics", "zai_exporter_config_last_reload_successful 0")
        finally:
            stop(process)
            # With its end, strace has written all.
            process.stdout.read()
    assert process.returncode == 0
    calls = [re.sub(r"^\d+ +", "", line) for line in trace.read_text(encoding="utf-8", errors="replace").splitlines()]
    made = {found[1] for call in calls if (found := re.match(r"([a-z]\w*)\(", call))}
    assert len(made) > 30 and {"accept4", "rename"} <= made and made & {"fsync", "fdatasync"}, "little was seen"
    assert not made - allowed(systemd_analyze)
    both = [call for call in calls if "PROT_WRITE" in call and "PROT_EXEC" in call]
    assert "MemoryDenyWriteExecute=yes" in (DEPLOY / "systemd" / "zai-exporter.service").read_text(encoding="utf-8") and not both
    families = {found[1] for call in calls if (found := re.match(r"socket\((AF_\w+)", call))}
    assert families and families <= set(settings("RestrictAddressFamilies"))


def test_every_setting_of_the_environment_file_is_one_of_the_exporter(exporter):
    text = (DEPLOY / "systemd" / "zai-exporter.default").read_text(encoding="utf-8")
    unit = (DEPLOY / "systemd" / "zai-exporter.service").read_text(encoding="utf-8")
    named = set(re.findall(r"^#?(ZAI_EXPORTER_\w+)=", text, re.MULTILINE)) | set(re.findall(r"^Environment=(ZAI_EXPORTER_\w+)=", unit, re.MULTILINE))
    help_text = run(exporter, "serve", "--help").stdout
    assert named == set(re.findall(r"\[env: (ZAI_EXPORTER_\w+)", help_text))
