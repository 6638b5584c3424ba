"""The injection policy's expressions, run through CEL on Pods, and the Pods that come of it."""

import copy
import warnings

import jsonpatch
import jsonpointer
import kubernetes_validate
import pytest

from cel_kubernetes import Policy
from charts import CI_NAMES, ci_values, consumer_chart, documents, one, render, rendered_files
from pod_security import restricted_violations
from test_charts import check_mounts

RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
WITH_POLICY = [name for name in CI_NAMES if ci_values(name).get("injection", {}).get("enabled")]


def policy(**injection) -> Policy:
    return policy_of({"injection": {"enabled": True, **injection}})


def policy_of(values: dict, kubernetes: str = "1.36") -> Policy:
    return Policy(one(render(values), "MutatingAdmissionPolicy"), kubernetes)


def pod(**spec) -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "chat-api-1", "labels": {"app": "chat-api", "zai-exporter/inject": "true"}},
        "spec": {
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container("app")],
            **spec,
        },
    }


def container(name: str, **members) -> dict:
    return {"name": name, "image": f"registry.example.com/{name}:1", "securityContext": RESTRICTED, **members}


def injected(policy: Policy, original: dict) -> dict:
    """A Pod as it leaves the API server: valid, restricted, every mount with its volume, and not injected a second time."""
    assert policy.failing_conditions(original) == []
    before = copy.deepcopy(original)
    result = jsonpatch.apply_patch(original, policy.patch(original))
    assert original == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kubernetes_validate.validate(result, "1.36", strict=True)
    assert restricted_violations(result["spec"]) == []
    check_mounts("the injected Pod", result["spec"])
    assert policy.failing_conditions(result) == ["not-there-yet"]
    return result


def sidecar(result: dict, kind: str = "initContainers") -> dict:
    (found,) = [c for c in result["spec"][kind] if c["name"] == "zai-exporter"]
    return found


def mounts(members: dict) -> dict[str, str]:
    return {mount["mountPath"]: mount["name"] for mount in members["volumeMounts"]}


def environment(members: dict) -> dict[str, str]:
    return {variable["name"]: variable["value"] for variable in members["env"] if "value" in variable}


def test_a_pod_without_init_containers_volumes_and_mounts():
    result = injected(policy(), pod())
    assert sidecar(result)["restartPolicy"] == "Always"
    assert [c["name"] for c in result["spec"]["initContainers"]] == ["zai-exporter"]
    assert mounts(result["spec"]["containers"][0]) == {"/var/log/app": "zai-logs"}
    assert {"name": "zai-logs", "emptyDir": {}} in result["spec"]["volumes"]
    assert result["metadata"]["labels"] == {"app": "chat-api", "zai-exporter/inject": "true", "zai-exporter/job": "zai-exporter"}


def test_a_pod_with_init_containers_keeps_them_first():
    original = pod(initContainers=[container("migrate"), container("proxy", restartPolicy="Always")])
    result = injected(policy(), original)
    assert [c["name"] for c in result["spec"]["initContainers"]] == ["migrate", "proxy", "zai-exporter"]
    assert result["spec"]["initContainers"][:2] == original["spec"]["initContainers"]


def test_a_pod_with_volumes_and_mounts_keeps_them():
    app = container("app", volumeMounts=[{"name": "data", "mountPath": "/data"}])
    original = pod(containers=[app, container("cache")], volumes=[{"name": "data", "emptyDir": {}}])
    result = injected(policy(), original)
    assert result["spec"]["volumes"][0] == {"name": "data", "emptyDir": {}}
    assert mounts(result["spec"]["containers"][0]) == {"/data": "data", "/var/log/app": "zai-logs"}
    assert mounts(result["spec"]["containers"][1]) == {"/var/log/app": "zai-logs"}


def test_a_volume_that_is_mounted_at_the_directory_already_is_followed():
    app = container("app", volumeMounts=[{"name": "tmp", "mountPath": "/tmp"}, {"name": "logs", "mountPath": "/var/log/app", "subPath": "app"}])
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "logs", "persistentVolumeClaim": {"claimName": "logs"}}]
    original = pod(containers=[container("proxy"), app], volumes=volumes)
    result = injected(policy(), original)
    assert result["spec"]["containers"] == original["spec"]["containers"]
    assert "zai-logs" not in [volume["name"] for volume in result["spec"]["volumes"]]
    (mount,) = [m for m in sidecar(result)["volumeMounts"] if m["mountPath"] == "/var/log/app"]
    assert mount == {"name": "logs", "mountPath": "/var/log/app", "subPath": "app", "readOnly": True}


