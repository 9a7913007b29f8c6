import type { Pod } from "../scenarios/pod.ts";

export interface Load {
  readonly execs: number;
  readonly containers: number;
  /** Number of execs or containers at a time. */
  readonly atOnce: number;
}

/**
 * Runs execs with output in one container, then containers from creation to removal. Throws on any unexpected result.
 */
export async function load(pod: Pod, rootfs: string, { execs, containers, atOnce }: Load): Promise<void> {
  const id = await pod.create(["sleep", "1000000"], {}, rootfs);
  await pod.client.agent.startContainer({ container_id: id });
  await times(execs, atOnce, async (count) => {
    const { stdout, status } = await pod.execute(id, ["sh", "-c", `echo ${count}; exit ${count % 128}`]);
    if (stdout.toString() !== `${count}\n` || status !== count % 128) {
      throw new Error(`soak: exec ${count} printed ${JSON.stringify(stdout.toString())}, exit code ${status}`);
    }
  });
  await pod.remove(id);
  await times(containers, atOnce, async (count) => {
    const container = await pod.create(["echo", String(count)], {}, rootfs);
    await pod.client.agent.startContainer({ container_id: container });
    const { stdout, status } = await pod.finish(container, container);
    if (stdout.toString() !== `${count}\n` || status !== 0) {
      throw new Error(`soak: container ${count} printed ${JSON.stringify(stdout.toString())}, exit code ${status}`);
    }
    await pod.remove(container);
  });
}

async function times(count: number, atOnce: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const one = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}
