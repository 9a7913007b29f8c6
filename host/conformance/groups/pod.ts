import type { CaseGroup, ConformanceCase } from "../case.ts";
import type { CaseContext } from "../case-context.ts";
import { equal, matches } from "../check.ts";

/** Starts two containers and returns the namespace of each one's first process. */
async function namespacesOf(context: CaseContext, link: string, sandbox_pidns = false): Promise<[string, string]> {
  const read = async () => {
    const id = await context.start(["sleep", "1000"], {}, { sandbox_pidns });
    const { stdout } = await context.execute(id, `readlink /proc/self/ns/${link}`);
    matches(stdout, /^\w+:\[\d+\]\n$/, "the namespace");
    return stdout;
  };
  return [await read(), await read()];
}

/** Returns the case that two containers share a namespace, or don't. */
function namespaces(
  about: Pick<ConformanceCase, "name" | "level" | "source">,
  link: string,
  wanted: "shared" | "separate",
): ConformanceCase {
  return {
    ...about,
    run: async (context) => {
      const [first, second] = await namespacesOf(context, link);
      equal(second === first ? "shared" : "separate", wanted, `the ${link} namespace of the second container`);
    },
  };
}

export const pod: CaseGroup = {
  name: "pod",
  title: "Containers of one pod",
  needs: ["rootfs"],
  cases: [
    {
      // The agent's first container decides which pid namespace the pod has.
      name: "CreateContainer: with sandbox_pidns, containers share a pid namespace",
      level: "must",
      source: "Kubernetes, shareProcessNamespace",
      needs: ["own-agent"],
      run: async (context) => {
        const [first, second] = await namespacesOf(context, "pid", true);
        equal(second, first, "the pid namespace of the second container");
      },
    },
    namespaces(
      {
        name: "CreateContainer: without sandbox_pidns, containers have separate pid namespaces",
        level: "must",
        source: "Kubernetes, pods",
      },
      "pid",
      "separate",
    ),
    namespaces(
      {
        name: "CreateContainer: containers share the IPC namespace",
        level: "must",
        source: "Kubernetes, pods; the agent owns it",
      },
      "ipc",
      "shared",
    ),
    namespaces(
      {
        name: "CreateContainer: containers share the UTS namespace",
        level: "must",
        source: "Kubernetes, pods; the agent owns it",
      },
      "uts",
      "shared",
    ),
    namespaces(
      {
        name: "CreateContainer: without a network namespace, containers have the guest's network",
        level: "must",
        source: "both hosts remove it: the VM's network is the pod's",
      },
      "net",
      "shared",
    ),
    namespaces(
      { name: "CreateContainer: containers have separate mount namespaces", level: "must", source: "Kubernetes, pods" },
      "mnt",
      "separate",
    ),
    {
      name: "RemoveContainer: of one container leaves the others running",
      level: "must",
      source: "Kubernetes, restart of a container",
      run: async (context) => {
        const [one, two] = [await context.sleeper(), await context.sleeper()];
        await context.remove(one);
        equal((await context.execute(two, "echo alive")).stdout, "alive\n", "the output of an exec in the other one");
      },
    },
    {
      name: "SignalProcess: KILL of one container leaves the others running",
      level: "must",
      source: "Kubernetes, restart of a container",
      run: async (context) => {
        const [one, two] = [await context.sleeper(), await context.sleeper()];
        await context.kill(one, 9, "");
        await context.finish(one);
        equal((await context.execute(two, "echo alive")).stdout, "alive\n", "the output of an exec in the other one");
      },
    },
  ],
};
