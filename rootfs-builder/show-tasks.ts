import type { WriteStream } from "node:tty";
import type { BuildTask } from "./build-image.ts";
import { type Progress, progressBar, watchProgress } from "./progress.ts";

/** Runs tasks in order and displays them: as a live list with bars on a terminal, one line for each elsewhere. */
export async function showTasks(tasks: readonly BuildTask[], output: NodeJS.WriteStream | WriteStream): Promise<void> {
  if (output.isTTY) return showLive(tasks);
  for (const { name, run } of tasks) output.write(`${titleAfter(name, ...(await timed(run)))}\n`);
}

async function showLive(tasks: readonly BuildTask[]): Promise<void> {
  const { Listr } = await import("listr2");
  const list = new Listr(
    tasks.map(({ name, run }) => ({
      title: name,
      task: async (_context: unknown, task: { title: string; output: string }) => {
        const show = (progress: Progress) => {
          task.output = progressBar(progress);
        };
        task.title = titleAfter(name, ...(await timed(() => watchProgress(show, run))));
      },
    })),
  );
  await list.run();
}

async function timed(run: () => Promise<boolean>): Promise<[built: boolean, seconds: number]> {
  const start = performance.now();
  const built = await run();
  return [built, (performance.now() - start) / 1000];
}

function titleAfter(name: string, built: boolean, seconds: number): string {
  return built ? `${name}: built in ${seconds.toFixed(1)} s` : `${name}: up to date`;
}
