import { Listr } from "listr2";
import colors from "picocolors";

/** Reports progress or a result of a step in a short line. */
export type Say = (line: string) => void;

/** One step of the demo. */
export interface Step {
  readonly title: string;
  readonly run: (say: Say) => Promise<void>;
}

/** Failure of a step; `message` is one line that begins with its title. */
export class StepError extends Error {
  override readonly name = "StepError";
}

/**
 * Runs the steps in order and shows them, as a live list on a terminal or as plain lines elsewhere. Throws StepError.
 */
export async function showSteps(steps: readonly Step[], output: NodeJS.WriteStream): Promise<void> {
  if (output.isTTY) return showLive(steps);
  for (const [at, step] of steps.entries()) {
    output.write(`${at + 1}. ${step.title}\n`);
    const begun = performance.now();
    await runNamed(step, (line) => output.write(`   ${line}\n`));
    output.write(`   (${seconds(begun)})\n`);
  }
}

async function showLive(steps: readonly Step[]): Promise<void> {
  const list = new Listr(
    steps.map((step) => ({
      title: step.title,
      rendererOptions: { persistentOutput: true, outputBar: Number.POSITIVE_INFINITY },
      task: async (_context: unknown, task: { title: string; output: string }) => {
        const begun = performance.now();
        await runNamed(step, (line) => {
          task.output = line;
        });
        task.title = `${step.title} ${colors.dim(seconds(begun))}`;
      },
    })),
    { rendererOptions: { showErrorMessage: false, collapseErrors: false } },
  );
  await list.run();
}

async function runNamed({ title, run }: Step, say: Say): Promise<void> {
  try {
    await run(say);
  } catch (error) {
    const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new StepError(`${title}: ${line}`, { cause: error });
  }
}

function seconds(begun: number): string {
  return `${((performance.now() - begun) / 1000).toFixed(1)} s`;
}
