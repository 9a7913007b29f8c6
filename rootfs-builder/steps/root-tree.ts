import { BuildError } from "../build-error.ts";
import type { DebianPackage } from "../debian/debian-package.ts";
import { digestOf } from "../digest.ts";
import { type Component, imagePackages, imageTree } from "../image/contents.ts";
import { regoEngine } from "../image/rego-engine.ts";
import { packagedNode, strippedNode } from "../image/stripped-node.ts";
import { readVersion } from "../read-version.ts";
import { privilegedFiles } from "../tree/privileged-files.ts";
import type { Tree } from "../tree/tree.ts";
import { agentFiles } from "./agent-steps.ts";
import { type BuildContext, nativeFile } from "./context.ts";

/** Contents of a guest's root, in whatever format. */
export interface RootTree {
  readonly tree: Tree;
  readonly components: readonly Component[];
  readonly packages: readonly { readonly name: string; readonly version: string }[];
}

/** Returns the digest of everything that the root depends on. */
export async function rootKey(context: BuildContext): Promise<string> {
  const { root, debug = false, policy = false, runtimes = [], digests, builder, inputs } = context;
  const sources = await inputs.sourcesKey();
  if (context.agent === false) return digestOf(builder, sources);
  const packages = await rootPackages(context);
  const files = [
    packagedNode(),
    await nativeFile(context, "init"),
    await nativeFile(context, "sys.node"),
    await nativeFile(context, "seccomp.node"),
    await nativeFile(context, "pause"),
    await nativeFile(context, "container-init"),
    await nativeFile(context, "keep-core"),
    ...agentFiles(context),
    ...(policy ? [await regoEngine(root)] : []),
    ...packages.map(({ file }) => file),
  ];
  const digested = await Promise.all(files.map((file) => digests.file(file)));
  return digestOf(builder, String(debug), runtimes.join(), await readVersion(root), sources, ...digested);
}

const made = new WeakMap<BuildContext, Promise<RootTree>>();

/** Returns the root, created once for all outputs of a build. They must not change it. */
export function rootTree(context: BuildContext): Promise<RootTree> {
  const before = made.get(context) ?? makeRootTree(context);
  made.set(context, before);
  return before;
}

async function makeRootTree(context: BuildContext): Promise<RootTree> {
  const { root, debug = false, policy = false, runtimes = [], digests, inputs } = context;
  if (context.agent === false) return sourcesAlone(context);
  const node = packagedNode();
  const { tree, components } = await imageTree({
    version: await readVersion(root),
    node: await strippedNode(node, await digests.file(node)),
    init: await nativeFile(context, "init"),
    sysNode: await nativeFile(context, "sys.node"),
    seccompNode: await nativeFile(context, "seccomp.node"),
    pause: await nativeFile(context, "pause"),
    containerInit: await nativeFile(context, "container-init"),
    keepCore: await nativeFile(context, "keep-core"),
    agentFiles: agentFiles(context),
    debug,
    rego: policy ? await regoEngine(root) : undefined,
    runtimes,
    packageOf: inputs.packageOf,
    addSources: inputs.addSources,
  });
  const [privileged] = privilegedFiles(tree);
  if (privileged !== undefined)
    throw new BuildError(
      `image: ${privileged}: a root with the agent must not contain such a file: remove it, or set privileged-files: drop`,
    );
  return { tree, components, packages: versions([...(await inputs.packages()), ...(await rootPackages(context))]) };
}

/** Returns a root without anything of guestd. */
async function sourcesAlone({ inputs }: BuildContext): Promise<RootTree> {
  const tree: Tree = new Map();
  const components = await inputs.addSources(tree);
  return { tree, components, packages: versions(await inputs.packages()) };
}

/** Returns the packages that can have files in the root. */
export async function allPackages(context: BuildContext): Promise<readonly DebianPackage[]> {
  const ours = context.agent === false ? [] : await rootPackages(context);
  return [...new Map([...(await context.inputs.packages()), ...ours].map((one) => [one.name, one])).values()];
}

function rootPackages({ debug = false, runtimes = [], inputs }: BuildContext) {
  return Promise.all(imagePackages({ debug, runtimes }).map((name) => inputs.packageOf(name)));
}

/** Returns each package once. */
function versions(packages: readonly DebianPackage[]): RootTree["packages"] {
  const byName = new Map(packages.map(({ name, version }) => [name, version]));
  return Array.from(byName, ([name, version]) => ({ name, version }));
}
