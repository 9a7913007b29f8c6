import { expect, it } from "vitest";
import { startHostAgent } from "../agent/host-agent.ts";
import { describeInNamespaces } from "../init/describe-in-namespaces.ts";
import { Pod } from "../scenarios/pod.ts";
import { buildHog } from "./guest/build-hog.ts";
import { startGreedy } from "./guest/greedy-container.ts";
import { expectNeighboursWell, whileChecking } from "./guest/neighbours.ts";

describeInNamespaces("a container that takes all the ptys it gets", () => {
  it("gets 256, an exec's terminal in it is refused, and the others have theirs", async () => {
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