def test_annotations_say_where_the_logs_are_and_who_writes_them():
    original = pod(containers=[container("app"), container("proxy"), container("worker")])
    original["metadata"]["annotations"] = {
        "zai-exporter/log-dir": "/srv/logs/",
        "zai-exporter/paths": "/srv/logs/*.json,/srv/logs/error.log",
        "zai-exporter/containers": "app,worker",
    }
    result = injected(policy(), original)
    app, proxy, worker = result["spec"]["containers"]
    assert mounts(app) == mounts(worker) == {"/srv/logs": "zai-logs"} and "volumeMounts" not in proxy
    assert environment(sidecar(result))["ZAI_EXPORTER_PATHS"] == "/srv/logs/*.json,/srv/logs/error.log"
    assert mounts(sidecar(result))["/srv/logs"] == "zai-logs"


def test_another_directory_moves_the_default_paths():
    original = pod()
    original["metadata"]["annotations"] = {"zai-exporter/log-dir": "/srv/logs"}
    assert environment(sidecar(injected(policy(), original)))["ZAI_EXPORTER_PATHS"] == "/srv/logs/**/*.log"


def test_a_slash_at_the_end_of_a_mount_makes_no_second_mount():
    app = container("app", volumeMounts=[{"name": "logs", "mountPath": "/var/log/app/"}])
    result = injected(policy(), pod(containers=[app], volumes=[{"name": "logs", "emptyDir": {}}]))
    assert mounts(result["spec"]["containers"][0]) == {"/var/log/app/": "logs"}
    assert mounts(sidecar(result))["/var/log/app"] == "logs"


def test_a_volume_of_the_sidecars_name_is_not_added_twice():
    result = injected(policy(), pod(volumes=[{"name": "zai-logs", "emptyDir": {"sizeLimit": "1Gi"}}]))
    assert [v["name"] for v in result["spec"]["volumes"]].count("zai-logs") == 1
    assert mounts(result["spec"]["containers"][0]) == {"/var/log/app": "zai-logs"}


def test_a_label_for_the_job_that_is_there_already_stays():
    original = pod()
    original["metadata"]["labels"]["zai-exporter/job"] = "zai-search"
    assert injected(policy(), original)["metadata"]["labels"]["zai-exporter/job"] == "zai-search"


def test_a_pod_without_labels_in_a_namespace_that_is_selected():
    original = pod()
    del original["metadata"]["labels"]
    result = injected(policy(selection="namespace", namespaceSelector={"matchLabels": {"zai-exporter/inject": "true"}}), original)
    assert result["metadata"]["labels"] == {"zai-exporter/job": "zai-exporter"}


@pytest.mark.parametrize(
    ("change", "condition"),
    [
        (lambda p: p["spec"].update(initContainers=[container("zai-exporter", restartPolicy="Always")]), "not-there-yet"),
        (lambda p: p["spec"]["containers"].append(container("zai-exporter")), "not-there-yet"),
        (lambda p: p["metadata"]["labels"].update({"zai-exporter/inject": "false"}), "not-opted-out"),
        (lambda p: p["spec"].update(hostNetwork=True), "not-on-the-network-of-the-node"),
        (lambda p: p["spec"].update(os={"name": "windows"}), "linux"),
    ],
)
@pytest.mark.parametrize("mode", ["initContainer", "container"])
def test_pods_that_are_left_alone(mode, change, condition):
    original = pod()
    change(original)
    assert policy(mode=mode).failing_conditions(original) == [condition]


def test_an_ordinary_container_instead():
    result = injected(policy(mode="container"), pod())
    assert "initContainers" not in result["spec"]
    assert "restartPolicy" not in sidecar(result, "containers")
    assert [c["name"] for c in result["spec"]["containers"]] == ["app", "zai-exporter"]


def test_the_files_of_the_configuration_arrive():
    result = injected(policy_of(ci_values("injection-config-and-web")), pod())
    volumes = {volume["name"]: volume for volume in result["spec"]["volumes"]}
    assert volumes["zai-exporter-config"]["configMap"] == {"name": "zai-exporter-config"}
    assert volumes["zai-exporter-web"]["secret"] == {"secretName": "zai-exporter-web"}
    assert volumes["zai-logs"]["emptyDir"] == {"sizeLimit": "1Gi"}
    assert "tcpSocket" in sidecar(result)["livenessProbe"]


def test_with_a_configuration_a_pod_follows_what_that_says_and_what_it_adds():
    compiled = policy_of({"injection": {"enabled": True}, "sidecar": {"config": {"existingConfigMap": "zai-exporter-config"}}})
    assert "ZAI_EXPORTER_PATHS" not in environment(sidecar(injected(compiled, pod())))
    original = pod()
    original["metadata"]["annotations"] = {"zai-exporter/paths": "/var/log/app/more.txt"}
    result = environment(sidecar(injected(compiled, original)))
    assert result["ZAI_EXPORTER_PATHS"] == "/var/log/app/more.txt"
    assert result["ZAI_EXPORTER_CONFIG_FILE"] == "/etc/zai-exporter/config/config.yaml"


