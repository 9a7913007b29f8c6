import { join } from "node:path";
import { outputOf } from "./profiles/profiles.ts";
import { archiveStep, bundleStep, codeCacheStep } from "./steps/agent-steps.ts";
import { initramfsStep, kernelStep } from "./steps/boot-steps.ts";
import { type BuildContext, type BuildOptions, type Format, openContext } from "./steps/context.ts";
import { imageStep } from "./steps/image-step.ts";
import { kataImageStep, kataInitrdStep } from "./steps/kata-steps.ts";
import { manifestStep } from "./steps/manifest-step.ts";
import { ociImageStep } from "./steps/oci-image-step.ts";
import { artifactStep, guestStep, outputStep } from "./steps/output-steps.ts";
import { Stamps, type Step } from "./steps/step.ts";

export type { BuildOptions } from "./steps/context.ts";

/** One part of the build, which the caller runs and displays in the given order. */
export interface BuildTask {
  readonly name: string;
  /** Resolves to true if something had to be built, false if everything was up to date. */
  readonly run: () => Promise<boolean>;
}

type StepMaker = (context: BuildContext) => Step;
const AGENT: readonly StepMaker[] = [bundleStep, codeCacheStep, archiveStep];
const STEPS: Readonly<Record<Format, readonly StepMaker[]>> = {
  guest: [imageStep, kernelStep, initramfsStep],
  "kata-image": [kataImageStep],
  "kata-initrd": [kataInitrdStep],
  "oci-image": [ociImageStep],
};

/** Formats that include our own kernel. */
export const FORMATS_WITH_KERNEL: readonly Format[] = ["guest"];

/**
 * Returns the parts of building a guest: <to>/agent, and <to>/image with vmlinuz, initrd.cpio and guest.img, or the
 * files that a Kata host boots in <to>/kata.
 */
export async function buildTasks(options: BuildOptions): Promise<readonly BuildTask[]> {
  return makeTasks(await openContext(options));
}

export async function makeTasks(context: BuildContext): Promise<readonly BuildTask[]> {
  const stamps = await Stamps.open(join(context.to, "image", ".stamps.json"));
  const agent = context.agent === false ? [] : AGENT;
  const makers = [...agent, ...(context.formats ?? ["guest"]).flatMap((format) => STEPS[format])].map((make) =>
    make(context),
  );
  return [...makers, ...packingSteps(context), manifestStep(context)].map((step) => {
    return {
      name: step.name,
      async run() {
        const built = await stamps.bring(step);
        await context.digests.save();
        return built;
      },
    };
  });
}

function packingSteps(context: BuildContext): readonly Step[] {
  const { outputs = [], profile, artifact = false } = context;
  if (profile === undefined) return outputs.map((output) => outputStep(context, output));
  const root = outputOf(profile, outputs);
  return [guestStep(context, profile, root), ...(artifact ? [artifactStep(context, profile)] : [])];
}
