import { expect, it } from "vitest";
import { describeInNamespaces } from "../init/testing/describe-in-namespaces.ts";
import { startHostAgent } from "../namespaces/testing/host-agent.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildHog } from "./vm/testing/build-hog.ts";
import { startGreedy } from "./vm/testing/greedy-container.ts";
import { expectNeighboursWell, whileChecking } from "./vm/testing/neighbours.ts";

describeInNamespaces("a container that takes all the ptys it can get", () => {
  it("gets 256, an exec's terminal in it is refused, and other containers keep theirs", async () => {
    await using machine = await startHostAgent();
    const pod = await Pod.open(machine);
    const rootfs = machine.rootfs("hog");
    buildHog(`${machine.hostPath(rootfs)}/bin/hog`);
    const running = await pod.start(["sleep", "1000"], { Root: { Path: rootfs } });
    const greedy = await startGreedy(pod, rootfs, { resource: "pty" });
    expect(greedy).toMatchObject({ taken: 256, error: "ENOSPC" });
    await whileChecking(pod.client, () => expectNeighboursWell(machine, rootfs, running));
    await expect(pod.exec(greedy.id, ["tty"], { Terminal: true })).rejects.toThrow(
      "open terminal: all ptys that the container's devpts allows are in use",
    );
    await greedy.remove();
    await pod.client.close();
  });
});
