"""Kubernetes' CEL for admission policies, on the reference implementation of CEL in C++ (cel-expr-python).

The API server gives an expression the types `JSONPatch` and `Object...` and the function `jsonpatch.escapeKey`; `list.indexOf`
is of its list library. Here the types are protobuf messages whose fields come from the JSON schemas of the Kubernetes API, so a
misspelled field or one of the wrong type fails to compile, which is stricter than the API server: that takes any field for an
`Object` and finds the mistake when it decodes the patched Pod.

One difference in spelling: a protobuf message cannot be called Object.spec beside a field `spec` of Object, so the dots in the
names of types are underscores by the time an expression is compiled.
"""

import json
import re
from functools import cache

import importlib_resources
from cel_expr_python import cel
from cel_expr_python.ext import ext_optional, ext_strings
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message, struct_pb2

FIELD = descriptor_pb2.FieldDescriptorProto
VALUE = ".google.protobuf.Value"
STRUCT = ".google.protobuf.Struct"
SCALARS = {"string": FIELD.TYPE_STRING, "boolean": FIELD.TYPE_BOOL, "integer": FIELD.TYPE_INT64, "number": FIELD.TYPE_DOUBLE}


class Policy:
    """A MutatingAdmissionPolicy whose expressions have been compiled. Raises RuntimeError where one does not compile."""

    def __init__(self, manifest: dict, kubernetes: str):
        spec = manifest["spec"]
        if any(mutation["patchType"] != "JSONPatch" for mutation in spec["mutations"]):
            raise NotImplementedError("only JSONPatch is evaluated here")
        patches = [mutation["jsonPatch"]["expression"] for mutation in spec["mutations"]]
        pool = types_of(" ".join(patches), kubernetes)
        variables = {"object": cel.Type.DYN}
        self.variables = []
        for variable in spec.get("variables", []):
            # Compiled one after the other: a variable knows those before it, by their types.
            expression = environment(pool, variables).compile(spelled(variable["expression"]))
            name = f"variables.{variable['name']}"
            self.variables.append((name, expression))
            variables[name] = expression.return_type()
        env = environment(pool, variables)
        self.conditions = {c["name"]: env.compile(spelled(c["expression"])) for c in spec.get("matchConditions", [])}
        for name, condition in self.conditions.items():
            # That of an expression over `object` may be dyn; the API server checks the value of such a one.
            if condition.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
                raise RuntimeError(f"matchCondition {name} is of type {condition.return_type()}, not bool")
        self.patches = [env.compile(spelled(patch)) for patch in patches]

    def failing_conditions(self, pod: dict) -> list[str]:
        """The names of the conditions that keep the policy from a Pod."""
        data = {"object": pod}
        return [name for name, condition in self.conditions.items() if evaluated(condition, data) is not True]

    def patch(self, pod: dict) -> list[dict]:
        """The operations of the JSON patch for a Pod."""
        data = {"object": pod}
        for name, expression in self.variables:
            data[name] = evaluated(expression, data)
        return [operation for patch in self.patches for operation in evaluated(patch, data)]


def evaluated(expression: cel.Expression, data: dict):
    result = expression.eval(data=data)
    if result.type() == cel.Type.ERROR:
        raise ValueError(result.value())
    return plain(result)


def plain(value):
    """A CEL value as one of JSON's."""
    if isinstance(value, cel.Value):
        value = value.value()
    if isinstance(value, message.Message):
        return json_format.MessageToDict(value, preserving_proto_field_name=True)
    if isinstance(value, list):
        return [plain(member) for member in value]
    if isinstance(value, dict):
        return {plain(key): plain(member) for key, member in value.items()}
    return value


def environment(pool: descriptor_pool.DescriptorPool, variables: dict) -> cel.Env:
    functions = [
        cel.FunctionDecl(
            "indexOf",
            [
                cel.Overload(
                    "list_indexOf",
                    return_type=cel.Type.INT,
                    parameters=[cel.Type.List(cel.Type.DYN), cel.Type.DYN],
                    is_member=True,
                    impl=lambda members, wanted: next((i for i, m in enumerate(members) if plain(m) == plain(wanted)), -1),
                )
            ],
        ),
        cel.FunctionDecl(
            "jsonpatch.escapeKey",
            [
                cel.Overload(
                    "escapeKey",
                    return_type=cel.Type.STRING,
                    parameters=[cel.Type.STRING],
                    impl=lambda key: key.replace("~", "~0").replace("/", "~1"),
                )
            ],
        ),
    ]
    # In this order: the strings have an indexOf too, and theirs must be declared first.
    extensions = [ext_optional.ExtOptional(), ext_strings.ExtStrings(), cel.CelExtension("kubernetes", functions)]
    return cel.NewEnv(pool, variables=variables, extensions=extensions)


