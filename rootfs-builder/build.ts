import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { reason } from "../lib/reason.ts";
import { BuildError } from "./build-error.ts";
import { buildTasks } from "./build-image.ts";
import { buildSummary } from "./build-summary.ts";
import { RUNTIMES, runtimeName } from "./image/runtimes.ts";
import { OUTPUTS, outputNamed } from "./outputs/output-names.ts";
import { PROFILES, profileName } from "./profiles/profiles.ts";
import { contradiction, rawOf } from "./recipe/raw-recipe.ts";
import type { Recipe } from "./recipe/recipe.ts";
import { readBuildRecipe, recipeOptions } from "./recipe/recipe-tasks.ts";
import { showTasks } from "./show-tasks.ts";
import { FORMATS, type Format } from "./steps/context.ts";
import { KATA_IMAGE, KATA_INITRD } from "./steps/kata-steps.ts";
import { OCI_IMAGE } from "./steps/oci-image-step.ts";

const USAGE = `npx node rootfs-builder/build.ts [--to DIR] [--format FORMAT]... [--no-dax-header] [--debug] [--kernel RELEASE]
                             [--entry FILE] [--with-runtime NAME]... [--with-policy] [--with-verity] [--signed-modules]

Build what a guest boots from, and DIR/agent: rootfs-builder/recipes/default.yaml with these changes, without a lock file.
For other recipes, use guestctl image build.
  --to DIR             write the outputs to this folder (build)
  --format guest       write DIR/image/{vmlinuz,initrd.cpio,guest.img}, for guests that guestctl starts (the default)
           kata-image  write DIR/kata/${KATA_IMAGE}, for image= in a Kata configuration with rootfs_type="erofs"
           kata-initrd write DIR/kata/${KATA_INITRD}, for initrd= in one
           oci-image   write DIR/${OCI_IMAGE}, the root as a container image; formats can be combined
  --output NAME        write the root as one file, DIR/outputs/root.NAME.img or root.cpio…; can be repeated. NAME is one of
${wrapped(OUTPUTS)}
  --profile NAME       write all that a VMM needs, and its start command, to DIR/NAME: ${PROFILES.join(", ")}.
                       --output then selects the format of its root
  --vmlinux FILE       for a profile: use this kernel, a bzImage or an ELF file, instead of Debian's
  --modules DIR        lib/modules/<release> of that kernel; without it, the kernel needs everything built in
  --artifact           for a profile: also write the files as an OCI layout, DIR/NAME/oci
  --no-dax-header      write the Kata image as a plain disk (disable_image_nvdimm=true)
  --debug              add busybox and a shell
  --kernel RELEASE     use this kernel in the cache, named as in uname -r (the newest)
  --entry FILE         use this entry for the agent (agent/main.ts)
  --with-runtime NAME  add crun, runc or runsc, for containers that request it; can be repeated
  --with-policy        add the Rego engine; requires cargo with the target wasm32-unknown-unknown
  --with-verity        add the kernel's dm-verity modules to initrd.cpio, for layers with verity hashes
  --signed-modules     keep the signatures of Debian's modules, which take most of their loading time; a kernel with
                       lockdown or module.sig_enforce loads no others
Requires no root. Caches downloads in \${GUESTD_CACHE:-~/.cache/guestd}.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      to: { type: "string" },
      format: { type: "string", multiple: true, default: [] },
      output: { type: "string", multiple: true, default: [] },
      profile: { type: "string" },
      vmlinux: { type: "string" },
      modules: { type: "string" },
      artifact: { type: "boolean", default: false },
      "no-dax-header": { type: "boolean", default: false },
      debug: { type: "boolean", default: false },
      kernel: { type: "string" },
      entry: { type: "string" },
      "with-runtime": { type: "string", multiple: true, default: [] },
      "with-policy": { type: "boolean", default: false },
      "with-verity": { type: "boolean", default: false },
      "signed-modules": { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  const root = dirname(import.meta.dirname);
  const to = resolve(values.to ?? join(root, "build"));
  const recipe = await readBuildRecipe(join(root, "rootfs-builder", "recipes", "default.yaml"));
  const runtimes = [...recipe.runtimes, ...values["with-runtime"].map(runtimeName)];
  const packing = [...values.format.map(formatName), ...values.output.map(knownOutput)];
  const changed = {
    ...recipe,
    daxHeader: recipe.daxHeader && !values["no-dax-header"],
    debug: recipe.debug || values.debug,
    policy: recipe.policy || values["with-policy"],
    verity: recipe.verity || values["with-verity"],
    signedModules: recipe.signedModules || values["signed-modules"],
    runtimes: RUNTIMES.filter((name) => runtimes.includes(name)),
    outputs: packing.length > 0 || values.profile !== undefined ? packing : recipe.outputs,
    ...(values.profile === undefined ? {} : { profile: profileName(values.profile) }),
  };
  const kernel = values.kernel === undefined ? {} : { kernelRelease: values.kernel };
  const whole: Recipe = {
    ...changed,
    ...kernel,
    artifact: recipe.artifact || values.artifact,
    ...(values.vmlinux === undefined ? {} : { vmlinux: resolve(values.vmlinux) }),
    ...(values.modules === undefined ? {} : { modules: resolve(values.modules) }),
  };
  const wrong = contradiction(rawOf(whole));
  if (wrong !== undefined) throw new BuildError(`${FLAGS[wrong[0].join(".")] ?? wrong[0].join(".")}: ${wrong[1]}`);
  const options = recipeOptions(whole, { root, to });
  const entry = values.entry === undefined ? {} : { entry: resolve(values.entry) };
  const tasks = await buildTasks({ ...options, ...entry });
  await showTasks(tasks, process.stdout);
  process.stdout.write(`\n${await buildSummary(to, options)}`);
}

/** Command-line option for each key of a recipe. */
const FLAGS: Readonly<Record<string, string>> = {
  "kernel.file": "--vmlinux",
  "kernel.modules": "--modules",
  "kernel.release": "--kernel",
  "options.artifact": "--artifact",
  "options.debug": "--debug",
  "options.policy": "--with-policy",
  "options.runtimes": "--with-runtime",
  "options.verity": "--with-verity",
  "options.dax-header": "--no-dax-header",
  "options.signed-modules": "--signed-modules",
};

function knownOutput(name: string): string {
  outputNamed(name);
  return name;
}

/** Wraps names into lines of the help text. */
function wrapped(names: readonly string[]): string {
  const indent = " ".repeat(23);
  const lines = [""];
  for (const name of names) {
    const line = lines.at(-1) ?? "";
    if (line.length + name.length > 80) lines.push(name);
    else lines[lines.length - 1] = line === "" ? name : `${line} ${name}`;
  }
  return lines.map((line) => indent + line).join("\n");
}

function formatName(name: string): Format {
  const format = FORMATS.find((one) => one === name);
  if (format === undefined) throw new BuildError(`--format ${name}: unknown; use one of ${FORMATS.join(", ")}`);
  return format;
}

// A reader that closes early (| head) must not stop the build.
process.stdout.on("error", () => {});
try {
  await main();
} catch (error) {
  process.stderr.write(`build: ${reason(error)}\n`);
  process.exitCode = 1;
}
