"""The Pod Security Standard "restricted", with all that "baseline" asks, as violations of a Pod's spec.

After the documentation of Kubernetes ("Pod Security Standards"), for Pods on Linux.
"""

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_syncookies",
}
SELINUX_TYPES = {"", None, "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
SECCOMP = {"RuntimeDefault", "Localhost"}


def restricted_violations(pod: dict) -> list[str]:
    """What a Pod's spec does that the standard forbids; empty where it may run."""
    found = [f"{name} is true" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    context = pod.get("securityContext") or {}
    found += [
        f"volume {volume['name']} is a {source}"
        for volume in pod.get("volumes") or []
        for source in volume
        if source != "name" and source not in VOLUMES
    ]
    found += [f"sysctl {sysctl['name']}" for sysctl in context.get("sysctls") or [] if sysctl["name"] not in SYSCTLS]
    found += [f"{message} (Pod)" for message in shared_violations(context)]
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        for container in pod.get(kind) or []:
            found += [f"{message} ({container['name']})" for message in container_violations(container, context)]
    return found


def container_violations(container: dict, pod: dict) -> list[str]:
    context = container.get("securityContext") or {}
    found = shared_violations(context)
    if context.get("privileged"):
        found.append("privileged")
    if context.get("allowPrivilegeEscalation") is not False:
        found.append("allowPrivilegeEscalation is not false")
    capabilities = context.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or []):
        found.append("capabilities: ALL is not dropped")
    found += [f"capability {name} added" for name in capabilities.get("add") or [] if name != "NET_BIND_SERVICE"]
    if context.get("procMount", "Default") != "Default":
        found.append("procMount")
    if context.get("runAsNonRoot", pod.get("runAsNonRoot")) is not True:
        found.append("runAsNonRoot is not true")
    if (context.get("seccompProfile") or pod.get("seccompProfile") or {}).get("type") not in SECCOMP:
        found.append("no seccompProfile")
    if any(port.get("hostPort") for port in container.get("ports") or []):
        found.append("hostPort")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        found += host_violations(container.get(probe) or {}, probe)
    for hook, handler in (container.get("lifecycle") or {}).items():
        found += host_violations(handler if isinstance(handler, dict) else {}, hook)
    return found


def host_violations(handler: dict, name: str) -> list[str]:
    """A probe or hook that calls another host than the Pod."""
    return [f"{name} names a host" for kind in ("httpGet", "tcpSocket") if (handler.get(kind) or {}).get("host")]


def shared_violations(context: dict) -> list[str]:
    """What may be wrong in the security context of a Pod and in that of a container."""
    found = []
    if context.get("runAsNonRoot") is False:
        found.append("runAsNonRoot is false")
    if context.get("runAsUser") == 0:
        found.append("runAsUser is 0")
    if (context.get("seccompProfile") or {"type": "RuntimeDefault"}).get("type") not in SECCOMP:
        found.append("seccompProfile is Unconfined")
    if (context.get("appArmorProfile") or {"type": "RuntimeDefault"}).get("type") == "Unconfined":
        found.append("appArmorProfile is Unconfined")
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        found.append("seLinuxOptions")
    if (context.get("windowsOptions") or {}).get("hostProcess"):
        found.append("hostProcess")
    return found