OBJECT_TYPE = re.compile(r"\bObject((?:\.[A-Za-z0-9_]+)+)(?=\{)")


def spelled(expression: str) -> str:
    """An expression with the names of types spelled as those of messages."""
    return OBJECT_TYPE.sub(lambda match: message_name(match[1].split(".")[1:]), expression)


def message_name(path: list[str]) -> str:
    return "_".join(["Object", *path])


def types_of(expressions: str, kubernetes: str) -> descriptor_pool.DescriptorPool:
    """A pool with JSONPatch and the types of the members of a Pod that the expressions name."""
    file = descriptor_pb2.FileDescriptorProto(
        # In proto2 a field knows whether it was set, so `readOnly: false` and an empty emptyDir arrive as such.
        name="pod.proto", syntax="proto2", dependency=["google/protobuf/struct.proto"]
    )
    patch = file.message_type.add(name="JSONPatch")
    for number, name in enumerate(("op", "path", "from"), start=1):
        patch.field.add(name=name, number=number, type=FIELD.TYPE_STRING, label=FIELD.LABEL_OPTIONAL)
    patch.field.add(name="value", number=4, type=FIELD.TYPE_MESSAGE, type_name=VALUE, label=FIELD.LABEL_OPTIONAL)
    named = {tuple(path.split(".")[1:]) for path in OBJECT_TYPE.findall(expressions)}
    for path in sorted(named):
        add_type(file, path, named, kubernetes)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(struct_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return pool


def add_type(file, path: tuple[str, ...], named: set[tuple[str, ...]], kubernetes: str) -> None:
    definition = resolved({"$ref": "io.k8s.api.core.v1.Pod"}, kubernetes)
    for step in path:
        if step not in definition.get("properties", {}):
            raise RuntimeError(f"Object.{'.'.join(path)}: Kubernetes {kubernetes} has no member {step} there")
        definition = resolved(definition["properties"][step], kubernetes)
        definition = resolved(definition.get("items", definition), kubernetes)
    kind = file.message_type.add(name=message_name(list(path)))
    for number, (name, schema) in enumerate(sorted(definition["properties"].items()), start=1):
        schema = resolved(schema, kubernetes)
        field = kind.field.add(name=name, number=number, json_name=name, label=FIELD.LABEL_OPTIONAL)
        if types(schema) == {"array"}:
            field.label = FIELD.LABEL_REPEATED
            schema = resolved(schema["items"], kubernetes)
        known = types(schema)
        if (*path, name) in named:
            field.type, field.type_name = FIELD.TYPE_MESSAGE, f".{message_name([*path, name])}"
        elif len(known) == 1 and next(iter(known)) in SCALARS:
            field.type = SCALARS[next(iter(known))]
        elif known == {"object"} and "additionalProperties" in schema:
            field.type, field.type_name = FIELD.TYPE_MESSAGE, STRUCT
        else:
            field.type, field.type_name = FIELD.TYPE_MESSAGE, VALUE


def types(schema: dict) -> set[str]:
    """The types that a schema admits, null aside: it stands for "not set"."""
    kinds = schema.get("type", [])
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    for alternative in schema.get("oneOf", []) + schema.get("anyOf", []):
        kinds |= types(alternative)
    return kinds - {"null"}


def resolved(schema: dict, kubernetes: str) -> dict:
    while "$ref" in schema:
        schema = definitions(kubernetes)[schema["$ref"].rsplit("/", 1)[-1]]
    return schema


@cache
def definitions(kubernetes: str) -> dict:
    folder = importlib_resources.files("kubernetes_validate") / "kubernetes-json-schema" / f"v{kubernetes}.0-local"
    return json.loads((folder / "_definitions.json").read_text(encoding="utf-8"))["$defs"]
