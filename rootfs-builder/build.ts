import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { BuildError, reason } from "./build-error.ts";
import { buildTasks } from "./build-image.ts";
import { RUNTIMES, runtimeName } from "./image/runtimes.ts";
import { readBuildRecipe, recipeOptions } from "./recipe/recipe-tasks.ts";
import { showTasks } from "./show-tasks.ts";
import { sizeTable } from "./size-table.ts";
import { FORMATS, type Format } from "./steps/context.ts";
import { KATA_IMAGE, KATA_INITRD } from "./steps/kata-steps.ts";

const USAGE = `node rootfs-builder/build.ts [--to DIR] [--format FORMAT]... [--no-dax-header] [--debug] [--kernel RELEASE]
                             [--entry FILE] [--with-runtime NAME]... [--with-policy] [--with-verity]

Builds what a guest boots from, and DIR/agent on the way: rootfs-builder/recipes/default.yaml with these changes, and without
a lock file. Other recipes: guestctl image build.
  --to DIR             folder for the outputs (build)
  --format guest       DIR/image/{vmlinuz,initrd.cpio.gz,guest.img}, for guests that guestctl starts (the default)
           kata-image  DIR/kata/${KATA_IMAGE}, for image= of a Kata configuration, with rootfs_type="erofs"
           kata-initrd DIR/kata/${KATA_INITRD}, for initrd= of one; formats may be given together
  --no-dax-header      a Kata image that is a plain disk (disable_image_nvdimm=true)
  --debug              an image with busybox and a shell
  --kernel RELEASE     a kernel of the cache, as uname -r says it (the newest)
  --entry FILE         the agent's entry (agent/main.ts)
  --with-runtime NAME  also crun, runc or runsc, for containers that ask for it; may be given again
  --with-policy        also the Rego engine; cargo builds it, with the target wasm32-unknown-unknown
  --with-verity        an initrd.cpio.gz with the kernel's modules for dm-verity, for layers that are checked by it
Needs no root. Downloads are kept in \${GUESTD_CACHE:-~/.cache/guestd}.
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      to: { type: "string" },
      format: { type: "string", multiple: true },
      "no-dax-header": { type: "boolean", default: false },
      debug: { type: "boolean", default: false },
      kernel: { type: "string" },
      entry: { type: "string" },
      "with-runtime": { type: "string", multiple: true, default: [] },
      "with-policy": { type: "boolean", default: false },
      "with-verity": { type: "boolean", default: false },
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
  const changed = {
    ...recipe,
    daxHeader: recipe.daxHeader && !values["no-dax-header"],
    debug: recipe.debug || values.debug,
    policy: recipe.policy || values["with-policy"],
    verity: recipe.verity || values["with-verity"],
    runtimes: RUNTIMES.filter((name) => runtimes.includes(name)),
    outputs: values.format?.map(formatName) ?? recipe.outputs,
  };
  const options = recipeOptions(changed, { root, to });
  const tasks = await buildTasks({
    ...options,
    ...(values.kernel === undefined ? {} : { kernelRelease: values.kernel }),
    ...(values.entry === undefined ? {} : { entry: resolve(values.entry) }),
  });
  await showTasks(tasks, process.stdout);
  process.stdout.write(`\n${await sizeTable(to, options.formats)}`);
}

function formatName(name: string): Format {
  const format = FORMATS.find((one) => one === name);
  if (format === undefined) throw new BuildError(`--format ${name}: not known; there are ${FORMATS.join(", ")}`);
  return format;
}

// A reader that has seen enough (| head) is no reason to stop building.
process.stdout.on("error", () => {});
try {
  await main();
} catch (error) {
  process.stderr.write(`build: ${reason(error)}\n`);
  process.exitCode = 1;
}
