"""The check of Pod Security itself: a Pod that may run, and one violation after the other."""

import copy

import pytest

from pod_security import restricted_violations

GOOD = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "app",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "ports": [{"containerPort": 80}],
        }
    ],
    "volumes": [{"name": "logs", "emptyDir": {}}],
}


def test_a_pod_that_may_run_has_no_violation():
    assert restricted_violations(GOOD) == []


def app(pod):
    return pod["containers"][0]["securityContext"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda p: p.update(hostNetwork=True), "hostNetwork"),
        (lambda p: p["volumes"].append({"name": "node", "hostPath": {"path": "/"}}), "hostPath"),
        (lambda p: p["securityContext"].update(runAsNonRoot=None), "runAsNonRoot"),
        (lambda p: p["securityContext"].update(runAsUser=0), "runAsUser is 0"),
        (lambda p: p["securityContext"].update(sysctls=[{"name": "kernel.msgmax"}]), "sysctl"),
        (lambda p: p["securityContext"].pop("seccompProfile"), "seccompProfile"),
        (lambda p: app(p).update(seccompProfile={"type": "Unconfined"}), "Unconfined"),
        (lambda p: app(p).pop("allowPrivilegeEscalation"), "allowPrivilegeEscalation"),
        (lambda p: app(p).update(capabilities={"drop": ["NET_RAW"]}), "ALL is not dropped"),
        (lambda p: app(p)["capabilities"].update(add=["SYS_ADMIN"]), "SYS_ADMIN"),
        (lambda p: app(p).update(privileged=True), "privileged"),
        (lambda p: app(p).update(procMount="Unmasked"), "procMount"),
        (lambda p: app(p).update(seLinuxOptions={"type": "spc_t"}), "seLinuxOptions"),
        (lambda p: p["containers"][0]["ports"][0].update(hostPort=80), "hostPort"),
        (lambda p: p["containers"][0].update(livenessProbe={"httpGet": {"host": "example.com"}}), "host"),
        (lambda p: p.update(initContainers=[{"name": "bare"}]), "bare"),
    ],
)
def test_each_violation_is_found(change, expected):
    pod = copy.deepcopy(GOOD)
    change(pod)
    assert expected in " ".join(restricted_violations(pod))