@pytest.mark.parametrize("kubernetes", ["1.34", "1.35", "1.36", "1.37"])
@pytest.mark.parametrize("name", WITH_POLICY)
def test_every_policy_compiles_and_injects(name, kubernetes):
    values = ci_values(name)
    original = pod(volumes=[{"name": "audit", "emptyDir": {}}])
    compiled = policy_of(values, kubernetes)
    result = jsonpatch.apply_patch(original, compiled.patch(original))
    kubernetes_validate.validate(result, kubernetes, strict=True)
    check_mounts(name, result["spec"])
    assert compiled.failing_conditions(result) == ["not-there-yet"]


def test_what_is_injected_is_what_the_library_gives():
    """The policy and zai-exporter-lib are two ways to one container."""
    values = {"image": {"registry": "registry.example.com", "repository": "observability/zai-exporter"}, "injection": {"enabled": True}}
    by_policy = sidecar(injected(policy_of(values), pod()))
    (deployment,) = [m for m in render({}, consumer_chart()) if m["metadata"]["name"] == "zai"]
    (by_library,) = deployment["spec"]["template"]["spec"]["initContainers"]
    # An empty subPath is none to Kubernetes.
    by_policy["volumeMounts"] = [{k: v for k, v in m.items() if v != ""} for m in by_policy["volumeMounts"]]
    assert by_policy == by_library


def selects(selector: dict, labels: dict) -> bool:
    """Whether a label selector selects an object with the labels."""
    for expression in selector.get("matchExpressions", []):
        value, values = labels.get(expression["key"]), expression.get("values", [])
        if not {
            "In": value in values,
            "NotIn": value not in values,
            "Exists": value is not None,
            "DoesNotExist": value is None,
        }[expression["operator"]]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


@pytest.mark.parametrize(
    ("selection", "labels", "expected"),
    [
        ("pod", {}, False),
        ("pod", {"zai-exporter/inject": "true"}, True),
        ("pod", {"zai-exporter/inject": "false"}, False),
        ("namespace", {}, True),
        ("namespace", {"zai-exporter/inject": "true"}, True),
        ("namespace", {"zai-exporter/inject": "false"}, False),
    ],
)
def test_who_is_looked_at(selection, labels, expected):
    selector = {"matchLabels": {"zai-exporter/inject": "true"}} if selection == "namespace" else {}
    values = {"injection": {"enabled": True, "selection": selection, "namespaceSelector": selector}}
    constraints = one(render(values), "MutatingAdmissionPolicy")["spec"]["matchConstraints"]
    assert selects(constraints["objectSelector"], labels) is expected
    assert constraints["namespaceSelector"] == selector


def test_a_failure_lets_the_pod_start_unless_told_otherwise():
    assert one(render({"injection": {"enabled": True}}), "MutatingAdmissionPolicy")["spec"]["failurePolicy"] == "Ignore"
    binding = one(render({"injection": {"enabled": True}}), "MutatingAdmissionPolicyBinding")
    assert binding["spec"]["policyName"] == binding["metadata"]["name"]


# The traps that the expressions are written around: each of these fails in CEL as it would in the API server.


def changed(old: str, new: str) -> dict:
    """The policy with a mistake in it."""
    text = rendered_files({"injection": {"enabled": True}})["templates/injection.yaml"]
    assert old in text
    return one(documents(text.replace(old, new)), "MutatingAdmissionPolicy")


def test_a_condition_that_takes_init_containers_for_granted_never_injects():
    broken = Policy(changed("object.spec.?initContainers.orValue([]).exists", "object.spec.initContainers.exists"), "1.36")
    with pytest.raises(ValueError, match="initContainers"):
        broken.failing_conditions(pod())


def test_an_append_to_a_list_that_is_absent_fails():
    broken = Policy(changed('path: "/spec/initContainers", value: []', 'path: "/metadata/annotations", value: []'), "1.36")
    with pytest.raises(jsonpointer.JsonPointerException, match="initContainers"):
        jsonpatch.apply_patch(pod(), broken.patch(pod()))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("readOnlyRootFilesystem: true", "readOnlyRootFS: true", "undefined field"),
        ("runAsUser: 65534", 'runAsUser: "65534"', "expected type of field"),
        ("Object.spec.initContainers.securityContext{", "Object.spec.initContainers.securityContexts{", "no member securityContexts"),
        ("variables.logDir, ", "variables.logDirectory, ", "undeclared reference"),
    ],
)
def test_a_mistake_in_an_expression_does_not_compile(old, new, message):
    with pytest.raises(RuntimeError, match=message):
        Policy(changed(old, new), "1.36")
