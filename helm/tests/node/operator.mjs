// Reads a JSON array of manifests of the Prometheus Operator from standard input and prints what is wrong with them, one line
// each: first what the operator's schemas refuse, then the keys that they do not know. The schemas let unknown keys pass, so
// those are found by the TypeScript compiler, which takes each manifest as a literal of the kind's interface.
import { readFileSync } from "node:fs";
import * as v1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";
import * as v1alpha1 from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1";
import ts from "typescript";

const versions = { "monitoring.coreos.com/v1": v1, "monitoring.coreos.com/v1alpha1": v1alpha1 };
const manifests = JSON.parse(readFileSync(0, "utf8"));
let mistakes = 0;

function kindOf(manifest) {
  return versions[manifest.apiVersion]?.[manifest.kind];
}

function report(manifest, text) {
  mistakes += 1;
  console.log(`${manifest.kind}/${manifest.metadata?.name}: ${text}`);
}

for (const manifest of manifests) {
  const Kind = kindOf(manifest);
  if (!Kind) {
    report(manifest, "no kind of the Prometheus Operator");
    continue;
  }
  try {
    new Kind(manifest).validate();
  } catch (error) {
    report(manifest, error.message);
  }
}

const known = manifests.filter(kindOf);
const source = [
  // One line for each manifest, so that the line of a mistake is the number of its manifest.
  ...known.map((manifest, index) => {
    const kind = `import("@kubernetes-models/prometheus-operator/${manifest.apiVersion}").I${manifest.kind}`;
    return `export const m${index}: ${kind} = ${JSON.stringify(manifest)};`;
  }),
].join("\n");
const name = new URL("manifests.ts", import.meta.url).pathname;
const options = {
  noEmit: true, strict: true, skipLibCheck: true,
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler, target: ts.ScriptTarget.ES2022,
};
const host = ts.createCompilerHost(options);
const { getSourceFile, fileExists, readFile } = host;
host.fileExists = (path) => path === name || fileExists(path);
host.readFile = (path) => (path === name ? source : readFile(path));
host.getSourceFile = (path, ...rest) => (path === name ? ts.createSourceFile(path, source, options.target) : getSourceFile(path, ...rest));

if (known.length > 0) {
  const program = ts.createProgram([name], options, host);
  for (const diagnostic of ts.getPreEmitDiagnostics(program)) {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, " ");
    const line = diagnostic.start === undefined ? 0 : diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start).line;
    report(known[line] ?? { kind: "manifests", metadata: {} }, text);
  }
}
console.log(`${manifests.length} manifests checked, ${mistakes} mistakes`);
process.exit(mistakes === 0 ? 0 : 1);
